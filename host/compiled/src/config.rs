//! The compiler configuration of components. The build script shares this file: what it compiles
//! must match what the host runs.

use wasmtime::Config;

/// Returns the configuration that a component must be compiled with to run on this host.
pub fn config() -> Config {
    let mut config = Config::new();
    // The WebAssembly location of a trap is never shown.
    config.generate_address_map(false);
    // So that a guest that computes endlessly can be stopped.
    config.epoch_interruption(true);
    // Memories are initialized by copying: shared images need memfd_create(2), which not every
    // system has or permits, and pay off only if a component is instantiated repeatedly.
    config.memory_init_cow(false);
    config
}
