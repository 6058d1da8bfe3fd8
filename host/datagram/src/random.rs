//! `wasi:random`: the world's random bytes, for all three interfaces.

use wasmtime::component::{HasData, Linker};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

use crate::world::World;

/// Adds them to what a linker serves, where `view` gives the world of a store's state.
///
/// # Errors
///
/// Where the linker has them already, and does not allow shadowing.
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

/// What randomness needs of the store's state.
pub struct RandomView<'a> {
    /// Where random bytes come from.
    pub world: &'a dyn World,
}

impl RandomView<'_> {
    /// As many as one call may ask for, as wasmtime-wasi has it: the host holds all of them.
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
