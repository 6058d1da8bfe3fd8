//! The limits on standard output and standard error, in bytes per second and in total.

use std::io;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use bytesize::ByteSize;
use tokio::io::AsyncWrite;
use tokio::sync::watch;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::{LimitExceeded, Limits};
use crate::rate::{Bucket, Rate};

/// The limit on output, shared by the streams of all instances of a run.
#[derive(Clone, Debug)]
pub struct Output {
    limit: ByteSize,
    total: Option<ByteSize>,
    written: Arc<Mutex<Written>>,
    /// The limit that this instance has exceeded in WASI 0.3, whose streams cannot trap.
    exceeded: watch::Sender<Option<LimitExceeded>>,
}

#[derive(Debug)]
struct Written {
    bucket: Bucket,
    bytes: u64,
}

impl Output {
    /// Creates a limit of which nothing is used.
    pub fn new(limits: &Limits) -> Self {
        let rate = Rate(NonZeroU64::new(limits.output.as_u64()).unwrap_or(NonZeroU64::MIN));
        let written = Written { bucket: Bucket::new(rate, Instant::now()), bytes: 0 };
        Self {
            limit: limits.output,
            total: limits.output_total,
            written: Arc::new(Mutex::new(written)),
            exceeded: watch::Sender::default(),
        }
    }

    /// The same limit for another instance.
    #[must_use]
    pub fn for_instance(&self) -> Self {
        Self { exceeded: watch::Sender::default(), ..self.clone() }
    }

    /// Resolves when the instance has exceeded the limit by what it wrote to a stream of WASI 0.3; to an
    /// earlier version's, that is a trap.
    pub async fn exceeded(&self) -> LimitExceeded {
        let mut exceeded = self.exceeded.subscribe();
        match exceeded.wait_for(Option::is_some).await.map(|limit| *limit) {
            Ok(Some(limit)) => limit,
            // It has a sender, and waited for a limit.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Limits `stream`.
    pub fn metered<S: StdoutStream>(&self, stream: S) -> Metered<S> {
        Metered { stream, output: self.clone() }
    }

    fn take(&self, bytes: usize) -> Result<(), LimitExceeded> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.bytes = written.bytes.saturating_add(bytes as u64);
        if let Some(total) = self.total.filter(|total| written.bytes > total.as_u64()) {
            return Err(LimitExceeded::OutputTotal(total));
        }
        written
            .bucket
            .take(bytes as u64, Instant::now())
            .map_err(|_| LimitExceeded::Output(self.limit))
    }
}

/// A standard stream with limited output.
#[derive(Debug)]
pub struct Metered<S> {
    stream: S,
    output: Output,
}

impl<S: IsTerminal> IsTerminal for Metered<S> {
    fn is_terminal(&self) -> bool {
        self.stream.is_terminal()
    }
}

impl<S: StdoutStream> StdoutStream for Metered<S> {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        let stream = self.stream.async_stream().into();
        Box::new(MeteredWriter { stream, output: self.output.clone() })
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(MeteredStream { stream: self.stream.p2_stream(), output: self.output.clone() })
    }
}

struct MeteredStream {
    stream: Box<dyn OutputStream>,
    output: Output,
}

#[async_trait]
impl Pollable for MeteredStream {
    async fn ready(&mut self) {
        self.stream.ready().await;
    }
}

#[async_trait]
impl OutputStream for MeteredStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.output.take(bytes.len()).map_err(|struck| StreamError::Trap(struck.into()))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.stream.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.stream.check_write()
    }
}

/// A stream of WASI 0.3.
struct MeteredWriter {
    stream: Pin<Box<dyn AsyncWrite + Send + Sync>>,
    output: Output,
}

impl AsyncWrite for MeteredWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(self.stream.as_mut().poll_write(context, bytes))?;
        if let Err(limit) = self.output.take(written) {
            self.output.exceeded.send_replace(Some(limit));
            // It is ended.
            return Poll::Pending;
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// A closed stream that is never ready.
    #[derive(Clone, Copy)]
    struct Closed {
        is_terminal: bool,
    }

    impl IsTerminal for Closed {
        fn is_terminal(&self) -> bool {
            self.is_terminal
        }
    }

    impl StdoutStream for Closed {
        fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
            Box::new(tokio::io::empty())
        }

        fn p2_stream(&self) -> Box<dyn OutputStream> {
            Box::new(*self)
        }
    }

    #[async_trait]
    impl Pollable for Closed {
        async fn ready(&mut self) {
            future::pending::<()>().await;
        }
    }

    #[async_trait]
    impl OutputStream for Closed {
        fn write(&mut self, _: Bytes) -> StreamResult<()> {
            Err(StreamError::Closed)
        }

        fn flush(&mut self) -> StreamResult<()> {
            Err(StreamError::Closed)
        }

        fn check_write(&mut self) -> StreamResult<usize> {
            Ok(7)
        }
    }

    fn output(rate: u64, total: Option<u64>) -> Output {
        Output::new(&Limits {
            output: ByteSize(rate),
            output_total: total.map(ByteSize),
            ..Limits::default()
        })
    }

    #[test]
    fn the_total_counts_across_all_streams_of_a_run() {
        let output = output(1_000_000, Some(1_000));
        assert_eq!(output.take(600), Ok(()));
        assert_eq!(output.clone().take(400), Ok(()));
        assert_eq!(output.take(1), Err(LimitExceeded::OutputTotal(ByteSize(1_000))));
    }

    #[test]
    fn without_a_total_only_the_rate_counts() {
        let output = output(1_000, None);
        assert_eq!(output.take(1_000), Ok(()));
        assert_eq!(output.take(1_000), Err(LimitExceeded::Output(ByteSize(1_000))));
    }

    #[tokio::test]
    async fn a_metered_stream_does_what_its_own_stream_does() {
        let metered = |is_terminal| output(1_000, None).metered(Closed { is_terminal });
        assert!(metered(true).is_terminal() && !metered(false).is_terminal());
        let mut stream = metered(false).p2_stream();
        assert!(timeout(Duration::from_millis(1), stream.ready()).await.is_err());
        assert!(matches!(stream.check_write(), Ok(7)));
        assert!(matches!(stream.flush(), Err(StreamError::Closed)));
        assert!(matches!(stream.write(Bytes::new()), Err(StreamError::Closed)));
    }

    #[test]
    fn what_exceeds_the_limit_is_not_written_and_traps() {
        let metered = output(1_000, Some(4)).metered(Closed { is_terminal: false });
        let mut stream = metered.p2_stream();
        assert!(matches!(stream.write(Bytes::from_static(b"1234")), Err(StreamError::Closed)));
        let Err(StreamError::Trap(error)) = stream.write(Bytes::from_static(b"5")) else {
            panic!("it was written");
        };
        assert_eq!(error.downcast_ref(), Some(&LimitExceeded::OutputTotal(ByteSize(4))));
    }
}
