//! Lists of targets, read from a file on the component's behalf: it has no files.

use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use thiserror::Error;

use crate::process::log;
use crate::process::trust::{self, ReadError, Text};
use udping_permissions::grants::{Endpoint, GrantError, Ports};

/// The maximum size of a list: more targets than a component has memory for.
const SIZE_LIMIT: ByteSize = ByteSize::mib(4);

/// One line of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The text of the line: `HOST[:PORT]`.
    pub text: String,
    /// The same as a grant.
    pub endpoint: Endpoint,
}

/// Why a list of targets cannot be used.
#[derive(Debug, Error)]
pub enum TargetsError {
    /// The file cannot be read.
    #[error("--targets {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: ReadError,
    },
    /// A line is not a target.
    #[error("--targets {}: line {number}: {line:?} is not HOST[:PORT], with an IPv6 address in brackets", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        number: usize,
        /// The text of the line.
        line: String,
    },
    /// The file contains no target.
    #[error("--targets {}: it contains no target", .0.display())]
    Empty(PathBuf),
}

/// Reads `path`, or standard input if it is `-`. A line without a port grants `default_port`.
pub fn read(path: &Path, default_port: Ports) -> Result<Vec<Target>, TargetsError> {
    let is_stdin = path == Path::new("-");
    let read = if is_stdin {
        trust::read_text_from_stdin(SIZE_LIMIT)
    } else {
        trust::read_text(path, SIZE_LIMIT)
    };
    let Text { text, warning } =
        read.map_err(|error| TargetsError::Unreadable { path: path.to_owned(), error })?;
    if let Some(untrusted) = warning {
        log::say(format_args!("warning: --targets {}: {untrusted}", path.display()));
    }
    let lines = text
        .lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line.split('#').next().unwrap_or_default().trim()));
    let target = |(number, line): (usize, &str)| {
        parse(line, default_port).map_err(|_| TargetsError::Line {
            path: path.to_owned(),
            number,
            line: line.to_owned(),
        })
    };
    let targets: Vec<_> =
        lines.filter(|(_, line)| !line.is_empty()).map(target).collect::<Result<_, _>>()?;
    if targets.is_empty() { Err(TargetsError::Empty(path.to_owned())) } else { Ok(targets) }
}

fn parse(line: &str, default_port: Ports) -> Result<Target, GrantError> {
    // A grant may be for a network and a range of ports; a target is one of each.
    if line.contains('/') {
        return Err(GrantError::Endpoint);
    }
    let endpoint = match line.rsplit_once(':').filter(|_| !line.ends_with(']')) {
        None => Endpoint::new(line, default_port)?,
        Some((_, port)) if port.bytes().all(|b| b.is_ascii_digit()) => line.parse()?,
        Some(_) => return Err(GrantError::Endpoint),
    };
    Ok(Target { text: line.to_owned(), endpoint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_host_and_at_most_one_port() {
        for line in [
            "127.0.0.1:12000",
            "[::1]:12000",
            "[fe80::1%2]:7",
            "a.example:65535",
            "a.example",
            "127.0.0.1",
            "[::1]",
        ] {
            assert_eq!(parse(line, Ports::STAMP).map(|target| target.text), Ok(line.to_owned()));
        }
        for line in [
            "127.0.0.0/8:7",
            "127.0.0.0/8",
            "a.example:1-9",
            "a.example:+7",
            "a.example:0",
            "::1",
            "::1:7",
            ":7",
            "",
        ] {
            assert!(parse(line, Ports::STAMP).is_err(), "{line}");
        }
    }

    #[test]
    fn a_line_without_a_port_grants_the_port_of_stamp() {
        for (line, with_port) in
            [("a.example", "a.example:862"), ("127.0.0.1", "127.0.0.1:862"), ("[::1]", "[::1]:862")]
        {
            assert_eq!(parse(line, Ports::STAMP).map(|target| target.endpoint), with_port.parse());
        }
    }
}
