//! Thresholds for the results of a run: `--fail-if`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;
use udping_core::client::Summary;
use udping_core::duration::{self, Plain};
use udping_core::stats::Percentiles;

/// A quantity of a target's results, and the most that it may be.
#[derive(Clone, Copy, Debug)]
pub struct Threshold {
    name: &'static str,
    quantity: Quantity,
    most: Value,
}

/// Why a text is not a threshold.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ThresholdError {
    /// It has no `>`.
    #[error("write NAME>VALUE, such as loss>1% or p99>5ms")]
    NoComparison,
    /// The quantity is not known.
    #[error("`{0}` is not known: there are {names}", names = Quantity::NAMES.map(|(name, _)| name).join(", "))]
    Unknown(String),
    /// The value is not of the quantity.
    #[error("`{0}` is not {1}")]
    Value(String, &'static str),
}

/// A quantity of results.
#[derive(Clone, Copy, Debug)]
enum Quantity {
    /// The share of pings without an answer, lost or not sent.
    Loss,
    /// A number of pings, or of replies.
    Count(fn(&Summary) -> u64),
    /// A duration; none if nothing was measured.
    Duration(fn(&Summary) -> Option<Duration>),
    /// A percentile of the RTT, of which the client has none for each of very many flows.
    Percentile(fn(Percentiles) -> Duration),
}

/// A value of a quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    /// A share, from 0 to 1.
    Share(f64),
    Count(u64),
    Duration(Duration),
}

impl Quantity {
    /// The names, in the order of help.
    const NAMES: [(&'static str, Self); 16] = [
        ("loss", Self::Loss),
        ("min", Self::Duration(|s| Some(s.rtt.as_ref()?.min))),
        ("mean", Self::Duration(|s| Some(s.rtt.as_ref()?.mean))),
        ("median", Self::Percentile(|p| p.p50)),
        ("p90", Self::Percentile(|p| p.p90)),
        ("p95", Self::Percentile(|p| p.p95)),
        ("p99", Self::Percentile(|p| p.p99)),
        ("p99.9", Self::Percentile(|p| p.p99_9)),
        ("max", Self::Duration(|s| Some(s.rtt.as_ref()?.max))),
        ("stddev", Self::Duration(|s| Some(s.rtt.as_ref()?.stddev))),
        ("jitter", Self::Duration(|s| s.jitter)),
        ("outage", Self::Duration(|s| Some(s.longest_outage.duration))),
        ("late", Self::Count(|s| s.late)),
        ("duplicates", Self::Count(|s| s.duplicates)),
        ("reordered", Self::Count(|s| s.reordered)),
        ("not-sent", Self::Count(|s| s.send_errors)),
    ];

    fn of(self, summary: &Summary) -> Option<Value> {
        match self {
            Self::Loss => Some(Value::Share(summary.unanswered_ratio())),
            Self::Count(of) => Some(Value::Count(of(summary))),
            Self::Duration(of) => of(summary).map(Value::Duration),
            Self::Percentile(of) => Some(Value::Duration(of(summary.rtt.as_ref()?.percentiles?))),
        }
    }

    fn parse(self, text: &str) -> Result<Value, ThresholdError> {
        let wrong = |what| ThresholdError::Value(text.to_owned(), what);
        match self {
            Self::Loss => text
                .strip_suffix('%')
                .and_then(|percent| percent.trim_end().parse::<f64>().ok())
                .filter(|percent| (0.0..=100.0).contains(percent))
                .map(|percent| Value::Share(percent / 100.0))
                .ok_or(wrong("a percentage from 0% to 100%")),
            Self::Count(_) => text.parse().map(Value::Count).map_err(|_| wrong("a whole number")),
            Self::Duration(_) | Self::Percentile(_) => duration::parse(text)
                .map(Value::Duration)
                .map_err(|_| wrong("a duration such as 5ms")),
        }
    }
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let (name, value) = text.split_once('>').ok_or(ThresholdError::NoComparison)?;
        let (name, value) = (name.trim(), value.trim());
        let (name, quantity) = Quantity::NAMES
            .into_iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| ThresholdError::Unknown(name.to_owned()))?;
        Ok(Self { name, quantity, most: quantity.parse(value)? })
    }
}

impl Threshold {
    /// Says what exceeds the threshold, if something does: `p99 7.2 ms > 5 ms`. What was not measured
    /// exceeds nothing.
    pub fn exceeded_by(&self, summary: &Summary) -> Option<String> {
        let value = self.quantity.of(summary)?;
        (value > self.most).then(|| format!("{} {value} > {}", self.name, self.most))
    }

    /// Whether it needs a percentile.
    pub fn is_of_percentile(&self) -> bool {
        matches!(self.quantity, Quantity::Percentile(_))
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Share(one), Self::Share(other)) => one.partial_cmp(other),
            (Self::Count(one), Self::Count(other)) => one.partial_cmp(other),
            (Self::Duration(one), Self::Duration(other)) => one.partial_cmp(other),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(share) => write!(f, "{} %", (share * 1e5).round() / 1e3),
            Self::Count(count) => count.fmt(f),
            Self::Duration(duration) => Plain(*duration).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use udping_core::stats::{Distribution, Outage};

    use super::*;

    /// 100 pings: one lost, one not sent, and RTTs of 1 to 98 ms.
    fn summary() -> Summary {
        let mut rtt = Distribution::with_percentiles();
        (1..=98).for_each(|millis| rtt.record(Duration::from_millis(millis)));
        let longest_outage = Outage { duration: Duration::from_secs(2), lost: 1, not_sent: 1 };
        Summary {
            sent: 99,
            received: 98,
            lost: 1,
            send_errors: 1,
            rtt: rtt.spread(),
            longest_outage,
            ..Summary::default()
        }
    }

    #[test]
    fn hand_worked_thresholds() {
        for (text, exceeded) in [
            ("loss>2%", None),
            ("loss>1.9%", Some("loss 2 % > 1.9 %")),
            ("loss > 0%", Some("loss 2 % > 0 %")),
            ("max>97ms", Some("max 98 ms > 97 ms")),
            ("max>98ms", None),
            ("mean>49.5ms", None),
            ("mean>49ms", Some("mean 49.5 ms > 49 ms")),
            ("p99>97ms", Some("p99 98 ms > 97 ms")),
            ("outage>2s", None),
            ("outage>1999ms", Some("outage 2 s > 1.999 s")),
            ("not-sent>0", Some("not-sent 1 > 0")),
            ("duplicates>0", None),
            // Not measured.
            ("jitter>0", None),
        ] {
            let threshold = Threshold::from_str(text).unwrap();
            assert_eq!(threshold.exceeded_by(&summary()).as_deref(), exceeded, "{text}");
        }
        assert_eq!(Threshold::from_str("p99>0").unwrap().exceeded_by(&Summary::default()), None);
    }

    #[test]
    fn what_is_no_threshold_is_explained() {
        for (text, message) in [
            ("loss", "write NAME>VALUE"),
            ("lost>1%", "`lost` is not known: there are loss, min,"),
            ("loss>1", "`1` is not a percentage"),
            ("loss>101%", "is not a percentage"),
            ("p99>5", ""),
            ("p99>x", "`x` is not a duration"),
            ("late>-1", "`-1` is not a whole number"),
        ] {
            match Threshold::from_str(text) {
                Ok(_) => assert_eq!(message, "", "{text}"),
                Err(error) => assert!(error.to_string().contains(message), "{error}"),
            }
        }
    }
}
