//! The key that a component gets in its environment: it has no files to read it from, and arguments are seen by everybody.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::trust::{self, Purpose, Untrusted};

/// The variable that it is in, here and under `wasmtime run --env`.
pub const VARIABLE: &str = "UDPING_KEY";

/// Hexadecimal digits of a key: 16 to 64 bytes.
const DIGITS: std::ops::RangeInclusive<usize> = 32..=128;

/// A key's hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Reads one from a file that holds nothing else.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let failed = |problem| KeyError { path: path.to_owned(), problem };
        let file = trust::open(path).map_err(|error| failed(Problem::Unreadable(error)))?;
        trust::check(&file, path, Purpose::Key).map_err(|untrusted| failed(Problem::Untrusted(untrusted)))?;
        let read = || -> io::Result<(bool, String)> {
            let mut text = String::new();
            // More than any key has is as wrong as it needs to be.
            (&file).take(1024).read_to_string(&mut text)?;
            Ok((is_open_to_all(&file)?, text))
        };
        let (open_to_all, text) = read().map_err(|error| failed(Problem::Unreadable(error)))?;
        if open_to_all {
            return Err(failed(Problem::OpenToAll));
        }
        let digits = text.trim();
        if DIGITS.contains(&digits.len()) && digits.len().is_multiple_of(2) && digits.bytes().all(|c| c.is_ascii_hexdigit())
        {
            Ok(Self(digits.to_owned()))
        } else {
            Err(failed(Problem::NoKey))
        }
    }

    /// The digits.
    pub fn digits(&self) -> &str {
        &self.0
    }
}

/// It does not show.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// A file without a key in it.
#[derive(Debug, Error)]
#[error("--key-file {}: {problem}", path.display())]
pub struct KeyError {
    path: PathBuf,
    problem: Problem,
}

/// What is wrong with it.
#[derive(Debug, Error)]
pub enum Problem {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// Somebody else may have chosen it.
    #[error("may be no secret, since {0}: make a new key in a file and a folder that only you can write")]
    Untrusted(Untrusted),
    /// It is no secret.
    #[error("everybody can read it: `chmod o-r` it, and make a new key")]
    OpenToAll,
    /// It holds something else.
    #[error("holds no key: write 32 to 128 hexadecimal digits, as `openssl rand -hex 32` does")]
    NoKey,
}

#[cfg(unix)]
fn is_open_to_all(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    let status = file.metadata()?;
    // Who can read a device reads something else.
    Ok(!status.file_type().is_char_device() && status.mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_open_to_all(_: &File) -> io::Result<bool> {
    Ok(false)
}
