//! How components are compiled. The build script shares this file: what it compiles must be what
//! the host runs.

use wasmtime::Config;

/// The configuration that a component must be compiled with to be run here.
pub fn config() -> Config {
    let mut config = Config::new();
    // Where in the WebAssembly a trap was is never shown.
    config.generate_address_map(false);
    // A guest that computes without end can be stopped.
    config.epoch_interruption(true);
    // Memories start with copies: images that are shared need memfd_create(2), which not every
    // system has or permits, and gain something only where a component is instantiated again and
    // again.
    config.memory_init_cow(false);
    config
}
