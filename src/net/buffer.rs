//! Bytes on their way, and the storage that workers lend for them.
//!
//! A session that is served needs tens of kilobytes for a moment; a session that waits needs almost
//! none. So the storage belongs to the worker, in a [`BufferCache`]. A [`Buffer`] takes storage when
//! bytes come, and gives it back before its session leaves the worker for the lot or the channel.
//! Bytes that it must keep are copied to a block of about their size ([`super::block`]), and back to
//! storage when more bytes are appended.

use super::block::{Block, BlockCache, SMALL_BYTES, mapped_bytes};
use std::io;
use std::mem;
use std::sync::Arc;

/// Size of one storage. It is the most body bytes that one direction of a session holds, unless they
/// came through a pipe ([`super::pipe`]). Large enough for a whole head of default size
/// (32 KiB) and for few system calls per megabyte.
pub const STORAGE_BYTES: usize = 32 * 1024;

/// Reads are not made into less room than this.
const MIN_READ_BYTES: usize = 4 * 1024;

/// Storages of a worker: a session has four buffers, and its line for the log needs one.
pub const OWN_STORAGES: usize = 5;

/// Small blocks that a worker keeps, for as many sessions as are usually parked one after the
/// other.
const SMALL_BLOCKS: usize = 64;

/// The spare storages of one worker.
#[derive(Debug, Default)]
pub struct BufferCache {
    own: Vec<Vec<u8>>,
    /// One of twice the size, for long heads and for what was in a pipe.
    double: Option<Vec<u8>>,
    small: Vec<Vec<u8>>,
    blocks: Arc<BlockCache>,
}

impl BufferCache {
    /// An empty cache, which shares `blocks` with all others.
    #[must_use]
    pub fn sharing(blocks: &Arc<BlockCache>) -> Self {
        Self {
            blocks: Arc::clone(blocks),
            ..Self::default()
        }
    }

    /// A storage with room for so many bytes.
    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let (spare, size) = match bytes <= STORAGE_BYTES {
            true => (self.own.pop(), STORAGE_BYTES),
            false => (self.double.take(), 2 * STORAGE_BYTES),
        };
        let mut storage = spare.unwrap_or_else(|| Vec::with_capacity(size));
        storage.reserve(bytes);
        storage
    }

    fn put(&mut self, storage: Storage) {
        match storage {
            Storage::Lent(mut lent) => {
                lent.clear();
                match lent.capacity() {
                    STORAGE_BYTES if self.own.len() < OWN_STORAGES => self.own.push(lent),
                    capacity if capacity == 2 * STORAGE_BYTES => self.double = Some(lent),
                    _ => {}
                }
            }
            Storage::Held(Block::Small(mut small)) => {
                if self.small.len() < SMALL_BLOCKS {
                    small.clear();
                    self.small.push(small);
                }
            }
            Storage::Held(Block::Mapped { map, .. }) => self.blocks.put(map),
        }
    }

    /// A copy of `bytes` in hardly more memory than they need.
    fn block_of(&mut self, bytes: &[u8]) -> io::Result<Block> {
        match bytes.len() <= SMALL_BYTES {
            true => Ok(Block::small(bytes, self.small.pop())),
            false => Block::mapped(bytes, &self.blocks),
        }
    }
}

/// What the bytes of a buffer are in.
#[derive(Debug)]
enum Storage {
    /// A worker's; without capacity it is none.
    Lent(Vec<u8>),
    /// The session's own.
    Held(Block),
}

impl Default for Storage {
    fn default() -> Self {
        Storage::Lent(Vec::new())
    }
}

/// A queue of bytes: appended at the end, consumed from the front.
#[derive(Debug, Default)]
pub struct Buffer {
    storage: Storage,
    /// Bytes of `storage` that are consumed already.
    start: usize,
}

