//! Deflate (RFC 1951) for blocks that are compressed apart from each other: the same bytes for the same block, whatever came
//! before it and wherever it runs.
//!
//! A hash of four bytes leads to the last two places where they may have been; the longer match counts, unless the next byte
//! begins a longer one. What decides for or against a match is computed without branches where it can be: a wrong guess of
//! the processor costs as much as the comparison. Where nothing matches, the steps grow, so that noise costs little; what
//! does not get smaller is stored.

#![allow(
    clippy::inline_always,
    reason = "a call for each byte costs more than what is called"
)]

mod huffman;

use huffman::{Bits, codes, lengths};

/// How far back a match can be, in bytes.
pub const WINDOW: usize = 32 * 1024;
/// So much of the input has codes of its own, or is stored.
const SPAN: usize = 32 * 1024;
/// What is hashed.
const SHORTEST: usize = 4;
const LONGEST: usize = 258;
/// What is loaded at a time.
const WORD: usize = 8;
const HASH_BITS: u32 = 15;
/// Matches of so many bytes are not given up for a longer one that begins a byte later.
const LONG_ENOUGH: usize = 32;
/// A shortest match further back than this costs as much as its bytes.
const FAR: usize = 16 * 1024;
/// Steps are a byte longer for each `1 << SLOWLY` bytes since the last match.
const SLOWLY: u32 = 6;

const END_OF_BLOCK: usize = 256;
const LITERALS: usize = 286;
const DISTANCES: usize = 30;
/// Codes of a header.
const RUNS: usize = 19;
const LONGEST_CODE: u32 = 15;
const LONGEST_RUN_CODE: u32 = 7;

/// Bits that follow a length's code.
const LENGTH_EXTRA: [u8; 29] = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];
/// The code of each length, from three on.
static LENGTH_CODE: [u8; LONGEST - 2] = {
    let mut table = [0; LONGEST - 2];
    let (mut code, mut at) = (0, 0);
    while code < 28 {
        let mut count = 1 << LENGTH_EXTRA[code as usize];
        while count > 0 && at < table.len() {
            table[at] = code;
            at += 1;
            count -= 1;
        }
        code += 1;
    }
    table[LONGEST - 3] = 28;
    table
};
/// The order in which a header has the lengths of its own codes.
const RUN_ORDER: [usize; RUNS] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// Bits that follow the codes 16, 17 and 18 of a header.
const RUN_EXTRA: [u8; 3] = [2, 3, 7];

/// Bytes as they are, then a match; none at the end of a span.
#[derive(Debug, Clone, Copy)]
struct Sequence {
    literals: u16,
    length: u16,
    distance: u16,
}

/// The memory of one block after the other.
#[derive(Debug)]
pub struct Deflater {
    /// The last two places of each hash, modulo 65,536.
    places: Vec<[u16; 2]>,
    sequences: Vec<Sequence>,
    literals: [u32; LITERALS],
    distances: [u32; DISTANCES],
}

impl Default for Deflater {
    fn default() -> Self {
        Self::new()
    }
}

