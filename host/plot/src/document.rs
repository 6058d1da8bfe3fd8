//! Reads the results document of the client, or the events of its run, once, from a stream, into what
//! is needed for drawing.

mod jsonl;
mod text;

use std::io::{self, BufReader, Read};
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;
use thiserror::Error;
use udping_results::Nanoseconds;

pub use text::Text;
pub use udping_results::{Flow, Protocol, Spread, Summary};

/// The buffer's size in bytes: many small reads cost more than the parsing.
const BUFFER: usize = 1 << 18;

/// How many bytes are read to tell a document from events.
const HEAD: u64 = 256;

/// The configuration of a run.
pub type Config = udping_results::Config<Text>;
/// When pings are sent.
pub type Schedule = udping_results::Schedule<Text>;
/// A target, as it was given.
pub type Target = udping_results::Target<Text>;

/// The document as written.
type Written = udping_results::Document<Text, Ping>;
/// A ping as written. Its wall clock time is not read.
type Record = udping_results::Record<IgnoredAny>;

/// The results of a run, without what is not drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// When it started.
    pub started: SystemTime,
    /// Its configuration.
    pub config: Config,
    /// The targets. [`Ping::target`] and [`Flow::target`] are indices.
    pub targets: Vec<Target>,
    /// Every ping, in sequence order within its flow.
    pub pings: Vec<Ping>,
    /// The summary of each target and source port.
    pub flows: Vec<Flow>,
    /// The summary of all flows.
    pub total: Summary,
    /// Whether the run came to its end. If not, the summaries are those of the pings alone.
    pub is_complete: bool,
}

/// Returns the host and the address of `target`, or only the address if they are the same.
#[must_use]
pub fn name(target: &Target) -> String {
    let host = target.host.as_str();
    match &target.address {
        None => host.to_owned(),
        Some(address) => {
            let address = address.as_str();
            let ip =
                address.rsplit_once(':').map_or(address, |(ip, _)| ip.trim_matches(['[', ']']));
            if ip == host { address.to_owned() } else { format!("{host} ({address})") }
        }
    }
}

/// One ping: 32 bytes, since there may be millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Record")]
pub struct Ping {
    /// When it was sent, or should have been sent if it was not, in ns since the start of the run.
    pub at: u64,
    /// The outcome.
    pub fate: Fate,
    /// The index of its target.
    pub target: u32,
    /// Its source port.
    pub source_port: u16,
    /// The number of further replies, as far as they are counted.
    pub duplicates: u16,
}

impl Ping {
    /// The round-trip time of a reply in time, in ns.
    #[must_use]
    pub fn rtt(&self) -> Option<u64> {
        match self.fate {
            Fate::Received { rtt } => Some(rtt),
            _ => None,
        }
    }
}

/// The outcome of a ping. Round-trip times are in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A reply was received in time.
    Received {
        /// The round-trip time.
        rtt: u64,
    },
    /// A reply was received after the timeout.
    Late {
        /// The round-trip time.
        rtt: u64,
    },
    /// No reply was received.
    Lost,
    /// The system refused to send it.
    NotSent,
    /// The run ended before a reply or the timeout.
    Awaited,
}

impl TryFrom<Record> for Ping {
    type Error = &'static str;

    fn try_from(record: Record) -> Result<Self, Self::Error> {
        use udping_results::Fate as Written;

        let fate = match (record.fate, record.rtt_ns) {
            (Written::Received, Some(Nanoseconds(rtt))) => Fate::Received { rtt },
            (Written::Late, Some(Nanoseconds(rtt))) => Fate::Late { rtt },
            (Written::Received | Written::Late, None) => {
                return Err("a record of a reply has no `rtt_ns`");
            }
            (Written::Lost, _) => Fate::Lost,
            (Written::NotSent, _) => Fate::NotSent,
            (Written::Awaited, _) => Fate::Awaited,
        };
        let Nanoseconds(at) = record
            .sent_ns
            .or(record.scheduled_ns)
            .ok_or("a record has neither `sent_ns` nor `scheduled_ns`")?;
        Ok(Self {
            at,
            fate,
            target: record.target,
            source_port: record.source_port,
            duplicates: u16::try_from(record.duplicates).unwrap_or(u16::MAX),
        })
    }
}

/// Why a document cannot be drawn. The message is one line.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It could not be read.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// It is not JSON.
    #[error("is not JSON: {0}")]
    NotJson(Text),
    /// It is truncated.
    #[error("ends in its middle ({0}): the client that wrote it did not come to its end")]
    CutOff(Text),
    /// It is JSON, but not a results document.
    #[error("is not a document of udping-results: {0}")]
    Other(Text),
    /// A line of it is no event of a run.
    #[error("line {line}: {error}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        error: Text,
    },
    /// It lacks a part that drawing needs.
    #[error("has no {0:?}: run the client with --format json --records, or --format jsonl")]
    Missing(&'static str),
    /// A ping or a flow refers to a target that is not in the list.
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
        // The error may quote the document.
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
    /// Reads a document, or the events of a run.
    ///
    /// # Errors
    ///
    /// If it is not what the client writes with `--format json --records` or `--format jsonl`.
    pub fn read(mut from: impl Read) -> Result<Self, ReadError> {
        let mut head = Vec::new();
        (&mut from).take(HEAD).read_to_end(&mut head).map_err(ReadError::Io)?;
        let is_events = jsonl::is_in(&head);
        let from = BufReader::with_capacity(BUFFER, head.chain(from));
        if is_events { jsonl::read(from) } else { Self::read_json(from) }
    }

    fn read_json(from: impl Read) -> Result<Self, ReadError> {
        let mut parser = serde_json::Deserializer::from_reader(from);
        let written = Written::deserialize(&mut parser)?;
        parser.end()?;
        written.format.ok_or(ReadError::Missing("format"))?;
        written.version.ok_or(ReadError::Missing("version"))?;
        Self {
            started: written.started.ok_or(ReadError::Missing("started"))?.into(),
            config: written.config.ok_or(ReadError::Missing("config"))?,
            targets: written.targets.ok_or(ReadError::Missing("targets"))?,
            pings: written.records.ok_or(ReadError::Missing("records"))?,
            flows: written.flows.ok_or(ReadError::Missing("flows"))?,
            total: written.total.ok_or(ReadError::Missing("total"))?,
            is_complete: true,
        }
        .checked()
    }

    /// Checks that every target that it refers to is in its list.
    fn checked(self) -> Result<Self, ReadError> {
        let targets = self.targets.len();
        let of_pings = self.pings.iter().map(|ping| ping.target);
        let named = of_pings.chain(self.flows.iter().map(|flow| flow.target));
        match named.max() {
            Some(target) if target as usize >= targets => {
                Err(ReadError::NoSuchTarget { target, targets })
            }
            _ => Ok(self),
        }
    }
}