impl Buffer {
    /// The bytes in it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.storage {
            Storage::Lent(lent) => &lent[self.start..],
            Storage::Held(block) => &block.bytes()[self.start..],
        }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes `count` bytes, which must be there, off the front.
    pub fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.len());
        self.start += count;
        if let Storage::Lent(lent) = &mut self.storage
            && self.start == lent.len()
        {
            lent.clear();
            self.start = 0;
        }
    }

    /// Throws everything away.
    pub fn clear(&mut self) {
        self.consume(self.len());
    }

    /// The end of the queue, to append to.
    pub fn tail(&mut self, cache: &mut BufferCache) -> &mut Vec<u8> {
        if let Storage::Held(_) = self.storage {
            self.move_to(cache.take(self.len()), cache);
        }
        match &mut self.storage {
            Storage::Lent(lent) => {
                if lent.capacity() == 0 {
                    *lent = cache.take(0);
                }
                lent
            }
            Storage::Held(_) => unreachable!("what was held was moved just now"),
        }
    }

    /// Moves what there is to `lent`, which is empty.
    fn move_to(&mut self, mut lent: Vec<u8>, cache: &mut BufferCache) {
        lent.extend_from_slice(self.bytes());
        cache.put(mem::replace(&mut self.storage, Storage::Lent(lent)));
        self.start = 0;
    }

    /// The end of the queue, with room for so many bytes.
    pub fn tail_for(&mut self, bytes: usize, cache: &mut BufferCache) -> &mut Vec<u8> {
        if !self.has_room_for(bytes) {
            self.move_to(cache.take(self.len() + bytes), cache);
        }
        self.tail(cache)
    }

    fn has_room_for(&self, bytes: usize) -> bool {
        matches!(&self.storage, Storage::Lent(lent) if lent.capacity() - lent.len() >= bytes)
    }

    /// The end of the queue, with room for a good read behind it. Grows only when what is
    /// held fills a whole storage, which the bounds on heads bound in turn.
    pub fn tail_with_room(&mut self, cache: &mut BufferCache) -> &mut Vec<u8> {
        if !self.has_room_for(MIN_READ_BYTES) {
            self.make_room(cache);
        }
        self.tail(cache)
    }

    fn make_room(&mut self, cache: &mut BufferCache) {
        if self.len() + MIN_READ_BYTES > STORAGE_BYTES {
            self.tail_for(STORAGE_BYTES, cache);
            return;
        }
        self.tail(cache);
        if !self.has_room_for(MIN_READ_BYTES) {
            let start = mem::take(&mut self.start);
            self.tail(cache).drain(..start);
        }
    }

    /// Moves everything to `other`, which must be empty, without copying.
    pub fn hand_over(&mut self, other: &mut Buffer) {
        debug_assert!(other.is_empty());
        mem::swap(self, other);
    }

    /// Gives the storage back if nothing is in it.
    pub fn release(&mut self, cache: &mut BufferCache) {
        if self.is_empty() {
            cache.put(mem::take(&mut self.storage));
            self.start = 0;
        }
    }

    /// How much memory it will take once shrunk, beyond the little that every session may.
    #[must_use]
    pub fn shrunk_bytes(&self) -> usize {
        mapped_bytes(self.len())
    }

    /// Gives the worker its storage back, before the session leaves it: what there is moves to a
    /// block of its size. Fails when the system has no memory for that.
    pub fn shrink(&mut self, cache: &mut BufferCache) -> io::Result<()> {
        let length = self.len();
        let is_shrunk = matches!(&self.storage, Storage::Held(block) if block.is_tight_for(length));
        if length == 0 {
            self.release(cache);
        } else if !is_shrunk {
            let block = cache.block_of(self.bytes())?;
            cache.put(mem::replace(&mut self.storage, Storage::Held(block)));
            self.start = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_lent(buffer: &Buffer) -> bool {
        matches!(&buffer.storage, Storage::Lent(lent) if lent.capacity() > 0)
    }

    #[test]
    fn bytes_come_out_in_the_order_they_went_in_whatever_happens_to_the_storage() {
        for length in [100, 3000, STORAGE_BYTES, 100_000] {
            let (mut cache, mut buffer) = (BufferCache::default(), Buffer::default());
            let bytes: Vec<u8> = (0..length).map(|number| number as u8).collect();
            buffer.tail(&mut cache).extend_from_slice(&bytes);
            buffer.consume(2);
            buffer.shrink(&mut cache).expect("memory");
            assert!(!is_lent(&buffer) && buffer.bytes() == &bytes[2..]);
            buffer.consume(3);
            buffer.tail_with_room(&mut cache).extend_from_slice(b"gh");
            assert_eq!(buffer.bytes(), [&bytes[5..], b"gh"].concat());
            let mut other = Buffer::default();
            buffer.hand_over(&mut other);
            assert_eq!((buffer.len(), other.len()), (0, length - 3));
        }
    }

    #[test]
    fn a_settled_buffer_holds_no_storage_and_what_it_takes_was_known() {
        let (mut cache, mut buffer) = (BufferCache::default(), Buffer::default());
        for (length, bytes) in [(2000, 0), (2100, 4096), (30_000, 32 << 10), (0, 0)] {
            buffer.clear();
            buffer.tail(&mut cache).resize(length, b'x');
            assert_eq!(buffer.shrunk_bytes(), bytes);
            buffer.shrink(&mut cache).expect("memory");
            let held = match &buffer.storage {
                Storage::Held(Block::Mapped { map, .. }) => map.len(),
                _ => 0,
            };
            assert_eq!((held, buffer.len()), (bytes, length));
            assert_eq!((is_lent(&buffer), cache.own.len()), (false, 1));
        }
    }

    #[test]
    fn what_is_consumed_while_it_is_held_makes_the_block_smaller() {
        let (mut cache, mut buffer) = (BufferCache::default(), Buffer::default());
        buffer.tail(&mut cache).resize(64 << 10, b'x');
        for left in [60 << 10, 5000, 100, 0] {
            buffer.shrink(&mut cache).expect("memory");
            buffer.consume(buffer.len() - left);
            let before = buffer.shrunk_bytes();
            buffer.shrink(&mut cache).expect("memory");
            assert_eq!((buffer.len(), before), (left, mapped_bytes(left)));
        }
    }

    #[test]
    fn a_full_buffer_grows_for_a_long_head_and_one_large_storage_is_kept() {
        let (mut cache, mut buffer) = (BufferCache::default(), Buffer::default());
        buffer.tail(&mut cache).resize(STORAGE_BYTES, b'x');
        let tail = buffer.tail_with_room(&mut cache);
        assert!(tail.capacity() - tail.len() >= MIN_READ_BYTES);
        buffer.clear();
        buffer.release(&mut cache);
        assert!(cache.own.len() == 1 && cache.double.is_some());
        let double = buffer.tail_for(STORAGE_BYTES + 1, &mut cache);
        assert_eq!(double.capacity(), 2 * STORAGE_BYTES);
        assert!(cache.double.is_none());
    }

    #[test]
    fn a_storage_and_a_small_block_are_used_again() {
        let (mut cache, mut buffer) = (BufferCache::default(), Buffer::default());
        let mut places = [(); 2].map(|()| {
            buffer.clear();
            let lent = buffer.tail(&mut cache);
            lent.extend_from_slice(&[b'x'; 300]);
            let lent = lent.as_ptr();
            buffer.shrink(&mut cache).expect("memory");
            (lent, buffer.bytes().as_ptr())
        });
        places.sort_unstable();
        assert_eq!(places[0], places[1]);
    }
}
