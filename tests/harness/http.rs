//! HTTP requests of tests.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its content type, if it has one.
    pub content_type: String,
    /// Its body.
    pub body: Vec<u8>,
    headers: ureq::http::HeaderMap,
}

impl Response {
    /// Its body, as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The value of a header; empty if it has none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The value of the sample `name`, with its labels as they are written.
    #[track_caller]
    pub fn sample(&self, name: &str) -> f64 {
        self.value(name).parse().expect("a number")
    }

    /// Like [`Self::sample`], of a counter.
    #[track_caller]
    pub fn count(&self, name: &str) -> u64 {
        self.value(name).parse().expect("a count")
    }

    #[track_caller]
    fn value(&self, name: &str) -> &str {
        let found = self.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("no {name} in\n{}", self.text()))
    }
}

/// What Prometheus accepts for native histograms.
pub const PROTOBUF: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

/// A client that keeps its connection open.
#[derive(Debug)]
pub struct Client(ureq::Agent);

impl Client {
    /// Creates a client without a connection.
    #[expect(clippy::new_without_default, reason = "it is not a value")]
    pub fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_mins(1)))
            .build();
        Self(ureq::Agent::new_with_config(config))
    }

    /// Requests `path`.
    #[track_caller]
    pub fn get(&self, server: SocketAddr, path: &str) -> Response {
        self.request("GET", server, path, &[])
    }

    /// Requests `path` with a method and headers.
    ///
    /// # Panics
    ///
    /// Without a response within a minute.
    #[track_caller]
    pub fn request(
        &self,
        method: &str,
        server: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Response {
        let uri = format!("http://{server}{path}");
        let mut request = ureq::http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        let mut response = self.0.run(request).expect("a response");
        let content_type = response.headers().get("content-type");
        Response {
            status: response.status().as_u16(),
            content_type: content_type
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            headers: response.headers().clone(),
            body: response.body_mut().with_config().limit(256 << 20).read_to_vec().expect("a body"),
        }
    }
}

/// Requests `path`, and reads nothing of the response.
///
/// # Panics
///
/// If it cannot connect.
#[track_caller]
pub fn stalled(server: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server).expect("a connection");
    // Otherwise the kernel may take megabytes for a reader that reads nothing (tcp_rmem, tcp(7)).
    rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 64 << 10).expect("a smaller buffer");
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("a request");
    stream
}

/// Requests `path` from `server`.
#[track_caller]
pub fn get(server: SocketAddr, path: &str) -> Response {
    request("GET", server, path, &[])
}

/// Requests `path` with a method and headers, by a connection of its own.
#[track_caller]
pub fn request(method: &str, server: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Response {
    Client::new().request(method, server, path, headers)
}
