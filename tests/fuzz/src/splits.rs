//! An input in pieces: where a network may cut it, nothing may depend on it.

/// Small pieces are one byte each, up to this length of the input; it takes time.
const BYTE_BY_BYTE: usize = 512;

/// Ends of the pieces, for a few ways to cut `input`: not at all, into small pieces, and some
/// that look random but are the same for the same input.
pub fn ways(input: &[u8]) -> Vec<Vec<usize>> {
    let length = input.len();
    let mut random = Random::of(input);
    let small = (0..length).step_by(1 + length / BYTE_BY_BYTE);
    vec![
        vec![length],
        small.chain([length]).collect(),
        random.ends(length),
        random.ends(length),
    ]
}

/// Numbers that follow from an input: a failure can be played again from the input alone.
struct Random(u64);

impl Random {
    /// FNV-1a of the input, never 0.
    fn of(input: &[u8]) -> Self {
        let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Self(hash | 1)
    }

    /// Xorshift.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % bound
    }

    fn ends(&mut self, length: usize) -> Vec<usize> {
        let most = 1 + length / 2;
        let mut ends = vec![];
        let mut end = 0;
        while end < length {
            end = (end + 1 + self.below(most)).min(length);
            ends.push(end);
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_ends_with_the_input() {
        for input in [&b""[..], b"a", b"some bytes"] {
            for ends in ways(input) {
                assert!(ends.is_sorted());
                assert_eq!(ends.last().copied().unwrap_or_default(), input.len());
            }
        }
    }
}
