//! A component in its sandbox: loaded, compiled within limits, linked to the interfaces that there
//! are, and run. It knows what a component is, and not how it came to be run.

pub mod artifact;
pub mod compile;
pub mod enforcer;
pub mod environment;
pub mod facts;
pub mod instance;
pub mod linker;
pub mod permissions;
pub mod standard_input;
pub mod standard_streams;
pub mod state;
pub mod terminal;
pub mod waiting;
pub mod watchdog;
