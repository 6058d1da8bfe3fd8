//! What components write to standard output and standard error, beside what this host says on the latter: a line that a
//! component has not ended never goes on in one of the host's, and in an audit trail there is nothing but records.

use std::io::{self, Write};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::artifact::Source;
use crate::log;
use crate::printable::is_unprintable;
use crate::rate::{Bucket, Rate};

/// Whether a component has left a line open in the file that standard error is. Who holds it may write there.
static OPEN_LINE: Mutex<bool> = Mutex::new(false);

fn open_line() -> MutexGuard<'static, bool> {
    OPEN_LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes lines of the host's own to standard error, from the start of a line.
pub fn write_host_line(line: &[u8]) -> io::Result<()> {
    let mut open = open_line();
    // By one call, so that what another process writes stands before or after it.
    let result = if *open { io::stderr().write_all(&[b"\n", line].concat()) } else { io::stderr().write_all(line) };
    *open = false;
    result
}

/// Whether standard output and standard error are the same terminal, pipe or file.
fn is_one_file() -> bool {
    #[cfg(unix)]
    {
        static ONE: OnceLock<bool> = OnceLock::new();
        *ONE.get_or_init(|| {
            let file = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino);
            let files = (rustix::fs::fstat(io::stdout()).map(file), rustix::fs::fstat(io::stderr()).map(file));
            matches!(files, (Ok(out), Ok(err)) if out == err)
        })
    }
    #[cfg(not(unix))]
    {
        static ONE: OnceLock<bool> = OnceLock::new();
        *ONE.get_or_init(|| io::stdout().is_terminal() && io::stderr().is_terminal())
    }
}

/// One of the two streams, as a component gets it.
#[derive(Clone, Debug)]
pub struct Stream {
    end: End,
    passing: Passing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stdout,
    Stderr,
}

/// What becomes of what is written.
#[derive(Clone, Debug)]
enum Passing {
    /// It is written as it is.
    AsItIs,
    /// It is written without what controls a terminal.
    Filtered(Arc<Mutex<Filter>>),
    /// Each line becomes a record of the audit trail.
    Recorded(Arc<Recorder>),
}

impl Stream {
    /// Standard output of an instance of the component from `source`. Where it is the file that the trail is in, as under a
    /// service manager, it becomes records of it; on a terminal somebody looks at both.
    pub fn stdout(source: &Source) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let passing = match log::is_trail() && is_one_file() && !is_terminal {
            true => Passing::Recorded(Recorder::new("stdout", source.name())),
            false => Passing::to(source, is_terminal),
        };
        Self { end: End::Stdout, passing }
    }

    /// Standard error of an instance of the component from `source`.
    pub fn stderr(source: &Source) -> Self {
        let passing = match log::is_trail() {
            true => Passing::Recorded(Recorder::new("stderr", source.name())),
            false => Passing::to(source, io::stderr().is_terminal()),
        };
        Self { end: End::Stderr, passing }
    }

    fn put(&self, bytes: &[u8]) -> io::Result<()> {
        match &self.passing {
            Passing::AsItIs => self.end.put(bytes),
            Passing::Filtered(filter) => {
                let text = filter.lock().unwrap_or_else(PoisonError::into_inner).filtered(bytes);
                self.end.put(text.as_bytes())
            }
            Passing::Recorded(recorder) => {
                recorder.put(bytes);
                Ok(())
            }
        }
    }
}

impl Passing {
    /// The built-in components control a terminal as they are meant to; who knows what others would do to it.
    fn to(source: &Source, is_terminal: bool) -> Self {
        match source {
            Source::File(_) if is_terminal => Self::Filtered(Arc::default()),
            Source::File(_) | Source::BuiltIn(_) => Self::AsItIs,
        }
    }
}

impl End {
    fn put(self, bytes: &[u8]) -> io::Result<()> {
        let Some(last) = bytes.last() else { return Ok(()) };
        match self {
            Self::Stdout if !is_one_file() => io::stdout().write_all(bytes),
            Self::Stdout => {
                let mut open = open_line();
                let mut stdout = io::stdout().lock();
                // What waits in the buffer would come after the host's line.
                let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
                *open = *last != b'\n';
                written
            }
            Self::Stderr => {
                let mut open = open_line();
                let written = io::stderr().write_all(bytes);
                *open = *last != b'\n';
                written
            }
        }
    }
}

