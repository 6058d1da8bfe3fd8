//! `udping-host --version --verbose`: what this program and its components were built from.

use std::ffi::OsString;
use std::io::Write;

use anyhow::Result;

use crate::process::digest::sha256;
use crate::process::exit::Exit;

/// Whether the whole command line asks for it, in either order, as rustc's may.
pub fn is_verbose(arguments: impl Iterator<Item = OsString>) -> bool {
    let arguments: Vec<_> = arguments.collect();
    let [first, second] = arguments.as_slice() else { return false };
    let is_version = |word: &OsString| word == "--version" || word == "-V";
    is_version(first) && second == "--verbose" || first == "--verbose" && is_version(second)
}

/// Writes one fact a line, for people and for scripts: the first line is that of `--version`.
pub fn show(out: &mut impl Write) -> Result<Exit> {
    writeln!(out, "udping-host {}", env!("CARGO_PKG_VERSION"))?;
    for component in udping_components::ALL.into_iter().chain(udping_components::ALL_P3) {
        writeln!(out, "{}.wasm: sha256:{}", component.file_stem(), sha256(component.bytes))?;
    }
    writeln!(out, "components: {}", udping_components::TOOLCHAIN)?;
    writeln!(out, "host: {}, {}", env!("UDPING_RUSTC"), env!("UDPING_TARGET"))?;
    writeln!(out, "wasmtime: {}", wasmtime_environ::VERSION)?;
    Ok(Exit::Success)
}
