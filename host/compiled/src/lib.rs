//! The built-in components, compiled when this crate is built: running them compiles nothing, and
//! works in a host without a compiler.

mod config;

pub use config::config;
use udping_components::Component;

/// Returns the machine code of `component`, as taken by
/// [`wasmtime::component::Component::deserialize`].
pub fn of(component: Component) -> &'static [u8] {
    if component == udping_components::CLIENT { CLIENT } else { SERVER }
}

const CLIENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/client.cwasm"));
const SERVER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/server.cwasm"));
