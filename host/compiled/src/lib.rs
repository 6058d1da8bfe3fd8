//! The built-in components, compiled when this crate is built: no start of them compiles anything,
//! and a host without a compiler has them.

mod config;

pub use config::config;
use udping_components::Component;

/// The machine code of `component`, as [`wasmtime::component::Component::deserialize`] takes it.
pub fn of(component: Component) -> &'static [u8] {
    if component == udping_components::CLIENT { CLIENT } else { SERVER }
}

const CLIENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/client.cwasm"));
const SERVER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/server.cwasm"));
