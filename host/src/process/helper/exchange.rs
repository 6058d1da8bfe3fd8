//! An exchange with a helper: one request, and one answer.

use std::io::{self, Read, Write as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The maximum length of a helper's message that is read, in bytes.
const MESSAGE: u64 = 16 << 10;

/// The first pause before a helper that has closed its output is checked again, which doubles each
/// time, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(5));

/// The bounds of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The time from the helper's start to its end.
    pub time: Duration,
    /// The maximum length of its answer, in bytes.
    pub answer: u64,
}

/// The result of an exchange.
#[derive(Debug)]
pub struct Answer {
    /// Its standard output, up to the bound and one byte more.
    pub bytes: Vec<u8>,
    /// The start of its standard error.
    pub message: String,
    /// Its exit status.
    pub status: ExitStatus,
    /// Whether it was killed because its time was over.
    pub out_of_time: bool,
}

/// Starts a helper, sends it the whole `request`, and reads its answer. In every case the helper's
/// process and all threads have ended when this returns.
///
/// # Errors
///
/// If it cannot be started, or its answer cannot be read.
pub fn ask(command: &mut Command, request: &[&[u8]], bounds: Bounds) -> io::Result<Answer> {
    let mut child = command.spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let child = Mutex::new(child);
    let kill = || {
        // It fails if the helper has ended already.
        let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
    };
    let (done, waiting) = mpsc::channel::<()>();
    let timer = move || {
        let out_of_time = waiting.recv_timeout(bounds.time) == Err(RecvTimeoutError::Timeout);
        if out_of_time {
            kill();
        }
        out_of_time
    };
    let talk = move || -> io::Result<(Vec<u8>, String)> {
        // A helper that stopped reading has ended, or is about to: its status is checked below.
        if let Some(mut stdin) = stdin {
            let _ = request.iter().try_for_each(|part| stdin.write_all(part));
        }
        // The pipe is closed after the bound, so a helper that writes more than it may ends.
        let bytes = read(stdout, bounds.answer.saturating_add(1))?;
        let message = read(stderr, MESSAGE)?;
        Ok((bytes, String::from_utf8_lossy(&message).into_owned()))
    };
    thread::scope(|scope| {
        let timer = thread::Builder::new().name("helper".to_owned()).spawn_scoped(scope, timer);
        let said = if timer.is_ok() { talk() } else { Ok(Default::default()) };
        if timer.is_err() || said.is_err() {
            kill();
        }
        // A helper that has closed its output may still run: the timer stays armed until it has
        // ended.
        let status = ended(&child);
        drop(done);
        // The timer does not panic.
        let out_of_time = timer?.join().unwrap_or_default();
        let ((bytes, message), status) = (said?, status?);
        Ok(Answer { bytes, message, status, out_of_time })
    })
}

/// Waits for the helper's end without holding the lock, so that the timer can kill it.
fn ended(child: &Mutex<Child>) -> io::Result<ExitStatus> {
    let mut pause = PAUSES.0;
    loop {
        let status = child.lock().unwrap_or_else(PoisonError::into_inner).try_wait()?;
        if let Some(status) = status {
            return Ok(status);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn read(stream: Option<impl Read>, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::process::Stdio;
    use std::time::Instant;

    use super::*;

    fn asked(script: &str, time: Duration, answer: u64) -> Answer {
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        ask(&mut command, &[b"one ", b"two"], Bounds { time, answer }).unwrap()
    }

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn what_is_asked_is_read_whole_and_what_is_answered_too() {
        let answer = asked("cat; echo why >&2; exit 3", LONG, 100);
        assert_eq!((answer.bytes.as_slice(), answer.message.as_str()), (&b"one two"[..], "why\n"));
        assert_eq!((answer.status.code(), answer.out_of_time), (Some(3), false));
    }

    #[test]
    fn one_that_takes_too_long_is_stopped() {
        let start = Instant::now();
        let answer = asked("exec sleep 1000", Duration::from_millis(50), 100);
        assert!(answer.out_of_time && answer.status.code().is_none(), "{answer:?}");
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn one_that_says_nothing_and_does_not_end_is_stopped() {
        let answer = asked("exec sleep 1000 >/dev/null 2>&1", Duration::from_millis(50), 100);
        assert!(answer.out_of_time && answer.status.code().is_none(), "{answer:?}");
    }

    #[test]
    fn no_more_is_read_than_an_answer_may_have() {
        let answer = asked("exec yes", LONG, 1000);
        assert_eq!((answer.bytes.len(), answer.out_of_time), (1001, false));
    }

    #[test]
    fn no_more_is_read_of_its_messages_than_their_start() {
        let answer = asked("exec yes >&2", LONG, 1000);
        assert_eq!(
            (answer.bytes.len(), answer.message.len() as u64, answer.out_of_time),
            (0, MESSAGE, false)
        );
    }

    #[test]
    fn one_that_reads_nothing_is_no_error() {
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec true"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let request = vec![0; 1 << 20];
        let answer = ask(&mut command, &[&request], Bounds { time: LONG, answer: 1 }).unwrap();
        assert!(answer.status.success() && answer.bytes.is_empty(), "{answer:?}");
    }
}
