//! Notes what builds this host, for `--version --verbose`.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // cargo runs this again where it is another compiler.
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler).arg("--version").output();
    let version = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    let version = version.unwrap_or_else(|| "unknown rustc".to_owned());
    println!("cargo::rustc-env=UDPING_RUSTC={}", version.trim());
    println!("cargo::rustc-env=UDPING_TARGET={}", env::var("TARGET").unwrap_or_default());
}
