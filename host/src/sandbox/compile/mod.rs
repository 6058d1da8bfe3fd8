//! Compiling components, where this host is built with a compiler (feature `compiler`).
//!
//! A component decides how much its compilation takes: 2 KB can take gigabytes, and 11 KB a minute.
//! So it is parsed and compiled by a helper process that has limits, no files, no network and no
//! privileges, and that hands the machine code back. The process that runs guests has no thread of
//! the compiler's.

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

/// The most machine code that is made of a component, or read from a file, in bytes.
pub const CODE_LIMIT: u64 = 512 << 20;

/// Has an engine's configuration do without a compiler, where there is one.
pub fn without_compiler(config: &mut wasmtime::Config) {
    #[cfg(feature = "compiler")]
    config.enable_compiler(false);
    #[cfg(not(feature = "compiler"))]
    let _ = config;
}
