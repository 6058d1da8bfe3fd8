//! "If the list is empty, this function traps."

use udping_wasi::poll::poll;

fn main() {
    poll(&[]);
    panic!("it must have trapped");
}

udping_test_guests::guest!(main);
