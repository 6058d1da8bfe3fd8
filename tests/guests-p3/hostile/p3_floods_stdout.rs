//! Writes to standard output, or standard error, endlessly.

use udping_wasi::cli::arguments;
use udping_wasi::console::Console;

async fn main() {
    let line = "all work and no play makes a dull guest ".repeat(100);
    let to = if arguments()[1] == "stderr" { Console::stderr() } else { Console::stdout() };
    loop {
        to.line(&line).unwrap();
    }
}

udping_test_guests_p3::guest!(main);
