//! The command lines of the two components, and their contract with udping-host: one definition,
//! with which the components parse, and from which the host derives grants, help, manual pages and
//! completions of its built-in components.

pub mod address;
pub mod client;
pub mod contract;
pub mod number;
pub mod server;
pub mod targets;
pub mod threshold;
pub mod usage;
