//! Resolves a name, and again after the name's server has had time to change the answer.

use udping_test_guests::pause;
use udping_wasi::console::Console;
use udping_wasi::poll::block_on;
use udping_wasi::resolve::lookup;

fn main() {
    let look_up = || match block_on(lookup("service.example", None)) {
        Ok(found) => found.iter().flatten().take(1).map(ToString::to_string).collect(),
        Err(error) => error.to_string(),
    };
    for _ in 0..2 {
        Console::stdout().line(look_up()).unwrap();
        pause(1_000_000_000);
    }
}

udping_test_guests::guest!(main);
