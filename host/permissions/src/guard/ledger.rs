//! What was refused, dropped or held back: counted each time, told once and then at most once a
//! second.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::grants::{AnswerRule, DenyReason, Refusal, Request};
use crate::host_name::HostName;
use crate::rate::Rate;
use wasi_datagram::Operation;

use super::system;

/// How soon something of the same kind is told again.
const PAUSE: Duration = Duration::from_secs(1);

/// What did not pass.
#[derive(Debug)]
pub enum Denial<'a> {
    /// By the grants.
    Refused(Refusal<'a>),
    /// By a rate.
    OverRate {
        /// Whose.
        component: &'a str,
        /// Where it came from, or was to go.
        peer: SocketAddr,
        /// Which rate it is, and what it is.
        flow: Flow,
        /// In datagrams or bytes a second.
        rate: Rate,
    },
    /// It is an answer, and more than may be answered: it was dropped.
    OverAmplification {
        /// Whose.
        component: &'a str,
        /// Where it was to go.
        to: SocketAddr,
        /// Its payload.
        bytes: usize,
        /// How far answers may go.
        rule: AnswerRule,
        /// The amplification that would let it pass.
        enough: Option<f64>,
    },
    /// It is an answer to a source that stands for many: it was dropped.
    AnswerToMany {
        /// Whose.
        component: &'a str,
        /// Where it was to go.
        to: SocketAddr,
    },
    /// By the limit of questions to the resolver.
    OverLookups {
        /// Whose.
        component: &'a str,
        /// What it asked for.
        name: &'a HostName,
        /// How many are permitted at once.
        most: usize,
    },
    /// A TCP socket, which no grant is for.
    Tcp {
        /// Who asked.
        component: &'a str,
    },
    /// By the system, which no grant changes.
    BySystem {
        /// Whose.
        component: &'a str,
        /// What it asked for.
        operation: Operation,
        /// Why, and what helps.
        cause: &'a str,
    },
    /// By what the host may compute to drop datagrams.
    TooMany {
        /// Whose they would have been.
        component: &'a str,
        /// Where the last one came from.
        peer: SocketAddr,
    },
}

/// What a rate is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flow {
    /// Datagrams from one source.
    Source,
    /// Datagrams received.
    Received,
    /// Bytes received.
    ReceivedBytes,
    /// Datagrams sent.
    Sent,
    /// Bytes sent.
    SentBytes,
}

impl Flow {
    /// The flag that sets it, and its unit.
    fn flag(self) -> (&'static str, &'static str) {
        match self {
            Self::Source => ("--limit-source", "datagrams/s from one source"),
            Self::Received => ("--limit-receive", "datagrams/s received"),
            Self::ReceivedBytes => ("--limit-receive-bytes", "bytes/s received"),
            Self::Sent => ("--limit-send", "datagrams/s sent"),
            Self::SentBytes => ("--limit-send-bytes", "bytes/s sent"),
        }
    }

    fn is_outward(self) -> bool {
        matches!(self, Self::Sent | Self::SentBytes)
    }
}

