//! The permissions of components: network grants, peers and rates, resource limits, and resolved
//! names.
//!
//! This crate decides, and has no side effects: it has no sockets, queries no name server, and
//! knows no process. The host does that: it sends what passes a [`guard::Gate`], and resolves what
//! [`names::Names`] does not know.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::cast_possible_truncation, reason = "what a test counts is small"))]

pub mod grants;
pub mod guard;
pub mod host_name;
pub mod limits;
pub mod names;
pub mod rate;
pub mod zones;
