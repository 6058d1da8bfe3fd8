//! Waiting: `wasi:io/poll`.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub use crate::p2::bindings::wasi::io::poll::{Pollable, poll};

/// Waits until at least one of `pollables` is ready, and returns the indexes of those that are, in
/// order.
#[expect(clippy::unused_async, reason = "WASI 0.3 has nothing else")]
pub async fn wait(pollables: &[&Pollable]) -> Vec<u32> {
    poll(pollables)
}

/// Returns the indexes of those of `pollables` that are ready now.
#[expect(clippy::unused_async, reason = "as above")]
pub async fn ready(pollables: &[&Pollable]) -> Vec<u32> {
    (0..).zip(pollables).filter(|(_, pollable)| pollable.ready()).map(|(index, _)| index).collect()
}

/// Returns the indexes of those that become ready once those were received that were ready before: none,
/// since the last `poll` has returned all.
#[expect(clippy::unused_async, reason = "as above")]
pub async fn ready_next(_: &[&Pollable]) -> Vec<u32> {
    Vec::new()
}

/// Runs a program, which blocks where it waits.
pub fn block_on<T>(program: impl Future<Output = T>) -> T {
    match pin!(program).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("nothing in this module is ever pending"),
    }
}