impl Deflater {
    /// With nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self {
            places: vec![[0; 2]; 1 << HASH_BITS],
            sequences: Vec::new(),
            literals: [0; LITERALS],
            distances: [0; DISTANCES],
        }
    }

    /// Appends what `bytes` are from `start` on, up to a whole byte; what comes before `start` can be referred to.
    pub fn deflate(&mut self, bytes: &[u8], start: usize, out: &mut Vec<u8>) {
        // What another block left there must not decide.
        self.places.fill([0; 2]);
        for at in (0..start.min(bytes.len().saturating_sub(WORD))).step_by(2) {
            self.remember(bytes, at);
        }
        let mut bits = Bits::new(out);
        let mut begin = start;
        while begin < bytes.len() {
            let end = bytes.len().min(begin + SPAN);
            self.parse(bytes, begin, end);
            self.write(bytes, begin, end, &mut bits);
            begin = end;
        }
        bits.stored(&[]);
    }

    #[inline(always)]
    fn remember(&mut self, bytes: &[u8], at: usize) -> [u16; 2] {
        let places = &mut self.places[hash(load(bytes, at))];
        let before = *places;
        *places = [low(at), before[0]];
        before
    }

    /// The longest match of `at`, of at most so many bytes: its length and distance. Any two numbers if it is shorter than
    /// the shortest.
    #[inline(always)]
    fn find(&mut self, bytes: &[u8], at: usize, most: usize) -> (usize, usize) {
        let here = load(bytes, at);
        let reach = WINDOW.min(at);
        // A place that nobody wrote is as good as any: what is there is compared.
        let look = |place: u16| {
            let distance = usize::from(low(at).wrapping_sub(place));
            let same = (load(bytes, at.saturating_sub(distance)) ^ here).trailing_zeros() as usize / 8;
            (if distance.wrapping_sub(1) < reach { same } else { 0 }, distance)
        };
        let [last, before] = self.remember(bytes, at).map(look);
        let (mut length, mut distance) = if before.0 > last.0 { before } else { last };
        if length == WORD {
            length = common(bytes, at - distance, at, most);
            if before.0 == last.0 {
                let other = common(bytes, at - before.1, at, most);
                if other > length {
                    (length, distance) = (other, before.1);
                }
            }
        }
        (length, distance)
    }

    /// Finds the sequences of a span, and counts what they consist of.
    fn parse(&mut self, bytes: &[u8], begin: usize, end: usize) {
        self.sequences.clear();
        self.literals.fill(0);
        self.distances.fill(0);
        let least = worth_it(&bytes[begin..end]);
        // From here on a word is not whole.
        let limit = end.saturating_sub(WORD);
        let (mut at, mut anchor) = (begin, begin);
        while at < limit {
            let (mut length, mut distance) = self.find(bytes, at, LONGEST.min(end - at));
            if length < least || (length == SHORTEST && distance > FAR) {
                at += 1 + ((at - anchor) >> SLOWLY);
                continue;
            }
            while length < LONG_ENOUGH && at + 1 < limit {
                let (longer, further) = self.find(bytes, at + 1, LONGEST.min(end - at - 1));
                if longer <= length {
                    break;
                }
                at += 1;
                (length, distance) = (longer, further);
            }
            self.push(bytes, anchor, at, (length, distance));
            let next = at + length;
            // All of them: every second one is 5 % faster, and source code 1.3 % larger.
            for at in at + 2..next.min(limit) {
                self.remember(bytes, at);
            }
            (at, anchor) = (next, next);
        }
        if anchor < end {
            self.push(bytes, anchor, end, (0, 0));
        }
    }

    #[inline(always)]
    fn push(&mut self, bytes: &[u8], anchor: usize, at: usize, (length, distance): (usize, usize)) {
        for byte in &bytes[anchor..at] {
            self.literals[usize::from(*byte)] += 1;
        }
        if length > 0 {
            self.literals[END_OF_BLOCK + 1 + length_code(length)] += 1;
            self.distances[distance_code(distance).0] += 1;
        }
        self.sequences.push(Sequence {
            literals: low(at - anchor),
            length: low(length),
            distance: low(distance),
        });
    }

    /// Writes a span with codes of its own, or as it is.
    fn write(&mut self, bytes: &[u8], begin: usize, end: usize, bits: &mut Bits) {
        self.literals[END_OF_BLOCK] = 1;
        let literals = lengths(&self.literals, LONGEST_CODE);
        let distances = lengths(&self.distances, LONGEST_CODE);
        let header = Header::of(&literals, &distances);
        let extra = |code: usize| code.checked_sub(END_OF_BLOCK + 1).map_or(0, |code| LENGTH_EXTRA[code]);
        let cost =
            header.cost() + cost(&self.literals, &literals, extra) + cost(&self.distances, &distances, distance_extra);
        if cost >= 8 * (end - begin) {
            bits.stored(&bytes[begin..end]);
            return;
        }
        header.write(bits);
        let (literals, distances) = (codes(&literals), codes(&distances));
        let mut at = begin;
        for sequence in &self.sequences {
            let after = at + usize::from(sequence.literals);
            for byte in &bytes[at..after] {
                bits.code(literals[usize::from(*byte)], 0, 0);
            }
            let length = usize::from(sequence.length);
            at = after + length;
            if length > 0 {
                let code = length_code(length);
                let extra = u32::from(LENGTH_EXTRA[code]);
                // Lengths of one code begin at a multiple of how many they are, and so do distances.
                bits.code(literals[END_OF_BLOCK + 1 + code], length as u64 - 3, extra);
                let (code, extra) = distance_code(usize::from(sequence.distance));
                bits.code(distances[code], u64::from(sequence.distance) - 1, extra);
            }
        }
        bits.code(literals[END_OF_BLOCK], 0, 0);
    }
}

/// The lengths of a span's codes, as runs.
struct Header {
    counts: [usize; 2],
    /// A code and what follows it.
    runs: Vec<(u8, u8)>,
    frequencies: [u32; RUNS],
    lengths: [u8; RUNS],
}

