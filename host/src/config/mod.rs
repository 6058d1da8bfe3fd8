//! Configuration: turns arguments and files into a [`plan::Plan`], in which nothing is unparsed
//! text. It performs no action itself, and knows of no command.

pub mod built_in;
pub mod cli;
pub mod client_options;
pub mod key;
pub mod plan;
pub mod policy;
pub mod targets;
pub mod variables;