impl IsTerminal for Stream {
    /// What is filtered is no terminal to the component: it has no use for colours.
    fn is_terminal(&self) -> bool {
        matches!(self.passing, Passing::AsItIs)
            && match self.end {
                End::Stdout => io::stdout().is_terminal(),
                End::Stderr => io::stderr().is_terminal(),
            }
    }
}

impl StdoutStream for Stream {
    // For WASI 0.3, which this host does not serve.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::empty())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.put(&bytes).map_err(stream_error)
    }

    fn flush(&mut self) -> StreamResult<()> {
        match (&self.passing, self.end) {
            (Passing::Recorded(_), _) => Ok(()),
            (_, End::Stdout) => io::stdout().flush().map_err(stream_error),
            (_, End::Stderr) => io::stderr().flush().map_err(stream_error),
        }
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_LIMIT)
    }
}

/// What is taken by one write.
const WRITE_LIMIT: usize = 64 << 10;

/// As wasmtime-wasi has it: a reader that is gone is no error, but the end of the stream.
fn stream_error(error: io::Error) -> StreamError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => StreamError::Closed,
        _ => StreamError::LastOperationFailed(error.into()),
    }
}

/// Takes out of text what controls a terminal, and puts U+FFFD, the replacement character, in its place.
#[derive(Debug, Default)]
struct Filter {
    /// The bytes of a character that is not there to its end.
    start: Vec<u8>,
}

impl Filter {
    fn filtered(&mut self, bytes: &[u8]) -> String {
        let bytes = [&std::mem::take(&mut self.start), bytes].concat();
        let mut text = String::with_capacity(bytes.len());
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            let kept = |c: char| matches!(c, '\n' | '\r' | '\t') || !is_unprintable(c);
            text.extend(chunk.valid().chars().map(|c| if kept(c) { c } else { char::REPLACEMENT_CHARACTER }));
            match chunk.invalid() {
                [] => {}
                start if chunks.peek().is_none() && is_cut_off(start) => self.start = start.to_vec(),
                _ => text.push(char::REPLACEMENT_CHARACTER),
            }
        }
        text
    }
}

