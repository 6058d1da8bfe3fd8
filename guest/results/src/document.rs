//! The results document.

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{Config, Flow, Nanoseconds, Receiver, Record, Sender, Summary, Target, Timestamp};

/// The results of a run (`--format json`), with records of the type `R`.
///
/// The client writes every member, `records` only with `--records`. Each is optional here, so that
/// a reader that requires one can name it if it is missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "the results of a run, as an object")]
pub struct Document<S = String, R = Record> {
    /// The name of the format.
    pub format: Option<Format>,
    /// The version of the format.
    pub version: Option<Version>,
    /// The time at which the first ping was due.
    #[serde(default, deserialize_with = "started")]
    pub started: Option<Timestamp>,
    /// The configuration of the run.
    pub config: Option<Config<S>>,
    /// The hosts that were named, in order; a target's index refers to these.
    pub targets: Option<Vec<Target<S>>>,
    /// All pings, of each flow in sequence order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<R>>,
    /// The summary of each target and source port.
    pub flows: Option<Vec<Flow>>,
    /// The summary of all flows; of bursts and outages, the longest.
    pub total: Option<Summary>,
    /// How well the schedule was kept.
    pub sender: Option<Sender>,
    /// The datagrams lost on the machine that pinged.
    pub receiver: Option<Receiver>,
    /// The time at which the run was over.
    pub ended: Option<Timestamp>,
    /// The time from the first send to the end, by the monotonic clock.
    pub duration_ns: Option<Nanoseconds>,
}

/// Deserializes the time with errors that name its key.
fn started<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Option::deserialize(deserializer)
        .map_err(|error| de::Error::custom(format_args!("`started` is {error}")))
}

/// The name of the format, `udping-results`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub struct Format;

impl Format {
    const NAME: &str = "udping-results";
}

impl From<Format> for &'static str {
    fn from(_: Format) -> Self {
        Format::NAME
    }
}

impl TryFrom<String> for Format {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if name == Self::NAME { Ok(Self) } else { Err(format!("the format is {name:?}")) }
    }
}

/// The version of the format, 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u64", try_from = "u64")]
pub struct Version;

impl Version {
    const NUMBER: u64 = 1;
}

impl From<Version> for u64 {
    fn from(_: Version) -> Self {
        Version::NUMBER
    }
}

impl TryFrom<u64> for Version {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        if number == Self::NUMBER {
            Ok(Self)
        } else {
            let known = Self::NUMBER;
            Err(format!("version {number} is not known here, only version {known}"))
        }
    }
}
