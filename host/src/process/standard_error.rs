//! Standard error, where messages of this program and output of a component are kept on separate
//! lines.

#[cfg(not(unix))]
use std::io::IsTerminal as _;
use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Whether a component has left an unfinished line in the file that standard error is. Only the
/// holder of the lock may write there.
static OPEN_LINE: Mutex<bool> = Mutex::new(false);

/// Locks standard error: nothing else is written there while the guard exists.
pub fn open_line() -> MutexGuard<'static, bool> {
    OPEN_LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a line of this program's own, at the start of a line.
///
/// # Errors
///
/// If it cannot be written completely.
pub fn write_line(line: &[u8]) -> io::Result<()> {
    let mut open = open_line();
    // In one call, so that other processes' output stands before or after it, not within.
    let mut rest = if *open { &*[b"\n", line].concat() } else { line };
    while !rest.is_empty() {
        match io::stderr().write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                // On a disk that fills up, part of the line may have been written.
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
