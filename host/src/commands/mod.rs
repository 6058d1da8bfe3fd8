//! What the program does: a command a file, and what several of them share. Nothing else calls them
//! but `main`.

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
