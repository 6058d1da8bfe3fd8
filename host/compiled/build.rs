//! Compiles the built-in components to machine code.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use udping_components::Wasi;

#[path = "src/config.rs"]
#[expect(unreachable_pub, reason = "the crate exports it")]
mod config;

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/config.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    let mut config = config::config(Wasi::P2);
    // For any processor of the target: the build machine may not be the one that runs it.
    config.target(&env::var("TARGET")?)?;
    let engine = wasmtime::Engine::new(&config)?;
    for component in udping_components::ALL {
        let compiled = engine.precompile_component(component.bytes)?;
        fs::write(out.join(component.name).with_extension("cwasm"), compiled)?;
    }
    Ok(())
}
