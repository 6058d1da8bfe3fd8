//! What a component may do: what is granted (pure), to whom and how often, with how much of the machine, and what names stand for.
//! It knows neither sockets nor wasmtime's stores.

pub mod grants;
pub mod guard;
pub mod limits;
pub mod names;
pub mod own_addresses;
pub mod rate;
pub mod resolution;
#[cfg(target_os = "linux")]
pub mod resolver;
pub mod zones;
