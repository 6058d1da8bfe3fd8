//! Bytes to values and back, and nothing else: the two protocols, and the tag of those who have a key.

pub mod auth;
pub mod stamp;
pub mod text;
