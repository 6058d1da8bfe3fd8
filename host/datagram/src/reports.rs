//! Information from an instance's sockets beside datagrams: ICMP errors for sent datagrams, and the
//! number of datagrams dropped by full receive buffers.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

/// A socket that counts the datagrams it dropped.
pub trait CountsDropped: fmt::Debug + Send + Sync {
    /// The number of datagrams dropped because the receive buffer was full; `None` if not counted.
    fn dropped(&self) -> Option<u64>;
}

/// The maximum number of errors retained until they are read.
const MOST: usize = 64;

/// Why a datagram was not delivered, according to an ICMP message (RFC 792, RFC 4443).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No socket listens on the port.
    Refused,
    /// There is no route to the host, or it does not answer on its link.
    Unreachable,
    /// A firewall or router rejected it.
    Prohibited,
    /// Its hop limit (TTL) was exceeded.
    TimeExceeded,
    /// It exceeds the path's MTU and may not be fragmented.
    TooLarge,
}

/// Formats it as the error code of `wasi:sockets/network`, where there is one.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection-refused",
            Self::Unreachable => "remote-unreachable",
            Self::Prohibited => "prohibited",
            Self::TimeExceeded => "time-exceeded",
            Self::TooLarge => "datagram-too-large",
        })
    }
}

/// The errors and drop counts of one instance's sockets.
#[derive(Debug, Default)]
pub struct Reports {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    errors: VecDeque<(u16, SocketAddr, Problem)>,
    /// The total number of errors.
    count: u64,
    /// Whether errors were added since the last read.
    has_news: bool,
    sockets: Vec<Weak<dyn CountsDropped>>,
    /// The number of datagrams dropped by closed sockets; `None` if one of them did not count.
    dropped: Option<u64>,
}

impl Reports {
    /// Creates an empty collection.
    pub fn new() -> Arc<Self> {
        let reports = Self::default();
        reports.state().dropped = Some(0);
        Arc::new(reports)
    }

    /// Adds the error of a datagram from the local port `local` that did not reach `peer`.
    pub fn add(&self, local: u16, peer: SocketAddr, problem: Problem) {
        let mut state = self.state();
        if state.errors.len() == MOST {
            state.errors.pop_front();
        }
        state.errors.push_back((local, peer, problem));
        state.count += 1;
        if !state.has_news {
            state.has_news = true;
            self.news.notify_one();
        }
    }

    /// Waits until there are errors that have not been read.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// The last errors, the oldest first, each as `NUMBER PORT PEER PROBLEM`, separated by commas:
    /// the error's number, counted from 1, the local port, the datagram's destination, and what
    /// happened to it. They count as read.
    pub fn errors(&self) -> String {
        let mut state = self.state();
        state.has_news = false;
        let first = state.count - state.errors.len() as u64 + 1;
        let error = |(number, (port, peer, problem)): (u64, &(u16, SocketAddr, Problem))| {
            format!("{number} {port} {peer} {problem}")
        };
        (first..).zip(&state.errors).map(error).collect::<Vec<_>>().join(",")
    }

    /// Includes the datagrams that `socket` drops in [`Self::dropped`].
    pub fn watch(&self, socket: Weak<dyn CountsDropped>) {
        let mut state = self.state();
        state.sockets.retain(|socket| socket.strong_count() > 0);
        state.sockets.push(socket);
    }

    /// Adds the number of datagrams dropped by a socket that is being closed.
    pub fn closed(&self, dropped: Option<u64>) {
        let mut state = self.state();
        state.dropped = state.dropped.zip(dropped).map(|(all, dropped)| all + dropped);
    }

    /// The number of datagrams dropped by full receive buffers; `None` if the system does not count
    /// them.
    pub fn dropped(&self) -> Option<u64> {
        // Outside of the lock: dropping the last reference to a socket takes the lock, too.
        let (closed, sockets) = {
            let state = self.state();
            (state.dropped, state.sockets.iter().filter_map(Weak::upgrade).collect::<Vec<_>>())
        };
        let open = sockets.iter().map(|socket| socket.dropped()).sum::<Option<u64>>();
        closed.zip(open).map(|(closed, open)| closed + open)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No panic while the lock is held leaves the state inconsistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_errors_are_numbered_by_all_there_were() {
        let reports = Reports::new();
        let peer = "[fe80::1%3]:7".parse().unwrap();
        assert_eq!(reports.errors(), "");
        (1..=70).for_each(|port| reports.add(port, peer, Problem::Refused));
        let errors = reports.errors();
        assert!(errors.starts_with("7 7 [fe80::1%3]:7 connection-refused,8 8 "), "{errors}");
        assert!(errors.ends_with(",70 70 [fe80::1%3]:7 connection-refused"), "{errors}");
    }

    #[tokio::test]
    async fn what_comes_before_anybody_asks_is_news_once() {
        let reports = Reports::new();
        let peer = "127.0.0.1:7".parse().unwrap();
        (0..9).for_each(|_| reports.add(1, peer, Problem::Unreachable));
        reports.news().await;
        let again =
            tokio::time::timeout(std::time::Duration::from_millis(20), reports.news()).await;
        assert!(again.is_err(), "it was told already");
        reports.errors();
        reports.add(1, peer, Problem::Unreachable);
        reports.news().await;
    }
}
