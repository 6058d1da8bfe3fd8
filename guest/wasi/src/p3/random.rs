//! Random numbers that need not be secret.

use crate::p3::bindings::wasi::random::insecure_seed;

/// Returns 64 bits from `wasi:random/insecure-seed`.
pub fn seed() -> u64 {
    let (a, b) = insecure_seed::get_insecure_seed();
    a ^ b
}
