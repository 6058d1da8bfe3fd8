//! Asks for the time, and for nothing else, endlessly.

use udping_wasi::bindings::wasi::clocks::monotonic_clock::now;

fn main() {
    let mut last = now();
    loop {
        let time = now();
        assert!(time >= last);
        last = time;
    }
}

udping_test_guests::guest!(main);
