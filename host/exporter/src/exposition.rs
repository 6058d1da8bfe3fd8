//! Exposition formats: which one a scraper gets, and a response body that is encoded while it is
//! read, so that no response stands in memory as a whole.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use headers_accept::Accept;
use hyper::body::Frame;
use mediatype::MediaType;
use prometheus_client::encoding::{prometheus_protobuf, prometheus_text, text};
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Bytes of text that are passed on at a time.
const CHUNK: usize = 64 << 10;

/// Chunks that wait for a reader.
const WAITING: usize = 4;

/// How long a reader may take for a response.
const PATIENCE: Duration = Duration::from_mins(1);

/// A format that Prometheus scrapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Protobuf, delimited: the only one with native histograms.
    Protobuf,
    /// OpenMetrics 1.0, text.
    OpenMetrics,
    /// Text 0.0.4.
    Text,
}

impl Format {
    const ALL: [Self; 3] = [Self::Text, Self::OpenMetrics, Self::Protobuf];

    const fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => prometheus_text::CONTENT_TYPE,
        }
    }

    /// What an `Accept` header names the format by.
    fn media_types(self) -> &'static [&'static str] {
        match self {
            Self::Protobuf => &[
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
            ],
            Self::OpenMetrics => &[
                "application/openmetrics-text;version=1.0.0",
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
                "application/openmetrics-text",
            ],
            Self::Text => &["text/plain;version=0.0.4", "text/plain"],
        }
    }

    /// The format that a request prefers; text without a preference.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Self {
        let given: Vec<_> = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let Ok(accept) = given.join(", ").parse::<Accept>() else { return Self::Text };
        let available: Vec<_> = Self::ALL
            .into_iter()
            .flat_map(|format| format.media_types().iter().map(move |name| (format, *name)))
            .filter_map(|(format, name)| Some((format, MediaType::parse(name).ok()?)))
            .collect();
        let preferred = accept.negotiate(available.iter().map(|(_, media_type)| media_type));
        preferred
            .and_then(|preferred| available.iter().find(|(_, known)| known == preferred))
            .map_or(Self::Text, |(format, _)| *format)
    }

    /// Encodes `registries`, one after the other, into `out`. Ends early if nobody reads it.
    fn encode(self, registries: &[Registry], out: &mut Chunks) -> fmt::Result {
        for registry in registries {
            match self {
                Self::Protobuf => {
                    let bytes = prometheus_protobuf::encode_to_vec(registry);
                    out.send(bytes.map_err(|_| fmt::Error)?.into())?;
                }
                Self::OpenMetrics => text::encode_registry(out, registry)?,
                Self::Text => prometheus_text::encode(out, registry)?,
            }
        }
        if self == Self::OpenMetrics {
            text::encode_eof(out)?;
        }
        out.flush()
    }
}

/// Collects text, and passes it on in chunks.
struct Chunks {
    pending: Vec<u8>,
    reader: mpsc::Sender<Bytes>,
}

impl Chunks {
    fn send(&mut self, bytes: Bytes) -> fmt::Result {
        if bytes.is_empty() {
            return Ok(());
        }
        self.reader.blocking_send(bytes).map_err(|_| fmt::Error)
    }

    fn flush(&mut self) -> fmt::Result {
        let pending = std::mem::take(&mut self.pending);
        self.send(pending.into())
    }
}

impl fmt::Write for Chunks {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.pending.extend_from_slice(text.as_bytes());
        if self.pending.len() < CHUNK { Ok(()) } else { self.flush() }
    }
}

/// A response body that is encoded while it is read.
struct Encoded {
    chunks: mpsc::Receiver<Bytes>,
    deadline: Instant,
}

/// A reader took longer than [`PATIENCE`].
#[derive(Clone, Copy, Debug, Error)]
#[error("the reader is too slow")]
struct TooSlow;

impl HttpBody for Encoded {
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

/// Responds with `registries` in the format that the request prefers. They are encoded on a thread
/// of their own, which the reader's pace holds back; it holds `permit` until it is done, and then
/// calls `finally`.
pub(crate) fn respond(
    headers: &HeaderMap,
    registries: Arc<Vec<Registry>>,
    permit: Option<OwnedSemaphorePermit>,
    finally: fn(),
) -> Response<Body> {
    let format = Format::negotiate(headers);
    let (reader, chunks) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        // It fails only if the reader is gone.
        let _ = format.encode(&registries, &mut Chunks { pending: Vec::new(), reader });
        finally();
    });
    let body = Encoded { chunks, deadline: Instant::now() + PATIENCE };
    let mut response = Response::new(Body::new(body));
    let content_type = HeaderValue::from_static(format.content_type());
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// Sheds a request: it is for later.
pub(crate) fn busy(why: String) -> Response<Body> {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], why).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(accept: &'static str) -> Format {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        Format::negotiate(&headers)
    }

    #[test]
    fn a_scraper_gets_what_it_prefers() {
        // Prometheus 2.42 with native histograms.
        let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(negotiated(protobuf), Format::Protobuf);
        // Prometheus 2.42 without.
        let text = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(negotiated(text), Format::OpenMetrics);
        // Prometheus 3.
        let escaped = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        assert_eq!(negotiated(escaped), Format::OpenMetrics);
        assert_eq!(negotiated("*/*"), Format::Text);
        assert_eq!(negotiated("text/html"), Format::Text);
        assert_eq!(negotiated("\"nonsense"), Format::Text);
        assert_eq!(Format::negotiate(&HeaderMap::new()), Format::Text);
    }
}
