//! Panics with a message.

fn main() {
    panic!("the guest says why")
}

udping_test_guests::guest!(main);
