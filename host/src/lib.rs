//! udping-host: runs WASI 0.2 components with exactly the network they were granted.
//!
//! Data flows one way: [`config`] turns the command line into what to run and what its arguments
//! grant; a [`sandbox`] runs the component, and [`udping_permissions`] decides about its every use
//! of the network, which goes through [`wasi_datagram`]; [`process::exit`] says how it ended.
//! [`commands`] drive this, in a process that [`process`] sets up and that gives up what it does
//! not need ([`udping_harden`]).

#![deny(unsafe_code)]

pub mod commands;
pub mod config;
pub mod process;
pub mod sandbox;
