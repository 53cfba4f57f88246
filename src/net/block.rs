//! Memory for the bytes that a session holds while it waits.
//!
//! A few bytes are in a small block from the allocator. More bytes are in pages of their own, which go
//! back to the system as soon as the bytes are gone. The allocator would keep such memory: when ten
//! thousand blocks of 32 KiB are freed in any order between small blocks that stay, most of it is not
//! returned (2,000 clients with long heads, 26 times: 181 MiB instead of 8).
//!
//! Must not know which session holds the bytes, nor how many blocks there may be.

use memmap2::MmapMut;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The largest small block. Below a page nothing is gained by a mapping.
pub const SMALL_BYTES: usize = 2 * 1024;

/// The smallest small block: room for the head of a plain request.
const MIN_SMALL_BYTES: usize = 256;

/// The smallest mapping: a page on most machines.
const MIN_MAPPED_BYTES: usize = 4 * 1024;

/// Sizes of mappings that are kept for the next session: 4 KiB, 8 KiB and so on to 64 KiB. To
/// map, clear and unmap 64 KiB takes longer than to copy them.
const KEPT_SIZES: usize = 5;

/// Mappings of each size that are kept: 2 MiB of all sizes together.
const KEPT_EACH: usize = 16;

/// Bytes of one session, in hardly more memory than they need.
#[derive(Debug)]
pub(super) enum Block {
    /// From the allocator.
    Small(Vec<u8>),
    /// The first `length` bytes of a mapping.
    Mapped { map: MmapMut, length: usize },
}

/// How much memory a block for so many bytes takes: the next power of two.
fn block_bytes(length: usize) -> usize {
    let least = match length <= SMALL_BYTES {
        true => MIN_SMALL_BYTES,
        false => MIN_MAPPED_BYTES,
    };
    length.next_power_of_two().max(least)
}

/// How much memory so many bytes take beyond what every session is counted with.
pub(super) fn mapped_bytes(length: usize) -> usize {
    match length <= SMALL_BYTES {
        true => 0,
        false => block_bytes(length),
    }
}

impl Block {
    /// A copy of `bytes`, which are more than a small block holds.
    pub(super) fn mapped(bytes: &[u8], cache: &BlockCache) -> io::Result<Self> {
        let mut map = cache.take(block_bytes(bytes.len()))?;
        map[..bytes.len()].copy_from_slice(bytes);
        Ok(Block::Mapped {
            map,
            length: bytes.len(),
        })
    }

    /// A copy of `bytes`, in `spare` if that has about the right size.
    pub(super) fn small(bytes: &[u8], spare: Option<Vec<u8>>) -> Self {
        let needed = block_bytes(bytes.len());
        let spare = spare.filter(|spare| spare.capacity() == needed);
        let mut block = spare.unwrap_or_else(|| Vec::with_capacity(needed));
        block.extend_from_slice(bytes);
        Block::Small(block)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Block::Small(bytes) => bytes,
            Block::Mapped { map, length } => &map[..*length],
        }
    }

    /// Whether it would be as large for so many bytes.
    pub(super) fn is_tight_for(&self, length: usize) -> bool {
        let capacity = match self {
            Block::Small(bytes) => bytes.capacity(),
            Block::Mapped { map, .. } => map.len(),
        };
        capacity == block_bytes(length)
    }
}

/// Mappings that no session uses, for all workers.
#[derive(Debug, Default)]
pub struct BlockCache(Mutex<[Vec<MmapMut>; KEPT_SIZES]>);

impl BlockCache {
    fn take(&self, bytes: usize) -> io::Result<MmapMut> {
        let spare = size_index(bytes).and_then(|index| self.lists()[index].pop());
        spare.map_or_else(|| MmapMut::map_anon(bytes), Ok)
    }

    pub(super) fn put(&self, map: MmapMut) {
        if let Some(index) = size_index(map.len()) {
            let mut lists = self.lists();
            if lists[index].len() < KEPT_EACH {
                lists[index].push(map);
            }
        }
    }

    /// Gives all of it back to the system.
    pub fn clear(&self) {
        *self.lists() = Default::default();
    }

    fn lists(&self) -> MutexGuard<'_, [Vec<MmapMut>; KEPT_SIZES]> {
        // Nothing that could panic runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which of the lists has mappings of this size.
fn size_index(bytes: usize) -> Option<usize> {
    let index = (bytes / MIN_MAPPED_BYTES).checked_ilog2()? as usize;
    (index < KEPT_SIZES).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_takes_the_next_power_of_two() {
        let sizes = [
            (1, 256),
            (257, 512),
            (2048, 2048),
            (2049, 4096),
            (32 << 10, 32 << 10),
            (33_000, 64 << 10),
            (100_000, 128 << 10),
        ];
        for (length, bytes) in sizes {
            assert_eq!(block_bytes(length), bytes, "{length}");
        }
        assert_eq!((mapped_bytes(2048), mapped_bytes(2049)), (0, 4096));
    }

    #[test]
    fn a_spare_vector_is_used_only_if_it_has_the_size_of_the_block() {
        for (spare, is_used) in [(512, true), (4096, false)] {
            let spare = Vec::with_capacity(spare);
            let place = spare.as_ptr();
            let Block::Small(block) = Block::small(&[b'x'; 300], Some(spare)) else {
                panic!("300 bytes are few");
            };
            assert_eq!((block.as_ptr() == place, block.capacity()), (is_used, 512));
        }
    }

    #[test]
    fn a_mapping_is_used_again_for_the_same_size_and_few_are_kept() {
        let cache = BlockCache::default();
        let place = |block: &Block| block.bytes().as_ptr();
        let first = Block::mapped(&[b'x'; 5000], &cache).expect("memory");
        let at = place(&first);
        let give_back = |block| match block {
            Block::Mapped { map, .. } => cache.put(map),
            Block::Small(_) => unreachable!("it is mapped"),
        };
        give_back(first);
        let other = Block::mapped(&[b'y'; 9000], &cache).expect("memory");
        assert_ne!(place(&other), at);
        let again = Block::mapped(&[b'z'; 8000], &cache).expect("memory");
        assert_eq!((place(&again), again.bytes()), (at, &[b'z'; 8000][..]));
        assert!(again.is_tight_for(6000) && !again.is_tight_for(3000));
        for _ in 0..2 * KEPT_EACH {
            cache.put(MmapMut::map_anon(4096).expect("memory"));
        }
        assert_eq!(cache.lists()[0].len(), KEPT_EACH);
        cache.put(MmapMut::map_anon(1 << 20).expect("memory"));
        cache.clear();
        assert!(cache.lists().iter().all(Vec::is_empty));
    }
}
