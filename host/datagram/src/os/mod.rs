//! The operating system as a [`World`]: its sockets, clocks, timers and random bytes, waited for on
//! tokio's reactor.

#[cfg(target_os = "linux")]
mod batched;
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

/// The operating system, as one instance sees it.
pub struct OperatingSystem {
    tuning: Tuning,
    buffers: Arc<Buffers>,
    options: SocketOptions,
    reports: Arc<Reports>,
    timers: Arc<Timers>,
}

impl OperatingSystem {
    /// With sockets that are driven as `tuning` says, have their buffers from `buffers`, have
    /// `options` set, and tell `reports` what they tell beside datagrams.
    pub fn new(
        tuning: Tuning,
        buffers: Arc<Buffers>,
        options: SocketOptions,
        reports: Arc<Reports>,
    ) -> Self {
        Self { tuning, buffers, options, reports, timers: Arc::default() }
    }

    /// The same, with sockets that are driven as `tuning` says.
    #[must_use]
    pub fn with_tuning(self, tuning: Tuning) -> Self {
        Self { tuning, ..self }
    }

    /// `socket`, which is bound already, and the address that it is bound to: for
    /// [`crate::InheritedSockets`].
    ///
    /// # Errors
    ///
    /// Those of getsockname(2) and setsockopt(2): the options are set on it, too.
    pub fn inherit(&self, socket: UdpSocket) -> io::Result<(SocketAddr, KeptSocket)> {
        let local = socket.local_addr()?;
        self.options.apply(&socket, local.is_ipv4())?;
        let raw: Arc<RawSocket> = Arc::new(RawSocket::new(socket, &self.buffers, &self.reports)?);
        Ok((local, raw))
    }
}

impl Default for OperatingSystem {
    /// With 128 MiB of buffers for up to 256 sockets, and nothing else that is special.
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
        let socket = socket::Socket::new(family, self.tuning, &self.buffers, &self.reports)?;
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

    async fn yield_now(&self) {
        tokio::task::yield_now().await;
    }
}

/// Room for the largest datagram, and for the most that `UDP_GRO` puts together.
pub(crate) const SLOT: usize = 1 << 16;

thread_local! {
    /// Where datagrams are received to, one set of slots for all sockets of a thread: they hold
    /// something only during a call.
    static SLOTS: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lets `receive` use the thread's slots, at least so many bytes.
fn with_slots<T>(bytes: usize, receive: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut slots = SLOTS.take();
    if slots.len() < bytes {
        // Zeroed anew, thus not resident before a slot is first used.
        slots = vec![0; bytes];
    }
    let result = receive(&mut slots);
    SLOTS.set(slots);
    result
}

#[cfg(test)]
mod tests;
