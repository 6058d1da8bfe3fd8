//! STAMP, the Simple Two-way Active Measurement Protocol: RFC 8762, and the session identifiers of
//! RFC 8972.
//!
//! A Session-Sender sends requests with a sequence number and the time at which they were sent
//! (T1). A Session-Reflector returns each with the times at which it was received (T2) and sent
//! back (T3), so that the sender can tell the forward delay, the backward delay and the processing
//! time apart. With a shared key, each datagram carries an HMAC (authenticated mode).
//!
//! Of the optional TLVs of RFC 8972 only the HMAC TLV is implemented: a reflector copies all others
//! as bytes and, with a key, only those that the HMAC TLV covers.

mod error_estimate;
pub(crate) mod packet;
mod timestamp;
pub(crate) mod tlvs;

pub use error_estimate::ErrorEstimate;
pub use packet::{NotStamp, Reply, Request};
pub use timestamp::{Format, Timestamp};

/// The default port of a reflector (RFC 8762, section 4.1).
pub const PORT: u16 = 862;

/// The minimum length of a request and of a reply in unauthenticated mode, in bytes (RFC 8762,
/// sections 4.2.1 and 4.3.1).
pub const UNAUTHENTICATED: usize = 44;

/// The minimum length of a request and of a reply in authenticated mode, in bytes (RFC 8762,
/// sections 4.2.2 and 4.3.2).
pub const AUTHENTICATED: usize = 112;
