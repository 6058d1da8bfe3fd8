//! Responses that are written while they are read, so that none stands in memory as a whole, and those
//! that say that there are too many at a time.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use hyper::body::Frame;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Bytes of text that are passed on at a time.
const CHUNK: usize = 64 << 10;

/// Chunks that wait for a reader.
const WAITING: usize = 4;

/// How long a reader may take for a response.
const PATIENCE: Duration = Duration::from_mins(1);

/// Collects text, and passes it on in chunks.
pub(crate) struct Chunks {
    pending: Vec<u8>,
    reader: mpsc::Sender<Bytes>,
}

/// Nobody reads the response any more.
#[derive(Clone, Copy, Debug, Error)]
#[error("the reader is gone")]
pub(crate) struct Gone;

impl From<Gone> for fmt::Error {
    fn from(_: Gone) -> Self {
        Self
    }
}

impl Chunks {
    /// Passes `bytes` on, which waits for the reader.
    pub(crate) fn send(&mut self, bytes: Bytes) -> Result<(), Gone> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.reader.blocking_send(bytes).map_err(|_| Gone)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() < CHUNK { Ok(()) } else { self.pass_on() }
    }

    /// Passes on what was collected.
    pub(crate) fn pass_on(&mut self) -> Result<(), Gone> {
        let pending = std::mem::take(&mut self.pending);
        self.send(pending.into())
    }
}

impl fmt::Write for Chunks {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        Ok(self.push(text.as_bytes())?)
    }
}

impl io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on().map_err(io::Error::other)
    }
}

/// A response body that is written while it is read.
struct Written {
    chunks: mpsc::Receiver<Bytes>,
    deadline: Instant,
}

/// A reader took longer than [`PATIENCE`].
#[derive(Clone, Copy, Debug, Error)]
#[error("the reader is too slow")]
struct TooSlow;

impl HttpBody for Written {
    type Data = Bytes;
    type Error = TooSlow;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TooSlow>>> {
        // A reader that takes nothing at all is the connection's to notice.
        if self.deadline < Instant::now() {
            return Poll::Ready(Some(Err(TooSlow)));
        }
        self.chunks.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Responds with what `write` writes. It runs on a thread of its own, which the reader's pace holds
/// back, and holds `permit` until it is done. It is to end once the reader is gone.
pub(crate) fn response(
    content_type: &'static str,
    permit: Option<OwnedSemaphorePermit>,
    write: impl FnOnce(&mut Chunks) + Send + 'static,
) -> Response<Body> {
    let (reader, chunks) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let mut out = Chunks { pending: Vec::new(), reader };
        write(&mut out);
        // It fails only if the reader is gone.
        let _ = out.pass_on();
    });
    let body = Written { chunks, deadline: Instant::now() + PATIENCE };
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Sheds a request: it is for later.
pub(crate) fn busy(why: String) -> Response<Body> {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], why).into_response()
}
