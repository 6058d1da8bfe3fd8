//! Bytes to values and back, and nothing else: the two protocols, and the tag of those who have a
//! key.

pub(crate) mod auth;
pub mod stamp;
pub(crate) mod text;

pub use auth::{BadKey, Direction, Key, Keys, LENGTHS, TAG, Which};
pub use text::{MAX_DATAGRAM, NotAPing, Ping};
