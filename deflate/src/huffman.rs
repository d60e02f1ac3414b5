//! Prefix codes of limited length (RFC 1951, 3.2.2), and bits in the order of deflate.

/// A symbol's code, its first bit lowest, and how many bits it has.
#[derive(Clone, Copy, Default)]
pub(crate) struct Code {
    bits: u16,
    length: u8,
}

/// How long the code of each symbol is, so that the whole is short; 0 for what does not occur.
pub(crate) fn lengths<const N: usize>(frequencies: &[u32; N], most: u32) -> [u8; N] {
    let mut lengths = [0; N];
    let used = frequencies.iter().zip(0..).filter(|(frequency, _)| **frequency > 0);
    let mut sorted: Vec<(u32, usize)> = used.map(|(frequency, symbol)| (*frequency, symbol)).collect();
    sorted.sort_unstable();
    let per_length = match sorted.as_slice() {
        [] => return lengths,
        [(_, symbol)] => {
            lengths[*symbol] = 1;
            return lengths;
        }
        several => limited(&depths(several), most),
    };
    // The most frequent have the shortest.
    let mut symbols = sorted.iter().rev().map(|(_, symbol)| *symbol);
    for (count, length) in per_length.into_iter().zip(0..) {
        for symbol in symbols.by_ref().take(count as usize) {
            lengths[symbol] = length;
        }
    }
    lengths
}

/// How many leaves lie how deep in Huffman's tree, the deeper ones at the end. In place, as Moffat and Katajainen have it: a
/// number is a weight at first, then the parent's place, then the depth.
fn depths(sorted: &[(u32, usize)]) -> Vec<u32> {
    let count = sorted.len();
    let mut nodes: Vec<usize> = sorted.iter().map(|(frequency, _)| *frequency as usize).collect();
    let (mut root, mut leaf) = (0, 0);
    for next in 0..count - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            if leaf >= count || (root < next && nodes[root] < nodes[leaf]) {
                weight += nodes[root];
                nodes[root] = next;
                root += 1;
            } else {
                weight += nodes[leaf];
                leaf += 1;
            }
        }
        nodes[next] = weight;
    }
    // From here on depths, of the inner nodes, from the root on.
    nodes[count - 2] = 0;
    for next in (0..count - 2).rev() {
        nodes[next] = nodes[nodes[next]] + 1;
    }
    let mut leaves = Vec::new();
    let (mut inner, mut room) = (count - 1, 1);
    while room > 0 {
        let mut parents = 0;
        while inner > 0 && nodes[inner - 1] == leaves.len() {
            parents += 1;
            inner -= 1;
        }
        leaves.push(room - parents);
        room = 2 * parents;
    }
    leaves
}

/// How many codes of each length there are if none may be longer than `most`.
fn limited(depths: &[u32], most: u32) -> [u32; 16] {
    let most = most as usize;
    let mut counts = [0_u32; 16];
    for (depth, count) in depths.iter().enumerate() {
        counts[depth.min(most)] += count;
    }
    // Kraft's sum, in units of the longest code.
    let room = 1 << most;
    let mut taken: u32 = (1..=most).map(|length| counts[length] << (most - length)).sum();
    while taken > room {
        // One of the longest takes the place beside another that gets a bit longer.
        let Some(shorter) = (1..most).rev().find(|length| counts[*length] > 0) else {
            break;
        };
        counts[most] -= 1;
        counts[shorter] -= 1;
        counts[shorter + 1] += 2;
        taken -= 1;
    }
    counts
}

/// The codes that go with these lengths.
pub(crate) fn codes<const N: usize>(lengths: &[u8; N]) -> [Code; N] {
    let mut counts = [0_u16; 16];
    for length in lengths.iter().filter(|length| **length > 0) {
        counts[usize::from(*length)] += 1;
    }
    let mut next = [0_u16; 16];
    for length in 1..16 {
        next[length] = (next[length - 1] + counts[length - 1]) << 1;
    }
    lengths.map(|length| {
        if length == 0 {
            return Code::default();
        }
        let next = &mut next[usize::from(length)];
        let bits = next.reverse_bits() >> (16 - length);
        *next = next.wrapping_add(1);
        Code { bits, length }
    })
}

