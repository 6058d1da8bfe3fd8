//! The operating system as a [`World`]: its sockets, clocks, timers and random bytes, polled by
//! the thread that runs the instance, or by tokio's reactor.

#[cfg(target_os = "linux")]
mod batched;
#[cfg(target_os = "linux")]
mod control;
#[cfg(target_os = "linux")]
pub(crate) mod executor;
#[cfg(target_os = "linux")]
mod message;
mod options;
mod portable;
mod raw;
#[cfg(target_os = "linux")]
mod reactor;
mod sides;
mod socket;
#[cfg(target_os = "linux")]
mod stamps;
#[cfg(target_os = "linux")]
mod tells;
#[cfg_attr(not(target_os = "linux"), path = "portable_timers.rs")]
mod timers;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Weak};
use std::time::{Instant, SystemTime};

use bytesize::ByteSize;
use wasmtime_wasi::async_trait;

use crate::buffers::Buffers;
use crate::family::Family;
use crate::reports::Reports;
use crate::tuning::Tuning;
use crate::world::{self, KeptSocket, World};
use raw::RawSocket;
use timers::Timers;

pub use options::{OptionError, SocketOptions};

/// The operating system as the environment of one instance.
pub struct OperatingSystem {
    tuning: Tuning,
    buffers: Arc<Buffers>,
    options: SocketOptions,
    reports: Arc<Reports>,
    timers: Arc<Timers>,
    /// The conversion of times of arrival, if sockets are to report them.
    #[cfg(target_os = "linux")]
    stamps: Option<Arc<stamps::Stamps>>,
}

impl OperatingSystem {
    /// Creates a world whose sockets are driven according to `tuning`, allocate buffers from
    /// `buffers`, have `options` set, and report errors and drops to `reports`.
    pub fn new(
        tuning: Tuning,
        buffers: Arc<Buffers>,
        options: SocketOptions,
        reports: Arc<Reports>,
    ) -> Self {
        Self {
            tuning,
            buffers,
            options,
            reports,
            timers: Arc::default(),
            #[cfg(target_os = "linux")]
            stamps: tuning.kernel_time.then(Arc::default),
        }
    }

    /// Replaces the parameters that sockets are driven with.
    #[must_use]
    pub fn with_tuning(self, tuning: Tuning) -> Self {
        Self::new(tuning, self.buffers, self.options, self.reports)
    }

    /// Wraps a descriptor.
    fn raw(&self, socket: UdpSocket) -> io::Result<RawSocket> {
        #[cfg_attr(not(target_os = "linux"), expect(unused_mut, reason = "of Linux alone"))]
        let mut raw = RawSocket::new(socket, &self.buffers, &self.reports)?;
        #[cfg(target_os = "linux")]
        if let Some(stamps) = &self.stamps {
            raw.ask_for_times(stamps);
        }
        Ok(raw)
    }

    /// Converts a bound socket for [`crate::InheritedSockets`]. Returns its local address, too.
    ///
    /// # Errors
    ///
    /// The errors of getsockname(2), and of setsockopt(2), since the options are set on it, too.
    pub fn inherit(&self, socket: UdpSocket) -> io::Result<(SocketAddr, KeptSocket)> {
        let local = socket.local_addr()?;
        self.options.apply(&socket, local.is_ipv4())?;
        Ok((local, Arc::new(self.raw(socket)?)))
    }
}

impl Default for OperatingSystem {
    /// Creates a world with 128 MiB of buffers for up to 256 sockets, and defaults otherwise.
    fn default() -> Self {
        let buffers = Buffers::new(ByteSize::mib(128), 256);
        Self::new(Tuning::default(), buffers, SocketOptions::default(), Reports::new())
    }
}

impl fmt::Debug for OperatingSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tuning, options, .. } = self;
        f.debug_struct("OperatingSystem")
            .field("tuning", tuning)
            .field("options", options)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl World for OperatingSystem {
    fn open(&self, family: Family) -> io::Result<Box<dyn world::UdpSocket>> {
        let socket = socket::open(family, self.tuning)?;
        let socket = socket::Socket::new(self.raw(socket)?, family, self.tuning);
        self.options.apply(socket.raw(), family == Family::V4)?;
        let counts = Arc::downgrade(socket.raw());
        self.reports.watch(counts as Weak<_>);
        Ok(Box::new(socket))
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    #[cfg(target_os = "linux")]
    fn records_arrivals(&self) -> bool {
        self.stamps.as_ref().is_some_and(|stamps| !stamps.are_refused())
    }

    fn timer(&self, at: Instant) -> Box<dyn world::Timer> {
        Box::new(timers::Deadline::new(at, self.timers.clone()))
    }

    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        Ok(getrandom::fill(bytes)?)
    }

    fn reports(&self) -> &Arc<Reports> {
        &self.reports
    }

    fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    fn tuning(&self) -> Tuning {
        self.tuning
    }

    #[cfg(target_os = "linux")]
    fn poll_in_place(&self, poll: &mut dyn FnMut() -> bool) -> bool {
        executor::poll_in_place(poll)
    }

    async fn yield_now(&self) {
        tokio::task::yield_now().await;
    }
}

/// The bytes for the largest datagram, and for the largest `UDP_GRO` message.
pub(crate) const SLOT: usize = 1 << 16;

thread_local! {
    /// The receive buffers, shared by all sockets of a thread: they are in use only during a call.
    static SLOTS: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Calls `receive` with the thread's receive buffers, of at least `bytes` bytes.
fn with_slots<T>(bytes: usize, receive: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut slots = SLOTS.take();
    if slots.len() < bytes {
        // Freshly zeroed memory is not resident before a slot is first used.
        slots = vec![0; bytes];
    }
    let result = receive(&mut slots);
    SLOTS.set(slots);
    result
}

#[cfg(test)]
mod tests;
