//! A log-linear histogram of durations (HDR histogram), which can be shared and serialized.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2Serializer};
use thiserror::Error;

/// The number of significant decimal digits: a percentile is at most 0.1 % above the recorded value.
const DIGITS: u8 = 3;

/// The maximum length of a serialized histogram in base64: one in which every bucket up to 584 years
/// has a count of its own has less.
const LONGEST: usize = 1 << 20;

/// A histogram of durations in nanoseconds. A copy shares the counts until one of both records a
/// duration.
///
/// It takes 8 bytes for each of 1,024 buckets per power of two, up to the longest recorded duration:
/// 160 KiB for those up to a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram(Arc<Counts>);

/// The counts of a histogram, and what [`Histogram::serialize`] returned for them: a flow and the
/// total of a single one are the same histogram.
#[derive(Debug)]
struct Counts {
    hdr: hdrhistogram::Histogram<u64>,
    serialized: OnceLock<String>,
}

impl From<hdrhistogram::Histogram<u64>> for Counts {
    fn from(hdr: hdrhistogram::Histogram<u64>) -> Self {
        Self { hdr, serialized: OnceLock::new() }
    }
}

/// A copy is made to be changed.
impl Clone for Counts {
    fn clone(&self) -> Self {
        self.hdr.clone().into()
    }
}

impl PartialEq for Counts {
    fn eq(&self, other: &Self) -> bool {
        self.hdr == other.hdr
    }
}

// The counts are whole numbers.
impl Eq for Counts {}

/// Why a serialized histogram cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("not a histogram (HDR histogram V2 in base64): {0}")]
pub struct NotAHistogram(String);

impl Histogram {
    /// Creates an empty histogram.
    pub fn new() -> Option<Self> {
        // It fails only for more than 5 digits.
        hdrhistogram::Histogram::new(DIGITS).ok().map(|hdr| Self(Arc::new(hdr.into())))
    }

    /// Records a duration, which saturates at 584 years.
    pub fn record(&mut self, span: Duration) {
        let nanoseconds = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        // It resizes up to 64 bits, so this cannot fail.
        let _ = self.change().record(nanoseconds);
    }

    /// Adds the counts of another histogram, bucket by bucket.
    pub fn add(&mut self, other: &Self) {
        // As above: of the same digits, and resized.
        let _ = self.change().add(&other.0.hdr);
    }

    fn change(&mut self) -> &mut hdrhistogram::Histogram<u64> {
        let counts = Arc::make_mut(&mut self.0);
        counts.serialized.take();
        &mut counts.hdr
    }

    /// The number of recorded durations.
    pub fn count(&self) -> u64 {
        self.0.hdr.len()
    }

    /// The number of buckets.
    pub fn buckets(&self) -> usize {
        self.0.hdr.distinct_values()
    }

    /// The buckets with a count, from the shortest durations on: the shortest and the longest duration
    /// of each, in nanoseconds, and its count.
    pub fn recorded(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        self.0.hdr.iter_recorded().map(|step| {
            let longest = step.value_iterated_to();
            (self.0.hdr.lowest_equivalent(longest), longest, step.count_since_last_iteration())
        })
    }

    /// Serializes the histogram, in the V2 format of HDR histograms, in base64.
    pub fn serialize(&self) -> String {
        let serialize = || {
            let mut bytes = Vec::new();
            // Writing to memory cannot fail, and the counts are below 2^63.
            let _ = V2Serializer::new().serialize(&self.0.hdr, &mut bytes);
            BASE64_STANDARD.encode(bytes)
        };
        self.0.serialized.get_or_init(serialize).clone()
    }

    /// Deserializes a histogram.
    ///
    /// # Errors
    ///
    /// If `text` is not a histogram of three digits.
    pub fn deserialize(text: &str) -> Result<Self, NotAHistogram> {
        let wrong = |what: &dyn std::fmt::Display| NotAHistogram(what.to_string());
        if text.len() > LONGEST {
            return Err(wrong(&"it is too long"));
        }
        let bytes = BASE64_STANDARD.decode(text).map_err(|error| wrong(&error))?;
        let mut rest = bytes.as_slice();
        let histogram: hdrhistogram::Histogram<u64> =
            Deserializer::new().deserialize(&mut rest).map_err(|error| wrong(&error))?;
        if histogram.sigfig() != DIGITS || histogram.low() != 1 || !rest.is_empty() {
            return Err(wrong(&"it has other buckets"));
        }
        // Of a format that does not carry it: new durations are recorded all the same.
        let mut histogram = histogram;
        histogram.auto(true);
        Ok(Self(Arc::new(histogram.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(spans: &[u64]) -> Histogram {
        let mut histogram = Histogram::new().unwrap();
        for nanoseconds in spans {
            histogram.record(Duration::from_nanos(*nanoseconds));
        }
        histogram
    }

    #[test]
    fn what_is_serialized_has_what_was_recorded_since() {
        let mut histogram = of(&[1]);
        let before = histogram.serialize();
        assert_eq!(histogram.serialize(), before);
        histogram.record(Duration::from_nanos(2));
        let after = Histogram::deserialize(&histogram.serialize()).unwrap();
        assert_eq!(after.count(), 2);
        histogram.add(&of(&[3]));
        assert_eq!(Histogram::deserialize(&histogram.serialize()).unwrap().count(), 3);
    }

    #[test]
    fn copies_are_apart() {
        let one = of(&[1, 2]);
        let mut other = one.clone();
        other.record(Duration::from_nanos(3));
        assert_eq!((one.count(), other.count()), (2, 3));
    }

    #[test]
    fn hand_worked_buckets_have_the_durations_that_count_in_them() {
        // Up to 2,047 ns, each nanosecond is a bucket; up to 4,095 ns, two are.
        let recorded: Vec<_> = of(&[7, 7, 2_049]).recorded().collect();
        assert_eq!(recorded, [(7, 7, 2), (2_048, 2_049, 1)]);
    }

    #[test]
    fn what_is_no_histogram_is_said_to_be_none() {
        let other = hdrhistogram::Histogram::<u64>::new(2).unwrap();
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&other, &mut bytes).unwrap();
        let two_digits = BASE64_STANDARD.encode(&bytes);
        let trailing = BASE64_STANDARD
            .encode([BASE64_STANDARD.decode(of(&[1]).serialize()).unwrap(), vec![0]].concat());
        for text in ["", "%", "AAAA", &two_digits, &trailing, &"A".repeat(LONGEST + 1)] {
            assert!(Histogram::deserialize(text).is_err(), "{text:.60}");
        }
    }

    proptest! {
        #[test]
        fn one_read_again_has_the_same_buckets_and_records_more(
            spans in prop::collection::vec(0..20_000_000_000_u64, 0..300),
            more in any::<u64>(),
        ) {
            let written = of(&spans);
            let mut read = Histogram::deserialize(&written.serialize()).unwrap();
            prop_assert!(read.recorded().eq(written.recorded()));
            read.record(Duration::from_nanos(more));
            prop_assert_eq!(read.count(), written.count() + 1);
        }

        #[test]
        fn two_added_are_one_of_both(
            one in prop::collection::vec(0..20_000_000_000_u64, 0..100),
            other in prop::collection::vec(0..u64::MAX, 0..100),
        ) {
            let mut sum = of(&one);
            sum.add(&of(&other));
            let both = of(&[one, other].concat());
            prop_assert!(sum.recorded().eq(both.recorded()));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Histogram::deserialize(&BASE64_STANDARD.encode(&bytes));
        }
    }
}
