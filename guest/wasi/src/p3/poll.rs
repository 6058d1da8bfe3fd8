//! Waiting for calls that have not returned.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

pub use wit_bindgen::rt::async_support::block_on;
use wit_bindgen::rt::async_support::{yield_async, yield_blocking};

type Call = Pin<Box<dyn Future<Output = ()>>>;

/// A call that may not have returned yet. It is ready when it has, and ends when all clones are
/// dropped.
#[derive(Clone)]
pub struct Pollable(Rc<Inner>);

struct Inner {
    /// Whether something that was returned has not been taken: then it is ready, and nothing goes on.
    is_full: Box<dyn Fn() -> bool>,
    ongoing: RefCell<Option<Call>>,
}

impl fmt::Debug for Pollable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pollable").field(&self.0.ongoing.borrow().is_some()).finish()
    }
}

impl Pollable {
    /// Makes calls one after the other, as `calls` does: it goes on while there `is_full` nothing, and
    /// waits by [`taken`] after each.
    pub(super) fn repeating(
        is_full: impl Fn() -> bool + 'static,
        calls: impl Future<Output = ()> + 'static,
    ) -> Self {
        let ongoing = RefCell::new(Some(Box::pin(calls) as Call));
        Self(Rc::new(Inner { is_full: Box::new(is_full), ongoing }))
    }

    /// None is ongoing.
    pub(super) fn idle() -> Self {
        Self(Rc::new(Inner { is_full: Box::new(|| false), ongoing: RefCell::default() }))
    }

    /// Makes one call, now.
    pub(super) fn of(call: impl Future<Output = ()> + 'static) -> Self {
        let pollable = Self::idle();
        pollable.begin(call);
        pollable
    }

    /// Makes a call, now. None is ongoing.
    pub(super) fn begin(&self, call: impl Future<Output = ()> + 'static) {
        self.0.ongoing.replace(Some(Box::pin(call)));
        self.ready();
    }

    /// Returns whether it has returned, as far as is known before the program waits again.
    pub(super) fn ready(&self) -> bool {
        // Each event has the whole program polled: see `block_on`.
        self.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn poll(&self, context: &mut Context<'_>) -> bool {
        if (self.0.is_full)() {
            return true;
        }
        let mut ongoing = self.0.ongoing.borrow_mut();
        let has_returned =
            ongoing.as_mut().is_none_or(|call| call.as_mut().poll(context).is_ready());
        if has_returned {
            *ongoing = None;
        }
        has_returned || (self.0.is_full)()
    }

    /// Waits until it has returned, in place.
    pub(super) fn block(&self) {
        if !self.ready() {
            block_on(poll_fn(
                |context| if self.poll(context) { Poll::Ready(()) } else { Poll::Pending },
            ));
        }
    }
}

/// Waits until there `is_full` nothing any more.
pub(super) async fn taken(is_full: impl Fn() -> bool) {
    poll_fn(|_| if is_full() { Poll::Pending } else { Poll::Ready(()) }).await;
}

/// Waits until at least one of `pollables` is ready, and returns the indexes of those that are, in
/// order.
pub async fn wait(pollables: &[&Pollable]) -> Vec<u32> {
    poll_fn(|context| {
        let ready = those_ready(pollables, context);
        if ready.is_empty() { Poll::Pending } else { Poll::Ready(ready) }
    })
    .await
}

/// Returns the indexes of those of `pollables` that are ready now.
pub async fn ready(pollables: &[&Pollable]) -> Vec<u32> {
    // The calls go on, and then the program learns of one that has returned.
    let _ = yield_blocking();
    yield_async().await;
    those_ready(pollables, &mut Context::from_waker(Waker::noop()))
}

/// Returns the indexes of those that become ready once those were received that were ready before: the
/// host lets calls return one after the other, in the order of arrival.
pub async fn ready_next(pollables: &[&Pollable]) -> Vec<u32> {
    // In the first turn, one may have given way to those that were received.
    for _ in 0..2 {
        let ready = ready(pollables).await;
        if !ready.is_empty() {
            return ready;
        }
    }
    Vec::new()
}

fn those_ready(pollables: &[&Pollable], context: &mut Context<'_>) -> Vec<u32> {
    (0..)
        .zip(pollables)
        .filter_map(|(index, pollable)| pollable.poll(context).then_some(index))
        .collect()
}
