//! Non-blocking standard output: a component with other work can do it while the reader is slow.
//!
//! A pipe or a terminal is opened again, so that `O_NONBLOCK` applies to the new file description
//! only: other processes share the old one, and keep blocking on it. Where that is not permitted,
//! and for anything else, writes block as usual: a file never blocks for long.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The output not yet written, and where it goes.
#[derive(Debug)]
struct Outlet {
    /// The non-blocking file description.
    file: Option<File>,
    /// Bytes that the reader has not taken yet: at most those of one write.
    pending: Vec<u8>,
}

static OUTLET: Mutex<Outlet> = Mutex::new(Outlet { file: None, pending: Vec::new() });

fn outlet() -> MutexGuard<'static, Outlet> {
    OUTLET.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens standard output again. Call this while the process can still open files.
pub fn open() {
    outlet().file = reopened();
}

#[cfg(target_os = "linux")]
fn reopened() -> Option<File> {
    use std::fs::OpenOptions;
    use std::io::IsTerminal as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::{FileType, OFlags, fstat};

    let stdout = io::stdout();
    let is_pipe = FileType::from_raw_mode(fstat(&stdout).ok()?.st_mode) == FileType::Fifo;
    if !is_pipe && !stdout.is_terminal() {
        return None;
    }
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    OpenOptions::new()
        .write(true)
        .custom_flags(flags.bits().cast_signed())
        .open("/proc/self/fd/1")
        .ok()
}

#[cfg(not(target_os = "linux"))]
fn reopened() -> Option<File> {
    None
}

impl Outlet {
    /// Writes as much of the pending output as the reader takes.
    fn drain(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut written = 0;
        let result = loop {
            if written == self.pending.len() {
                break Ok(());
            }
            match file.write(&self.pending[written..]) {
                Ok(0) => break Ok(()),
                Ok(some) => written += some,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        match result {
            Ok(()) => drop(self.pending.drain(..written)),
            // Nobody will read the rest either.
            Err(_) => self.pending.clear(),
        }
        result
    }
}

/// Writes `bytes`, or keeps what the reader does not take now. Returns whether all is written.
pub fn write(bytes: &[u8]) -> io::Result<bool> {
    let mut outlet = outlet();
    if outlet.file.is_none() {
        let mut stdout = io::stdout().lock();
        // Flushed, since output left in this buffer would follow what is written to the other file
        // description.
        stdout.write_all(bytes)?;
        return stdout.flush().map(|()| true);
    }
    outlet.pending.extend_from_slice(bytes);
    outlet.drain()?;
    Ok(outlet.pending.is_empty())
}

/// Whether the reader has taken everything; writes what it takes now.
pub fn is_drained() -> io::Result<bool> {
    let mut outlet = outlet();
    outlet.drain()?;
    Ok(outlet.pending.is_empty())
}

/// Waits until the reader has taken everything, or is gone.
pub async fn drained() {
    while let Ok(false) = is_drained() {
        writable().await;
    }
}

/// Resolves when the reader may take more, or after a while.
#[cfg(target_os = "linux")]
async fn writable() {
    use tokio::net::unix::pipe::Sender;

    /// The pause where readiness is not available: when two instances on one thread wait for the
    /// same reader, for example.
    const PAUSE: Duration = Duration::from_millis(10);

    let file = outlet().file.as_ref().and_then(|file| file.try_clone().ok());
    // Unchecked, since a terminal is polled like a pipe.
    match file.and_then(|file| Sender::from_file_unchecked(file).ok()) {
        Some(file) => drop(file.writable().await),
        None => tokio::time::sleep(PAUSE).await,
    }
}

#[cfg(not(target_os = "linux"))]
async fn writable() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// Blocks, as a plain write would, until the reader has taken everything.
pub fn finish() -> io::Result<()> {
    while !is_drained()? {
        #[cfg(target_os = "linux")]
        {
            use rustix::event::{PollFd, PollFlags, poll};

            let Some(file) = outlet().file.as_ref().and_then(|file| file.try_clone().ok()) else {
                return Ok(());
            };
            // If interrupted, it is checked again.
            let _ = poll(&mut [PollFd::new(&file, PollFlags::OUT)], None);
        }
        #[cfg(not(target_os = "linux"))]
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
