//! The document that the client writes, as it is read: once, from a stream, into what drawing needs
//! of it.

mod text;

use std::io::{self, BufReader, Read};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, de};
use serde_json::error::Category;
use thiserror::Error;

pub use text::Text;

/// Read at a time: many small reads cost more than the parsing.
const BUFFER: usize = 1 << 18;

/// The results of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// When it started.
    pub started: SystemTime,
    /// How it pinged.
    pub config: Config,
    /// Whom. [`Ping::target`] and [`Flow::target`] are indices.
    pub targets: Vec<Target>,
    /// Every ping, in sequence order within its flow.
    pub pings: Vec<Ping>,
    /// The account of each target and source port.
    pub flows: Vec<Flow>,
    /// The account of all.
    pub total: Summary,
}

/// How a run pinged, as far as a figure says it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Config {
    /// What is on the wire.
    pub protocol: Text,
    /// When pings leave.
    pub schedule: Schedule,
    /// Between two pings, where the schedule has such a time.
    #[serde(rename = "interval_ns", deserialize_with = "duration")]
    pub interval: Duration,
    /// What comes later is late.
    #[serde(rename = "timeout_ns", deserialize_with = "duration")]
    pub timeout: Duration,
    /// Of a datagram.
    pub size_bytes: u64,
}

/// When pings leave.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Text")]
pub enum Schedule {
    /// At equal distances.
    Fixed,
    /// At random, the interval apart on average.
    Poisson,
    /// In another way, by its name.
    Other(Text),
}

impl From<Text> for Schedule {
    fn from(name: Text) -> Self {
        match name.as_str() {
            "fixed" => Self::Fixed,
            "poisson" => Self::Poisson,
            _ => Self::Other(name),
        }
    }
}

/// One that is pinged.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Target {
    /// As given to the client.
    pub host: Text,
    /// What that was resolved to, with its port.
    pub address: Option<Text>,
    /// Why there is no address.
    pub error: Option<Text>,
}

impl Target {
    /// Its host and address, or only the address where that says as much.
    pub fn name(&self) -> String {
        let host = self.host.as_str();
        match &self.address {
            None => host.to_owned(),
            Some(address) => {
                let address = address.as_str();
                let ip =
                    address.rsplit_once(':').map_or(address, |(ip, _)| ip.trim_matches(['[', ']']));
                if ip == host { address.to_owned() } else { format!("{host} ({address})") }
            }
        }
    }
}

/// One ping: 32 bytes, since there may be millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Record")]
pub struct Ping {
    /// When it left, or should have left where it did not, in ns since the start of the run.
    pub at: u64,
    /// What became of it.
    pub fate: Fate,
    /// Whom it was sent to.
    pub target: u32,
    /// From where.
    pub source_port: u16,
    /// Further replies to it, as many as are counted.
    pub duplicates: u16,
}

impl Ping {
    /// The round-trip time of a reply in time, in ns.
    pub fn rtt(&self) -> Option<u64> {
        match self.fate {
            Fate::Received { rtt } => Some(rtt),
            _ => None,
        }
    }
}

/// What became of a ping. Round-trip times are in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A reply came in time.
    Received {
        /// After so long.
        rtt: u64,
    },
    /// A reply came after the timeout.
    Late {
        /// After so long.
        rtt: u64,
    },
    /// No reply came.
    Lost,
    /// The system did not take it.
    NotSent,
    /// The run ended before a reply, or the timeout, came.
    Awaited,
}

/// A ping as it is written.
#[derive(Deserialize)]
struct Record {
    target: u32,
    #[serde(default)]
    source_port: u16,
    scheduled_ns: Option<u64>,
    sent_ns: Option<u64>,
    fate: RecordFate,
    rtt_ns: Option<u64>,
    #[serde(default)]
    duplicates: u64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RecordFate {
    Received,
    Late,
    Lost,
    NotSent,
    Awaited,
}

impl TryFrom<Record> for Ping {
    type Error = &'static str;

    fn try_from(record: Record) -> Result<Self, Self::Error> {
        let fate = match (record.fate, record.rtt_ns) {
            (RecordFate::Received, Some(rtt)) => Fate::Received { rtt },
            (RecordFate::Late, Some(rtt)) => Fate::Late { rtt },
            (RecordFate::Received | RecordFate::Late, None) => {
                return Err("a record of a reply has no `rtt_ns`");
            }
            (RecordFate::Lost, _) => Fate::Lost,
            (RecordFate::NotSent, _) => Fate::NotSent,
            (RecordFate::Awaited, _) => Fate::Awaited,
        };
        Ok(Self {
            at: record
                .sent_ns
                .or(record.scheduled_ns)
                .ok_or("a record has neither `sent_ns` nor `scheduled_ns`")?,
            fate,
            target: record.target,
            source_port: record.source_port,
            duplicates: u16::try_from(record.duplicates).unwrap_or(u16::MAX),
        })
    }
}

/// What there is of one target and source port.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Flow {
    /// Whose.
    pub target: u32,
    /// From where.
    #[serde(default)]
    pub source_port: u16,
    /// Its account.
    #[serde(flatten)]
    pub summary: Summary,
}