impl fmt::Display for Denial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::OverRate { component, peer, flow, rate } => {
                let (flag, unit) = flow.flag();
                if flow.is_outward() {
                    write!(f, "held back: a datagram of {component} to {peer}")?;
                } else {
                    write!(f, "dropped: a datagram to {component} from {peer}")?;
                }
                write!(f, ": more than {} {unit} ({flag})", rate.0)
            }
            Self::OverAmplification { component, to, bytes, rule, enough } => {
                let AnswerRule { window, amplification } = rule;
                let window = humantime::format_duration(*window);
                write!(
                    f,
                    "dropped: an answer of {component} to {to}, {bytes} bytes: more than came from there within "
                )?;
                write!(f, "{window}, times {amplification} (--amplification)")?;
                match enough {
                    Some(enough) => {
                        write!(f, "; to allow it: --amplification {enough} (reported once)")
                    }
                    None => f.write_str(" (reported once)"),
                }
            }
            Self::AnswerToMany { component, to } => {
                write!(
                    f,
                    "dropped: an answer of {component} to {to}, which stands for many: it is never answered (reported once)"
                )
            }
            Self::OverLookups { component, name, most } => {
                write!(
                    f,
                    "refused: {component} asked to resolve {name}: more than {most} names at once, "
                )?;
                write!(f, "and one per second after that (--limit-lookups)")
            }
            Self::Tcp { component } => {
                write!(
                    f,
                    "refused: {component} asked for a TCP socket: TCP is never granted, only UDP and name lookups are"
                )
            }
            Self::BySystem { component, operation, cause } => {
                write!(f, "refused by the system: {component} asked to {operation}: {cause}")
            }
            Self::TooMany { component, peer } => {
                write!(
                    f,
                    "dropped: so many datagrams to {component} that may not reach it, the last from {peer}, "
                )?;
                write!(f, "that dropping them takes half a core: others may wait, or be lost")
            }
        }
    }
}

/// What is told and counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// What was asked for.
    pub what: &'static str,
    /// Why it did not pass.
    pub why: &'static str,
}

impl Denial<'_> {
    /// Which kind it is of.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Refused(Refusal { request, reason, .. }) => {
                let what = match request {
                    Request::Bind(_) => "listen",
                    Request::Connect { .. } => "connect",
                    Request::Send { .. } => "send",
                    Request::Receive { .. } => "receive",
                    Request::Resolve(_) => "resolve",
                };
                let why = match reason {
                    DenyReason::NotGranted => "not granted",
                    DenyReason::Special(_) => "special address",
                    DenyReason::NotFrom => "allow-from",
                    DenyReason::Denied => "denied",
                    DenyReason::Nowhere => "nowhere",
                    DenyReason::Many => "multicast or broadcast",
                    DenyReason::Silent => "silent for too long",
                    DenyReason::Answered => "answered already",
                };
                Kind { what, why }
            }
            Self::OverRate { flow, .. } => Kind {
                what: if flow.is_outward() { "send" } else { "receive" },
                why: flow.flag().0.trim_start_matches("--"),
            },
            Self::OverAmplification { .. } => Kind { what: "send", why: "amplification" },
            Self::AnswerToMany { .. } => Kind { what: "send", why: "multicast or broadcast" },
            Self::OverLookups { .. } => Kind { what: "resolve", why: "limit-lookups" },
            Self::Tcp { .. } => Kind { what: "tcp", why: "never granted" },
            Self::BySystem { operation, .. } => {
                Kind { what: system::word(*operation), why: "the system" }
            }
            Self::TooMany { .. } => Kind { what: "receive", why: "too many to drop" },
        }
    }

    /// Whether it is told of a single time: each source of datagrams can cause it, as often as it
    /// likes.
    fn is_told_once(&self) -> bool {
        matches!(self, Self::OverAmplification { .. } | Self::AnswerToMany { .. })
    }

    /// What the component asked for and may not have; a stranger's datagram is not its doing.
    fn refused(&self) -> Option<String> {
        match self {
            Self::Refused(Refusal { request: Request::Receive { .. }, .. }) => None,
            Self::Refused(refusal) => Some(refusal.request.to_string()),
            Self::Tcp { .. } => Some("open a TCP socket".to_owned()),
            _ => None,
        }
    }
}

/// Tells of a denial, and how many of its kind were not told since the last.
type Tell = dyn Fn(&Denial<'_>, u64) + Send + Sync;

/// What passed, in datagrams and in bytes of payload, and what it cost to drop the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams that the component was handed.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Datagrams that the component sent.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Processor time that the host spent on datagrams that it dropped.
    pub dropping: Duration,
}

/// The traffic of one guard, which can be read at any time: a process that is ended tells of it,
/// too.
#[derive(Debug, Default)]
pub(super) struct Counters {
    received: AtomicU64,
    received_bytes: AtomicU64,
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    dropping: AtomicU64,
}

