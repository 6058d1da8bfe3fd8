//! `wasi:sockets/types` and `ip-name-lookup`.

use wasmtime::component::Linker;

use crate::p3::{ip_name_lookup, types};
use crate::view::{View, Viewed};

/// Adds `wasi:sockets/types` and `ip-name-lookup` to `linker`, with the state that `view` returns.
///
/// # Errors
///
/// If the linker has one of them already and does not allow shadowing.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    types::add_to_linker::<_, Viewed>(linker, view)?;
    ip_name_lookup::add_to_linker::<_, Viewed>(linker, view)
}
