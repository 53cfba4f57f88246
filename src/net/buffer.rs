//! Bytes on their way, and the storage that workers lend for them.
//!
//! A connection that is served needs tens of kilobytes for a moment; one that waits needs
//! almost none. So storage belongs to the worker, on a [`Shelf`]: a [`Buffer`] takes one when
//! bytes come and puts it back when they are gone. A session that is parked keeps only what
//! it must, in a piece of exactly that size.

use std::mem;

/// Size of a storage, and so the most body bytes that one direction of a session holds. Large
/// enough for a whole head of default size (32 KiB) and for few system calls per megabyte.
pub const STORAGE_BYTES: usize = 32 * 1024;

/// Reads are not made into less room than this.
const MIN_READ_BYTES: usize = 4 * 1024;

/// What is parked with more bytes than this keeps its storage instead of a copy.
const COPY_BYTES: usize = STORAGE_BYTES / 2;

/// Storages that a worker keeps; a session uses at most four at a time.
const SHELF_PLACES: usize = 8;

/// The spare storages of one worker.
#[derive(Debug, Default)]
pub struct Shelf {
    spare: Vec<Vec<u8>>,
}

impl Shelf {
    fn take(&mut self) -> Vec<u8> {
        self.spare
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(STORAGE_BYTES))
    }

    fn put(&mut self, mut storage: Vec<u8>) {
        if storage.capacity() == STORAGE_BYTES && self.spare.len() < SHELF_PLACES {
            storage.clear();
            self.spare.push(storage);
        }
    }
}

/// A queue of bytes: appended at the end, consumed from the front.
#[derive(Debug, Default)]
pub struct Buffer {
    storage: Vec<u8>,
    /// Bytes of `storage` that are consumed already.
    start: usize,
}

impl Buffer {
    /// The bytes in it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.storage[self.start..]
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.storage.len() - self.start
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes `count` bytes, which must be there, off the front.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.storage.len());
        if self.is_empty() {
            self.storage.clear();
            self.start = 0;
        }
    }

    /// Throws everything away.
    pub fn clear(&mut self) {
        self.consume(self.len());
    }

    /// The end of the queue, to append to.
    pub fn tail(&mut self, shelf: &mut Shelf) -> &mut Vec<u8> {
        if self.storage.capacity() == 0 {
            self.storage = shelf.take();
        }
        &mut self.storage
    }

    /// The end of the queue, with room for a good read behind it. Grows only when what is
    /// held fills a whole storage, which the bounds on heads bound in turn.
    pub fn tail_with_room(&mut self, shelf: &mut Shelf) -> &mut Vec<u8> {
        if self.storage.capacity() - self.storage.len() < MIN_READ_BYTES {
            self.make_room(shelf);
        }
        &mut self.storage
    }

    fn make_room(&mut self, shelf: &mut Shelf) {
        if self.len() + MIN_READ_BYTES <= STORAGE_BYTES {
            if self.storage.capacity() >= STORAGE_BYTES {
                self.storage.drain(..self.start);
            } else {
                let mut storage = shelf.take();
                storage.extend_from_slice(self.bytes());
                shelf.put(mem::replace(&mut self.storage, storage));
            }
            self.start = 0;
        } else {
            self.storage.reserve(STORAGE_BYTES);
        }
    }

    /// Moves everything to `other`, which must be empty, without copying.
    pub fn hand_over(&mut self, other: &mut Buffer) {
        debug_assert!(other.is_empty());
        mem::swap(self, other);
    }

    /// Gives the storage back if nothing is in it.
    pub fn release(&mut self, shelf: &mut Shelf) {
        if self.is_empty() {
            shelf.put(mem::take(&mut self.storage));
            self.start = 0;
        }
    }

    /// Gives back all the storage that is not needed while nothing happens.
    pub fn settle(&mut self, shelf: &mut Shelf) {
        if self.is_empty() {
            self.release(shelf);
        } else if self.len() <= COPY_BYTES && self.storage.capacity() > self.len() {
            let exact = self.bytes().to_vec();
            shelf.put(mem::replace(&mut self.storage, exact));
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_the_order_they_went_in_whatever_happens_to_the_storage() {
        let (mut shelf, mut buffer) = (Shelf::default(), Buffer::default());
        buffer.tail(&mut shelf).extend_from_slice(b"abcdef");
        buffer.consume(2);
        buffer.settle(&mut shelf);
        assert_eq!(
            (buffer.bytes(), buffer.storage.capacity()),
            (&b"cdef"[..], 4)
        );
        buffer.tail_with_room(&mut shelf).extend_from_slice(b"gh");
        assert_eq!(buffer.bytes(), b"cdefgh");
        assert_eq!(buffer.storage.capacity(), STORAGE_BYTES);
        let mut other = Buffer::default();
        buffer.hand_over(&mut other);
        assert_eq!((buffer.len(), other.bytes()), (0, &b"cdefgh"[..]));
    }

    #[test]
    fn an_empty_buffer_holds_no_storage_once_settled() {
        let (mut shelf, mut buffer) = (Shelf::default(), Buffer::default());
        buffer
            .tail_with_room(&mut shelf)
            .extend_from_slice(&[0; 100]);
        buffer.clear();
        buffer.settle(&mut shelf);
        assert_eq!((buffer.storage.capacity(), shelf.spare.len()), (0, 1));
        buffer.tail_with_room(&mut shelf);
        assert!(shelf.spare.is_empty());
    }

    #[test]
    fn a_full_buffer_grows_for_a_long_head_and_the_large_storage_is_not_kept() {
        let (mut shelf, mut buffer) = (Shelf::default(), Buffer::default());
        buffer.tail(&mut shelf).resize(STORAGE_BYTES, b'x');
        let tail = buffer.tail_with_room(&mut shelf);
        assert!(tail.capacity() - tail.len() >= MIN_READ_BYTES);
        buffer.clear();
        buffer.release(&mut shelf);
        assert!(shelf.spare.is_empty());
    }
}
