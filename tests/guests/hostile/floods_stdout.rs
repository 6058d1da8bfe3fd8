//! Writes to standard output endlessly.

use udping_wasi::console::Console;

fn main() {
    let line = "all work and no play makes a dull guest ".repeat(100);
    loop {
        Console::stdout().line(&line).unwrap();
    }
}

udping_test_guests::guest!(main);
