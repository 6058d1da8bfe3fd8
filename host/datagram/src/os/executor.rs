//! Runs a future on a thread that waits for its descriptors by one ppoll(2).
//!
//! A reactor that serves many threads has to be told what each wait is for, and hands over between
//! threads or tasks: with tokio's, an RTT over loopback took twice as long as with ppoll(2) alone.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use std::{io, mem};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use tokio::runtime::Handle;

/// Runs `future` on this thread until it has its result. The thread waits for the sockets and timers
/// of [`crate::OperatingSystem`] itself; `runtime`, on other threads, drives everything else that
/// `future` waits for, such as tokio's timers and tasks.
///
/// # Errors
///
/// If no eventfd(2) can be created, through which other threads wake this one.
pub fn block_on<F: Future>(runtime: &Handle, future: F) -> io::Result<F::Output> {
    let _runtime = runtime.enter();
    let wakeup = Arc::new(Wakeup::new()?);
    let waker = Waker::from(wakeup.clone());
    let _reactor = Entered::new(Reactor::new(wakeup.clone(), waker.clone()));
    let (mut context, mut future) = (Context::from_waker(&waker), pin!(future));
    loop {
        wakeup.starts();
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return Ok(result);
        }
        if !with_reactor(Reactor::is_polled_again).unwrap_or(false) {
            wait(None);
        }
    }
}

/// Polls a part of the future that [`block_on`] runs, by calling `poll` until it returns true. In
/// between this waits for what `poll` has started to wait for, as long as no other part is to be
/// polled; then this returns false, and is to be called again when the part is polled again.
///
/// A component's wait that ends in its own call takes a third less time than one that leaves the
/// component, and all that runs it, and enters it again.
pub(super) fn poll_in_place(poll: &mut dyn FnMut() -> bool) -> bool {
    let Some(owner) = with_reactor(Reactor::new_owner) else { return poll() };
    loop {
        let outer = with_reactor(|reactor| reactor.owner.replace(owner)).flatten();
        let is_ready = poll();
        with_reactor(|reactor| reactor.owner = outer);
        if is_ready {
            return true;
        }
        let may_wait = with_reactor(Reactor::may_wait_in_place).unwrap_or(false);
        if !may_wait || !wait(Some(owner)) {
            return false;
        }
    }
}

/// The waits in place on this thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blocked {
    /// Their total duration.
    pub time: Duration,
    /// Their number.
    pub times: u32,
}

thread_local! {
    /// What this thread's future waits for, if [`block_on`] runs one.
    static REACTOR: RefCell<Option<Reactor>> = const { RefCell::new(None) };

    static BLOCKED: Cell<Blocked> =
        const { Cell::new(Blocked { time: Duration::ZERO, times: 0 }) };
}

/// How long this thread has waited while it polled a future, which then did not notice: a component
/// waits without leaving its call ([`crate::poll`]).
pub fn blocked() -> Blocked {
    BLOCKED.get()
}

/// Whether [`block_on`] runs on this thread.
pub(super) fn is_current() -> bool {
    REACTOR.with_borrow(Option::is_some)
}

fn with_reactor<T>(f: impl FnOnce(&mut Reactor) -> T) -> Option<T> {
    REACTOR.with_borrow_mut(|reactor| reactor.as_mut().map(f))
}

/// What the parts of a future wait for, and whether they may do so in place.
#[derive(Debug)]
struct Reactor {
    wakeup: Arc<Wakeup>,
    waker: Waker,
    /// The waits for descriptors, at the index that their [`Readiness`] has.
    waits: Vec<Option<Wait>>,
    /// Whether something has ended a wait since the future was last polled as a whole: who waits in
    /// place now might keep that from being noticed.
    is_fresh: bool,
    /// Whether a part of the future is to be polled again when that is over.
    polls_again: bool,
    /// The part that is polled now, and may wait in place.
    owner: Option<u64>,
    owners: u64,
}

