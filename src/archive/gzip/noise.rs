//! Tells at a glance what deflate gains nothing from: all bytes are as frequent as all others, and no string comes twice.

use std::array;

/// Strings of so many bytes are looked for …
const STRING: usize = 4;
/// … wherever they begin, among those that begin at every so manieth byte: what is repeated for eleven bytes is found.
const STRIDE: usize = 8;
/// Bits of a hash.
const BITS: u32 = 14;
/// Blocks with as many repeated strings as one in so many bytes are deflated.
const RARE: usize = 1024;
/// Below this a look costs more than it saves, in bytes.
const SHORTEST: usize = 4096;

/// The memory of a look at one block after the other.
pub(super) struct Detector(Vec<u32>);

impl Detector {
    pub(super) fn new() -> Self {
        Self(vec![0; 1 << BITS])
    }

    /// Whether a block, with what comes before it, is noise.
    pub(super) fn is_noise(&mut self, before: &[u8], block: &[u8]) -> bool {
        block.len() >= SHORTEST && is_flat(block) && !self.repeats(before, block)
    }

    fn repeats(&mut self, before: &[u8], block: &[u8]) -> bool {
        // The strings of the block before are none of this one's.
        self.0.fill(0);
        let mut found = 0;
        let strings = |bytes: &'_ [u8]| bytes.len().saturating_sub(STRING - 1);
        for at in (0..strings(before)).step_by(STRIDE) {
            let string = string(before, at);
            self.0[hash(string)] = string;
        }
        for at in 0..strings(block) {
            let string = string(block, at);
            let place = &mut self.0[hash(string)];
            found += usize::from(*place == string);
            if at % STRIDE == 0 {
                *place = string;
            }
        }
        found > block.len() / RARE
    }
}

/// Whether the bytes are so evenly spread that a code by their frequency gains less than half a percent: the sum of the
/// squares of the frequencies is what it is for noise, to the fiftieth part.
fn is_flat(block: &[u8]) -> bool {
    let mut counts: [[u32; 256]; 4] = [[0; 256]; 4];
    // Four counts wait for each other less than one does, and arrays of four need no iterator that is called for each.
    let (fours, rest) = block.as_chunks::<4>();
    for four in fours {
        for at in 0..4 {
            counts[at][usize::from(four[at])] += 1;
        }
    }
    for byte in rest {
        counts[0][usize::from(*byte)] += 1;
    }
    let counts: [u64; 256] = array::from_fn(|byte| counts.iter().map(|counts| u64::from(counts[byte])).sum());
    let squares: u64 = counts.iter().map(|count| count * count).sum();
    let length = block.len() as u64;
    let of_noise = length * length / 256 + length;
    squares <= of_noise + of_noise / 50
}

fn string(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn hash(string: u32) -> usize {
    (string.wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// xorshift64*.
    fn noise(length: usize, mut state: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            bytes.extend(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes()[..7]);
        }
        bytes.truncate(length);
        bytes
    }

    #[test]
    fn what_deflate_gains_from_is_no_noise() {
        let random = noise(128 * 1024, 1);
        let text: Vec<u8> = b"the quick brown fox "
            .iter()
            .copied()
            .cycle()
            .take(128 * 1024)
            .collect();
        let hex: Vec<u8> = random
            .iter()
            .map(|byte| b"0123456789abcdef"[usize::from(byte >> 4)])
            .collect();
        let mut with_repeat = random.clone();
        with_repeat.copy_within(0..8192, 65536);
        let mut half = random.clone();
        half[..65536].fill(0);
        let mut skewed = random.clone();
        for byte in skewed.iter_mut().step_by(2) {
            *byte &= 0x7f;
        }
        let mut detector = Detector::new();
        for (name, before, block, expected) in [
            ("noise", &[][..], &random, true),
            ("noise after text", &text[..32768], &random, true),
            ("text", &[], &text, false),
            ("noise after text again", &text[..32768], &random, true),
            ("noise after the same", &random[..32768], &random, false),
            ("hexadecimal", &[], &hex, false),
            ("a repeat", &[], &with_repeat, false),
            ("half zeros", &[], &half, false),
            ("skewed", &[], &skewed, false),
            ("little", &[], &random[..1000].to_vec(), false),
            ("nothing", &[], &Vec::new(), false),
        ] {
            assert_eq!(detector.is_noise(before, block), expected, "{name}");
        }
    }
}
