//! Support for build scripts: builds guests as components, for `wasm32-unknown-unknown` with their own
//! bindings of WASI, or for `wasm32-wasip2` with those of the standard library.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use wit_component::ComponentEncoder;

/// What guests are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `wasm32-unknown-unknown`: modules, of which components are made. Their imports are what they
    /// use, and no more.
    Unknown,
    /// `wasm32-wasip2`: the linker makes components, whose standard library has files and sockets.
    Wasip2,
}

impl Target {
    fn triple(self) -> &'static str {
        match self {
            Self::Unknown => "wasm32-unknown-unknown",
            Self::Wasip2 => "wasm32-wasip2",
        }
    }
}

/// The sources of all guests, relative to the workspace's root.
const SOURCES: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    "wit",
    "guest/core",
    "guest/cli",
    "guest/wasi",
    "guest/report",
    "guest/results",
    "guest/client",
    "guest/server",
];

/// A set of guests that are built together.
#[derive(Clone, Copy, Debug)]
pub struct Guests<'a> {
    /// What they are built for.
    pub target: Target,
    /// Their sources besides those common to all guests, relative to the workspace's root.
    pub sources: &'a [&'a str],
    /// The cargo profile.
    pub profile: &'a str,
    /// The arguments with which cargo selects what to build.
    pub selection: &'a [&'a str],
    /// The built modules, relative to cargo's output directory.
    pub modules: &'a [&'a str],
}

impl Guests<'_> {
    /// Builds the guests and writes the component of each module to `OUT_DIR`, as `MODULE.wasm`.
    ///
    /// Must be called by a build script. The guests of all build scripts share one target
    /// directory.
    pub fn build(&self) -> Result<()> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
        for input in SOURCES.iter().chain(self.sources) {
            println!("cargo::rerun-if-changed={}", workspace.join(input).display());
        }
        let out =
            PathBuf::from(env::var("OUT_DIR").context("OUT_DIR is set for build scripts only")?);
        // OUT_DIR is TARGET_DIR/PROFILE/build/PACKAGE/out.
        let target_dir =
            out.ancestors().nth(3).context("OUT_DIR is not where cargo puts it")?.join("guests");

        let triple = self.target.triple();
        let status = Toolchain::find(self.target)?
            .cargo()
            .args([
                "build",
                "--locked",
                "--profile",
                self.profile,
                "--target",
                triple,
                "--target-dir",
            ])
            .arg(&target_dir)
            .args(self.selection)
            .current_dir(&workspace)
            .status()
            .context("cannot start cargo for the guests")?;
        ensure!(status.success(), "the guests do not build for {triple}");

        for module in self.modules {
            let name = Path::new(module).file_stem().context("a module has a name")?;
            let module = target_dir.join(triple).join(self.profile).join(module);
            let component = match self.target {
                Target::Unknown => component(&module),
                Target::Wasip2 => fs::read(&module).map_err(Into::into),
            };
            let component = component
                .with_context(|| format!("cannot make a component of {}", module.display()))?;
            fs::write(out.join(name).with_extension("wasm"), component)?;
        }
        Ok(())
    }
}

fn component(module: &Path) -> Result<Vec<u8>> {
    ComponentEncoder::default().validate(true).module(&fs::read(module)?)?.encode()
}

/// The toolchain that builds for wasm32.
enum Toolchain {
    /// The toolchain that builds the host, which has the target's standard library.
    Installed { cargo: PathBuf },
    /// Debian's toolchain, which builds the standard library from source: for machines that cannot
    /// reach rustup's servers.
    Debian { linker: PathBuf },
}

impl Toolchain {
    fn find(target: Target) -> Result<Self> {
        let triple = target.triple();
        if has_target(env::var_os("RUSTC").as_deref().unwrap_or(OsStr::new("rustc")), triple) {
            return Ok(Self::Installed {
                cargo: env::var_os("CARGO").unwrap_or("cargo".into()).into(),
            });
        }
        ensure!(
            target == Target::Unknown,
            "no standard library for {triple}: get it with `rustup target add {triple}` (`make setup` does)"
        );
        let linker = Path::new("/usr/bin/wasm-ld-19");
        if ["/usr/bin/cargo", "/usr/bin/rustc", "/usr/lib/rustlib/src/rust/library/std"]
            .iter()
            .all(|p| Path::new(p).exists())
            && linker.exists()
        {
            return Ok(Self::Debian { linker: linker.to_owned() });
        }
        bail!(
            "no Rust toolchain for {triple}: get one with `rustup target add {triple}`, or, on Debian, with \
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
                    // Required by -Zbuild-std; the guests themselves use no unstable feature.
                    .env("RUSTC_BOOTSTRAP", "1")
                    .arg("-Zbuild-std=std,panic_abort");
                command
            }
        };
        // The settings of the host's build do not apply to the guests.
        for variable in [
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTFLAGS",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO_BUILD_TARGET",
        ] {
            command.env_remove(variable);
        }
        // As long as tokio's sockets on wasm32-wasip2 are unstable.
        command.env("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", "--cfg tokio_unstable");
        command
    }
}

fn has_target(rustc: &OsStr, triple: &str) -> bool {
    let Ok(output) =
        Command::new(rustc).args(["--print", "target-libdir", "--target", triple]).output()
    else {
        return false;
    };
    output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
}

/// Ends the build script with `result`'s error on a line of its own, which cargo shows unchanged.
pub fn exit_on_error(result: Result<()>) {
    if let Err(error) = result {
        println!("cargo::error={error:#}");
        std::process::exit(1);
    }
}
