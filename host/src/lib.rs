//! udping-host: runs WASI 0.2 components with exactly the network they were granted.
//!
//! Data flows one way: command line -> what to run, and what its arguments grant ([`config`]) -> a
//! component in a [`sandbox`] whose every use of the network, by [`wasi_datagram`], is decided by
//! [`udping_permissions`] -> how it ended ([`process::exit`]). [`commands`] do it, in a process of
//! [`process`], which gives up what it does not need ([`udping_harden`]).

#![deny(unsafe_code)]

pub mod commands;
pub mod config;
pub mod process;
pub mod sandbox;
