//! A timer is ready as soon as it expires, whether or not it is being waited for, and not before.

use udping_test_guests::pause;
use udping_wasi::bindings::wasi::clocks::monotonic_clock::{
    now, subscribe_duration, subscribe_instant,
};
use udping_wasi::poll::poll;

/// A short wait, in nanoseconds.
const SHORT: u64 = 3_000_000;
const AN_HOUR: u64 = 3_600_000_000_000;

fn main() {
    let (never, late) = (subscribe_instant(u64::MAX), subscribe_duration(AN_HOUR));
    let (waited_for, polled) = (subscribe_duration(SHORT), subscribe_duration(SHORT));
    let (not_asked, at) = (subscribe_duration(SHORT), now() + SHORT);
    let instant = subscribe_instant(at);

    waited_for.block();
    assert!(waited_for.ready(), "after block");
    waited_for.block();
    assert_eq!(poll(&[&polled, &late]), [0], "late is not ready");
    assert!(polled.ready(), "after poll");
    pause(2 * SHORT);
    assert!(now() > at);
    assert!(not_asked.ready() && instant.ready(), "nobody has waited for these");
    assert!(!late.ready() && !never.ready());
    assert_eq!(
        sorted(poll(&[&late, &not_asked, &never, &instant, &waited_for, &polled])),
        [1, 3, 4, 5]
    );

    // None expires early.
    for wait in [1, 1_000, 100_000, SHORT] {
        let start = now();
        let timer = subscribe_duration(wait);
        while !timer.ready() {}
        assert!(now() - start >= wait, "{wait}");
        let at = now() + wait;
        subscribe_instant(at).block();
        assert!(now() >= at, "{wait}");
    }
}

fn sorted(mut indices: Vec<u32>) -> Vec<u32> {
    indices.sort_unstable();
    indices
}

udping_test_guests::guest!(main);
