//! Repeated resolution of names while they are pinged (`--resolve-every`), one at a time.

use std::collections::{HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use udping_core::Instant;
use udping_core::client::{FlowId, Pinger};
use udping_report::Target;
use udping_wasi::error::NetError;
use udping_wasi::poll::Pollable;
use udping_wasi::resolve::{self, Question};

/// The names of a run, and when they are resolved again.
#[derive(Debug)]
pub struct Readdressing {
    every: Duration,
    next: Instant,
    /// Each name, and the index of its target's address.
    names: Vec<(usize, String)>,
    /// The indices in `names` that are still to be resolved in this round.
    due: VecDeque<usize>,
    /// The name being resolved, as an index in `names`.
    asked: Option<(usize, Question)>,
    /// The indices of names for which a failure has been reported; their targets keep the previous
    /// address.
    failed: HashSet<usize>,
}

impl Readdressing {
    /// Creates the state for the names among `targets`; `None` if there are none.
    pub fn new(every: Duration, start: Instant, targets: &[Target]) -> Option<Self> {
        let pinged = targets.iter().filter(|target| target.address.is_ok()).enumerate();
        let is_name =
            |target: &Target| matches!(resolve::literal(&target.host, target.port), Ok(None));
        let names: Vec<_> = pinged
            .filter(|(_, target)| is_name(target))
            .map(|(index, target)| (index, target.host.clone()))
            .collect();
        let this = Self {
            every,
            next: start + every,
            names,
            due: VecDeque::new(),
            asked: None,
            failed: HashSet::new(),
        };
        (!this.names.is_empty()).then_some(this)
    }

    /// Returns when [`Self::advance`] must be called, apart from when [`Self::pollable`] is ready.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.asked.is_none().then_some(self.next)
    }

    /// Returns a pollable that is ready when a name was resolved; `None` if none is being resolved.
    pub fn pollable(&self) -> Option<&Pollable> {
        self.asked.as_ref().map(|(_, question)| question.pollable())
    }

    /// Handles answers, and resolves the next names.
    pub fn advance(&mut self, now: Instant, pinger: &mut Pinger) {
        if self.asked.is_none() && self.due.is_empty() && self.next <= now {
            self.due.extend(0..self.names.len());
            self.next = now + self.every;
        }
        loop {
            if let Some((index, mut question)) = self.asked.take() {
                match question.answer() {
                    Ok(None) => {
                        self.asked = Some((index, question));
                        return;
                    }
                    Ok(Some(addresses)) => self.follow(index, &addresses, now, pinger),
                    Err(error) => self.tell_failure(index, error, now, pinger),
                }
            }
            let Some(index) = self.due.pop_front() else { return };
            match Question::ask(&self.names[index].1) {
                Ok(question) => self.asked = Some((index, question)),
                Err(error) => self.tell_failure(index, error, now, pinger),
            }
        }
    }

    /// Applies the resolved addresses. A target keeps its address while its name still has it, and
    /// its family in any case: sockets exist only for that.
    fn follow(&mut self, index: usize, addresses: &[IpAddr], now: Instant, pinger: &mut Pinger) {
        let target = self.names[index].0;
        let current = pinger.config().targets[target];
        if addresses.contains(&current.ip()) {
            self.failed.remove(&index);
            return;
        }
        if let Some(ip) = addresses.iter().find(|ip| ip.is_ipv4() == current.is_ipv4()) {
            self.failed.remove(&index);
            pinger.readdress(target, SocketAddr::new(*ip, current.port()), now);
        } else {
            let family = if current.is_ipv4() { "IPv4" } else { "IPv6" };
            self.tell(index, &format!("has no {family} address any more"), now, pinger);
        }
    }

    fn tell_failure(&mut self, index: usize, error: NetError, now: Instant, pinger: &mut Pinger) {
        self.tell(index, &format!("was not resolved again: {error}"), now, pinger);
    }

    fn tell(&mut self, index: usize, what: &str, now: Instant, pinger: &mut Pinger) {
        if self.failed.insert(index) {
            let (target, name) = &self.names[index];
            let current = pinger.config().targets[*target].ip();
            pinger.network_error(
                now,
                Some(FlowId(*target)),
                format!("{name} {what}; {current} is pinged on"),
            );
        }
    }
}
