//! What is to be done: from what was typed, or stands in files, to a [`plan::Plan`], after which
//! nothing is text any more. It does nothing itself, and knows of no command.

pub mod built_in;
pub mod cli;
pub mod client_options;
pub mod key;
pub mod plan;
pub mod policy;
pub mod targets;
pub mod variables;