/// Bits on their way into bytes, lowest first.
pub(crate) struct Bits<'a> {
    bytes: &'a mut Vec<u8>,
    /// Less than eight that are no byte yet.
    rest: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self {
            bytes,
            rest: 0,
            count: 0,
        }
    }

    /// A code, and the last so many bits of a number after it.
    #[inline(always)]
    pub(crate) fn code(&mut self, code: Code, number: u64, count: u32) {
        let (bits, length) = (u64::from(code.bits), u32::from(code.length));
        self.put(bits | (number & ((1 << count) - 1)) << length, length + count);
    }

    /// At most 48 bits. It writes more bytes than are whole and takes the others back: that costs less than to decide.
    #[inline(always)]
    pub(crate) fn put(&mut self, bits: u64, count: u32) {
        self.rest |= bits << self.count;
        self.count += count;
        let whole = self.count / 8;
        let length = self.bytes.len();
        self.bytes.extend_from_slice(&self.rest.to_le_bytes());
        self.bytes.truncate(length + whole as usize);
        self.rest >>= 8 * whole;
        self.count %= 8;
    }

    /// A part of bytes as they are, which ends on a whole byte; an empty one is a flush. At most 65,535 of them.
    pub(crate) fn stored(&mut self, part: &[u8]) {
        self.put(0, 3);
        self.put(0, (8 - self.count) % 8);
        let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend((!length).to_le_bytes());
        self.bytes.extend(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether any bits are one way of codes and only one.
    fn is_complete<const N: usize>(lengths: &[u8; N]) -> bool {
        let taken: u32 = lengths
            .iter()
            .filter(|length| **length > 0)
            .map(|length| 1 << (16 - length))
            .sum();
        taken == 1 << 16
    }

    #[test]
    fn the_frequent_have_the_short_codes() {
        for (frequencies, most, expected) in [
            ([1, 1, 2, 4, 8, 0], 15, [4, 4, 3, 2, 1, 0]),
            ([1, 1, 1, 1, 0, 0], 15, [2, 2, 2, 2, 0, 0]),
            ([5, 0, 0, 0, 0, 5], 15, [1, 0, 0, 0, 0, 1]),
            ([1, 1, 2, 4, 8, 16], 15, [5, 5, 4, 3, 2, 1]),
            ([0, 0, 7, 0, 0, 0], 15, [0, 0, 1, 0, 0, 0]),
            ([0; 6], 15, [0; 6]),
        ] {
            assert_eq!(lengths(&frequencies, most), expected, "{frequencies:?}");
        }
    }

    #[test]
    fn no_code_is_longer_than_it_may_be() {
        // Of Fibonacci's numbers the tree is as deep as there are symbols.
        let mut frequencies = [1_u32; 40];
        for place in 2..40 {
            frequencies[place] = frequencies[place - 1] + frequencies[place - 2];
        }
        for most in [7, 10, 15] {
            let lengths = lengths(&frequencies, most);
            assert!(
                lengths.iter().all(|length| (1..=most).contains(&u32::from(*length))),
                "{most}: {lengths:?}"
            );
            assert!(is_complete(&lengths), "{most}: {lengths:?}");
            assert!(lengths.is_sorted_by(|one, other| one >= other), "{most}: {lengths:?}");
        }
    }

    #[test]
    fn no_code_begins_another() {
        let codes = codes(&[2, 1, 3, 3]);
        let written: Vec<(u16, u8)> = codes.iter().map(|code| (code.bits, code.length)).collect();
        // As RFC 1951 has them, 10, 0, 110 and 111, with the first bit lowest.
        assert_eq!(written, [(0b01, 2), (0, 1), (0b011, 3), (0b111, 3)]);
    }
}
