//! Exposition formats: which one a scraper gets.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Response, header};
use headers_accept::Accept;
use mediatype::MediaType;
use prometheus_client::encoding::{prometheus_protobuf, prometheus_text, text};
use prometheus_client::registry::Registry;
use tokio::sync::OwnedSemaphorePermit;

use crate::streamed::{self, Chunks};

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
        Ok(())
    }
}

/// Responds with `registries` in the format that the request prefers, encoded while they are read;
/// `permit` is held until then, and `finally` is called.
pub(crate) fn respond(
    headers: &HeaderMap,
    registries: Arc<Vec<Registry>>,
    permit: Option<OwnedSemaphorePermit>,
    finally: fn(),
) -> Response<Body> {
    let format = Format::negotiate(headers);
    streamed::response(format.content_type(), permit, move |out| {
        // It fails only if the reader is gone.
        let _ = format.encode(&registries, out);
        finally();
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

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
