//! The resource limits of one instance, apart from the network.

mod compile;
mod compute;
mod lookups;
mod memory;
mod output;

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use bytesize::ByteSize;
use humantime::format_duration;
use thiserror::Error;

pub use compile::CompileLimits;
pub use compute::{Activity, Compute};
pub use lookups::Lookups;
pub use memory::{ELEMENT as TABLE_ELEMENT, Footprint, Memory};
pub use output::{Metered, Output};

/// The maximum resources of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The maximum memory: memories, tables, globals and instances together.
    pub memory: ByteSize,
    /// The maximum elapsed time from start to end.
    pub time: Option<Duration>,
    /// The maximum processor time without a datagram that passes, less the time slept.
    pub compute: Duration,
    /// The maximum number of open sockets.
    pub sockets: usize,
    /// The maximum number of handles of all kinds.
    pub handles: usize,
    /// The maximum data passed to the host by one call.
    pub call: ByteSize,
    /// The maximum output per second: standard output and standard error together.
    pub output: ByteSize,
    /// The maximum output in total.
    pub output_total: Option<ByteSize>,
    /// The maximum resources for compiling it.
    pub compile: CompileLimits,
    /// The maximum number of names resolved at once; then one per second.
    pub lookups: usize,
    /// The maximum memory for socket buffers, and for datagrams that wait in the host.
    pub buffers: ByteSize,
}

/// The [`Limits::output_total`] of a component that is not built in.
pub const OUTPUT_TOTAL: ByteSize = ByteSize::gib(1);

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(64),
            time: None,
            compute: Duration::from_millis(500),
            sockets: 256,
            handles: 16_384,
            // 64 datagrams of the maximum length are 4 MiB.
            call: ByteSize::mib(16),
            output: ByteSize::mib(64),
            output_total: None,
            compile: CompileLimits::default(),
            lookups: 64,
            // Half of it is 16 receive buffers of the size requested by the server.
            buffers: ByteSize::mib(128),
        }
    }
}

/// Formats the limits as a list that follows "within".
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            memory,
            time,
            compute,
            sockets,
            handles,
            call,
            output,
            output_total,
            compile,
            lookups,
            buffers,
        } = self;
        write!(
            f,
            "{memory} of memory, {} of processor time without a datagram, ",
            format_duration(*compute)
        )?;
        write!(
            f,
            "{sockets} sockets, {handles} handles, {lookups} lookups at once and then one per second, "
        )?;
        write!(f, "{call} a call, {buffers} of buffers, {output} of output a second")?;
        if let Some(total) = output_total {
            write!(f, ", {total} of output in total")?;
        }
        write!(f, ", {compile}")?;
        time.map_or(Ok(()), |time| write!(f, ", {} from start to end", format_duration(time)))
    }
}

/// A limit that an instance was stopped by, formatted as it follows the component's name.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum LimitExceeded {
    /// [`Limits::memory`] was exceeded.
    #[error("asked for more than {0} of memory (--limit-memory)")]
    Memory(ByteSize),
    /// [`Limits::time`] was exceeded.
    #[error("ran for {} (--limit-time)", format_duration(*.0))]
    Time(Duration),
    /// [`Limits::compute`] was exceeded.
    #[error("computed for {} without a datagram sent or received (--limit-compute)", format_duration(*.0))]
    Compute(Duration),
    /// [`Limits::sockets`] was exceeded.
    #[error("opened more than {0} sockets (--limit-sockets)")]
    Sockets(usize),
    /// [`Limits::handles`] was exceeded.
    #[error("held more than {0} handles (--limit-handles)")]
    Handles(usize),
    /// [`Limits::call`] was exceeded.
    #[error("passed more than {0} to the host at once (--limit-call)")]
    Call(ByteSize),
    /// [`Limits::output`] was exceeded.
    #[error("wrote more than {0} in a second (--limit-output)")]
    Output(ByteSize),
    /// [`Limits::output_total`] was exceeded.
    #[error("wrote more than {0} in total (--limit-output-total)")]
    OutputTotal(ByteSize),
    /// The memory limit of the system.
    #[error("needs memory that the system does not give{}", AddressSpace::of_this_process())]
    System,
    /// [`CompileLimits::memory`] was exceeded.
    #[error("took more than {0} of memory to compile (--limit-compile-memory)")]
    CompileMemory(ByteSize),
    /// [`CompileLimits::time`] was exceeded.
    #[error("took longer than {} to compile (--limit-compile-time)", format_duration(*.0))]
    CompileTime(Duration),
}

/// The address space reserved for each memory of a component, in GiB: wasmtime reserves that much
/// for a 32-bit memory, so that its code does not check each access.
const ADDRESSES: u64 = 4;

/// The maximum bytes of address space of this process (`RLIMIT_AS`, setrlimit(2)), if limited.
#[derive(Clone, Copy)]
struct AddressSpace(Option<u64>);

static ADDRESS_SPACE: OnceLock<AddressSpace> = OnceLock::new();

impl AddressSpace {
    fn of_this_process() -> Self {
        ADDRESS_SPACE.get().copied().unwrap_or(Self(None))
    }
}

