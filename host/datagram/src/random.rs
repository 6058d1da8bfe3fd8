//! `wasi:random`: random bytes of a [`World`](crate::World), for all three interfaces.

use wasmtime::component::Linker;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

use crate::view::{View, Viewed};

/// Adds `wasi:random/random`, `insecure` and `insecure-seed` to `linker`, with the state that
/// `view` returns.
///
/// # Errors
///
/// If the linker has one of them already and does not allow shadowing.
pub fn add_to_linker<T: Send>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    random::add_to_linker::<_, Viewed>(linker, view)?;
    insecure::add_to_linker::<_, Viewed>(linker, view)?;
    insecure_seed::add_to_linker::<_, Viewed>(linker, view)
}

impl View<'_> {
    /// The maximum number of random bytes per call, as in wasmtime-wasi: the host holds all of them in
    /// memory.
    pub(crate) const MOST_RANDOM: u64 = 64 << 20;

    pub(crate) fn random_bytes(&self, count: u64) -> wasmtime::Result<Vec<u8>> {
        if count > Self::MOST_RANDOM {
            return Err(wasmtime::format_err!(
                "{count} random bytes at once, of {}",
                Self::MOST_RANDOM
            ));
        }
        let mut bytes = vec![0; usize::try_from(count)?];
        self.sockets.world.random(&mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn random_number(&self) -> wasmtime::Result<u64> {
        let mut bytes = [0; 8];
        self.sockets.world.random(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

impl random::Host for View<'_> {
    fn get_random_bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(count)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_number()
    }
}

impl insecure::Host for View<'_> {
    fn get_insecure_random_bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        self.random_bytes(count)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.random_number()
    }
}

impl insecure_seed::Host for View<'_> {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.random_number()?, self.random_number()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::with_view;

    #[test]
    fn random_bytes_have_the_requested_length_up_to_a_maximum() {
        with_view(|view| {
            for count in [0, 1, 100] {
                let bytes = random::Host::get_random_bytes(view, count).unwrap();
                assert_eq!(bytes.len() as u64, count);
            }
            assert!(random::Host::get_random_bytes(view, View::MOST_RANDOM + 1).is_err());
            assert!(insecure::Host::get_insecure_random_bytes(view, u64::MAX).is_err());
        });
    }

    #[test]
    fn random_numbers_differ() {
        with_view(|view| {
            let (one, other) = insecure_seed::Host::insecure_seed(view).unwrap();
            let third = random::Host::get_random_u64(view).unwrap();
            assert!(one != other && other != third, "{one} {other} {third}");
        });
    }
}
