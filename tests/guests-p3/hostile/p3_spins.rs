//! Computes, or yields, or waits for no time, without end.

use udping_core::Instant;
use udping_test_guests_p3::wait_for;
use udping_wasi::cli::arguments;
use udping_wasi::{clock, poll};

async fn main() {
    match arguments()[1].as_str() {
        "compute" => loop {
            std::hint::black_box(0);
        },
        "yield" => {
            // wit-bindgen does not yield where nothing is pending.
            let _never = clock::timer(Instant::from_nanos(u64::MAX));
            loop {
                poll::ready(&[]).await;
            }
        }
        "wait" => loop {
            wait_for(0).await;
        },
        "wait a little" => loop {
            wait_for(1).await;
        },
        other => panic!("{other}"),
    }
}

udping_test_guests_p3::guest!(main);
