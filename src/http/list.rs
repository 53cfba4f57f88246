//! Comma-separated lists (RFC 9110 §5.6.1): their members, and which names are among them.
//!
//! A list costs time in proportion to its bytes, whatever is in it, and the members of one list
//! are bounded, empty ones included: they cost the sender a byte each, and a recipient is asked to
//! take no more of them than mistakes explain. Must not know what a member means.

use super::Refusal;
use memchr::memchr;
use std::hash::{BuildHasher, RandomState};

/// The most members that a list may have in one message, over all its field lines. Several times
/// what any program sends: a browser names some ten kinds in `Accept` and two options in
/// `Connection`.
pub const MAX_MEMBERS: usize = 100;

/// The refusal of a longer list: 431 for a request; a response counts as malformed.
pub const TOO_MANY_MEMBERS: Refusal =
    Refusal::with_status(431, "a list in a field has too many members");

/// The members of one value, without the white space round them; also the empty ones.
pub fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let (member, behind) = match memchr(b',', bytes) {
            Some(comma) => (&bytes[..comma], Some(&bytes[comma + 1..])),
            None => (bytes, None),
        };
        rest = behind;
        Some(trim(member))
    })
}

/// Passes each member of the list in `values` to `see`. Empty members are skipped, but count.
pub fn read<'b>(
    values: impl Iterator<Item = &'b [u8]>,
    mut see: impl FnMut(&'b [u8]) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut count = 0;
    for member in values.flat_map(members) {
        count += 1;
        if count > MAX_MEMBERS {
            return Err(TOO_MANY_MEMBERS);
        }
        if !member.is_empty() {
            see(member)?;
        }
    }
    Ok(())
}

/// `bytes` without the spaces and tabs at both ends (`OWS`). Other white space is not space.
#[must_use]
pub fn trim(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    // By sixteens first, for there may be many.
    while let Some((part, behind)) = rest.split_first_chunk::<16>()
        && is_space(part)
    {
        rest = behind;
    }
    while let [b' ' | b'\t', behind @ ..] = rest {
        rest = behind;
    }
    while let Some((before, part)) = rest.split_last_chunk::<16>()
        && is_space(part)
    {
        rest = before;
    }
    while let [before @ .., b' ' | b'\t'] = rest {
        rest = before;
    }
    rest
}

fn is_space(part: &[u8; 16]) -> bool {
    part.iter().fold(true, |is_all, &byte| {
        is_all & ((byte == b' ') | (byte == b'\t'))
    })
}

/// Places in a [`NameSet`]: more than twice [`MAX_MEMBERS`], so that a search is short.
const PLACES: usize = 256;

/// The names in a list, compared without regard to case. Filled and searched in time linear in
/// the bytes of the names: they are hashed, with a secret key. With a key that is known, names
/// could be made that all fall into one place.
#[derive(Debug)]
pub struct NameSet<'b> {
    key: [u64; 2],
    names: [(u64, &'b [u8]); MAX_MEMBERS],
    count: usize,
    /// For each place the number of a name, counted from 1; 0 where there is none.
    places: [u8; PLACES],
    /// How often two names were compared byte by byte.
    #[cfg(test)]
    comparisons: std::cell::Cell<usize>,
}

impl<'b> NameSet<'b> {
    /// The names in the list in `values` that have at most `longest` bytes. The others need not be
    /// hashed: nothing as long is looked for.
    pub fn read(values: impl Iterator<Item = &'b [u8]>, longest: usize) -> Result<Self, Refusal> {
        let mut set = Self {
            key: secret_key(),
            names: [(0, b""); MAX_MEMBERS],
            count: 0,
            places: [0; PLACES],
            #[cfg(test)]
            comparisons: std::cell::Cell::default(),
        };
        read(values, |name| {
            if name.len() <= longest {
                set.insert(name);
            }
            Ok(())
        })?;
        Ok(set)
    }

    fn insert(&mut self, name: &'b [u8]) {
        let hash = self.hash(name);
        if let Err(place) = self.find(hash, name) {
            self.names[self.count] = (hash, name);
            self.count += 1;
            self.places[place] = self.count as u8;
        }
    }

    /// Whether it has no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether `name` is among the names.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.find(self.hash(name), name).is_ok()
    }

    /// The place of `name`, or the one where it would stand.
    fn find(&self, hash: u64, name: &[u8]) -> Result<usize, usize> {
        let mut place = hash as usize % PLACES;
        loop {
            let Some(number) = usize::from(self.places[place]).checked_sub(1) else {
                return Err(place);
            };
            let (other_hash, other) = self.names[number];
            if other_hash == hash && self.are_equal(other, name) {
                return Ok(place);
            }
            place = (place + 1) % PLACES;
        }
    }

    fn are_equal(&self, one: &[u8], other: &[u8]) -> bool {
        #[cfg(test)]
        self.comparisons.set(self.comparisons.get() + 1);
        one.eq_ignore_ascii_case(other)
    }

    /// The same for names that differ in case only.
    fn hash(&self, name: &[u8]) -> u64 {
        /// The bit in which a small letter differs from a capital one. Some other bytes become the
        /// same too, which a hash may do.
        const SMALL: u64 = 0x2020_2020_2020_2020;
        let [start, factor] = self.key;
        // Both halves of the product, so that each bit of the word has to do with all of the hash.
        let mix = |hash: u64, word: [u8; 8]| {
            let word = u64::from_le_bytes(word) | SMALL;
            let product = u128::from(hash ^ word) * u128::from(factor);
            (product >> 64) as u64 ^ product as u64
        };
        let (words, rest) = name.as_chunks();
        let hash = words.iter().fold(start, |hash, word| mix(hash, *word));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        mix(mix(hash, last), (name.len() as u64).to_le_bytes())
    }
}

