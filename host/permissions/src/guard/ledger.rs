//! What was refused, dropped or delayed: counted each time, reported once and then at most once per
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

/// The minimum time between reports of the same kind.
const PAUSE: Duration = Duration::from_secs(1);

/// A request or datagram that did not pass, and why.
#[derive(Debug)]
pub enum Denial<'a> {
    /// Refused by the grants.
    Refused(Refusal<'a>),
    /// Delayed or dropped by a rate.
    OverRate {
        /// The name of the component.
        component: &'a str,
        /// The source, or the destination.
        peer: SocketAddr,
        /// The rate that was exceeded.
        flow: Flow,
        /// Its value in datagrams or bytes per second.
        rate: Rate,
    },
    /// An answer that exceeds what may be answered: it was dropped.
    OverAmplification {
        /// The name of the component.
        component: &'a str,
        /// The destination.
        to: SocketAddr,
        /// The payload length in bytes.
        bytes: usize,
        /// The limits of answers.
        rule: AnswerRule,
        /// The amplification that would permit it.
        enough: Option<f64>,
    },
    /// An answer to a multicast or broadcast source: it was dropped.
    AnswerToMany {
        /// The name of the component.
        component: &'a str,
        /// The destination.
        to: SocketAddr,
    },
    /// Refused by the limit on resolving names.
    OverLookups {
        /// The name of the component.
        component: &'a str,
        /// The requested name.
        name: &'a HostName,
        /// The number of names permitted at once.
        most: usize,
    },
    /// A TCP socket, which no grant permits.
    Tcp {
        /// The name of the component.
        component: &'a str,
    },
    /// Refused by the system, regardless of grants.
    BySystem {
        /// The name of the component.
        component: &'a str,
        /// The refused operation.
        operation: Operation,
        /// The cause, and what helps.
        cause: &'a str,
    },
    /// Left unread by the limit on processor time for dropping datagrams.
    TooMany {
        /// The name of the component.
        component: &'a str,
        /// The source of the last dropped datagram.
        peer: SocketAddr,
    },
}

/// What a rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flow {
    /// Datagrams from one source.
    Source,
    /// Datagrams received.
    Received,
    /// Payload bytes received.
    ReceivedBytes,
    /// Datagrams sent.
    Sent,
    /// Payload bytes sent.
    SentBytes,
}

impl Flow {
    /// The flag that sets the rate, and its unit.
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
                    "dropped: too many datagrams to {component} that may not reach it, the last from {peer}, "
                )?;
                write!(f, "that dropping them takes half a core: others may wait, or be lost")
            }
        }
    }
}

/// The kind of a denial, by which denials are counted and reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The requested operation.
    pub what: &'static str,
    /// The reason of the denial.
    pub why: &'static str,
}

impl Denial<'_> {
    /// The kind of this denial.
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

    /// Whether it is reported only once: any source of datagrams can cause it, as often as it
    /// likes.
    fn is_told_once(&self) -> bool {
        matches!(self, Self::OverAmplification { .. } | Self::AnswerToMany { .. })
    }

    /// The denied request, if the component made one: it did not cause a received datagram.
    fn refused(&self) -> Option<String> {
        match self {
            Self::Refused(Refusal { request: Request::Receive { .. }, .. }) => None,
            Self::Refused(refusal) => Some(refusal.request.to_string()),
            Self::Tcp { .. } => Some("open a TCP socket".to_owned()),
            _ => None,
        }
    }
}

/// Reports a denial, and how many of its kind were suppressed since the last report.
type Tell = dyn Fn(&Denial<'_>, u64) + Send + Sync;

/// The traffic that passed, in datagrams and payload bytes, and the cost of dropping the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams received by the component.
    pub received: u64,
    /// Payload bytes received by the component.
    pub received_bytes: u64,
    /// Datagrams sent by the component.
    pub sent: u64,
    /// Payload bytes sent by the component.
    pub sent_bytes: u64,
    /// The processor time that the host spent on dropped datagrams.
    pub dropping: Duration,
}

/// The traffic of one guard, readable at any time: it is reported by a process that is being
/// terminated, too.
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

/// A guard counts while holding its lock, so that no other thread writes at the same time.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

/// The counts of one run, for all of its instances.
pub struct Ledger {
    kinds: Mutex<BTreeMap<Kind, Entry>>,
    traffic: Mutex<Vec<Arc<Counters>>>,
    /// The last reported request that was refused.
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
    /// `tell` is called with the first denial of each kind, and then at most once per second, with
    /// the number of denials of its kind that were suppressed in between.
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

    /// The last reported request that was refused, as it continues the phrase "refused to".
    pub fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of refused requests.
    pub fn refusals(&self) -> u64 {
        self.kinds().values().filter(|entry| entry.is_refusal).map(|entry| entry.count).sum()
    }

    /// Creates the counters of a guard.
    pub(super) fn counters(&self) -> Arc<Counters> {
        let counters = Arc::new(Counters::default());
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner).push(counters.clone());
        counters
    }

    /// The traffic that has passed so far.
    pub fn traffic(&self) -> Traffic {
        let mut traffic = Traffic::default();
        let all = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().for_each(|counters| counters.add_to(&mut traffic));
        traffic
    }

    /// The number of denials of each kind, and how many of them were suppressed.
    pub fn totals(&self) -> Vec<(Kind, u64, u64)> {
        self.kinds().iter().map(|(kind, entry)| (*kind, entry.count, entry.suppressed)).collect()
    }

    fn kinds(&self) -> MutexGuard<'_, BTreeMap<Kind, Entry>> {
        // No panic while the lock is held leaves the map inconsistent.
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