#[derive(Debug)]
struct Wait {
    // The descriptor stays open while ppoll(2) uses it.
    descriptor: Arc<OwnedFd>,
    events: PollFlags,
    waker: Waker,
    owner: Option<u64>,
    /// What the descriptor became ready for; empty as long as it is not.
    ready: PollFlags,
}

impl Reactor {
    fn new(wakeup: Arc<Wakeup>, waker: Waker) -> Self {
        Self {
            wakeup,
            waker,
            waits: Vec::new(),
            is_fresh: true,
            polls_again: false,
            owner: None,
            owners: 0,
        }
    }

    fn insert(&mut self, wait: Wait) -> usize {
        let index = self.waits.iter().position(Option::is_none).unwrap_or(self.waits.len());
        if index == self.waits.len() {
            self.waits.push(None);
        }
        self.waits[index] = Some(wait);
        index
    }

    fn new_owner(&mut self) -> u64 {
        self.owners += 1;
        self.owners
    }

    /// Whether a part of the future may wait in place: all others have been polled since something
    /// ended a wait of theirs. Else it is polled again when they have.
    fn may_wait_in_place(&mut self) -> bool {
        self.polls_again |= self.is_fresh;
        !self.is_fresh
    }

    /// Whether the future, which has just been polled as a whole, is to be polled again at once.
    fn is_polled_again(&mut self) -> bool {
        self.is_fresh = self.wakeup.is_woken();
        mem::take(&mut self.polls_again) && !self.is_fresh
    }
}

/// Makes this thread's reactor exist, and restores an outer one on drop.
struct Entered(Option<Reactor>);

impl Entered {
    fn new(reactor: Reactor) -> Self {
        Self(REACTOR.replace(Some(reactor)))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        REACTOR.set(self.0.take());
    }
}

/// Waits until a descriptor is ready or something wakes this thread, and wakes the futures that wait
/// for what is ready. Returns whether that is nothing but the part `owner`.
fn wait(owner: Option<u64>) -> bool {
    let mut is_owners = true;
    let woken = with_reactor(|reactor| {
        let Reactor { wakeup, waker, waits, is_fresh, .. } = reactor;
        let sleeps = wakeup.sleeps();
        let mut waiting: Vec<_> =
            waits.iter_mut().flatten().filter(|wait| wait.ready.is_empty()).collect();
        let mut asked: Vec<_> = waiting
            .iter()
            .map(|wait| PollFd::from_borrowed_fd(wait.descriptor.as_fd(), wait.events))
            .chain([PollFd::new(&wakeup.descriptor, PollFlags::IN)])
            .collect();
        // A future that wakes itself, to give others their turn, does not keep those that wait for a
        // descriptor from theirs.
        let timeout = (!sleeps).then(Timespec::default);
        let start = Instant::now();
        // A failure other than by a signal, such as for want of memory, is a spurious wakeup.
        while poll(&mut asked, timeout.as_ref()) == Err(Errno::INTR) {}
        if owner.is_some() {
            let Blocked { time, times } = BLOCKED.get();
            BLOCKED.set(Blocked { time: time + start.elapsed(), times: times.wrapping_add(1) });
        }
        let ready: Vec<_> = asked.iter().map(PollFd::revents).collect();
        if ready.last().is_some_and(|ready| !ready.is_empty()) {
            wakeup.drain();
        }
        // From here on, a wakeup needs no descriptor.
        is_owners = owner.is_some() && !wakeup.is_woken();
        let mut woken = Vec::new();
        let ready = waiting.iter_mut().zip(ready).filter(|(_, ready)| !ready.is_empty());
        for (wait, ready) in ready {
            wait.ready = ready;
            let is_polled_next = owner.is_some() && wait.owner == owner;
            is_owners &= is_polled_next;
            // Who waits in place is polled next, unless it has a waker of its own.
            if !is_polled_next || !wait.waker.will_wake(waker) {
                woken.push(wait.waker.clone());
            }
        }
        *is_fresh = !is_owners;
        woken
    });
    // Not while the reactor is borrowed: a waker may do anything.
    woken.iter().flatten().for_each(Waker::wake_by_ref);
    is_owners
}

