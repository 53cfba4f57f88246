//! A short text that one thread writes while others read. It may be read half written: the sequence
//! lock around it finds that.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const WORD: usize = size_of::<u64>();

/// Up to `8 * WORDS` bytes of a text.
#[derive(Debug)]
pub(super) struct SharedText<const WORDS: usize> {
    length: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Default for SharedText<WORDS> {
    fn default() -> Self {
        Self {
            length: AtomicU64::new(0),
            words: [const { AtomicU64::new(0) }; WORDS],
        }
    }
}

impl<const WORDS: usize> SharedText<WORDS> {
    /// Writes the beginning of `text`, as much as there is room for.
    pub(super) fn write(&self, text: &[u8]) {
        let text = &text[..text.len().min(WORDS * WORD)];
        self.length.store(text.len() as u64, Relaxed);
        for (word, bytes) in self.words.iter().zip(text.chunks(WORD)) {
            let mut padded = [0; WORD];
            padded[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_le_bytes(padded), Relaxed);
        }
    }

    /// What it says. Bytes that are no UTF-8 are replaced.
    pub(super) fn read(&self) -> String {
        let length = self.length.load(Relaxed) as usize;
        let words = self.words.iter().map(|word| word.load(Relaxed));
        let bytes = words.flat_map(u64::to_le_bytes).take(length);
        String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_as_far_as_there_is_room() {
        let text = SharedText::<2>::default();
        assert_eq!(text.read(), "");
        for (written, read) in [
            ("GET", "GET"),
            ("exactly 16 bytes", "exactly 16 bytes"),
            ("more than 16 bytes", "more than 16 byt"),
            ("", ""),
            ("aaaaaaaaaaaaaaaé", "aaaaaaaaaaaaaaa\u{fffd}"),
        ] {
            text.write(written.as_bytes());
            assert_eq!(text.read(), read);
        }
    }
}