impl Counters {
    pub(super) fn received(&self, bytes: usize) {
        add(&self.received, 1);
        add(&self.received_bytes, bytes as u64);
    }

    pub(super) fn sent(&self, bytes: usize) {
        add(&self.sent, 1);
        add(&self.sent_bytes, bytes as u64);
    }

    pub(super) fn not_sent(&self, bytes: usize) {
        add(&self.sent, 1_u64.wrapping_neg());
        add(&self.sent_bytes, (bytes as u64).wrapping_neg());
    }

    pub(super) fn dropped(&self, spent: Duration) {
        add(&self.dropping, u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX));
    }

    fn add_to(&self, traffic: &mut Traffic) {
        traffic.received += self.received.load(Ordering::Relaxed);
        traffic.received_bytes += self.received_bytes.load(Ordering::Relaxed);
        traffic.sent += self.sent.load(Ordering::Relaxed);
        traffic.sent_bytes += self.sent_bytes.load(Ordering::Relaxed);
        traffic.dropping += Duration::from_nanos(self.dropping.load(Ordering::Relaxed));
    }
}

/// A guard counts under its lock, so that no other thread writes at the same time.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

/// The counts of one run, for all of its instances.
pub struct Ledger {
    kinds: Mutex<BTreeMap<Kind, Entry>>,
    traffic: Mutex<Vec<Arc<Counters>>>,
    /// What a component asked for last that was refused, of what was told.
    refused: Mutex<Option<String>>,
    tell: Box<Tell>,
}

#[derive(Clone, Copy)]
struct Entry {
    count: u64,
    is_refusal: bool,
    told: Instant,
    suppressed: u64,
}

impl Ledger {
    /// `tell` is called with the first denial of each kind, and then at most once a second, with
    /// the number of those of its kind that were not told in between.
    pub fn new(tell: impl Fn(&Denial<'_>, u64) + Send + Sync + 'static) -> Self {
        Self {
            kinds: Mutex::default(),
            traffic: Mutex::default(),
            refused: Mutex::default(),
            tell: Box::new(tell),
        }
    }

    pub(super) fn note(&self, denial: &Denial<'_>, now: Instant) {
        let mut kinds = self.kinds();
        let mut is_first = false;
        let entry = kinds.entry(denial.kind()).or_insert_with(|| {
            is_first = true;
            Entry { count: 0, is_refusal: denial.refused().is_some(), told: now, suppressed: 0 }
        });
        entry.count += 1;
        if is_first || (!denial.is_told_once() && now.duration_since(entry.told) >= PAUSE) {
            (self.tell)(denial, entry.suppressed);
            if let Some(request) = denial.refused() {
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
            }
            (entry.told, entry.suppressed) = (now, 0);
        } else {
            entry.suppressed += 1;
        }
    }

    /// What a component asked for last that was refused, as a sentence goes on after "refused to".
    pub fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often something that the component asked for was refused.
    pub fn refusals(&self) -> u64 {
        self.kinds().values().filter(|entry| entry.is_refusal).map(|entry| entry.count).sum()
    }

    /// Where a guard counts what passes it.
    pub(super) fn counters(&self) -> Arc<Counters> {
        let counters = Arc::new(Counters::default());
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner).push(counters.clone());
        counters
    }

    /// What has passed by now.
    pub fn traffic(&self) -> Traffic {
        let mut traffic = Traffic::default();
        let all = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().for_each(|counters| counters.add_to(&mut traffic));
        traffic
    }

    /// How often each kind came up, and how many of those were not told.
    pub fn totals(&self) -> Vec<(Kind, u64, u64)> {
        self.kinds().iter().map(|(kind, entry)| (*kind, entry.count, entry.suppressed)).collect()
    }

    fn kinds(&self) -> MutexGuard<'_, BTreeMap<Kind, Entry>> {
        // No code that holds the lock leaves the map half changed.
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
