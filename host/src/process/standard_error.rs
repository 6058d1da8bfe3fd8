//! Standard error, where what this program says and what a component writes stand on lines of their
//! own.

#[cfg(not(unix))]
use std::io::IsTerminal as _;
use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Whether a component has left a line open in the file that standard error is. Who holds it may
/// write there.
static OPEN_LINE: Mutex<bool> = Mutex::new(false);

/// That, for as long as nothing else is to be written there.
pub fn open_line() -> MutexGuard<'static, bool> {
    OPEN_LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a line of this program's own, from the start of a line.
///
/// # Errors
///
/// Where a part of it, or all, cannot be written.
pub fn write_line(line: &[u8]) -> io::Result<()> {
    let mut open = open_line();
    // By one call, so that what another process writes stands before or after it.
    let mut rest = if *open { &*[b"\n", line].concat() } else { line };
    while !rest.is_empty() {
        match io::stderr().write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                // On a disk that is full now, a part of the line may stand there.
                *open = rest[written - 1] != b'\n';
                rest = &rest[written..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether standard output is the same terminal, pipe or file.
pub fn is_standard_output() -> bool {
    #[cfg(unix)]
    {
        static ONE: OnceLock<bool> = OnceLock::new();
        *ONE.get_or_init(|| {
            let file = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
            let files = (
                rustix::fs::fstat(io::stdout()).map(file),
                rustix::fs::fstat(io::stderr()).map(file),
            );
            matches!(files, (Ok(out), Ok(err)) if out == err)
        })
    }
    #[cfg(not(unix))]
    {
        static ONE: OnceLock<bool> = OnceLock::new();
        *ONE.get_or_init(|| io::stdout().is_terminal() && io::stderr().is_terminal())
    }
}
