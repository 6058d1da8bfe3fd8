//! `wasi:random`: random bytes of a [`World`](crate::World), for all three interfaces.

use wasmtime::component::Linker;
use wasmtime_wasi::p3::bindings::random::{insecure, insecure_seed, random};

use crate::view::{View, Viewed};

/// Adds `wasi:random/random`, `insecure` and `insecure-seed` to `linker`, with the
/// state that `view` returns.
///
/// # Errors
///
/// If the linker has one of them already and does not allow shadowing.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    random::add_to_linker::<_, Viewed>(linker, view)?;
    insecure::add_to_linker::<_, Viewed>(linker, view)?;
    insecure_seed::add_to_linker::<_, Viewed>(linker, view)
}

impl View<'_> {
    /// As many bytes as there may be per call: "implementations may return fewer bytes than
    /// requested".
    fn some_random_bytes(&self, most: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(most.min(Self::MOST_RANDOM))
    }
}

impl random::Host for View<'_> {
    fn get_random_bytes(&mut self, most: u64) -> wasmtime::Result<Vec<u8>> {
        self.some_random_bytes(most)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_number()
    }
}

impl insecure::Host for View<'_> {
    fn get_insecure_random_bytes(&mut self, most: u64) -> wasmtime::Result<Vec<u8>> {
        self.some_random_bytes(most)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_number()
    }
}

impl insecure_seed::Host for View<'_> {
    fn get_insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.random_number()?, self.random_number()?))
    }
}
