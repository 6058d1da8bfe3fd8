//! A wait for no time, or until a time that has passed, is ready after it was waited for, and stays
//! ready.

use udping_wasi::bindings::wasi::clocks::monotonic_clock::{
    now, subscribe_duration, subscribe_instant,
};
use udping_wasi::poll::poll;

fn main() {
    let start = now();
    for timer in [
        subscribe_duration(0),
        subscribe_instant(0),
        subscribe_instant(start),
        subscribe_instant(now()),
    ] {
        timer.block();
        for _ in 0..3 {
            assert!(timer.ready());
            assert_eq!(poll(&[&timer]), [0]);
            timer.block();
        }
    }
    let timer = subscribe_duration(0);
    assert_eq!(poll(&[&timer]), [0]);
    assert!(timer.ready());
}

udping_test_guests::guest!(main);
