//! `wasi:random`: random bytes of a [`World`], for all three interfaces.

use wasmtime::component::{HasData, Linker};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

use crate::world::World;

/// Adds `wasi:random/random`, `insecure` and `insecure-seed` to `linker`, with the world that
/// `view` returns.
///
/// # Errors
///
/// If the linker has one of them already and does not allow shadowing.
pub fn add_to_linker<T: Send>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> RandomView<'_>,
) -> wasmtime::Result<()> {
    random::add_to_linker::<_, Random>(linker, view)?;
    insecure::add_to_linker::<_, Random>(linker, view)?;
    insecure_seed::add_to_linker::<_, Random>(linker, view)
}

struct Random;

impl HasData for Random {
    type Data<'a> = RandomView<'a>;
}

/// A view of the store's state, for `wasi:random`.
pub struct RandomView<'a> {
    /// The source of random bytes.
    pub world: &'a dyn World,
}

impl RandomView<'_> {
    /// The maximum number of bytes per call, as in wasmtime-wasi: the host holds all of them in
    /// memory.
    const MOST: u64 = 64 << 20;

    fn bytes(&self, count: u64) -> wasmtime::Result<Vec<u8>> {
        if count > Self::MOST {
            return Err(wasmtime::format_err!("{count} random bytes at once, of {}", Self::MOST));
        }
        let mut bytes = vec![0; usize::try_from(count)?];
        self.world.random(&mut bytes)?;
        Ok(bytes)
    }

    fn number(&self) -> wasmtime::Result<u64> {
        let mut bytes = [0; 8];
        self.world.random(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

impl random::Host for RandomView<'_> {
    fn get_random_bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        self.bytes(count)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.number()
    }
}

impl insecure::Host for RandomView<'_> {
    fn get_insecure_random_bytes(&mut self, count: u64) -> wasmtime::Result<Vec<u8>> {
        self.bytes(count)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.number()
    }
}

impl insecure_seed::Host for RandomView<'_> {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.number()?, self.number()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::OperatingSystem;

    #[test]
    fn random_bytes_have_the_requested_length_up_to_a_maximum() {
        let world = OperatingSystem::default();
        let mut view = RandomView { world: &world };
        for count in [0, 1, 100] {
            let bytes = random::Host::get_random_bytes(&mut view, count).unwrap();
            assert_eq!(bytes.len() as u64, count);
        }
        let most = RandomView::MOST;
        assert!(random::Host::get_random_bytes(&mut view, most + 1).is_err());
        assert!(insecure::Host::get_insecure_random_bytes(&mut view, u64::MAX).is_err());
    }

    #[test]
    fn random_numbers_differ() {
        let world = OperatingSystem::default();
        let mut view = RandomView { world: &world };
        let (one, other) = insecure_seed::Host::insecure_seed(&mut view).unwrap();
        let third = random::Host::get_random_u64(&mut view).unwrap();
        assert!(one != other && other != third, "{one} {other} {third}");
    }
}
