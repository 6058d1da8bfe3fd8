//! The pinger and the echo server as state machines, without I/O.
//!
//! Nothing here opens a socket, reads a clock or depends on WebAssembly: `now` is an argument,
//! datagrams are byte slices, and what happened is reported as [`client::Event`]s. So every rule of
//! the pinger is tested natively, with time as data.
//!
//! # The run loop
//!
//! The caller of [`client::Pinger`] provides the sockets and the clocks. Here both are simulated: a
//! server that answers after 3 ms.
//!
//! ```
//! use std::time::Duration;
//! use udping_core::client::{Arrival, Config, Event, Pinger};
//! use udping_core::{Instant, UnixTime};
//!
//! let server = "192.0.2.7:12000".parse()?;
//! let mut now = Instant::from_nanos(0);
//! let wall = UnixTime { seconds: 1_700_000_000, nanoseconds: 0 };
//! let mut pinger = Pinger::new(Config::new(vec![server]), now);
//! let mut rtts = Vec::new();
//! while !pinger.is_over() {
//!     pinger.handle_timeout(now);
//!     let sent = pinger.poll_transmit(now, wall).map(|transmit| transmit.datagram.to_vec());
//!     if let Some(datagram) = sent {
//!         now = now + Duration::from_millis(3);
//!         pinger.handle_input(Arrival { now, wall, waited: None, source_port: 0, from: server }, &datagram);
//!     }
//!     while let Some(happened) = pinger.poll_event() {
//!         if let Event::Reply { rtt, .. } = happened.event {
//!             rtts.push(rtt);
//!         }
//!     }
//!     now = pinger.poll_timeout().unwrap_or(now);
//! }
//! assert_eq!(rtts, [Duration::from_millis(3); 10]);
//! assert_eq!(pinger.results().total.received, 10);
//! # Ok::<(), std::net::AddrParseError>(())
//! ```
//!
//! `examples/native.rs` is a complete pinger over [`std::net::UdpSocket`].

#![warn(clippy::missing_errors_doc)]
#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        reason = "what a test counts is small"
    )
)]

pub mod client;
pub mod duration;
pub mod planted;
mod seq;
pub mod server;
pub mod stats;
mod time;
pub mod wire;

pub use seq::Seq;
pub use time::{Instant, UnixTime};
