//! The keys that a component gets in its environment: it has no files to read them from, and
//! arguments are visible to every user.

use std::env::{self, VarError};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use thiserror::Error;
use udping_cli::contract::{KEY_DIGITS, UDPING_KEY};

use crate::process::trust::{self, Purpose, Untrusted};

/// The environment variable that holds them, here and under `wasmtime run --env`.
pub const VARIABLE: &str = UDPING_KEY;

/// The maximum size of a key file in bytes: more than any keys and their comments take.
const SIZE_LIMIT: u64 = 4_096;

/// The hexadecimal digits of one key, or of two during a rotation.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys(Vec<String>);

impl Keys {
    /// Reads a file that holds only keys, one per line; a `#` starts a comment.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let failed = |problem| KeyError { origin: Origin::File(path.to_owned()), problem };
        let file = trust::open(path).map_err(|error| failed(Problem::Unreadable(error)))?;
        trust::check(&file, path, Purpose::Key)
            .map_err(|untrusted| failed(Problem::Untrusted(untrusted)))?;
        let read = || -> io::Result<(bool, String)> {
            let mut text = String::new();
            (&file).take(SIZE_LIMIT).read_to_string(&mut text)?;
            Ok((is_open_to_all(&file)?, text))
        };
        let (open_to_all, text) = read().map_err(|error| failed(Problem::Unreadable(error)))?;
        if open_to_all {
            return Err(failed(Problem::OpenToAll));
        }
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        Self::of(lines.filter(|line| !line.is_empty())).map_err(failed)
    }

    /// Reads the keys in this process's own environment, if there are any.
    pub fn from_environment() -> Result<Option<Self>, KeyError> {
        let keys = match env::var(VARIABLE) {
            Err(VarError::NotPresent) => return Ok(None),
            Err(VarError::NotUnicode(_)) => Err(Problem::NoKey),
            Ok(value) => Self::parse(&value),
        };
        keys.map(Some).map_err(|problem| KeyError { origin: Origin::Variable, problem })
    }

    /// Parses the value of the variable: keys separated by commas.
    pub(crate) fn parse(value: &str) -> Result<Self, Problem> {
        Self::of(value.split(',').map(str::trim))
    }

    fn of<'a>(keys: impl Iterator<Item = &'a str>) -> Result<Self, Problem> {
        let keys: Vec<_> = keys.map(str::to_owned).collect();
        let is_key = |digits: &String| {
            KEY_DIGITS.contains(&digits.len())
                && digits.len().is_multiple_of(2)
                && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        };
        match keys.len() {
            0 => Err(Problem::NoKey),
            _ if !keys.iter().all(is_key) => Err(Problem::NoKey),
            1 | 2 => Ok(Self(keys)),
            _ => Err(Problem::TooMany),
        }
    }

    /// The number of keys.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The value of the variable.
    pub fn value(&self) -> String {
        self.0.join(",")
    }

    /// The name and value of the variable.
    pub fn variable(&self) -> (String, String) {
        (VARIABLE.to_owned(), self.value())
    }
}

/// Hides the keys.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

/// A file or variable that does not contain a valid key.
#[derive(Debug, Error)]
#[error("{origin}: {problem}")]
pub struct KeyError {
    origin: Origin,
    problem: Problem,
}

/// Where keys were read from.
#[derive(Debug)]
enum Origin {
    File(PathBuf),
    Variable,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "--key-file {}", path.display()),
            Self::Variable => f.write_str(VARIABLE),
        }
    }
}

/// Why keys are not accepted.
#[derive(Debug, Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// Another user may have written it.
    #[error(
        "may be no secret, since {0}: make a new key in a file and a folder that only you can write"
    )]
    Untrusted(Untrusted),
    /// Everyone can read it, so it is not secret.
    #[error("everybody can read it: `chmod o-r` it, and make a new key")]
    OpenToAll,
    /// It contains something other than keys.
    #[error("contains no key: write 32 to 128 hexadecimal digits, as `openssl rand -hex 32` does")]
    NoKey,
    /// It contains more than two keys.
    #[error(
        "holds more than two keys: the one that all have, and the one that takes its place, are enough"
    )]
    TooMany,
}

#[cfg(unix)]
fn is_open_to_all(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    let status = file.metadata()?;
    // Other readers of a device read different bytes.
    Ok(!status.file_type().is_char_device() && status.mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_open_to_all(_: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_key_or_two_and_nothing_else() {
        let (a, b) = ("0".repeat(32), "aF".repeat(64));
        for (value, count) in
            [(a.clone(), 1), (b.clone(), 1), (format!("{a},{b}"), 2), (format!(" {a} , {b}\n"), 2)]
        {
            let keys = Keys::parse(&value).unwrap();
            assert_eq!((keys.count(), keys.value()), (count, value.replace([' ', '\n'], "")));
        }
        for value in [
            "",
            ",",
            &a[1..],
            &a[2..],
            &format!("{b}00"),
            &format!("{a},"),
            &format!(",{a}"),
            &"x".repeat(32),
        ] {
            assert!(matches!(Keys::parse(value), Err(Problem::NoKey)), "{value:?}");
        }
        assert!(matches!(Keys::parse(&[a.as_str(); 3].join(",")), Err(Problem::TooMany)));
        assert!(!format!("{:?}", Keys::parse(&a)).contains('0'));
    }
}
