//! A component's bytes, from a file or built in.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;
use udping_components::Component;

/// The largest component that is read. The built-in ones have 0.3 MB.
pub const SIZE_LIMIT: u64 = 64 << 20;

/// Where a component comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is part of this program.
    BuiltIn(Component),
    /// It is in a file.
    File(PathBuf),
}

impl Source {
    /// The built-in component called `text`, else the file of that path.
    pub fn new(text: PathBuf) -> Self {
        match udping_components::ALL.into_iter().find(|component| text == Path::new(component.name)) {
            Some(component) => Self::BuiltIn(component),
            None => Self::File(text),
        }
    }

    /// What messages call it: the file's name without its folder.
    pub fn name(&self) -> String {
        match self {
            Self::BuiltIn(component) => component.name.to_owned(),
            Self::File(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        }
    }

    /// The bytes of the component: so far it is known only that they start as a component does.
    pub fn read(&self) -> Result<Vec<u8>, ArtifactError> {
        match self {
            Self::BuiltIn(component) => Ok(component.bytes.to_vec()),
            Self::File(path) => {
                let fail = |problem| ArtifactError { path: path.clone(), problem };
                let mut file = File::open(path).map_err(|error| fail(error.into()))?;
                read(&mut file).map_err(fail)
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

/// A file that cannot be run.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct ArtifactError {
    path: PathBuf,
    problem: Problem,
}

/// What is wrong with it.
#[derive(Debug, Error)]
pub enum Problem {
    /// There is no such file.
    #[error("no such file; the built-in components are called client and server")]
    Missing,
    /// It is a directory.
    #[error("is a directory, not a component")]
    Directory,
    /// It has no bytes.
    #[error("is empty, not a component")]
    Empty,
    /// It does not start with the bytes that WebAssembly starts with.
    #[error("is not WebAssembly")]
    NotWasm,
    /// It is WebAssembly of the older kind.
    #[error("is a core module, not a component; `wasm-tools component new` makes one of it")]
    CoreModule,
    /// It is WebAssembly of a kind that came later.
    #[error("is WebAssembly of an unknown version")]
    UnknownVersion,
    /// It is beyond [`SIZE_LIMIT`].
    #[error("is larger than 64 MiB")]
    TooLarge,
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(io::Error),
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

/// Reads a component, and no more than its first 8 bytes where those tell that it is none.
fn read(file: &mut impl Read) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    file.take(8).read_to_end(&mut bytes)?;
    check_preamble(&bytes)?;
    file.take(SIZE_LIMIT).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SIZE_LIMIT { Err(Problem::TooLarge) } else { Ok(bytes) }
}

/// `\0asm`, a version, and a layer: 0 for core modules, 1 for components (component model, Binary.md).
fn check_preamble(start: &[u8]) -> Result<(), Problem> {
    match start {
        [] => Err(Problem::Empty),
        [0, b'a', b's', b'm', 1, 0, 0, 0] => Err(Problem::CoreModule),
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0] => Ok(()),
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
        assert_eq!(read(&mut &b"\0asm\x0d\0\x01\0rest"[..]).unwrap(), b"\0asm\x0d\0\x01\0rest");
    }

    #[test]
    fn an_endless_file_is_not_read_for_ever() {
        assert_eq!(read(&mut io::repeat(0)).unwrap_err().to_string(), "is not WebAssembly");
        let mut component_without_end = b"\0asm\x0d\0\x01\0".chain(io::repeat(0));
        assert_eq!(read(&mut component_without_end).unwrap_err().to_string(), "is larger than 64 MiB");
    }

    #[test]
    fn built_in_names_are_names_and_everything_else_is_a_path() {
        assert_eq!(Source::new("client".into()), Source::BuiltIn(udping_components::CLIENT));
        assert_eq!(Source::new("./client".into()), Source::File("./client".into()));
        assert_eq!(Source::new("dir/x.wasm".into()).name(), "x.wasm");
    }
}
