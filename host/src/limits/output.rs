//! Standard output and standard error, in bytes a second.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use bytesize::ByteSize;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::Struck;
use crate::rate::{Bucket, Rate};

/// What an instance may still write. Its streams share it.
#[derive(Clone, Debug)]
pub struct Output {
    limit: ByteSize,
    bucket: Arc<Mutex<Bucket>>,
}

impl Output {
    /// So much in a second.
    pub fn new(limit: ByteSize) -> Self {
        let rate = Rate(NonZeroU64::new(limit.as_u64()).unwrap_or(NonZeroU64::MIN));
        Self { limit, bucket: Arc::new(Mutex::new(Bucket::new(rate, Instant::now()))) }
    }

    /// `stream`, held to it.
    pub fn metered<S: StdoutStream>(&self, stream: S) -> Metered<S> {
        Metered { stream, output: self.clone() }
    }

    fn take(&self, bytes: usize) -> Result<(), Struck> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(bytes as u64, Instant::now()).map_err(|_| Struck::Output(self.limit))
    }
}

/// A standard stream that an instance may write so much to.
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
    // For WASI 0.3, which this host does not serve.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::empty())
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
