//! Support for build scripts: builds guests as components, for `wasm32-unknown-unknown` with their own
//! bindings of WASI, or for `wasm32-wasip2` with those of the standard library.

use std::env;
use std::ffi::{OsStr, OsString};
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
    /// What is added to the names of the components.
    pub suffix: &'a str,
}

impl Guests<'_> {
    /// Builds the guests and writes the component of each module to `OUT_DIR`, as `MODULE.wasm` with the
    /// suffix.
    ///
    /// Must be called by a build script. The guests of all build scripts share one target
    /// directory.
    pub fn build(&self) -> Result<()> {
        let workspace = workspace().canonicalize()?;
        for input in SOURCES.iter().chain(self.sources) {
            println!("cargo::rerun-if-changed={}", workspace.join(input).display());
        }
        let out =
            PathBuf::from(env::var("OUT_DIR").context("OUT_DIR is set for build scripts only")?);
        // OUT_DIR is TARGET_DIR/PROFILE/build/PACKAGE/out.
        let target_dir =
            out.ancestors().nth(3).context("OUT_DIR is not where cargo puts it")?.join("guests");

        let triple = self.target.triple();
        let toolchain = Toolchain::find(self.target)?;
        let mut flags = reproducible(&workspace, &toolchain)?;
        if self.target == Target::Wasip2 {
            // As long as tokio's sockets there are unstable.
            flags.push("--cfg=tokio_unstable".into());
        }
        let status = toolchain
            .cargo(&flags)
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
            let name = self.component(module)?;
            let module = target_dir.join(triple).join(self.profile).join(module);
            let component = match self.target {
                Target::Unknown => component(&module),
                Target::Wasip2 => fs::read(&module).map_err(Into::into),
            };
            let component = component
                .with_context(|| format!("cannot make a component of {}", module.display()))?;
            fs::write(out.join(name), component)?;
        }
        let description = format!("{}, {triple}, {}", toolchain.version()?, toolchain.std());
        fs::write(out.join(TOOLCHAIN), description)?;
        Ok(())
    }

    /// Copies the components and [`TOOLCHAIN`] from `prebuilt`, where a package of crates.io has
    /// them instead of the sources.
    pub fn copy(&self, prebuilt: &Path) -> Result<()> {
        println!("cargo::rerun-if-changed={}", prebuilt.display());
        let out =
            PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is set for build scripts only")?);
        let components: Result<Vec<_>> =
            self.modules.iter().map(|module| self.component(module)).collect();
        for file in components?.into_iter().chain([TOOLCHAIN.into()]) {
            fs::copy(prebuilt.join(&file), out.join(&file))
                .with_context(|| format!("no {file} in {}, and no sources", prebuilt.display()))?;
        }
        Ok(())
    }

    /// The file name of a module's component.
    fn component(&self, module: &str) -> Result<String> {
        let name = Path::new(module).file_stem().and_then(OsStr::to_str);
        Ok(format!("{}{}.wasm", name.context("a module has a name")?, self.suffix))
    }

    /// Builds the guests where their sources are, else copies them from `prebuilt`.
    pub fn build_or_copy(&self, prebuilt: &Path) -> Result<()> {
        let workspace = workspace();
        let has_sources = SOURCES.iter().all(|source| workspace.join(source).exists());
        if has_sources { self.build() } else { self.copy(prebuilt) }
    }
}

/// The file in `OUT_DIR` that says what built the guests: compiler, target and standard library.
pub const TOOLCHAIN: &str = "toolchain.txt";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the flags of rustc with which the same sources give the same bytes in any folder: the
/// places of this machine, which panics would name, are replaced.
///
/// Of several that match, rustc takes the last.
fn reproducible(workspace: &Path, toolchain: &Toolchain) -> Result<Vec<OsString>> {
    let remap = |from: &Path, to: &str| {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(from);
        flag.push("=");
        flag.push(to);
        flag
    };
    let mut flags = vec![
        remap(workspace, "/udping"),
        // Where rustup may have the sources of the standard library: named as where it has none.
        remap(&toolchain.sysroot()?.join("lib/rustlib/src/rust"), &toolchain.std_sources()?),
    ];
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    // The folder of a registry is named after a hash of its address, which a mirror changes.
    let registries = cargo_home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    let mut folders: Vec<_> =
        registries.into_iter().flatten().flatten().map(|folder| folder.path()).collect();
    // cargo builds all anew where its flags are in another order.
    folders.sort();
    flags.extend(folders.iter().map(|folder| remap(folder, "/crates")));
    Ok(flags)
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

    fn rustc(&self) -> OsString {
        match self {
            Self::Installed { .. } => env::var_os("RUSTC").unwrap_or("rustc".into()),
            Self::Debian { .. } => "/usr/bin/rustc".into(),
        }
    }

    /// What rustc prints with these arguments.
    fn print(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(self.rustc()).args(arguments).output();
        let output = output.context("cannot start rustc")?;
        ensure!(output.status.success(), "rustc {} fails", arguments.join(" "));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    fn version(&self) -> Result<String> {
        self.print(&["--version"])
    }

    fn sysroot(&self) -> Result<PathBuf> {
        self.print(&["--print", "sysroot"]).map(PathBuf::from)
    }

    /// The path by which the standard library names its sources, as rustc's own builds set it.
    fn std_sources(&self) -> Result<String> {
        let version = self.print(&["-vV"])?;
        let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: "));
        Ok(format!("/rustc/{}", commit.unwrap_or("unknown")))
    }

    /// Which standard library the guests have.
    fn std(&self) -> &'static str {
        match self {
            Self::Installed { .. } => "std of the toolchain",
            Self::Debian { .. } => "std built from Debian's rust-web-src",
        }
    }

    fn cargo(&self, flags: &[OsString]) -> Command {
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
            "RUSTFLAGS",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO_BUILD_TARGET",
            // What was compiled before would be in the bytes.
            "CARGO_INCREMENTAL",
        ] {
            command.env_remove(variable);
        }
        command.env("CARGO_ENCODED_RUSTFLAGS", flags.join(OsStr::new("\x1f")));
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
