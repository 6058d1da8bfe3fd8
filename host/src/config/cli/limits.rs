//! Flags for what a component may use.

use std::num::{NonZeroU64, NonZeroUsize};
use std::str::FromStr;

use bytesize::ByteSize;
use clap::Args;
use serde::Deserialize;
use udping_cli::number;

use super::from_text;
use udping_permissions::guard::{Rates, SourcePrefix};
use udping_permissions::limits::{CompileLimits, Limits};
use udping_permissions::rate::Rate;

/// Limits. The component is stopped at the first ten; what is beyond the rest is refused, held back
/// or dropped.
#[derive(Clone, Debug, Default, PartialEq, Args, Deserialize)]
#[command(next_help_heading = "Limits")]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LimitFlags {
    /// Maximum memory; the component is stopped when it exceeds this [default: 64 MiB]
    #[arg(long = "limit-memory", value_name = "SIZE")]
    #[serde(deserialize_with = "from_text::option")]
    pub memory: Option<ByteSize>,
    /// Maximum duration of the run; the component is stopped when it exceeds this [default: none]
    #[arg(long = "limit-time", value_name = "DURATION")]
    #[serde(deserialize_with = "from_text::option")]
    pub time: Option<humantime::Duration>,
    /// Maximum processor time without a datagram sent or received, less the time slept; the
    /// component is stopped when it exceeds this [default: 500ms]
    #[arg(long = "limit-compute", value_name = "DURATION")]
    #[serde(deserialize_with = "from_text::option")]
    pub compute: Option<humantime::Duration>,
    /// Maximum open sockets; the component is stopped when it exceeds this [default: 256]
    #[arg(long = "limit-sockets", value_name = "N", value_parser = number::within::<NonZeroUsize>(1..=u64::MAX))]
    #[serde(deserialize_with = "from_text::positive")]
    pub sockets: Option<NonZeroUsize>,
    /// Maximum open handles (sockets, streams, pollables ...); the component is stopped when it
    /// exceeds this [default: 16384]
    #[arg(long = "limit-handles", value_name = "N", value_parser = number::within::<NonZeroUsize>(1..=u64::MAX))]
    #[serde(deserialize_with = "from_text::positive")]
    pub handles: Option<NonZeroUsize>,
    /// Maximum bytes passed to the host in one call; the component is stopped when it exceeds this
    /// [default: 16 MiB]
    #[arg(long = "limit-call", value_name = "SIZE")]
    #[serde(deserialize_with = "from_text::option")]
    pub call: Option<ByteSize>,
    /// Maximum bytes written to standard output and standard error per second; the component is
    /// stopped when it exceeds this [default: 64 MiB]
    #[arg(long = "limit-output", value_name = "SIZE")]
    #[serde(deserialize_with = "from_text::option")]
    pub output: Option<ByteSize>,
    /// Maximum bytes written to standard output and standard error in total; the component is
    /// stopped when it exceeds this [default: 1 GiB, and none for `client` and `server`]
    #[arg(long = "limit-output-total", value_name = "SIZE")]
    #[serde(deserialize_with = "from_text::option")]
    pub output_total: Option<ByteSize>,
    /// Maximum memory for compiling it [default: 2 GiB]
    #[arg(long = "limit-compile-memory", value_name = "SIZE")]
    #[serde(deserialize_with = "from_text::option")]
    pub compile_memory: Option<ByteSize>,
    /// Maximum time, and processor time, for compiling it [default: 1m]
    #[arg(long = "limit-compile-time", value_name = "DURATION")]
    #[serde(deserialize_with = "from_text::option")]
    pub compile_time: Option<humantime::Duration>,
    /// Maximum names that the system is asked to resolve at once, and one more per second; excess
    /// is refused [default: 64]
    #[arg(long = "limit-lookups", value_name = "N", value_parser = number::within::<usize>(0..=u64::MAX))]
    pub lookups: Option<usize>,
    /// Maximum memory of socket buffers and of datagrams that wait in the host; sockets that ask
    /// for more get less [default: 128 MiB]
    #[arg(long = "limit-buffers", value_name = "SIZE")]
    #[serde(deserialize_with = "from_text::option")]
    pub buffers: Option<ByteSize>,
    /// Maximum datagrams sent per second; excess is delayed [default: none]
    #[arg(long = "limit-send", value_name = "N", value_parser = number::within::<NonZeroU64>(1..=u64::MAX))]
    #[serde(deserialize_with = "from_text::positive")]
    pub send: Option<NonZeroU64>,
    /// Maximum bytes sent per second; excess is delayed [default: none]
    #[arg(long = "limit-send-bytes", value_name = "SIZE")]
    #[serde(deserialize_with = "from_text::option")]
    pub send_bytes: Option<ByteRate>,
    /// Maximum datagrams received per second; excess is dropped [default: none]
    #[arg(long = "limit-receive", value_name = "N", value_parser = number::within::<NonZeroU64>(1..=u64::MAX))]
    #[serde(deserialize_with = "from_text::positive")]
    pub receive: Option<NonZeroU64>,
    /// Maximum bytes received per second; excess is dropped [default: none]
    #[arg(long = "limit-receive-bytes", value_name = "SIZE")]
    #[serde(deserialize_with = "from_text::option")]
    pub receive_bytes: Option<ByteRate>,
    /// Maximum datagrams received per second from one source address; excess is dropped [default:
    /// none]
    #[arg(long = "limit-source", value_name = "N", value_parser = number::within::<NonZeroU64>(1..=u64::MAX))]
    #[serde(deserialize_with = "from_text::positive")]
    pub source: Option<NonZeroU64>,
    /// Prefix lengths of IPv4 and IPv6 that make one source for --limit-source, as 24,64 [default:
    /// 32,128, an address]
    #[arg(long = "limit-source-prefix", value_name = "IPV4,IPV6")]
    #[serde(deserialize_with = "from_text::option")]
    pub source_prefix: Option<SourcePrefix>,
}