/// Two numbers that no client can know, the second of them odd. Nothing is asked of the
/// system but once in each thread.
fn secret_key() -> [u64; 2] {
    let random = RandomState::new();
    [random.hash_one(0), random.hash_one(1) | 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<'b>(list: &'b str) -> NameSet<'b> {
        NameSet::read(std::iter::once(list.as_bytes()), usize::MAX).expect("short enough")
    }

    #[test]
    fn members_come_without_the_space_round_them_and_empty_ones_too() {
        let list = |value: &'static str| members(value.as_bytes()).collect::<Vec<_>>();
        assert_eq!(list(" a,\tb c ,,"), [&b"a"[..], b"b c", b"", b""]);
        assert_eq!(list(""), [b""]);
    }

    #[test]
    fn a_set_is_empty_until_a_name_is_in_it() {
        assert!(set("").is_empty() && set(" ,").is_empty() && !set("a").is_empty());
    }

    #[test]
    fn only_space_and_tab_are_trimmed() {
        assert_eq!(trim(b" \ta b\t "), b"a b");
        assert_eq!(trim(b"\x0ba"), b"\x0ba");
        assert_eq!(trim(b"  "), b"");
    }

    #[test]
    fn every_member_counts_over_all_lines_whether_empty_known_or_repeated() {
        let count = |values: &[String]| {
            let mut seen = 0;
            read(values.iter().map(String::as_bytes), |_| {
                seen += 1;
                Ok(())
            })
            .map(|()| seen)
        };
        for member in ["", "close", "x", " \t"] {
            let list = |count: usize| vec![member; count].join(",");
            let seen = if member.trim().is_empty() {
                0
            } else {
                MAX_MEMBERS
            };
            assert_eq!(count(&[list(MAX_MEMBERS)]), Ok(seen), "{member:?}");
            let split = [list(MAX_MEMBERS - 1), list(1)];
            assert_eq!(count(&split), Ok(seen), "{member:?}");
            let too_many = Err(TOO_MANY_MEMBERS);
            assert_eq!(count(&[list(MAX_MEMBERS + 1)]), too_many, "{member:?}");
            assert_eq!(count(&[list(MAX_MEMBERS), list(1)]), too_many, "{member:?}");
        }
    }

    #[test]
    fn names_are_found_in_any_case_and_only_whole() {
        let names = set("x, Long-Enough-For-Two-Words,,X , Eight-by");
        assert_eq!(names.count, 3);
        for name in ["X", "x", "LONG-ENOUGH-FOR-TWO-WORDS", "eight-BY"] {
            assert!(names.contains(name.as_bytes()), "{name}");
        }
        // The last two differ from a name in nothing but the bit of the case.
        for name in [
            "",
            "xx",
            "Long-Enough-For-Two-Word",
            "Eight-b",
            "Eight\rby",
            "\x18",
        ] {
            assert!(!names.contains(name.as_bytes()), "{name:?}");
        }
        assert!(set("").is_empty() && set(" ,, ").is_empty() && !set("").contains(b""));
    }

    #[test]
    fn a_name_is_compared_with_those_that_are_equal_and_no_others() {
        let name = |number: usize| format!("{}{number}", "x".repeat(300));
        let list: Vec<_> = (0..MAX_MEMBERS).map(name).collect();
        let list = list.join(",");
        let names = set(&list);
        assert_eq!(names.comparisons.get(), 0, "all of them are different");
        for number in 0..10 * MAX_MEMBERS {
            let is_member = number < MAX_MEMBERS;
            assert_eq!(
                names.contains(name(number).as_bytes()),
                is_member,
                "{number}"
            );
        }
        assert_eq!(names.comparisons.get(), MAX_MEMBERS);
    }

    #[test]
    fn names_that_are_too_long_are_left_out_and_count_all_the_same() {
        fn of(list: &str) -> Result<NameSet<'_>, Refusal> {
            NameSet::read(std::iter::once(list.as_bytes()), 2)
        }
        let set = of("abc, ab").expect("short enough");
        assert!(set.contains(b"ab") && !set.contains(b"abc"));
        let many = "abc,".repeat(MAX_MEMBERS);
        assert!(of(&many).is_err());
    }
}
