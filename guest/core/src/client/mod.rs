//! What the client decides: when to send which ping where, what a datagram that arrives means, and when it is over. It knows nothing
//! of bytes but through its codec, and nothing of how a run is printed.

pub mod codec;
pub mod events;
pub mod flow;
pub mod pinger;
pub mod schedule;
pub mod sent_pings;
pub mod summary;
