//! udping-host: runs WASI 0.2 components with exactly the network they were granted.
//!
//! Data flows one way: command line ([`cli`]) -> what to run, and what its arguments grant ([`plan`], [`grants`]) -> a
//! component ([`artifact`]) in a [`sandbox`] whose every use of the network, by [`udp`] and [`lookup`], passes a [`guard`] ->
//! how it ended ([`exit`]).

#![deny(unsafe_code)]

pub mod activation;
pub mod allocator;
pub mod artifact;
pub mod audit;
pub mod built_in;
pub mod cli;
pub mod client_options;
#[cfg(target_os = "linux")]
pub mod clock;
pub mod compile;
pub mod demo;
pub mod environment;
pub mod exit;
pub mod facts;
pub mod grants;
pub mod guard;
#[cfg(target_os = "linux")]
mod handed_over;
pub mod harden;
pub mod helper;
pub mod inspect;
mod interrupt;
pub mod key;
pub mod limits;
pub mod log;
pub mod lookup;
pub mod names;
pub mod network;
pub mod overview;
mod own_addresses;
pub mod plan;
#[cfg(feature = "plot")]
pub mod plot;
pub mod policy;
pub mod printable;
pub mod rate;
#[cfg(target_os = "linux")]
mod reactor;
#[cfg(target_os = "linux")]
#[cfg(target_os = "linux")]
pub mod resolver;
#[cfg(target_os = "linux")]
pub mod rotation;
pub mod run;
pub mod sandbox;
pub mod served;
pub mod signals;
pub mod standard_input;
pub mod standard_output;
pub mod standard_streams;
pub mod state;
pub mod targets;
mod tcp;
pub mod terminal;
pub mod trust;
pub mod udp;
pub mod variables;
pub mod waiting;
pub mod workers;
pub mod zones;