/// Wakes the thread of [`block_on`], from any thread.
#[derive(Debug)]
struct Wakeup {
    state: AtomicU8,
    descriptor: OwnedFd,
}

/// The states of a [`Wakeup`]: the thread runs, is about to wait or waits, or has been woken since it
/// last polled its future.
const RUNS: u8 = 0;
const SLEEPS: u8 = 1;
const WOKEN: u8 = 2;

impl Wakeup {
    fn new() -> io::Result<Self> {
        let descriptor = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { state: AtomicU8::new(RUNS), descriptor })
    }

    /// Whether the thread may wait: it has not been woken since its future was polled.
    fn sleeps(&self) -> bool {
        let sleeps = self.state.compare_exchange(RUNS, SLEEPS, Ordering::AcqRel, Ordering::Acquire);
        sleeps.is_ok()
    }

    /// Records that the thread runs, and is going to poll its future, whatever woke it until now.
    fn starts(&self) {
        self.state.swap(RUNS, Ordering::AcqRel);
    }

    /// Whether it has been woken since its future was polled. From here on, a wakeup needs no
    /// descriptor.
    fn is_woken(&self) -> bool {
        let slept = self.state.compare_exchange(SLEEPS, RUNS, Ordering::AcqRel, Ordering::Acquire);
        slept == Err(WOKEN)
    }

    fn drain(&self) {
        // It is readable, and if it were not any more there would be nothing to do.
        let _ = rustix::io::read(&self.descriptor, &mut [0; 8]);
    }
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == SLEEPS {
            // It fails only at 2^64 - 1 wakeups that were not read.
            let _ = rustix::io::write(&self.descriptor, &1_u64.to_ne_bytes());
        }
    }
}

/// A future that resolves when `descriptor` is ready for one of `events`, or has an error: to what it
/// is ready for. It must be polled within [`block_on`].
#[derive(Debug)]
pub(super) struct Readiness<'a> {
    descriptor: &'a Arc<OwnedFd>,
    events: PollFlags,
    index: Option<usize>,
}

impl<'a> Readiness<'a> {
    pub(super) fn new(descriptor: &'a Arc<OwnedFd>, events: PollFlags) -> Self {
        Self { descriptor, events, index: None }
    }
}

impl Future for Readiness<'_> {
    type Output = PollFlags;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<PollFlags> {
        REACTOR.with_borrow_mut(|reactor| {
            // Elsewhere there is nothing to wait by: the caller finds out by its call.
            let Some(reactor) = reactor else { return Poll::Ready(PollFlags::empty()) };
            match self.index.and_then(|index| reactor.waits[index].as_mut()) {
                Some(wait) if !wait.ready.is_empty() => Poll::Ready(wait.ready),
                Some(wait) => {
                    wait.waker.clone_from(context.waker());
                    wait.owner = reactor.owner;
                    Poll::Pending
                }
                None => {
                    self.index = Some(reactor.insert(Wait {
                        descriptor: self.descriptor.clone(),
                        events: self.events,
                        waker: context.waker().clone(),
                        owner: reactor.owner,
                        ready: PollFlags::empty(),
                    }));
                    Poll::Pending
                }
            }
        })
    }
}

impl Drop for Readiness<'_> {
    fn drop(&mut self) {
        if let Some(index) = self.index {
            REACTOR.with_borrow_mut(|reactor| {
                if let Some(wait) =
                    reactor.as_mut().and_then(|reactor| reactor.waits.get_mut(index))
                {
                    *wait = None;
                }
            });
        }
    }
}

#[cfg(test)]
#[path = "executor_tests.rs"]
mod tests;
