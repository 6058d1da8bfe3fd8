//! The compiler configuration of components. The build script shares this file: what it compiles
//! must match what the host runs.

use udping_components::Wasi;
use wasmtime::Config;

/// Returns the configuration that a component of that version of WASI must be compiled with to run on
/// this host.
pub fn config(wasi: Wasi) -> Config {
    let mut config = Config::new();
    // The asynchronous calls of WASI 0.3 need it. It makes each call between component and host create
    // and delete a task: a sixth of the processor time of a component of 0.2 in the simulation.
    config.concurrency_support(wasi == Wasi::P3);
    // The WebAssembly location of a trap is never shown.
    config.generate_address_map(false);
    // So that a guest that computes endlessly can be stopped.
    config.epoch_interruption(true);
    // Memories are initialized by copying: shared images need memfd_create(2), which not every
    // system has or permits, and pay off only if a component is instantiated repeatedly.
    config.memory_init_cow(false);
    config
}
