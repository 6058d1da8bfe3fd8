//! Files that are read once, when a run starts: checked, and with a maximum size.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use bytesize::ByteSize;
use thiserror::Error;

use super::{Purpose, Untrusted, check};

/// Why a file is not used.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is larger than the maximum.
    #[error("is larger than {0}")]
    TooLarge(ByteSize),
    /// It may have been written by someone else.
    #[error("is not obeyed, since {0}: read it, and copy it to where only you and root can write")]
    Untrusted(#[from] Untrusted),
}

/// The text of a policy, or of a list of targets.
#[derive(Debug)]
pub struct Text {
    /// The content.
    pub text: String,
    /// Who else could have written it, if the file is used nevertheless.
    pub warning: Option<Untrusted>,
}

/// Reads a policy or a list of targets of up to `limit` bytes.
///
/// # Errors
///
/// If it is another user's, larger, or not text.
pub fn read_text(path: &Path, limit: ByteSize) -> Result<Text, ReadError> {
    read_checked(&open(path)?, path, limit)
}

/// Like [`read_text`], but from standard input.
#[cfg(unix)]
pub fn read_text_from_stdin(limit: ByteSize) -> Result<Text, ReadError> {
    use std::os::fd::AsFd as _;
    let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    read_checked(&file, Path::new("/dev/stdin"), limit)
}

/// Like [`read_text`], but from standard input.
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

/// Reads everything, up to `limit` bytes. Counts what is read, since the stated size of devices,
/// pipes and files in `/proc` is 0.
///
/// # Errors
///
/// If there is more.
pub fn read_to_limit(source: impl Read, limit: ByteSize) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    source.take(limit.as_u64().saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit.as_u64() { Err(ReadError::TooLarge(limit)) } else { Ok(bytes) }
}

/// Opens a file for reading. Fails for a pipe that nobody writes to, since reading would wait for a
/// writer.
///
/// # Errors
///
/// As [`File::open`].
#[cfg(unix)]
pub fn open(path: &Path) -> io::Result<File> {
    use std::fs::OpenOptions;
    use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};

    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

    // Opening a named pipe normally waits for a writer; this does not, nor does it make a terminal
    // the controlling one.
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

/// Opens a file for reading.
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
