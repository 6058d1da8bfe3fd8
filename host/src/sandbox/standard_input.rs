//! The standard input of a component: empty, this process's own, or notices
//! (`udping_cli::contract`).

use std::future::{Future, pending};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncWriteExt as _, DuplexStream, duplex};
use udping_cli::contract;
use wasmtime_wasi::cli::{AsyncStdinStream, IsTerminal, StdinStream};
use wasmtime_wasi::p2::InputStream;
use wasmtime_wasi::p2::pipe::ClosedInputStream;

use crate::process::signals::Reports;
use crate::sandbox::counts::Questions;
use crate::sandbox::environment::Changes;

/// What an instance's standard input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Empty and ended, as with `</dev/null`.
    Empty,
    /// This process's (`--stdin`).
    Own,
    /// Notices of this host, for a component that declares that it takes them.
    Notices,
}

/// Standard input, as an instance gets it.
pub struct Stdin {
    stream: Stream,
    is_asked_for: Arc<AtomicBool>,
}

enum Stream {
    Empty,
    Own,
    Notices(AsyncStdinStream),
}

/// The host's end of standard input.
pub struct Notifier {
    /// `None` if the instance gets no notices.
    stdin: Option<DuplexStream>,
    is_asked_for: Arc<AtomicBool>,
}

/// Creates both ends.
pub fn open(input: Input) -> (Stdin, Notifier) {
    let is_asked_for = Arc::new(AtomicBool::new(false));
    let (stream, stdin) = match input {
        Input::Empty => (Stream::Empty, None),
        Input::Own => (Stream::Own, None),
        Input::Notices => {
            // A notice waits until the instance has read the previous one: events that repeat
            // meanwhile are reported once.
            let (guest, host) = duplex(contract::ENVIRONMENT.len() + 1);
            (Stream::Notices(AsyncStdinStream::new(guest)), Some(host))
        }
    };
    (Stdin { stream, is_asked_for: is_asked_for.clone() }, Notifier { stdin, is_asked_for })
}

impl Notifier {
    /// Writes a notice for each change, each request for a report and each question until `stop` resolves; then
    /// standard input ends. Returns whether the instance can know that: whether it gets notices,
    /// and has asked for standard input.
    pub async fn notify(
        self,
        mut changes: Changes,
        mut reports: Reports,
        mut questions: Questions,
        stop: impl Future<Output = ()>,
    ) -> bool {
        let Some(mut stdin) = self.stdin else {
            stop.await;
            return false;
        };
        let tell = async {
            loop {
                let notice = tokio::select! {
                    () = changes.next() => contract::ENVIRONMENT,
                    () = reports.next() => contract::REPORT,
                    () = questions.next() => contract::COUNTS,
                };
                if stdin.write_all(format!("{notice}\n").as_bytes()).await.is_err() {
                    pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = stop => {}
            () = tell => {}
        }
        // The end of the stream is the notice to stop.
        drop(stdin);
        self.is_asked_for.load(Ordering::Relaxed)
    }
}

impl IsTerminal for Stdin {
    fn is_terminal(&self) -> bool {
        matches!(self.stream, Stream::Own) && io::stdin().is_terminal()
    }
}

impl StdinStream for Stdin {
    fn p2_stream(&self) -> Box<dyn InputStream> {
        self.is_asked_for.store(true, Ordering::Relaxed);
        match &self.stream {
            Stream::Empty => Box::new(ClosedInputStream),
            Stream::Own => io::stdin().p2_stream(),
            Stream::Notices(stream) => stream.p2_stream(),
        }
    }

    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        self.is_asked_for.store(true, Ordering::Relaxed);
        match &self.stream {
            Stream::Empty => Box::new(tokio::io::empty()),
            Stream::Own => io::stdin().async_stream(),
            Stream::Notices(stream) => stream.async_stream(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::signals::{Signal, Stop};
    use crate::sandbox::environment::Environment;

    /// Returns what an instance that reads its standard input to the end finds there, and whether
    /// it can know that it is to stop.
    async fn notices(input: Input, reads: bool) -> (Vec<u8>, bool) {
        let (stdin, notifier) = open(input);
        let (environment, stop) = (Environment::new([]), Stop::never());
        let notify = notifier.notify(
            environment.changes(),
            stop.reports(),
            Questions::none(),
            stop.raised(),
        );
        let read = async {
            let mut read = Vec::new();
            let mut stream = reads.then(|| stdin.p2_stream());
            environment.set(("A".to_owned(), "1".to_owned()));
            stop.ask_for_report();
            while let Some(stream) = &mut stream {
                // Raised only after both notices were read.
                if read.len() >= "environment\nreport\n".len() {
                    stop.raise(Some(Signal::Terminate));
                }
                stream.ready().await;
                match stream.read(64) {
                    Ok(bytes) => read.extend(bytes),
                    Err(_) => break,
                }
            }
            stop.raise(Some(Signal::Terminate));
            read
        };
        let (can_know, read) = tokio::join!(notify, read);
        (read, can_know)
    }

    #[tokio::test]
    async fn notices_are_lines_and_the_end_is_the_last_one() {
        let (mut read, can_know) = notices(Input::Notices, true).await;
        if read.starts_with(b"report") {
            read.rotate_left("report\n".len());
        }
        assert_eq!((read.as_slice(), can_know), (&b"environment\nreport\n"[..], true));
    }

    #[tokio::test]
    async fn who_has_not_asked_for_standard_input_cannot_know() {
        assert_eq!(notices(Input::Notices, false).await, (Vec::new(), false));
    }

    #[tokio::test]
    async fn without_notices_standard_input_is_empty_and_ended() {
        assert_eq!(notices(Input::Empty, true).await, (Vec::new(), false));
    }
}
