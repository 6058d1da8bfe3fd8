//! Compilation of components, if this host is built with a compiler (feature `compiler`).
//!
//! A component determines what its compilation takes: 2 KB can take gigabytes, and 11 KB a minute.
//! So it is parsed and compiled by a helper process with limits, and without files, network and
//! privileges, which returns the machine code. The process that runs guests has no thread of the
//! compiler.

#[cfg(feature = "compiler")]
mod cache;
#[cfg(feature = "compiler")]
mod confine;
pub mod footprint;
#[cfg(feature = "compiler")]
mod parent;
#[cfg(feature = "compiler")]
mod server;

#[cfg(feature = "compiler")]
pub use {
    cache::{Cache, Key},
    confine::confine,
    parent::machine_code,
    server::serve,
};

/// The maximum size of the machine code that is compiled, or read from a file, in bytes.
pub const CODE_LIMIT: u64 = 512 << 20;

/// Disables the compiler in an engine's configuration, if there is one.
pub fn without_compiler(config: &mut wasmtime::Config) {
    #[cfg(feature = "compiler")]
    config.enable_compiler(false);
    #[cfg(not(feature = "compiler"))]
    let _ = config;
}
