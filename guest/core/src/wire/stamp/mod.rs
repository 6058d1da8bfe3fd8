//! STAMP, the Simple Two-way Active Measurement Protocol: RFC 8762, and the session identifiers of
//! RFC 8972.
//!
//! A Session-Sender sends requests, which carry a number and the time they were sent at (T1). A
//! Session-Reflector sends each back with the times at which it came (T2) and left again (T3), so
//! that the sender can tell the forward delay from the backward delay, and both from the time in
//! between. With a key that both have, each datagram carries an HMAC (authenticated mode).
//!
//! Of the optional TLVs of RFC 8972 only the HMAC TLV is here: to a reflector they are bytes that
//! it copies, and with a key it copies only what that one is of.

mod error_estimate;
pub(crate) mod packet;
mod timestamp;
pub(crate) mod tlvs;

pub use error_estimate::ErrorEstimate;
pub use packet::{NotStamp, Reply, Request};
pub use timestamp::{Format, Timestamp};

/// The port of a reflector, where nothing else was agreed (RFC 8762, section 4.1).
pub const PORT: u16 = 862;

/// Bytes of a request, and of a reply, without a key, and at least (RFC 8762, sections 4.2.1 and
/// 4.3.1).
pub const UNAUTHENTICATED: usize = 44;

/// Bytes of a request, and of a reply, with a key, and at least (RFC 8762, sections 4.2.2 and
/// 4.3.2).
pub const AUTHENTICATED: usize = 112;