impl Header {
    fn of(literals: &[u8; LITERALS], distances: &[u8; DISTANCES]) -> Self {
        let used = |lengths: &[u8]| {
            lengths
                .iter()
                .rposition(|length| *length > 0)
                .map_or(0, |last| last + 1)
        };
        let counts = [used(literals), used(distances).max(1)];
        let all: Vec<u8> = [&literals[..counts[0]], &distances[..counts[1]]].concat();
        let mut runs = Vec::with_capacity(all.len());
        for run in all.chunk_by(|one, other| one == other) {
            let (length, mut left) = (run[0], run.len());
            if length > 0 {
                runs.push((length, 0));
                left -= 1;
            }
            while left >= 3 {
                let (code, least, most) = match (length, left) {
                    (0, 11..) => (18, 11, 138),
                    (0, _) => (17, 3, 10),
                    _ => (16, 3, 6),
                };
                let count = left.min(most);
                runs.push((code, byte(count - least)));
                left -= count;
            }
            runs.extend((0..left).map(|_| (length, 0)));
        }
        let mut frequencies = [0; RUNS];
        for (code, _) in &runs {
            frequencies[usize::from(*code)] += 1;
        }
        Self {
            counts,
            runs,
            frequencies,
            lengths: lengths(&frequencies, LONGEST_RUN_CODE),
        }
    }

    /// So many of its own codes have a length in it.
    fn listed(&self) -> usize {
        let last = RUN_ORDER.iter().rposition(|code| self.lengths[*code] > 0);
        last.map_or(4, |last| last + 1).max(4)
    }

    /// In bits.
    fn cost(&self) -> usize {
        17 + 3 * self.listed() + cost(&self.frequencies, &self.lengths, run_extra)
    }

    fn write(&self, bits: &mut Bits) {
        // Not the last part, codes of its own.
        bits.put(0b100, 3);
        bits.put(self.counts[0] as u64 - 257, 5);
        bits.put(self.counts[1] as u64 - 1, 5);
        bits.put(self.listed() as u64 - 4, 4);
        for code in &RUN_ORDER[..self.listed()] {
            bits.put(u64::from(self.lengths[*code]), 3);
        }
        let codes = codes(&self.lengths);
        for (code, follows) in &self.runs {
            let code = usize::from(*code);
            bits.code(codes[code], u64::from(*follows), u32::from(run_extra(code)));
        }
    }
}

/// Bits that so many of each code take, with what follows them.
fn cost(frequencies: &[u32], lengths: &[u8], extra: impl Fn(usize) -> u8) -> usize {
    let each = frequencies.iter().zip(lengths).enumerate();
    each.map(|(code, (frequency, length))| *frequency as usize * usize::from(length + extra(code)))
        .sum()
}

fn run_extra(code: usize) -> u8 {
    code.checked_sub(16).map_or(0, |code| RUN_EXTRA[code])
}

fn distance_extra(code: usize) -> u8 {
    byte((code / 2).saturating_sub(1))
}

#[inline(always)]
fn length_code(length: usize) -> usize {
    usize::from(LENGTH_CODE[length - 3])
}

/// And how many bits follow it.
#[inline(always)]
fn distance_code(distance: usize) -> (usize, u32) {
    let before = distance - 1;
    match before.checked_ilog2() {
        None | Some(0) => (before, 0),
        Some(bit) => (2 * bit as usize + (before >> (bit - 1) & 1), bit - 1),
    }
}

/// The shortest match that takes fewer bits than its bytes do by themselves: of few different bytes each takes few bits.
fn worth_it(span: &[u8]) -> usize {
    let mut occurs = [false; 256];
    for byte in span.iter().step_by(8) {
        occurs[usize::from(*byte)] = true;
    }
    let different = occurs.iter().filter(|occurs| **occurs).count();
    let bits = different.checked_ilog2().unwrap_or(0).max(1) as usize;
    // Some 24 bits take a match's codes and what follows them.
    (24 / bits).clamp(SHORTEST, 10)
}

/// Eight bytes, which are zeros where there are no eight.
#[inline(always)]
fn load(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk::<WORD>);
    word.map_or(0, |word| u64::from_le_bytes(*word))
}

/// Of the first four bytes.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "the first four bytes are meant")]
fn hash(word: u64) -> usize {
    ((word as u32).wrapping_mul(0x9e37_79b1) >> (u32::BITS - HASH_BITS)) as usize
}

/// How many bytes are the same at both places, at most so many.
#[inline(always)]
fn common(bytes: &[u8], one: usize, other: usize, most: usize) -> usize {
    let mut same = 0;
    while same + WORD <= most {
        let differs = load(bytes, one + same) ^ load(bytes, other + same);
        if differs != 0 {
            return same + differs.trailing_zeros() as usize / 8;
        }
        same += WORD;
    }
    while same < most && bytes[one + same] == bytes[other + same] {
        same += 1;
    }
    same
}

#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "places count modulo 65,536; lengths and distances are below"
)]
const fn low(number: usize) -> u16 {
    number as u16
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "what follows a code has at most 13 bits of value or count"
)]
const fn byte(number: usize) -> u8 {
    number as u8
}
