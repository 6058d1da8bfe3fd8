//! Builds the guests for `wasm32-unknown-unknown` and makes components of them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use wit_component::ComponentEncoder;

const TARGET: &str = "wasm32-unknown-unknown";
const GUESTS: [&str; 2] = ["client", "server"];

fn main() -> Result<()> {
    let workspace = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for input in ["Cargo.toml", "Cargo.lock", "wit", "guest/core", "guest/net", "guest/client", "guest/server"] {
        println!("cargo::rerun-if-changed={}", workspace.join(input).display());
    }

    let target_dir = out.join("guest");
    let status = Toolchain::find()?
        .cargo()
        .args(["build", "--locked", "--profile", "guest", "--target", TARGET, "-p", "udping-client", "-p", "udping-server"])
        .arg("--target-dir")
        .arg(&target_dir)
        .current_dir(&workspace)
        .status()
        .context("cannot start cargo for the guests")?;
    ensure!(status.success(), "the guests do not build for {TARGET}");

    for guest in GUESTS {
        let module = fs::read(target_dir.join(TARGET).join("guest").join(format!("udping_{guest}.wasm")))?;
        let component = ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .and_then(|encoder| encoder.encode())
            .with_context(|| format!("cannot make a component of the {guest}"))?;
        fs::write(out.join(format!("{guest}.wasm")), component)?;
    }
    Ok(())
}

/// Who builds for wasm32.
enum Toolchain {
    /// The one that builds the host: it has the target's standard library.
    Installed { cargo: PathBuf },
    /// Debian's, which has the standard library's source and builds it along: for machines that rustup's servers do not
    /// reach.
    Debian { linker: PathBuf },
}

impl Toolchain {
    fn find() -> Result<Self> {
        if has_target(env::var_os("RUSTC").as_deref().unwrap_or(OsStr::new("rustc"))) {
            return Ok(Self::Installed { cargo: env::var_os("CARGO").unwrap_or("cargo".into()).into() });
        }
        let linker = Path::new("/usr/bin/wasm-ld-19");
        if ["/usr/bin/cargo", "/usr/bin/rustc", "/usr/lib/rustlib/src/rust/library/std"]
            .iter()
            .all(|p| Path::new(p).exists())
            && linker.exists()
        {
            return Ok(Self::Debian { linker: linker.to_owned() });
        }
        bail!(
            "no Rust toolchain for {TARGET}: get one with `rustup target add {TARGET}`, or, on Debian, with \
             `apt-get install --no-install-recommends rustc-web cargo-web rust-web-src lld-19` (`make setup` does what works)"
        )
    }

    fn cargo(&self) -> Command {
        let mut command = match self {
            Self::Installed { cargo } => Command::new(cargo),
            Self::Debian { linker } => {
                let mut command = Command::new("/usr/bin/cargo");
                command
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                    // -Zbuild-std asks for it; the guests themselves use no unstable feature.
                    .env("RUSTC_BOOTSTRAP", "1")
                    .arg("-Zbuild-std=std,panic_abort");
                command
            }
        };
        // What the build of the host was told is not meant for the guests.
        for variable in
            ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET"]
        {
            command.env_remove(variable);
        }
        command
    }
}

fn has_target(rustc: &OsStr) -> bool {
    let Ok(output) = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output() else {
        return false;
    };
    output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
}
