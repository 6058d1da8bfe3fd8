//! Encoding and decoding: the two protocols, and authentication tags.

pub(crate) mod auth;
pub mod stamp;
pub(crate) mod text;

pub use auth::{BadKey, Direction, Key, Keys, LENGTHS, TAG, Which};
pub use text::{MAX_DATAGRAM, NotAPing, Ping};