/// Whether more bytes could make a character of these.
fn is_cut_off(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// The longest line that is one record, in bytes.
const LINE_LIMIT: usize = 1_024;

/// Records a second, and at once: beyond them lines are put together until there are [`LINE_LIMIT`] bytes, so that the trail
/// grows no faster than what is written, but for what escapes take.
const RECORDS: NonZeroU64 = NonZeroU64::new(100).unwrap();

/// How long a line that has no end yet, or lines that are held back, may wait for the rest.
const WAIT: Duration = Duration::from_secs(1);

/// Makes records of what one instance writes to one of its streams.
#[derive(Debug)]
struct Recorder {
    stream: &'static str,
    component: String,
    lines: Mutex<Lines>,
    myself: Weak<Self>,
}

impl Recorder {
    fn new(stream: &'static str, component: String) -> Arc<Self> {
        let lines = Mutex::new(Lines::new(Instant::now()));
        Arc::new_cyclic(|myself| Self { stream, component, lines, myself: myself.clone() })
    }

    fn put(&self, bytes: &[u8]) {
        let mut lines = self.lines();
        lines.put(bytes, Instant::now(), |line| log::component_wrote(&self.component, self.stream, line));
        if !lines.pending.is_empty() && !lines.is_waiting {
            lines.is_waiting = self.flush_later();
        }
    }

    /// Flushes after [`WAIT`]. Whether that can be done.
    fn flush_later(&self) -> bool {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return false };
        let recorder = self.myself.clone();
        runtime.spawn(async move {
            tokio::time::sleep(WAIT).await;
            if let Some(recorder) = recorder.upgrade() {
                recorder.flush();
            }
        });
        true
    }

    fn flush(&self) {
        let mut lines = self.lines();
        lines.is_waiting = false;
        lines.flush(|line| log::component_wrote(&self.component, self.stream, line));
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is left when the instance is gone.
impl Drop for Recorder {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Bytes, cut into what becomes a record each.
#[derive(Debug)]
struct Lines {
    pending: Vec<u8>,
    records: Bucket,
    /// Somebody will flush.
    is_waiting: bool,
}

impl Lines {
    fn new(now: Instant) -> Self {
        Self { pending: Vec::new(), records: Bucket::new(Rate(RECORDS), now), is_waiting: false }
    }

    fn put(&mut self, bytes: &[u8], now: Instant, mut record: impl FnMut(&[u8])) {
        self.pending.extend_from_slice(bytes);
        loop {
            let end = self.pending.iter().take(LINE_LIMIT).position(|byte| *byte == b'\n');
            if let Some(end) = end
                && self.records.take(1, now).is_ok()
            {
                record(&self.pending[..end]);
                self.pending.drain(..=end);
            } else if self.pending.len() >= LINE_LIMIT {
                self.cut(&mut record);
            } else {
                return;
            }
        }
    }

    /// Makes a record of as much as one can hold.
    fn cut(&mut self, record: &mut impl FnMut(&[u8])) {
        let most = self.pending.len().min(LINE_LIMIT);
        // Not within a character, where these are characters: they have up to three bytes after the first.
        let is_start = |at: &usize| self.pending.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
        let end = (most.saturating_sub(3).max(1)..=most).rev().find(is_start).unwrap_or(most);
        record(self.pending[..end].strip_suffix(b"\n").unwrap_or(&self.pending[..end]));
        self.pending.drain(..end);
    }

    fn flush(&mut self, mut record: impl FnMut(&[u8])) {
        while !self.pending.is_empty() {
            self.cut(&mut record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(lines: &mut Lines, now: Instant, bytes: &[u8]) -> Vec<String> {
        let mut records = Vec::new();
        lines.put(bytes, now, |line| records.push(String::from_utf8_lossy(line).into_owned()));
        records
    }

    fn flushed(lines: &mut Lines) -> Vec<String> {
        let mut records = Vec::new();
        lines.flush(|line| records.push(String::from_utf8_lossy(line).into_owned()));
        records
    }

    #[test]
    fn a_line_is_a_record_when_it_ends_however_it_came() {
        let now = Instant::now();
        let mut lines = Lines::new(now);
        assert_eq!(records(&mut lines, now, b"one\ntw"), ["one"]);
        assert_eq!(records(&mut lines, now, b""), [""; 0]);
        assert_eq!(records(&mut lines, now, b"o\n\nthree"), ["two", ""]);
        assert_eq!(flushed(&mut lines), ["three"]);
        assert_eq!(flushed(&mut lines), [""; 0]);
    }

    #[test]
    fn a_line_without_end_is_cut_between_characters_and_loses_nothing() {
        let now = Instant::now();
        for text in ["x".repeat(5_000), "ü€𝄞".repeat(700), format!("x{}", "€".repeat(1_500))] {
            let mut lines = Lines::new(now);
            let mut all = records(&mut lines, now, text.as_bytes());
            assert!(lines.pending.len() < LINE_LIMIT);
            all.extend(flushed(&mut lines));
            assert!(all.iter().all(|record| (1..=LINE_LIMIT).contains(&record.len())));
            assert_eq!(all.concat(), text);
        }
        // No text at all, but no end either.
        let mut lines = Lines::new(now);
        lines.put(&[0x80; 5_000], now, |line| assert!((1..=LINE_LIMIT).contains(&line.len())));
        assert!(lines.pending.len() < LINE_LIMIT);
    }

    #[test]
    fn a_flood_of_short_lines_is_few_records() {
        let now = Instant::now();
        let mut lines = Lines::new(now);
        let bytes = b"\n".repeat(100_000);
        let mut count = 0;
        lines.put(&bytes, now, |_| count += 1);
        lines.flush(|_| count += 1);
        assert!((100..100 + 2 + bytes.len() / LINE_LIMIT + 1).contains(&count), "{count}");
        let mut count = 0;
        lines.put(b"\n\n", now + WAIT, |_| count += 1);
        assert_eq!(count, 2, "a second later lines are records again");
    }

    #[test]
    fn what_controls_a_terminal_is_filtered_and_characters_are_not_torn() {
        let mut filter = Filter::default();
        assert_eq!(filter.filtered(b"a\x1b[2J\x07\x7f\tb\r\n"), "a\u{fffd}[2J\u{fffd}\u{fffd}\tb\r\n");
        assert_eq!(filter.filtered("\u{9b}1m\u{202e}x".as_bytes()), "\u{fffd}1m\u{fffd}x");
        for (i, byte) in "€".bytes().enumerate() {
            assert_eq!(filter.filtered(&[byte]), if i == 2 { "€" } else { "" });
        }
        assert_eq!(filter.filtered(b"\x9b\xe2\x82"), "\u{fffd}");
        assert_eq!(filter.filtered(b"x"), "\u{fffd}x");
    }
}
