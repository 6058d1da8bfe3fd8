//! Never ends, and never calls the host.

fn main() {
    loop {
        std::hint::spin_loop();
    }
}

udping_test_guests::guest!(main);
