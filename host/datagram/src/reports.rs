//! What an instance's sockets tell beside datagrams: errors that came back for what was sent, and
//! how much they had no room for.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

/// A socket that knows what it had no room for.
pub trait CountsDropped: fmt::Debug + Send + Sync {
    /// How many datagrams were dropped because its buffer was full; `None` where that is not
    /// counted.
    fn dropped(&self) -> Option<u64>;
}

/// How many errors are kept until they are asked for.
const MOST: usize = 64;

/// What became of a datagram, as an ICMP message says (RFC 792, RFC 4443).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Nothing listens on the port.
    Refused,
    /// There is no way to the host, or it does not answer on its link.
    Unreachable,
    /// A firewall or a router does not let it pass.
    Prohibited,
    /// Its hops were used up.
    TimeExceeded,
    /// It is longer than what the path takes, and may not be cut.
    TooLarge,
}

/// The word for it, of `wasi:sockets/network`'s error codes where there is one.
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

/// The reports of one instance's sockets.
#[derive(Debug, Default)]
pub struct Reports {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    errors: VecDeque<(u16, SocketAddr, Problem)>,
    /// How many errors there were by now.
    count: u64,
    /// Whether there are some that nobody asked for since.
    has_news: bool,
    sockets: Vec<Weak<dyn CountsDropped>>,
    /// What sockets dropped that are closed by now; `None` where one did not tell.
    dropped: Option<u64>,
}

impl Reports {
    /// None yet.
    pub fn new() -> Arc<Self> {
        let reports = Self::default();
        reports.state().dropped = Some(0);
        Arc::new(reports)
    }

    /// A datagram from the port `local` did not reach `peer`.
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

    /// Resolves where there are errors that nobody has asked for.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// The last errors, the oldest first, each as `NUMBER PORT PEER PROBLEM`, separated by commas:
    /// its number from 1, the local port, whom the datagram was for, and what became of it.
    pub fn errors(&self) -> String {
        let mut state = self.state();
        state.has_news = false;
        let first = state.count - state.errors.len() as u64 + 1;
        let error = |(number, (port, peer, problem)): (u64, &(u16, SocketAddr, Problem))| {
            format!("{number} {port} {peer} {problem}")
        };
        (first..).zip(&state.errors).map(error).collect::<Vec<_>>().join(",")
    }

    /// Counts what `socket` drops.
    pub fn watch(&self, socket: Weak<dyn CountsDropped>) {
        let mut state = self.state();
        state.sockets.retain(|socket| socket.strong_count() > 0);
        state.sockets.push(socket);
    }

    /// A socket that dropped so many is closed.
    pub fn closed(&self, dropped: Option<u64>) {
        let mut state = self.state();
        state.dropped = state.dropped.zip(dropped).map(|(all, dropped)| all + dropped);
    }

    /// How many datagrams there was no room for; `None` where this system does not count them.
    pub fn dropped(&self) -> Option<u64> {
        // Outside the lock: dropping the last reference to a socket takes it, too.
        let (closed, sockets) = {
            let state = self.state();
            (state.dropped, state.sockets.iter().filter_map(Weak::upgrade).collect::<Vec<_>>())
        };
        let open = sockets.iter().map(|socket| socket.dropped()).sum::<Option<u64>>();
        closed.zip(open).map(|(closed, open)| closed + open)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock leaves the state half changed.
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