/// Records the address space limit of this process: a hardened process cannot read it.
pub fn note_address_space() {
    #[cfg(target_os = "linux")]
    ADDRESS_SPACE.get_or_init(|| {
        AddressSpace(rustix::process::getrlimit(rustix::process::Resource::As).current)
    });
}

/// Formats the limit, and what to do about it.
impl fmt::Display for AddressSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bytes) = self.0 else { return Ok(()) };
        let bytes = ByteSize(bytes);
        write!(
            f,
            ": its process may use {bytes} of addresses, and {ADDRESSES} GiB are kept for each memory of a component; "
        )?;
        f.write_str("raise that limit (ulimit -v unlimited, RLIMIT_AS, systemd's LimitAS=)")
    }
}

impl LimitExceeded {
    /// The limit that ended a run with `error`, if it was one.
    pub fn of(error: &wasmtime::Error, limits: &Limits) -> Option<Self> {
        if let Some(struck) = error.downcast_ref::<Self>() {
            return Some(*struck);
        }
        if is_out_of_memory(error) {
            return Some(Self::System);
        }
        // wasmtime's limits have no public error types; tests with guests that exceed them verify
        // these texts.
        match error.root_cause().to_string() {
            text if text.contains("store handle limit exceeded")
                || text == "resource table has no free keys" =>
            {
                Some(Self::Handles(limits.handles))
            }
            text if text.contains("fuel allocated for hostcalls has been exhausted") => {
                Some(Self::Call(limits.call))
            }
            _ => None,
        }
    }
}

/// Whether an error of wasmtime's was caused by failed allocation, by the allocator or the system.
pub fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    error.is::<wasmtime::OutOfMemory>() || error.chain().any(refused_by_system)
}

#[cfg(unix)]
fn refused_by_system(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref() == Some(&rustix::io::Errno::NOMEM) || is_io_out_of_memory(cause)
}

#[cfg(not(unix))]
fn refused_by_system(cause: &(dyn std::error::Error + 'static)) -> bool {
    is_io_out_of_memory(cause)
}

fn is_io_out_of_memory(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause
        .downcast_ref()
        .is_some_and(|error: &std::io::Error| error.kind() == std::io::ErrorKind::OutOfMemory)
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn limits_are_listed_with_their_units() {
        let shown = Limits::default().to_string();
        for part in
            ["64.0 MiB of memory", "500ms of processor time", "256 sockets", "16384 handles"]
        {
            assert!(shown.contains(part), "{shown}");
        }
        assert!(shown.ends_with(", 2.0 GiB and 1m to compile"), "{shown}");
        assert!(!shown.contains("in total") && !shown.contains("from start to end"), "{shown}");
        let time = Some(Duration::from_secs(7));
        let shown = Limits { time, output_total: Some(OUTPUT_TOTAL), ..Limits::default() };
        let shown = shown.to_string();
        assert!(shown.contains("1.0 GiB of output in total"), "{shown}");
        assert!(shown.ends_with(", 7s from start to end"), "{shown}");
    }

    #[test]
    fn an_error_is_the_limit_that_it_comes_from_or_none() {
        let limits = Limits { handles: 7, call: ByteSize(9), ..Limits::default() };
        let of = |error: wasmtime::Error| LimitExceeded::of(&error, &limits);
        let own = LimitExceeded::Sockets(3);
        assert_eq!(of(wasmtime::Error::from(own).context("of a call")), Some(own));
        assert_eq!(of(wasmtime::format_err!("something else")), None);
        for text in ["resource table has no free keys", "a store handle limit exceeded by one"] {
            assert_eq!(of(wasmtime::format_err!("{text}")), Some(LimitExceeded::Handles(7)));
        }
        let call = "fuel allocated for hostcalls has been exhausted";
        assert_eq!(of(wasmtime::format_err!("{call}")), Some(LimitExceeded::Call(ByteSize(9))));
        for kind in [ErrorKind::OutOfMemory, ErrorKind::PermissionDenied] {
            let expected = (kind == ErrorKind::OutOfMemory).then_some(LimitExceeded::System);
            assert_eq!(of(wasmtime::Error::from(Error::from(kind)).context("mmap")), expected);
        }
    }

    #[cfg(unix)]
    #[test]
    fn memory_that_the_system_refuses_is_a_limit() {
        let errors = [(rustix::io::Errno::NOMEM, true), (rustix::io::Errno::PERM, false)];
        for (errno, expected) in errors {
            assert_eq!(is_out_of_memory(&wasmtime::Error::from(errno)), expected);
            let error = Error::from(errno);
            assert_eq!(is_out_of_memory(&wasmtime::Error::from(error)), expected);
        }
    }

    #[test]
    fn address_space_shortfall_is_reported_with_its_remedy() {
        assert_eq!(AddressSpace(None).to_string(), "");
        let lacking = AddressSpace(Some(8 << 30)).to_string();
        assert!(lacking.starts_with(": its process may use 8.0 GiB of addresses"), "{lacking}");
        assert!(lacking.contains("ulimit -v unlimited"), "{lacking}");
    }
}
