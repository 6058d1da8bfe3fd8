//! The process.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::event::LogRecord;
use crate::lines::Lines;

/// How long a client that is told to stop has to end.
const GRACE: Duration = Duration::from_secs(5);

/// The maximum length of an event, in bytes: the first lists all targets.
const LONGEST_EVENT: usize = 32 << 20;

/// The maximum length of a record of the log, in bytes: the first lists a grant for each target.
const LONGEST_RECORD: usize = 32 << 20;

/// A running client. It is killed when dropped.
#[derive(Debug)]
pub struct Client {
    child: Child,
    events: Lines<ChildStdout>,
}

impl Client {
    /// Starts `command` on a task's runtime, and gives it `targets`, one on a line. `log` gets each
    /// record of its log.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(
        command: &mut Command,
        targets: String,
        log: impl FnMut(LogRecord, &[u8]) + Send + 'static,
    ) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("no pipes"));
        };
        tokio::spawn(list(stdin, targets));
        tokio::spawn(records(stderr, log));
        Ok(Self { child, events: Lines::new(stdout, LONGEST_EVENT) })
    }

    /// Reads the next event; none at the end. It may be cancelled.
    ///
    /// # Errors
    ///
    /// Those of [`Lines::next`].
    pub async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.events.next().await
    }

    /// Waits for its end, for some seconds; `None` if it does not end.
    pub async fn ended(&mut self) -> Option<ExitStatus> {
        timeout(GRACE, self.child.wait()).await.ok()?.ok()
    }

    /// Its process id as a number, while it has not been waited for.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Its process id, while it has not been waited for.
    #[cfg(unix)]
    pub fn pid(&self) -> Option<rustix::process::Pid> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok())?;
        rustix::process::Pid::from_raw(id)
    }

    /// Has it end, and passes what it still has to tell to `event`.
    pub async fn stop(&mut self, mut event: impl FnMut(&[u8])) {
        #[cfg(unix)]
        if let Some(pid) = self.pid() {
            // It fails only if it has ended. Nobody else has that number before it is waited for.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let drain = async {
            while let Ok(Some(line)) = self.events.next().await {
                event(line);
            }
        };
        let _ = timeout(GRACE, drain).await;
        let _ = self.child.start_kill();
        let _ = self.child.wait().await;
    }
}

/// Writes the list of targets.
async fn list(mut stdin: ChildStdin, targets: String) {
    // It fails only if the client has ended.
    let _ = stdin.write_all(targets.as_bytes()).await;
}

/// Reads the log.
async fn records(stderr: ChildStderr, mut log: impl FnMut(LogRecord, &[u8])) {
    let mut records = Lines::new(stderr, LONGEST_RECORD);
    while let Ok(Some(line)) = records.next().await {
        if let Ok(record) = serde_json::from_slice(line) {
            log(record, line);
        }
    }
}
