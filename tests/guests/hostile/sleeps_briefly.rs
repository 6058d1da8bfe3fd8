//! Spins and sleeps alternately, for as many microseconds each, and as many times, as its arguments
//! say.

use udping_test_guests::pause;
use udping_wasi::bindings::wasi::cli::environment::get_arguments;
use udping_wasi::bindings::wasi::clocks::monotonic_clock::now;
use udping_wasi::console::Console;

fn main() {
    let numbers: Vec<u64> =
        get_arguments()[1..].iter().map(|number| number.parse().unwrap()).collect();
    let [spin, sleep, times] = numbers[..] else { panic!("{numbers:?}") };
    for _ in 0..times {
        let start = now();
        while now() - start < spin * 1_000 {}
        pause(sleep * 1_000);
    }
    Console::stdout().line("done").unwrap();
}

udping_test_guests::guest!(main);
