//! The bytes of a component, from a file or built in.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;
use udping_components::Component;

use crate::process::printable::Printable;
use crate::process::trust::{self, Purpose, Untrusted};
use crate::sandbox::compile::CODE_LIMIT;

/// The maximum size of a component in bytes. The built-in ones have 0.3 MB.
pub const SIZE_LIMIT: u64 = 64 << 20;

/// The initial capacity of the buffer that one is read into, in bytes.
const LIKELY_SIZE: usize = 1 << 20;

/// Where a component comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Part of this program.
    BuiltIn(Component),
    /// In a file.
    File(PathBuf),
}

impl Source {
    /// Returns the built-in component called `text`, or else the file with that path.
    pub fn new(text: PathBuf) -> Self {
        match udping_components::ALL.into_iter().find(|component| text == Path::new(component.name))
        {
            Some(component) => Self::BuiltIn(component),
            None => Self::File(text),
        }
    }

    /// The name in messages: the file's name without its folder, with unprintable characters
    /// escaped.
    pub fn name(&self) -> String {
        match self {
            Self::BuiltIn(component) => component.name.to_owned(),
            Self::File(path) => {
                Printable(path.file_name().unwrap_or(path.as_os_str()).to_string_lossy())
                    .to_string()
            }
        }
    }

    /// Reads it. Only the preamble is checked: that it starts as a component or machine code does.
    pub fn read(&self) -> Result<Artifact, ArtifactError> {
        match self {
            Self::BuiltIn(component) => {
                Ok(Artifact::Compiled(MachineCode(udping_compiled::of(*component).into())))
            }
            Self::File(path) => {
                read_file(path).map_err(|problem| ArtifactError { path: path.clone(), problem })
            }
        }
    }

    /// Reads the component as it was before compilation.
    pub fn read_component(&self) -> Result<Vec<u8>, ArtifactError> {
        match (self, self.read()?) {
            (Self::BuiltIn(component), _) => Ok(component.bytes.to_vec()),
            (_, Artifact::Component(bytes)) => Ok(bytes),
            (Self::File(path), Artifact::Compiled(_)) => {
                Err(ArtifactError { path: path.clone(), problem: Problem::CompiledAlready })
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(component) => f.write_str(component.name),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// The content of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Artifact {
    /// A component, in WebAssembly.
    Component(Vec<u8>),
    /// An already compiled component (`.cwasm`).
    Compiled(MachineCode),
}

impl Artifact {
    /// The bytes of either.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Component(bytes) => bytes,
            Self::Compiled(code) => code.bytes(),
        }
    }
}

/// Machine code that is safe to run as this user: it is part of this program, this host compiled
/// it, or only this user and root could write it.
#[derive(Clone, PartialEq, Eq)]
pub struct MachineCode(Cow<'static, [u8]>);

impl MachineCode {
    /// Wraps the output of this host's own compiler.
    #[cfg(feature = "compiler")]
    pub(crate) fn compiled(code: Vec<u8>) -> Self {
        Self(code.into())
    }

    /// Whether it is part of this program.
    pub fn is_built_in(&self) -> bool {
        matches!(self.0, Cow::Borrowed(_))
    }

    /// The bytes, as the compiler wrote them.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for MachineCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MachineCode({} bytes)", self.0.len())
    }
}

/// A file that cannot be run.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct ArtifactError {
    path: PathBuf,
    problem: Problem,
}

/// Why a file cannot be run.
#[derive(Debug, Error)]
pub enum Problem {
    /// The file does not exist.
    #[error("no such file; the built-in components are called client and server")]
    Missing,
    /// It is a directory.
    #[error("is a directory, not a component")]
    Directory,
    /// It is empty.
    #[error("is empty, not a component")]
    Empty,
    /// It does not start with the WebAssembly magic.
    #[error("is not WebAssembly")]
    NotWasm,
    /// It is a core module.
    #[error("is a core module, not a component: {0}")]
    CoreModule(Advice),
    /// It is machine code that other users could have written.
    #[error(
        "is machine code, which runs as it is, and others than you and root could have written it ({0}): copy it, check the \
         copy's digest against its maker's, and run the copy; or compile the component yourself"
    )]
    NotYours(Untrusted),
    /// It is machine code, where a component is needed.
    #[error("is compiled already")]
    CompiledAlready,
    /// It is WebAssembly of a later version.
    #[error("is WebAssembly of an unknown version")]
    UnknownVersion,
    /// It is larger than [`SIZE_LIMIT`].
    #[error("is larger than 64 MiB")]
    TooLarge,
    /// It is larger than [`CODE_LIMIT`].
    #[error("is larger than 512 MiB")]
    TooMuchCode,
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(io::Error),
}

/// How to get a component from the source of a core module.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Advice {
    /// It imports WASI 0.1, which has no UDP, so no adapter can provide WASI 0.2's.
    #[error(
        "it is for WASI 0.1 (wasip1), which has no UDP; build it for WASI 0.2, as `cargo build --target wasm32-wasip2` does"
    )]
    Wasip1,
    /// It embeds the type of the component that it is the core of.
    #[error("`wasm-tools component new` makes one of it")]
    Embedded,
    /// It imports something else, or nothing.
    #[error("build it for WASI 0.2, as `cargo build --target wasm32-wasip2` does")]
    Other,
}

