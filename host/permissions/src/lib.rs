//! What a component may do: what is granted (pure), to whom and how often, with how much of the
//! machine, and what names stand for.
//!
//! It decides and does nothing: it has no sockets, asks no name server, and knows no process. Who
//! uses it has those: what passes a [`guard::Gate`] is sent, what [`names::Names`] does not know is
//! asked for.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::cast_possible_truncation, reason = "what a test counts is small"))]

pub mod grants;
pub mod guard;
pub mod host_name;
pub mod limits;
pub mod names;
pub mod rate;
pub mod zones;
