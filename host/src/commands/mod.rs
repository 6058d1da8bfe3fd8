//! The commands, one per file, and what several of them share. Only `main` calls them.

pub mod audit;
pub mod conditions;
pub mod context;
pub mod demo;
#[cfg(feature = "analysis")]
pub mod diff;
pub mod emit;
#[cfg(feature = "exporter")]
pub mod exporter;
pub mod grants;
pub mod helper;
pub mod inspect;
#[cfg(feature = "analysis")]
pub mod merge;
#[cfg(feature = "exporter")]
pub mod metrics;
#[cfg(feature = "plot")]
pub mod plot;
#[cfg(feature = "exporter")]
pub mod prober;
#[cfg(any(feature = "analysis", feature = "plot"))]
pub mod results;
#[cfg(target_os = "linux")]
pub mod rotation;
pub mod run;
#[cfg(feature = "simulation")]
pub mod simulate;
#[cfg(feature = "tui")]
pub mod tui;
pub mod version;
