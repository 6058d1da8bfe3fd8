//! Allocates memory until there is none left.

fn main() {
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(vec![taken.len() as u8; 1 << 20]);
        assert!(taken.len() < 4096, "there is no limit");
    }
}

udping_test_guests::guest!(main);