/// The account of some pings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Summary {
    /// Those that left.
    pub sent: u64,
    /// Replies in time.
    pub received: u64,
    /// Replies that came after the timeout.
    #[serde(default)]
    pub late: u64,
    /// Pings without a reply, as a share of those whose fate is known.
    pub loss_ratio: f64,
    /// Replies beyond the first.
    #[serde(default)]
    pub duplicates: u64,
    /// Of the replies in time.
    pub rtt: Option<Distribution>,
    /// Of the differences between an RTT and the one before.
    pub ipdv: Option<Distribution>,
    /// The smoothed jitter of RFC 3550, in ns.
    pub jitter_ns: Option<f64>,
}

/// How durations are distributed. All are in ns; percentiles are missing where the client did not
/// keep them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Distribution {
    /// The shortest.
    pub min_ns: f64,
    /// The average.
    pub mean_ns: f64,
    /// How far they are from the average.
    pub stddev_ns: f64,
    /// The longest.
    pub max_ns: f64,
    /// The median.
    pub p50_ns: Option<f64>,
    /// 90 % are no longer.
    pub p90_ns: Option<f64>,
    /// 95 % are no longer.
    pub p95_ns: Option<f64>,
    /// 99 % are no longer.
    pub p99_ns: Option<f64>,
    /// 99.9 % are no longer.
    pub p99_9_ns: Option<f64>,
}

/// The document as it is written. What is missing is told by its name, so all of it may be.
#[derive(Deserialize)]
#[serde(expecting = "the results of a run, as an object")]
struct Written {
    format: Option<Format>,
    version: Option<Version>,
    started: Option<Started>,
    config: Option<Config>,
    targets: Option<Vec<Target>>,
    records: Option<Vec<Ping>>,
    flows: Option<Vec<Flow>>,
    total: Option<Summary>,
}

/// That the document is what it should be.
#[derive(Deserialize)]
#[serde(try_from = "Text")]
struct Format;

impl TryFrom<Text> for Format {
    type Error = String;

    fn try_from(name: Text) -> Result<Self, String> {
        if name.as_str() == "udping-results" {
            Ok(Self)
        } else {
            Err(format!("the format is {:?}", name.as_str()))
        }
    }
}

/// That the document is of the version that is known here.
#[derive(Deserialize)]
#[serde(try_from = "u64")]
struct Version;

impl TryFrom<u64> for Version {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        if number == 1 {
            Ok(Self)
        } else {
            Err(format!("version {number} is not known here, only version 1"))
        }
    }
}

struct Started(SystemTime);

impl<'de> Deserialize<'de> for Started {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        match humantime::parse_rfc3339(text.as_str()) {
            Ok(started) => Ok(Self(started)),
            Err(error) => {
                Err(de::Error::custom(format_args!("`started` is {:?}: {error}", text.as_str())))
            }
        }
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_nanos)
}

/// A document that cannot be drawn. Each is one line.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It could not be read at all.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// It is something else than JSON.
    #[error("is not JSON: {0}")]
    NotJson(Text),
    /// It is the start of one.
    #[error("ends in its middle ({0}): the client that wrote it did not come to its end")]
    CutOff(Text),
    /// It is JSON, but not what the client writes.
    #[error("is not a document of udping-results: {0}")]
    Other(Text),
    /// It lacks what is needed.
    #[error("has no {0:?}: run the client with --format json --records")]
    Missing(&'static str),
    /// A ping, or a flow, is somebody's who is not in the list.
    #[error("speaks of target {target}, and has {targets} targets, the first of which is 0")]
    NoSuchTarget {
        /// The index.
        target: u32,
        /// The length of the list.
        targets: usize,
    },
}

impl From<serde_json::Error> for ReadError {
    fn from(error: serde_json::Error) -> Self {
        // It can quote the document.
        let text = Text::from(error.to_string());
        match error.classify() {
            Category::Io => Self::Io(error.into()),
            Category::Syntax => Self::NotJson(text),
            Category::Eof => Self::CutOff(text),
            Category::Data => Self::Other(text),
        }
    }
}

impl Document {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// Where it is not what the client writes with `--format json --records`.
    pub fn read(from: impl Read) -> Result<Self, ReadError> {
        let mut parser =
            serde_json::Deserializer::from_reader(BufReader::with_capacity(BUFFER, from));
        let written = Written::deserialize(&mut parser)?;
        parser.end()?;
        written.format.ok_or(ReadError::Missing("format"))?;
        written.version.ok_or(ReadError::Missing("version"))?;
        let document = Self {
            started: written.started.ok_or(ReadError::Missing("started"))?.0,
            config: written.config.ok_or(ReadError::Missing("config"))?,
            targets: written.targets.ok_or(ReadError::Missing("targets"))?,
            pings: written.records.ok_or(ReadError::Missing("records"))?,
            flows: written.flows.ok_or(ReadError::Missing("flows"))?,
            total: written.total.ok_or(ReadError::Missing("total"))?,
        };
        let targets = document.targets.len();
        let named = document
            .pings
            .iter()
            .map(|ping| ping.target)
            .chain(document.flows.iter().map(|flow| flow.target));
        match named.max() {
            Some(target) if target as usize >= targets => {
                Err(ReadError::NoSuchTarget { target, targets })
            }
            _ => Ok(document),
        }
    }
}
