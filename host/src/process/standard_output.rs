//! Standard output, written to without waiting for its reader: a component that has other work can
//! do it meanwhile.
//!
//! A pipe or a terminal is opened once more, by which the mode of that opening alone changes: other
//! processes share the other one, and go on to wait. Where that is not permitted, and for all else,
//! it is written to as ever: a file never makes one wait for long.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is not written yet, and where to.
#[derive(Debug)]
struct Outlet {
    /// The opening that does not wait.
    file: Option<File>,
    /// What the reader has not taken yet: at most what one write takes.
    pending: Vec<u8>,
}

static OUTLET: Mutex<Outlet> = Mutex::new(Outlet { file: None, pending: Vec::new() });

fn outlet() -> MutexGuard<'static, Outlet> {
    OUTLET.lock().unwrap_or_else(PoisonError::into_inner)
}

/// To be called while this process can open files.
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
    /// Writes as much of what is pending as the reader takes.
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

/// Writes `bytes`, or keeps what the reader does not take now. Whether all is written.
pub fn write(bytes: &[u8]) -> io::Result<bool> {
    let mut outlet = outlet();
    if outlet.file.is_none() {
        let mut stdout = io::stdout().lock();
        // What waits in the buffer would come after what is written to another opening.
        stdout.write_all(bytes)?;
        return stdout.flush().map(|()| true);
    }
    outlet.pending.extend_from_slice(bytes);
    outlet.drain()?;
    Ok(outlet.pending.is_empty())
}

/// Whether the reader has taken all that was written.
pub fn is_drained() -> io::Result<bool> {
    let mut outlet = outlet();
    outlet.drain()?;
    Ok(outlet.pending.is_empty())
}

/// Waits until the reader has taken all that was written, or is gone.
pub async fn drained() {
    while let Ok(false) = is_drained() {
        writable().await;
    }
}

/// Resolves when the reader takes more, or after a while.
#[cfg(target_os = "linux")]
async fn writable() {
    use tokio::net::unix::pipe::Sender;

    /// How long to wait where it cannot be told: as where two instances of one thread wait for the
    /// same reader.
    const PAUSE: Duration = Duration::from_millis(10);

    let file = outlet().file.as_ref().and_then(|file| file.try_clone().ok());
    // A terminal is waited for as a pipe is.
    match file.and_then(|file| Sender::from_file_unchecked(file).ok()) {
        Some(file) => drop(file.writable().await),
        None => tokio::time::sleep(PAUSE).await,
    }
}

#[cfg(not(target_os = "linux"))]
async fn writable() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// Waits, as a plain program would, until the reader has taken all that was written.
pub fn finish() -> io::Result<()> {
    while !is_drained()? {
        #[cfg(target_os = "linux")]
        {
            use rustix::event::{PollFd, PollFlags, poll};

            let Some(file) = outlet().file.as_ref().and_then(|file| file.try_clone().ok()) else {
                return Ok(());
            };
            // An interruption is one more look.
            let _ = poll(&mut [PollFd::new(&file, PollFlags::OUT)], None);
        }
        #[cfg(not(target_os = "linux"))]
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
