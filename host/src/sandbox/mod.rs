//! The sandbox: a component is loaded, compiled within limits, linked to the available interfaces,
//! and run. Nothing here depends on the command that runs it.

pub mod artifact;
pub mod compile;
pub mod counts;
pub mod enforcer;
mod entry;
pub mod environment;
pub mod facts;
pub mod instance;
pub mod linker;
pub mod load_error;
pub mod outcome;
pub mod permissions;
pub mod standard_input;
pub mod standard_streams;
pub mod state;
pub mod terminal;
pub mod waiting;
pub mod watchdog;