impl Advice {
    /// Searches the module for the name of the import, and for that of the section with the
    /// component's type.
    fn of(module: &[u8]) -> Self {
        let has = |name: &[u8]| module.windows(name.len()).any(|window| window == name);
        if has(b"wasi_snapshot_preview1") || has(b"wasi_unstable") {
            Self::Wasip1
        } else if has(b"component-type") {
            Self::Embedded
        } else {
            Self::Other
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::IsADirectory => Self::Directory,
            _ => Self::Io(error),
        }
    }
}

fn read_file(path: &Path) -> Result<Artifact, Problem> {
    let mut file = trust::open(path)?;
    let (kind, bytes) = read(&mut file)?;
    match kind {
        Kind::Component => Ok(Artifact::Component(bytes)),
        Kind::MachineCode => {
            // The descriptor that was read: the path may lead to another file by now.
            trust::check(&file, path, Purpose::Code).map_err(Problem::NotYours)?;
            Ok(Artifact::Compiled(MachineCode(bytes.into())))
        }
    }
}

/// How many bytes of a core module are searched: imports are near its start, but sections that
/// tools add may not be.
const MODULE_READ: u64 = 8 << 20;

/// Reads a component. Stops after the first 8 bytes if they show that it is none, except for a core
/// module.
fn read(file: &mut impl Read) -> Result<(Kind, Vec<u8>), Problem> {
    let mut bytes = Vec::with_capacity(LIKELY_SIZE);
    file.take(8).read_to_end(&mut bytes)?;
    let kind = check_preamble(&bytes);
    if let Err(Problem::CoreModule(_)) = kind {
        file.take(MODULE_READ).read_to_end(&mut bytes)?;
        return Err(Problem::CoreModule(Advice::of(&bytes)));
    }
    let kind = kind?;
    let (limit, too_large) = match kind {
        Kind::Component => (SIZE_LIMIT, Problem::TooLarge),
        Kind::MachineCode => (CODE_LIMIT, Problem::TooMuchCode),
    };
    file.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large) } else { Ok((kind, bytes)) }
}

/// The kind of a file, from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Component,
    MachineCode,
}

/// Checks the preamble of WebAssembly: `\0asm`, a version, and a layer, which is 0 for core modules
/// and 1 for components (component model, Binary.md).
fn check_preamble(start: &[u8]) -> Result<Kind, Problem> {
    match start {
        [] => Err(Problem::Empty),
        [0, b'a', b's', b'm', 1, 0, 0, 0] => Err(Problem::CoreModule(Advice::Other)),
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0] => Ok(Kind::Component),
        // wasmtime stores compiled components as ELF files.
        [0x7f, b'E', b'L', b'F', ..] => Ok(Kind::MachineCode),
        [0, b'a', b's', b'm', _, _, _, _] => Err(Problem::UnknownVersion),
        _ => Err(Problem::NotWasm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(bytes: &[u8]) -> String {
        read(&mut &bytes[..]).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_component_is_told_by_its_first_bytes() {
        assert_eq!(problem(b""), "is empty, not a component");
        assert_eq!(problem(b"\0asm"), "is not WebAssembly");
        assert_eq!(problem(b"#!/bin/sh"), "is not WebAssembly");
        assert_eq!(problem(b"\0asm\x0e\0\x01\0"), "is WebAssembly of an unknown version");
        assert!(problem(b"\0asm\x01\0\0\0\0\0").starts_with("is a core module"));
        let module = |rest: &[u8]| problem(&[b"\0asm\x01\0\0\0", rest].concat());
        assert!(module(b"..wasi_snapshot_preview1..").contains("for WASI 0.1 (wasip1)"));
        assert!(
            module(b"..component-type:x..").ends_with("`wasm-tools component new` makes one of it")
        );
        assert!(module(b"..env..").ends_with("as `cargo build --target wasm32-wasip2` does"));
        let component = b"\0asm\x0d\0\x01\0rest";
        assert_eq!(read(&mut &component[..]).unwrap(), (Kind::Component, component.to_vec()));
        assert_eq!(read(&mut &b"\x7fELF"[..]).unwrap().0, Kind::MachineCode);
    }

    #[test]
    fn an_endless_file_is_not_read_for_ever() {
        assert_eq!(read(&mut io::repeat(0)).unwrap_err().to_string(), "is not WebAssembly");
        let mut component_without_end = b"\0asm\x0d\0\x01\0".chain(io::repeat(0));
        assert_eq!(
            read(&mut component_without_end).unwrap_err().to_string(),
            "is larger than 64 MiB"
        );
    }

    #[test]
    fn built_in_names_are_names_and_everything_else_is_a_path() {
        assert_eq!(Source::new("client".into()), Source::BuiltIn(udping_components::CLIENT));
        assert_eq!(Source::new("./client".into()), Source::File("./client".into()));
        assert_eq!(Source::new("dir/x.wasm".into()).name(), "x.wasm");
    }
}
