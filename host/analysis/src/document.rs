//! Reads results documents.

use std::io::Read;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;
use udping_results::{Config, Flow, Summary, Target};

/// A results document, of whose records, if it has any, only the number is kept.
pub(crate) type Written = udping_results::Document<String, Unread>;

/// A record that is not read, since there may be millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Unread;

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// A results document with all that is needed here.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub(crate) config: Config,
    pub(crate) targets: Vec<Target>,
    pub(crate) flows: Vec<Flow>,
    pub(crate) total: Summary,
    /// The document as it was written.
    pub(crate) written: Written,
}

/// Why results cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It is not JSON, or not of the types of results.
    #[error("not results (client --format json)")]
    NotResults(#[from] serde_json::Error),
    /// A part is missing.
    #[error("no results: `{0}` is missing")]
    Missing(&'static str),
    /// A histogram cannot be read.
    #[error(transparent)]
    Histogram(#[from] udping_core::stats::NotAHistogram),
    /// A flow has no target.
    #[error("no results: a flow is of target {0}, which is not there")]
    NoTarget(u32),
}

impl Document {
    /// Reads one document.
    ///
    /// # Errors
    ///
    /// If it is not one, or cannot be read.
    pub fn read(reader: impl Read) -> Result<Self, ReadError> {
        let written: Written = serde_json::from_reader(std::io::BufReader::new(reader))?;
        let missing = ReadError::Missing;
        written.format.ok_or(missing("format"))?;
        written.version.ok_or(missing("version"))?;
        let document = Self {
            config: written.config.clone().ok_or(missing("config"))?,
            targets: written.targets.clone().ok_or(missing("targets"))?,
            flows: written.flows.clone().ok_or(missing("flows"))?,
            total: written.total.clone().ok_or(missing("total"))?,
            written,
        };
        let beyond = |flow: &&Flow| flow.target as usize >= document.targets.len();
        match document.flows.iter().find(beyond) {
            Some(flow) => Err(ReadError::NoTarget(flow.target)),
            None => Ok(document),
        }
    }

    /// The flows, each with its target and its number among those of that target.
    pub(crate) fn keyed_flows(&self) -> impl Iterator<Item = ((&Target, usize), &Flow)> {
        let mut counts = vec![0; self.targets.len()];
        self.flows.iter().map(move |flow| {
            let target = flow.target as usize;
            counts[target] += 1;
            ((&self.targets[target], counts[target] - 1), flow)
        })
    }
}
