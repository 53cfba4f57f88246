//! Small damage to a message: what an attacker tries, and what a broken peer sends.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// One to three changes to `bytes`.
pub fn mutated(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    vec(change(), 1..4).prop_map(move |changes| {
        let mut bytes = bytes.clone();
        for change in changes {
            change.apply(&mut bytes);
        }
        bytes
    })
}

#[derive(Clone, Debug)]
enum Change {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    /// Repeats a few bytes, such as a digit, a line end or a whole line.
    Repeat(Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    // The bytes that parsers disagree about come more often than others.
    let byte = || {
        prop_oneof![
            1 => any::<u8>(),
            2 => select(&b"\r\n\t\0\x0b\x7f :;,0+-a\"#*/"[..]),
        ]
    };
    prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), 1..24usize).prop_map(|(at, length)| Change::Repeat(at, length)),
    ]
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        if length == 0 {
            return;
        }
        match *self {
            Change::Replace(at, byte) => bytes[at.index(length)] = byte,
            Change::Insert(at, byte) => bytes.insert(at.index(length), byte),
            Change::Remove(at) => drop(bytes.remove(at.index(length))),
            Change::Repeat(at, count) => {
                let start = at.index(length);
                let part = bytes[start..(start + count).min(length)].to_vec();
                bytes.splice(start..start, part);
            }
        }
    }
}
