//! Durations and times.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A duration, or a time since the start of the run, in nanoseconds: up to 584 years.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Nanoseconds(pub u64);

/// Saturates at 2^64 - 1 nanoseconds.
impl From<Duration> for Nanoseconds {
    // Each field of a summary is converted: inlined, this is 1.5 % of the client.
    #[inline(never)]
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Nanoseconds> for Duration {
    fn from(nanoseconds: Nanoseconds) -> Self {
        Self::from_nanos(nanoseconds.0)
    }
}

/// Formats the number without a unit.
impl fmt::Display for Nanoseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A wall-clock time, formatted according to RFC 3339, in UTC, with nine decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(SystemTime);

impl Timestamp {
    /// The last second that RFC 3339 can express, at the end of the year 9999.
    const LAST: Duration = Duration::from_secs(253_402_300_799);

    /// Creates the time `since_epoch` after 1970-01-01T00:00:00Z, saturating at the last that can
    /// be expressed.
    #[must_use]
    pub fn from_unix(since_epoch: Duration) -> Self {
        Self(SystemTime::UNIX_EPOCH + since_epoch.min(Self::LAST))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_nanos(self.0).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // A parsed time has a year of four digits, which can be formatted again.
        humantime::parse_rfc3339(&text)
            .map(Self)
            .map_err(|error| de::Error::custom(format_args!("{text:?}: {error}")))
    }
}