/// Limits of commands that compile a component, and don't run it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Args)]
#[command(next_help_heading = "Limits")]
pub struct CompileFlags {
    /// Maximum memory for compiling it [default: 2 GiB]
    #[arg(long = "limit-compile-memory", value_name = "SIZE")]
    pub memory: Option<ByteSize>,
    /// Maximum time, and processor time, for compiling it [default: 1m]
    #[arg(long = "limit-compile-time", value_name = "DURATION")]
    pub time: Option<humantime::Duration>,
}

impl CompileFlags {
    /// Merges both; these take precedence.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { memory: self.memory.or(other.memory), time: self.time.or(other.time) }
    }

    /// The limits at which compiling is stopped.
    pub fn limits(self) -> CompileLimits {
        let default = CompileLimits::default();
        CompileLimits {
            memory: self.memory.unwrap_or(default.memory),
            time: self.time.map_or(default.time, Into::into),
        }
    }
}

/// A rate in bytes per second. It is not 0, which would block all traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRate(Rate);

impl FromStr for ByteRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size: ByteSize = text.parse()?;
        NonZeroU64::new(size.as_u64())
            .map(|bytes| Self(Rate(bytes)))
            .ok_or_else(|| "must not be 0".to_owned())
    }
}

impl LimitFlags {
    /// The limits at which a component is stopped.
    pub fn limits(&self) -> Limits {
        let default = Limits::default();
        Limits {
            memory: self.memory.unwrap_or(default.memory),
            time: self.time.map_or(default.time, |time| Some(time.into())),
            compute: self.compute.map_or(default.compute, Into::into),
            sockets: self.sockets.map_or(default.sockets, NonZeroUsize::get),
            handles: self.handles.map_or(default.handles, NonZeroUsize::get),
            call: self.call.unwrap_or(default.call),
            output: self.output.unwrap_or(default.output),
            output_total: self.output_total.or(default.output_total),
            compile: self.compile().limits(),
            lookups: self.lookups.unwrap_or(default.lookups),
            buffers: self.buffers.unwrap_or(default.buffers),
        }
    }

    /// The limits for compiling it.
    pub fn compile(&self) -> CompileFlags {
        CompileFlags { memory: self.compile_memory, time: self.compile_time }
    }

    /// The rates above which datagrams are delayed or dropped.
    pub fn rates(&self) -> Rates {
        Rates {
            send: self.send.map(Rate),
            send_bytes: self.send_bytes.map(|rate| rate.0),
            receive: self.receive.map(Rate),
            receive_bytes: self.receive_bytes.map(|rate| rate.0),
            source: self.source.map(Rate),
            source_prefix: self.source_prefix.unwrap_or_default(),
        }
    }

    /// Merges both; these take precedence.
    #[expect(clippy::needless_pass_by_value, reason = "as the or of other flags")]
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            memory: self.memory.or(other.memory),
            time: self.time.or(other.time),
            compute: self.compute.or(other.compute),
            sockets: self.sockets.or(other.sockets),
            handles: self.handles.or(other.handles),
            call: self.call.or(other.call),
            output: self.output.or(other.output),
            output_total: self.output_total.or(other.output_total),
            compile_memory: self.compile_memory.or(other.compile_memory),
            compile_time: self.compile_time.or(other.compile_time),
            lookups: self.lookups.or(other.lookups),
            buffers: self.buffers.or(other.buffers),
            send: self.send.or(other.send),
            send_bytes: self.send_bytes.or(other.send_bytes),
            receive: self.receive.or(other.receive),
            receive_bytes: self.receive_bytes.or(other.receive_bytes),
            source: self.source.or(other.source),
            source_prefix: self.source_prefix.or(other.source_prefix),
        }
    }
}
