//! The requests that wait, first in, first out. Each is given what it waits for, or is woken without it.
//! Must not know what that is: `dispatch` gives it out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Wakes a request that waits.
pub(super) type Wake = Box<dyn FnOnce() + Send>;

/// What becomes of a request that waits.
#[derive(Debug)]
pub(super) enum Answer<G> {
    /// It has what it waits for.
    Granted(G),
    /// It goes on waiting.
    Full,
    /// What it waits for will not come.
    NoneLive,
}

/// The queue.
pub(super) struct RequestQueue<A, G> {
    /// How many wait. Read at the end of every request, and written under the lock.
    count: AtomicUsize,
    /// How many of these take anything. Read for every new request.
    plain: AtomicUsize,
    queue: Mutex<Queue<A, G>>,
}

struct Queue<A, G> {
    /// By number, in the order in which they came.
    places: BTreeMap<u64, Arc<Place<A, G>>>,
    plain: usize,
    next_number: u64,
}

/// The place of one request.
pub(super) struct Place<A, G> {
    number: u64,
    awaited: A,
    /// Whether it takes anything that others in the queue would take.
    is_plain: bool,
    state: Mutex<State<G>>,
}

enum State<G> {
    /// The wake comes when the request is ready to be woken.
    Waiting(Option<Wake>),
    /// It is out of the queue.
    Answered(Answer<G>),
    /// It knows its answer, or has left.
    Over,
}

impl<A, G> Default for RequestQueue<A, G> {
    fn default() -> Self {
        Self {
            count: AtomicUsize::new(0),
            plain: AtomicUsize::new(0),
            queue: Mutex::new(Queue {
                places: BTreeMap::new(),
                plain: 0,
                next_number: 0,
            }),
        }
    }
}

impl<A, G> RequestQueue<A, G> {
    /// Whether no request waits.
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Whether one waits that takes anything.
    pub(super) fn has_plain(&self) -> bool {
        self.plain.load(Ordering::SeqCst) > 0
    }

    /// Enters the queue, unless `most` are in it already, and gives out what there is. `None` if it is
    /// full.
    pub(super) fn enter(
        &self,
        (awaited, is_plain): (A, bool),
        most: usize,
        answer: impl FnMut(&A) -> Answer<G>,
    ) -> Option<Arc<Place<A, G>>> {
        let mut queue = self.lock();
        if queue.places.len() >= most {
            return None;
        }
        let number = queue.next_number;
        let place = Arc::new(Place {
            number,
            awaited,
            is_plain,
            state: Mutex::new(State::Waiting(None)),
        });
        queue.next_number += 1;
        queue.plain += usize::from(is_plain);
        queue.places.insert(number, Arc::clone(&place));
        self.publish(&queue);
        let wakes = queue.serve(answer);
        self.publish(&queue);
        drop(queue);
        wakes.into_iter().for_each(|wake| wake());
        Some(place)
    }

    /// Gives out what there is, in order.
    pub(super) fn serve(&self, answer: impl FnMut(&A) -> Answer<G>) {
        let mut queue = self.lock();
        let wakes = queue.serve(answer);
        self.publish(&queue);
        // A wake takes locks of its own.
        drop(queue);
        wakes.into_iter().for_each(|wake| wake());
    }

    /// Gives `granted` to the first one that may have it; returns whether there was one.
    pub(super) fn hand_over(
        &self,
        granted: impl FnOnce() -> G,
        is_for: impl Fn(&A) -> bool,
    ) -> bool {
        let mut queue = self.lock();
        let mut places = queue.places.values();
        let Some(number) = places
            .find(|place| is_for(&place.awaited))
            .map(|place| place.number)
        else {
            return false;
        };
        let wake = queue.remove(number, Answer::Granted(granted()));
        self.publish(&queue);
        drop(queue);
        wake.into_iter().for_each(|wake| wake());
        true
    }

    /// Leaves the queue. Returns what was granted and not taken.
    pub(super) fn leave(&self, place: &Place<A, G>) -> Option<G> {
        let mut queue = self.lock();
        if queue.places.remove(&place.number).is_some() {
            queue.plain -= usize::from(place.is_plain);
        }
        self.publish(&queue);
        drop(queue);
        // Nothing reaches a place any more that is out of the queue.
        match std::mem::replace(&mut *place.state(), State::Over) {
            State::Answered(Answer::Granted(granted)) => Some(granted),
            _ => None,
        }
    }

    fn publish(&self, queue: &Queue<A, G>) {
        self.count.store(queue.places.len(), Ordering::SeqCst);
        self.plain.store(queue.plain, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, Queue<A, G>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A, G> Queue<A, G> {
    /// Goes through the queue once. When one that takes anything gets nothing, no other such one would.
    fn serve(&mut self, mut answer: impl FnMut(&A) -> Answer<G>) -> Vec<Wake> {
        let (mut wakes, mut is_plain_full, mut from) = (Vec::new(), false, 0);
        while let Some((&number, place)) = self.places.range(from..).next() {
            if is_plain_full && self.plain == self.places.len() {
                break;
            }
            from = number + 1;
            if is_plain_full && place.is_plain {
                continue;
            }
            match answer(&place.awaited) {
                Answer::Full => is_plain_full |= place.is_plain,
                answer => wakes.extend(self.remove(number, answer)),
            }
        }
        wakes
    }

    /// Takes one out of the queue with its answer; returns how to wake it.
    fn remove(&mut self, number: u64, answer: Answer<G>) -> Option<Wake> {
        let place = self.places.remove(&number)?;
        self.plain -= usize::from(place.is_plain);
        match std::mem::replace(&mut *place.state(), State::Answered(answer)) {
            State::Waiting(wake) => wake,
            State::Answered(_) | State::Over => None,
        }
    }
}

impl<A, G> Place<A, G> {
    /// Has the request woken with its answer: now, if there is one already.
    pub(super) fn on_answer(&self, wake: Wake) {
        let mut state = self.state();
        match &mut *state {
            State::Waiting(earlier) => *earlier = Some(wake),
            State::Answered(_) | State::Over => {
                drop(state);
                wake();
            }
        }
    }

    /// The answer, if there is one that was not taken yet.
    pub(super) fn take(&self) -> Option<Answer<G>> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Over) {
            State::Answered(answer) => Some(answer),
            other => {
                *state = other;
                None
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State<G>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
