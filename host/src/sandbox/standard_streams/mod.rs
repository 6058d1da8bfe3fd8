//! Standard output and standard error of components, next to this host's own messages on the
//! latter: an unfinished line of a component is never continued by one of the host's, and an audit
//! trail contains nothing but records.

mod filter;
mod recorder;

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::process::standard_error::{is_standard_output, open_line};
use crate::process::{log, standard_output};
use crate::sandbox::artifact::Source;
use crate::sandbox::counts::InstanceCounts;

use filter::Filter;
use recorder::Recorder;

/// One of the two streams, as a component gets it.
#[derive(Clone, Debug)]
pub struct Stream {
    end: End,
    passing: Passing,
    /// Answers for this host are taken out.
    counts: Option<Arc<InstanceCounts>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stdout,
    Stderr,
}

/// How output is passed on.
#[derive(Clone, Debug)]
enum Passing {
    /// Unchanged.
    AsItIs,
    /// Without the characters that control a terminal.
    Filtered(Arc<Mutex<Filter>>),
    /// Each line becomes a record of the audit trail.
    Recorded(Arc<Recorder>),
}

impl Stream {
    /// Standard output of an instance of the component from `source`. If it goes to the same file
    /// as the trail, as under a service manager, it becomes records of the trail; a terminal shows
    /// both as they are.
    pub fn stdout(source: &Source) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let passing = if log::is_trail() && is_standard_output() && !is_terminal {
            Passing::Recorded(Recorder::new("stdout", source.name()))
        } else {
            Passing::to(source, is_terminal)
        };
        Self { end: End::Stdout, passing, counts: None }
    }

    /// Standard error of an instance of the component from `source`.
    pub fn stderr(source: &Source) -> Self {
        let passing = if log::is_trail() {
            Passing::Recorded(Recorder::new("stderr", source.name()))
        } else {
            Passing::to(source, io::stderr().is_terminal())
        };
        Self { end: End::Stderr, passing, counts: None }
    }

    /// Takes an instance's counts out of what it writes.
    #[must_use]
    pub fn without_counts(self, counts: Option<Arc<InstanceCounts>>) -> Self {
        Self { counts, ..self }
    }

    /// Whether writes wait for a slow reader.
    fn waits_for_reader(&self) -> bool {
        self.end == End::Stdout && !matches!(self.passing, Passing::Recorded(_))
    }

    fn put(&self, bytes: &[u8]) -> io::Result<()> {
        if self.counts.as_ref().is_some_and(|counts| counts.take(bytes)) {
            return Ok(());
        }
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
    /// The built-in components may control a terminal; other components are not trusted to.
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
            Self::Stdout if !is_standard_output() => standard_output::write(bytes).map(|_| ()),
            Self::Stdout => {
                let mut open = open_line();
                let written = standard_output::write(bytes);
                // If the reader has not taken everything, its output may end in the middle of a
                // line.
                *open = *last != b'\n' || matches!(written, Ok(false));
                written.map(|_| ())
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
    /// A filtered stream is not a terminal to the component: it has no use for colours.
    fn is_terminal(&self) -> bool {
        matches!(self.passing, Passing::AsItIs)
            && match self.end {
                End::Stdout => io::stdout().is_terminal(),
                End::Stderr => io::stderr().is_terminal(),
            }
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Writer { stream: self.clone(), drained: None })
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {
        if self.waits_for_reader() {
            standard_output::drained().await;
        }
    }
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.put(&bytes).map_err(stream_error)
    }

    fn flush(&mut self) -> StreamResult<()> {
        match (&self.passing, self.end) {
            (Passing::Recorded(_), _) => Ok(()),
            // What the reader does not take now is written on by the task that waits for it.
            (_, End::Stdout) => standard_output::is_drained().map(|_| ()).map_err(stream_error),
            (_, End::Stderr) => io::stderr().flush().map_err(stream_error),
        }
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let is_free =
            !self.waits_for_reader() || standard_output::is_drained().map_err(stream_error)?;
        Ok(if is_free { WRITE_LIMIT } else { 0 })
    }
}

/// A stream of WASI 0.3.
struct Writer {
    stream: Stream,
    /// The wait for the reader. It is polled by one alone.
    drained: Option<Mutex<Drained>>,
}

type Drained = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Writer {
    /// Waits until the reader has taken what was written before.
    fn poll_drained(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.stream.waits_for_reader() && !standard_output::is_drained()? {
            let start = || Mutex::new(Box::pin(standard_output::drained()) as Drained);
            let drained = self.drained.get_or_insert_with(start);
            let drained = drained.get_mut().unwrap_or_else(PoisonError::into_inner);
            ready!(drained.as_mut().poll(context));
            self.drained = None;
        }
        self.drained = None;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_drained(context))?;
        let now = &bytes[..bytes.len().min(WRITE_LIMIT)];
        self.stream.put(now)?;
        Poll::Ready(Ok(now.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drained(context))?;
        match (&self.stream.passing, self.stream.end) {
            (Passing::Recorded(_), _) | (_, End::Stdout) => Poll::Ready(Ok(())),
            (_, End::Stderr) => Poll::Ready(io::stderr().flush()),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

/// The maximum number of bytes per write.
const WRITE_LIMIT: usize = 64 << 10;

/// As in wasmtime-wasi: a closed pipe is no error, but the end of the stream.
fn stream_error(error: io::Error) -> StreamError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => StreamError::Closed,
        _ => StreamError::LastOperationFailed(error.into()),
    }
}
