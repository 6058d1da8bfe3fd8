//! The commands, one per file, and what several of them share. Only `main` calls them.

pub mod audit;
pub mod context;
pub mod demo;
pub mod grants;
pub mod helper;
pub mod inspect;
#[cfg(feature = "plot")]
pub mod plot;
#[cfg(target_os = "linux")]
pub mod rotation;
pub mod run;
