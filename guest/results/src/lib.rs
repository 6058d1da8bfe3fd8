//! The results of a run as the client writes them in JSON, as types that serialize and deserialize:
//! the [`Document`] of `--format json` and the [`Event`]s of `--format jsonl`.
//!
//! `docs/results.schema.json` and `docs/events.schema.json` describe the same for other programs.
//! The client writes every key that those require. A reader accepts a document without keys that
//! were added to the format later, and ignores unknown keys.
//!
//! Types have parameters so that a reader may keep less than was written: `S` is the type of text
//! that the user or the network provides, and [`serde::de::IgnoredAny`] keeps nothing.

mod config;
mod document;
mod event;
mod record;
mod summary;
mod time;

pub use config::{Config, Protocol, Schedule, Target};
pub use document::{Document, Format, Version};
pub use event::{Event, Ping, Reply, RunSummary};
pub use record::{Fate, Record, Reflected};
pub use summary::{Clock, Flow, OneWay, ReceiveTimes, Receiver, Sender, Spread, Summary, Synced};
pub use time::{Nanoseconds, Timestamp};
