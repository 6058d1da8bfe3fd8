//! The document as a whole.

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{Config, Flow, Nanoseconds, Receiver, Record, Sender, Summary, Target, Timestamp};

/// The results of a run (`--format json`), with records of the type `R`.
///
/// The client writes every member, `records` with `--records` only. Each is optional here, so that
/// a reader that needs one can name it where it is missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "the results of a run, as an object")]
pub struct Document<S = String, R = Record> {
    /// That this is such a document.
    pub format: Option<Format>,
    /// The version of the format.
    pub version: Option<Version>,
    /// When the first ping was due.
    #[serde(default, deserialize_with = "started")]
    pub started: Option<Timestamp>,
    /// What was asked for.
    pub config: Option<Config<S>>,
    /// The hosts that were named, in their order; the index of a target is one into these.
    pub targets: Option<Vec<Target<S>>>,
    /// Every ping, of each flow in sequence order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<R>>,
    /// The summary of each target and source port.
    pub flows: Option<Vec<Flow>>,
    /// The summary of all flows; of bursts and outages, the longest.
    pub total: Option<Summary>,
    /// How well the schedule was kept.
    pub sender: Option<Sender>,
    /// What the machine that pinged lost itself.
    pub receiver: Option<Receiver>,
    /// When the run was over.
    pub ended: Option<Timestamp>,
    /// From the first send to the end, by the monotonic clock.
    pub duration_ns: Option<Nanoseconds>,
}

/// The time under a key that the error names.
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
