//! The client's decisions: when to send which ping where, what a received datagram means, and when
//! the run is over. It handles bytes only through its codec, and does not know how a run is
//! printed.

pub(crate) mod codec;
pub(crate) mod config;
mod datagram;
pub(crate) mod events;
pub(crate) mod flow;
pub(crate) mod pinger;
pub(crate) mod schedule;
pub(crate) mod sent_pings;
pub(crate) mod summary;

pub use codec::{Answer, Codec, Protocol};
pub use config::Config;
pub use datagram::{Arrival, SendCall, Transmit};
pub use events::{Event, Happened, Times};
pub use flow::{FlowId, ReplyKind};
pub use pinger::Pinger;
pub use schedule::Pace;
pub use summary::{Punctuality, ReceiveTimes, Results, Summary};
