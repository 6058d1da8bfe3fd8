//! A wait ends no earlier than its time, a shorter one before a longer one, and one for no time or
//! the past at once.

use std::cell::RefCell;

use udping_test_guests_p3::futures_util::future::join_all;
use udping_test_guests_p3::monotonic_clock::{now, wait_until};
use udping_test_guests_p3::wait_for;

async fn main() {
    for nanoseconds in [0, 1, 1_000, 1_000_000, 20_000_000] {
        let start = now();
        wait_for(nanoseconds).await;
        assert!(now() - start >= nanoseconds, "{nanoseconds}");
        let start = now();
        wait_until(start + nanoseconds).await;
        assert!(now() >= start + nanoseconds, "{nanoseconds}");
    }
    wait_until(0).await;
    let order = RefCell::new(Vec::new());
    let waits = [30, 10, 20].map(|milliseconds: u64| {
        let order = &order;
        async move {
            wait_for(milliseconds * 1_000_000).await;
            order.borrow_mut().push(milliseconds);
        }
    });
    join_all(waits).await;
    assert_eq!(order.take(), [10, 20, 30]);
}

udping_test_guests_p3::guest!(main);
