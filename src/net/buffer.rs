//! Bytes on their way, and the storage that workers lend for them.
//!
//! A connection that is served needs tens of kilobytes for a moment; one that waits needs
//! almost none. So storage belongs to the worker, on a [`Shelf`]: a [`Buffer`] takes one when
//! bytes come and puts it back when they are gone. A session that is parked keeps only what
//! it must, on a slip of about that size.

use super::pipe::SparePipe;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Size of a storage, and so the most body bytes that one direction of a session holds, unless
/// they came through a pipe ([`super::pipe::PIPE_BYTES`]). Large
/// enough for a whole head of default size (32 KiB) and for few system calls per megabyte.
pub const STORAGE_BYTES: usize = 32 * 1024;

/// Reads are not made into less room than this.
const MIN_READ_BYTES: usize = 4 * 1024;

/// What is parked with more bytes than this keeps its storage instead of a copy.
const COPY_BYTES: usize = STORAGE_BYTES / 2;

/// Storages that a worker keeps for itself: a session uses at most four at a time.
const OWN_PLACES: usize = 4;

/// Spare storages that all workers have in common (2 MiB).
const SHARED_PLACES: usize = 64;

/// The smallest slip: room for the head of a plain request.
const MIN_SLIP_BYTES: usize = 256;

/// Slips of more bytes are not kept.
const MAX_SLIP_BYTES: usize = 8 * 1024;

/// Slips that a worker keeps, for as many sessions as are usually parked one after the other.
const SLIP_PLACES: usize = 64;

/// The spare storages of one worker. What one session takes here it may put back where another
/// worker serves it; so those who have too many leave them to those who have none.
#[derive(Debug, Default)]
pub struct Shelf {
    own: Vec<Vec<u8>>,
    slips: Vec<Vec<u8>>,
    shared: Arc<Spare>,
    /// The way round them all.
    pub pipe: SparePipe,
}

/// The spare storages that all workers have in common.
#[derive(Debug, Default)]
pub struct Spare(Mutex<Vec<Vec<u8>>>);

impl Shelf {
    /// An empty shelf, which exchanges storages with all others `beside` the same spare ones.
    #[must_use]
    pub fn beside(shared: &Arc<Spare>) -> Self {
        Self {
            shared: Arc::clone(shared),
            ..Self::default()
        }
    }

    fn take(&mut self) -> Vec<u8> {
        let spare = self.own.pop().or_else(|| self.shared.list().pop());
        spare.unwrap_or_else(|| Vec::with_capacity(STORAGE_BYTES))
    }

    fn put(&mut self, mut storage: Vec<u8>) {
        storage.clear();
        match storage.capacity() {
            STORAGE_BYTES if self.own.len() < OWN_PLACES => self.own.push(storage),
            STORAGE_BYTES => self.shared.put(storage),
            MIN_SLIP_BYTES..=MAX_SLIP_BYTES if self.slips.len() < SLIP_PLACES => {
                self.slips.push(storage);
            }
            _ => {}
        }
    }

    /// A copy of `bytes` in hardly more memory than they need.
    fn copy(&mut self, bytes: &[u8]) -> Vec<u8> {
        let length = bytes.len();
        let spare = self.slips.pop();
        let spare =
            spare.filter(|slip| slip.capacity() >= length && is_tight(slip.capacity(), length));
        let capacity = length.next_power_of_two().max(MIN_SLIP_BYTES);
        let mut slip = spare.unwrap_or_else(|| Vec::with_capacity(capacity));
        slip.extend_from_slice(bytes);
        slip
    }
}

/// Whether so much capacity is not worth saving for so many bytes.
fn is_tight(capacity: usize, length: usize) -> bool {
    capacity <= (2 * length).max(MIN_SLIP_BYTES)
}

impl Spare {
    fn list(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // Nothing that could panic runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, storage: Vec<u8>) {
        let mut list = self.list();
        if list.len() < SHARED_PLACES {
            list.push(storage);
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
        } else if self.len() <= COPY_BYTES && !is_tight(self.storage.capacity(), self.len()) {
            let slip = shelf.copy(self.bytes());
            shelf.put(mem::replace(&mut self.storage, slip));
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
            (&b"cdef"[..], MIN_SLIP_BYTES)
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
        assert_eq!((buffer.storage.capacity(), shelf.own.len()), (0, 1));
        buffer.tail_with_room(&mut shelf);
        assert!(shelf.own.is_empty());
    }

    #[test]
    fn a_full_buffer_grows_for_a_long_head_and_the_large_storage_is_not_kept() {
        let (mut shelf, mut buffer) = (Shelf::default(), Buffer::default());
        buffer.tail(&mut shelf).resize(STORAGE_BYTES, b'x');
        let tail = buffer.tail_with_room(&mut shelf);
        assert!(tail.capacity() - tail.len() >= MIN_READ_BYTES);
        buffer.clear();
        buffer.release(&mut shelf);
        assert!(shelf.own.is_empty());
    }

    #[test]
    fn what_one_shelf_has_too_many_of_another_finds() {
        let shared = Arc::default();
        let (mut full, mut empty) = (Shelf::beside(&shared), Shelf::beside(&shared));
        (0..=OWN_PLACES).for_each(|_| full.put(Vec::with_capacity(STORAGE_BYTES)));
        assert_eq!((full.own.len(), shared.list().len()), (OWN_PLACES, 1));
        drop(empty.take());
        assert_eq!(shared.list().len(), 0);
        (0..9 * SHARED_PLACES).for_each(|_| full.put(Vec::with_capacity(STORAGE_BYTES)));
        assert_eq!(shared.list().len(), SHARED_PLACES);
    }

    #[test]
    fn a_slip_is_used_again_for_about_as_many_bytes_and_dropped_for_others() {
        let mut shelf = Shelf::default();
        let slip = shelf.copy(&[b'x'; 300]);
        let (place, capacity) = (slip.as_ptr(), slip.capacity());
        assert_eq!(capacity, 512);
        shelf.put(slip);
        let again = shelf.copy(&[b'y'; 400]);
        assert_eq!((again.as_ptr(), again.len()), (place, 400));
        shelf.put(again);
        assert_eq!(shelf.copy(&[b'z'; 2000]).capacity(), 2048);
        assert!(shelf.slips.is_empty());
    }
}
