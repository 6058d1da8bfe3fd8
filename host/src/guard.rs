//! The gate between a component and the network: decides by the grants, remembers, and tells.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::grants::{Decision, Flags, Grants, HostName, Request};

/// How many senders are remembered as heard from; the one heard of first goes first.
const HEARD_LIMIT: usize = 65_536;

/// How many different refusals are told before the rest is only counted.
const TOLD_LIMIT: usize = 32;

/// What a component is about to do with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Bind a socket to it.
    Bind,
    /// Send to it, or connect a socket to it.
    Send,
    /// Be handed a datagram from it.
    Receive,
}

/// One use of the network that was not granted.
#[derive(Debug)]
pub struct Refusal<'a> {
    /// Who asked.
    pub component: &'a str,
    /// What for.
    pub request: &'a Request,
    /// What it may do.
    pub grants: &'a Grants,
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { component, request, grants } = *self;
        write!(f, "refused: {component} asked to {request}; granted: {grants}; to allow it: {}", Flags { grants, request })
    }
}

/// Decides for one instance of a component.
pub struct Guard {
    component: String,
    grants: Grants,
    state: Mutex<State>,
    tell: Box<dyn Fn(&Refusal<'_>) + Send + Sync>,
}

#[derive(Default)]
struct State {
    heard: HashSet<SocketAddr>,
    heard_in_order: VecDeque<SocketAddr>,
    told: HashSet<Request>,
    refused: u64,
}

impl Guard {
    /// `tell` is called with each refusal that differs from those before it.
    pub fn new(component: String, grants: Grants, tell: impl Fn(&Refusal<'_>) + Send + Sync + 'static) -> Self {
        Self { component, grants, state: Mutex::default(), tell: Box::new(tell) }
    }

    /// Decides about an address.
    pub fn allows(&self, usage: Use, address: SocketAddr) -> bool {
        let request = match usage {
            Use::Bind => Request::Bind(address),
            Use::Send => {
                Request::Send { to: address, heard: self.grants.is_answering() && self.state().heard.contains(&address) }
            }
            Use::Receive => Request::Receive(address),
        };
        let granted = self.decide(request);
        if granted && usage == Use::Receive && self.grants.is_answering() {
            self.state().hear(address);
        }
        granted
    }

    /// Decides about a name.
    pub fn allows_lookup(&self, name: &HostName) -> bool {
        self.decide(Request::Resolve(name.clone()))
    }

    /// How often something was refused.
    pub fn refusals(&self) -> u64 {
        self.state().refused
    }

    fn decide(&self, request: Request) -> bool {
        if self.grants.decide(&request) == Decision::Granted {
            return true;
        }
        let mut state = self.state();
        state.refused += 1;
        if state.told.len() < TOLD_LIMIT && !state.told.contains(&request) {
            (self.tell)(&Refusal { component: &self.component, request: &request, grants: &self.grants });
            state.told.insert(request);
        }
        false
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn hear(&mut self, from: SocketAddr) {
        if !self.heard.insert(from) {
            return;
        }
        self.heard_in_order.push_back(from);
        if self.heard_in_order.len() > HEARD_LIMIT
            && let Some(oldest) = self.heard_in_order.pop_front()
        {
            self.heard.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn guard(grants: Grants) -> (Guard, Arc<Mutex<Vec<String>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = told.clone();
        let tell = move |refusal: &Refusal<'_>| log.lock().unwrap().push(refusal.to_string());
        (Guard::new("x.wasm".to_owned(), grants, tell), told)
    }

    fn listener() -> Grants {
        Grants { listen: vec!["12000".parse().unwrap()], ..Grants::default() }
    }

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 7], port))
    }

    #[test]
    fn a_listener_answers_only_whom_it_has_heard() {
        let (guard, _) = guard(listener());
        assert!(!guard.allows(Use::Send, peer(5)));
        assert!(guard.allows(Use::Receive, peer(5)));
        assert!(guard.allows(Use::Send, peer(5)));
        assert!(!guard.allows(Use::Send, peer(6)));
        assert_eq!(guard.refusals(), 2);
    }

    #[test]
    fn the_table_of_those_heard_is_bounded() {
        let (guard, _) = guard(listener());
        for i in 0..=u32::try_from(HEARD_LIMIT).unwrap() {
            guard.allows(Use::Receive, SocketAddr::from((i.to_be_bytes(), 9)));
        }
        assert_eq!(guard.state().heard.len(), HEARD_LIMIT);
        assert!(!guard.allows(Use::Send, SocketAddr::from(([0, 0, 0, 0], 9))));
        assert!(guard.allows(Use::Send, SocketAddr::from(([0, 0, 0, 1], 9))));
    }

    #[test]
    fn a_refusal_is_told_once_on_one_line_and_counted_each_time() {
        let (guard, told) = guard(Grants { send: vec![peer(12_000)], ..Grants::default() });
        assert!(!guard.allows(Use::Send, peer(1)));
        assert!(!guard.allows(Use::Send, peer(1)));
        assert_eq!(guard.refusals(), 2);
        assert_eq!(
            *told.lock().unwrap(),
            ["refused: x.wasm asked to send to 192.0.2.7:1; granted: send to 192.0.2.7:12000; \
              to allow it: --allow-to 192.0.2.7:12000 --allow-to 192.0.2.7:1"]
        );
    }

    #[test]
    fn a_flood_of_different_refusals_is_not_told_for_ever() {
        let (guard, told) = guard(Grants::default());
        for port in 1..1_000 {
            guard.allows(Use::Send, peer(port));
        }
        assert_eq!((told.lock().unwrap().len(), guard.refusals()), (TOLD_LIMIT, 999));
    }
}
