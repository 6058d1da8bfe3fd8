//! Why a component cannot be run here.

use std::io;

use thiserror::Error;

use crate::process::printable::Printable;
use udping_permissions::limits::LimitExceeded;

/// Why something that starts as a component does cannot be run.
#[derive(Debug, Error)]
pub enum LoadError {
    /// It does not validate, or does not compile.
    #[error("is not a valid component: {0}")]
    Invalid(String),
    /// It is machine code that this host cannot run.
    #[error("was not compiled by and for this host, compile it again: {0}")]
    Foreign(String),
    /// It needs compilation, and this host has no compiler.
    #[error(
        "is not compiled, and this udping-host has no compiler: make a .cwasm of it by `udping-host compile` elsewhere"
    )]
    NoCompiler,
    /// Its compilation was stopped at a limit.
    #[error(transparent)]
    Limited(LimitExceeded),
    /// The process that compiled it was killed.
    #[error("was killed while it was compiled: the system has no more memory, or somebody did it")]
    Killed,
    /// The compiler failed on it.
    #[error("cannot be compiled: {0}")]
    Crashed(String),
    /// The process to compile it cannot be started.
    #[error("cannot be compiled, since no process can be started for that: {0}")]
    NoHelper(io::Error),
    /// Its machine code exceeds [`CODE_LIMIT`](crate::sandbox::compile::CODE_LIMIT).
    #[error("compiles to more than 512 MiB of machine code")]
    TooMuchCode,
    /// It imports something that this host does not serve.
    #[error("cannot be run here: {0}")]
    Import(String),
    /// It imports an interface of a package that this host does not serve.
    #[error(
        "imports {0}, and this host serves UDP, name lookup, clocks, random numbers, arguments and standard streams: run \
         it by a runtime that has it"
    )]
    OtherPackage(String),
    /// It imports or exports an interface of another version of WASI.
    #[error(
        "is a component for WASI {version} ({name}), and this host serves WASI 0.2 and 0.3, as released: build it for one \
         of them (wasm32-wasip2)"
    )]
    OtherWasi {
        /// The version, such as 0.1 or 0.3.0-rc-2025-09-16.
        version: String,
        /// The name of the import or export.
        name: String,
    },
    /// It imports or exports interfaces of both versions.
    #[error("is for WASI 0.2 ({p2}) and 0.3 ({p3}) at once: build all of it for one of them")]
    BothWasi {
        /// The name of an import or export of 0.2.
        p2: String,
        /// That of one of 0.3.
        p3: String,
    },
    /// It does not export `wasi:cli/run`.
    #[error("is not a program: it does not export wasi:cli/run")]
    NoProgram,
    /// It answers HTTP requests.
    #[error(
        "is not a program, but answers HTTP requests ({0}), which this host does not serve: `wasmtime serve` runs it"
    )]
    HttpHandler(String),
}

/// The packages of WASI that are served.
const PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

impl LoadError {
    /// Finds, in what a component `imports` and `exports`, why it cannot be run here: an interface of a
    /// version of WASI other than 0.2 and 0.3, or of a snapshot from before their release; both
    /// versions; or another package. Patch versions do not count.
    pub fn of_interfaces(imports: &[String], exports: &[String]) -> Option<Self> {
        let all = || imports.iter().chain(exports).map(String::as_str);
        let of = |wanted: &str| all().find(|name| version_of(name) == Some(wanted));
        let shown = |name: &str| Printable(name).to_string();
        if let Some(handler) = exports.iter().find(|name| name.starts_with("wasi:http/")) {
            return Some(Self::HttpHandler(shown(handler)));
        }
        let is_served = |name: &&String| {
            let package = name.strip_prefix("wasi:").and_then(|name| name.split('/').next());
            package.is_none_or(|package| PACKAGES.contains(&package))
        };
        if let Some(other) = imports.iter().find(|name| !is_served(name)) {
            return Some(Self::OtherPackage(shown(other)));
        }
        let other = all().find_map(|name| {
            version_of(name).filter(|version| !["0.2", "0.3"].contains(version)).map(|v| (v, name))
        });
        if let Some((version, name)) = other {
            return Some(Self::OtherWasi { version: shown(version), name: shown(name) });
        }
        let (p2, p3) = (of("0.2")?, of("0.3")?);
        Some(Self::BothWasi { p2: shown(p2), p3: shown(p3) })
    }
}

/// The version of WASI that an interface belongs to, without its patch version if it was released.
fn version_of(name: &str) -> Option<&str> {
    let (_, version) = name.strip_prefix("wasi:")?.split_once('@')?;
    if version.contains('-') {
        return Some(version);
    }
    let minor = version.match_indices('.').nth(1).map_or(version.len(), |(end, _)| end);
    version.get(..minor)
}
