//! Files that are read once, when a run starts: checked, and no further than a bound.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use bytesize::ByteSize;
use thiserror::Error;

use super::{Purpose, Untrusted, check};

/// Why a file is not obeyed.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is larger than what is read.
    #[error("is larger than {0}")]
    TooLarge(ByteSize),
    /// It may be somebody else's work.
    #[error("is not obeyed, since {0}: read it, and copy it to where only you and root can write")]
    Untrusted(#[from] Untrusted),
}

/// A policy, or a list of targets.
#[derive(Debug)]
pub struct Text {
    /// What it says.
    pub text: String,
    /// Who else could have written it, where that is no reason not to obey it.
    pub warning: Option<Untrusted>,
}

/// Reads a policy or a list of targets of up to `limit` bytes.
///
/// # Errors
///
/// Where it is another user's, larger, or no text.
pub fn read_text(path: &Path, limit: ByteSize) -> Result<Text, ReadError> {
    read_checked(&open(path)?, path, limit)
}

/// The same, from standard input.
#[cfg(unix)]
pub fn read_text_from_stdin(limit: ByteSize) -> Result<Text, ReadError> {
    use std::os::fd::AsFd as _;
    let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    read_checked(&file, Path::new("/dev/stdin"), limit)
}

/// The same, from standard input.
#[cfg(not(unix))]
pub fn read_text_from_stdin(limit: ByteSize) -> Result<Text, ReadError> {
    let text = into_text(read_to_limit(io::stdin().lock(), limit)?)?;
    Ok(Text { text, warning: None })
}

fn read_checked(file: &File, path: &Path, limit: ByteSize) -> Result<Text, ReadError> {
    let warning = check(file, path, Purpose::Policy)?;
    let text = into_text(read_to_limit(file, limit)?)?;
    Ok(Text { text, warning })
}

fn into_text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "is no text (UTF-8)"))
}

/// Reads everything that there is, where that is no more than `limit`: by what is read, since the
/// size that a system states is 0 for devices, pipes and what `/proc` holds.
///
/// # Errors
///
/// Where there is more.
pub fn read_to_limit(source: impl Read, limit: ByteSize) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    source.take(limit.as_u64().saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit.as_u64() { Err(ReadError::TooLarge(limit)) } else { Ok(bytes) }
}

/// Opens a file to read from. Where it is a pipe that nobody writes to, which reading would wait
/// for, that is said.
///
/// # Errors
///
/// As [`File::open`].
#[cfg(unix)]
pub fn open(path: &Path) -> io::Result<File> {
    use std::fs::OpenOptions;
    use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};

    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

    // To open a named pipe waits for somebody who writes to it; this does not, and nor does it make
    // a terminal ours.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)?;
    if file.metadata()?.file_type().is_fifo() {
        wait_for_data(&file, path)?;
    }
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

#[cfg(unix)]
fn wait_for_data(pipe: &File, path: &Path) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::{Errno, retry_on_intr};

    const PATIENCE: Timespec = Timespec { tv_sec: 3, tv_nsec: 0 };
    let wait = |most: Option<&Timespec>| -> Result<usize, Errno> {
        retry_on_intr(|| poll(&mut [PollFd::new(pipe, PollFlags::IN)], most))
    };
    if wait(Some(&PATIENCE))? == 0 {
        crate::process::log::say(format_args!(
            "waiting for {}, a pipe that nothing was written to yet",
            path.display()
        ));
        wait(None)?;
    }
    Ok(())
}

/// Opens a file to read from.
///
/// # Errors
///
/// As [`File::open`].
#[cfg(not(unix))]
pub fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_bounded_by_what_was_read() {
        let limit = ByteSize::b(4);
        assert_eq!(read_to_limit(&b"four"[..], limit).unwrap(), b"four");
        assert!(matches!(read_to_limit(&b"fives"[..], limit), Err(ReadError::TooLarge(_))));
        assert!(matches!(read_to_limit(io::repeat(0), limit), Err(ReadError::TooLarge(_))));
    }
}
