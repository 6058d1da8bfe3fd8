//! Names and their addresses, as resolved by the host.

use std::collections::HashMap;
use std::mem;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::host_name::HostName;
use wasi_datagram::{ResolveError, Resolved};

/// The maximum number of remembered names that the grants do not list: at one query per second,
/// more than an hour's. The least recently requested name is forgotten first.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// The part of the interval after which a requested name is resolved again: timers of a component
/// and of this process differ.
const SLACK: f64 = 0.9;

/// The addresses of every name in the grants, resolved when the run starts.
///
/// A component that resolves such a name gets these same addresses: changing the name in between
/// gains it nothing.
#[derive(Debug)]
pub struct Names {
    granted: HashMap<HostName, Resolved>,
    /// How often they are resolved again, and the results.
    again: Option<Again>,
    /// The names resolved later, as wildcards permit.
    asked: Mutex<LruCache<HostName, Resolved>>,
}

/// Names of the grants that are resolved again when they are requested.
#[derive(Debug)]
struct Again {
    every: Duration,
    /// The results for each requested name, since all were resolved at `start`.
    latest: Mutex<HashMap<HostName, Latest>>,
    start: Instant,
}

#[derive(Debug)]
struct Latest {
    /// The instant of the last request.
    asked: Instant,
    /// The last successful result; if there was none since the start, the result at the start.
    resolved: Resolved,
    /// The previous addresses, to which datagrams may be on their way.
    before: Vec<IpAddr>,
}

impl Default for Names {
    fn default() -> Self {
        // Without preallocated capacity.
        Self { granted: HashMap::new(), again: None, asked: Mutex::new(LruCache::unbounded()) }
    }
}

impl FromIterator<(HostName, Resolved)> for Names {
    /// Collects the names of the grants with their results. A name without an address is kept, with
    /// the reason.
    fn from_iter<T: IntoIterator<Item = (HostName, Resolved)>>(granted: T) -> Self {
        Self { granted: granted.into_iter().collect(), ..Self::default() }
    }
}

impl Names {
    /// Resolves names of the grants again when they are requested after `every`, if given.
    #[must_use]
    pub fn again_after(self, every: Option<Duration>) -> Self {
        let again =
            every.map(|every| Again { every, latest: Mutex::default(), start: Instant::now() });
        Self { again, ..self }
    }

    /// Creates names with the given addresses.
    #[cfg(test)]
    pub(crate) fn of<'a>(known: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut names = Self::default();
        for (name, address) in known {
            let (name, address) = (name.parse().unwrap(), address.parse().unwrap());
            names.granted.entry(name).or_insert(Ok(Vec::new())).as_mut().unwrap().push(address);
        }
        names
    }

    /// The addresses of `name`; empty if it has none or is not in the grants.
    pub fn addresses(&self, name: &HostName) -> &[IpAddr] {
        self.granted.get(name).and_then(|resolved| resolved.as_deref().ok()).unwrap_or_default()
    }

    /// The addresses of `name`, of the grants, when it was resolved again: the last ones and those
    /// before.
    pub fn later(&self, name: &HostName) -> Vec<IpAddr> {
        let latest = self.again.as_ref().map(Again::latest);
        let addresses = |latest: &Latest| {
            [latest.resolved.as_deref().unwrap_or_default(), &latest.before].concat()
        };
        latest.and_then(|latest| latest.get(name).map(addresses)).unwrap_or_default()
    }

    /// Whether `name` is in the grants.
    pub fn is_granted(&self, name: &HostName) -> bool {
        self.granted.contains_key(name)
    }

    /// Why `name`, of the grants, has no address, if it has none.
    pub fn failure(&self, name: &HostName) -> Option<ResolveError> {
        match self.granted.get(name)? {
            Ok(addresses) if addresses.is_empty() => Some(ResolveError::NoSuchName),
            Ok(_) => None,
            Err(error) => Some(*error),
        }
    }

    /// The result for `name`, if it is known without querying the system.
    pub fn known(&self, name: &HostName) -> Option<Resolved> {
        match (self.granted.get(name), &self.again) {
            (Some(first), Some(again)) => again.known(name, first),
            (Some(first), None) => Some(first.clone()),
            (None, _) => self.asked().get(name).cloned(),
        }
    }

    /// Records the system's result for a name that was not [`Self::known`], and returns the
    /// effective result: if it was resolved twice at the same time, the first. Temporary failures
    /// are not remembered. Also returns whether the addresses of a name of the grants have changed.
    pub fn note(&self, name: &HostName, resolved: Resolved) -> (Resolved, bool) {
        match (self.granted.get(name), &self.again) {
            (Some(_), Some(again)) => {
                let has_changed = again.note(name, &resolved);
                (resolved, has_changed)
            }
            _ => (self.remember(name, resolved), false),
        }
    }

    fn remember(&self, name: &HostName, resolved: Resolved) -> Resolved {
        if matches!(resolved, Err(ResolveError::Temporary | ResolveError::Permanent)) {
            return resolved;
        }
        let mut asked = self.asked();
        let kept = asked.get_or_insert(name.clone(), || resolved).clone();
        while asked.len() > REMEMBERED.get() {
            asked.pop_lru();
        }
        kept
    }

    fn asked(&self) -> MutexGuard<'_, LruCache<HostName, Resolved>> {
        // No panic while the lock is held leaves the map inconsistent.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Again {
    fn latest(&self) -> MutexGuard<'_, HashMap<HostName, Latest>> {
        // No panic while the lock is held leaves the map inconsistent.
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The result for `name`, which was `first` at the start; `None` if it is to be resolved again,
    /// which is returned once per interval: if a component asks a thousand times, the system is
    /// queried once.
    fn known(&self, name: &HostName, first: &Resolved) -> Option<Resolved> {
        let mut latest = self.latest();
        let latest = latest.entry(name.clone()).or_insert_with(|| Latest {
            asked: self.start,
            resolved: first.clone(),
            before: Vec::new(),
        });
        if latest.asked.elapsed() < self.every.mul_f64(SLACK) {
            return Some(latest.resolved.clone());
        }
        latest.asked = Instant::now();
        None
    }

    /// Records a successful result. Returns whether it has an address that the previous one lacked.
    fn note(&self, name: &HostName, resolved: &Resolved) -> bool {
        let mut latest = self.latest();
        let (Some(latest), Ok(now)) = (latest.get_mut(name), resolved) else { return false };
        latest.before = mem::replace(&mut latest.resolved, resolved.clone()).unwrap_or_default();
        now.iter().any(|ip| !latest.before.contains(ip))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn addresses(text: &[&str]) -> Vec<IpAddr> {
        text.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn name_is_resolved_again_at_most_once_per_interval() {
        let name: HostName = "a.example".parse().unwrap();
        let every = Duration::from_millis(200);
        let names = Names::of([("a.example", "192.0.2.1")]).again_after(Some(every));
        let questions = || (0..1_000).filter(|_| names.known(&name).is_none()).count();
        assert_eq!(questions(), 0);
        thread::sleep(every);
        assert_eq!(questions(), 1);
        let again = names.again.as_ref().unwrap();
        // A failure keeps the known result.
        assert!(!again.note(&name, &Err(ResolveError::Temporary)));
        assert_eq!(names.known(&name), Some(Ok(addresses(&["192.0.2.1"]))));
        assert!(again.note(&name, &Ok(addresses(&["192.0.2.2"]))));
        assert!(!again.note(&name, &Ok(addresses(&["192.0.2.2"]))));
        assert!(again.note(&name, &Ok(addresses(&["192.0.2.3"]))));
        assert_eq!(names.known(&name), Some(Ok(addresses(&["192.0.2.3"]))));
        assert_eq!(
            names.later(&name),
            addresses(&["192.0.2.3", "192.0.2.2"]),
            "and what was before that is forgotten"
        );
    }

    #[test]
    fn granted_name_keeps_its_first_addresses_or_resolve_error() {
        let name = |text: &str| text.parse::<HostName>().unwrap();
        let names: Names = [
            (name("a.example"), Ok(addresses(&["192.0.2.1"]))),
            (name("b.example"), Ok(Vec::new())),
            (name("c.example"), Err(ResolveError::Temporary)),
        ]
        .into_iter()
        .collect();
        let known = ["a.example", "b.example", "c.example", "d.example"].map(|text| {
            let name = name(text);
            (names.is_granted(&name), names.addresses(&name).len(), names.failure(&name))
        });
        let expected = [
            (true, 1, None),
            (true, 0, Some(ResolveError::NoSuchName)),
            (true, 0, Some(ResolveError::Temporary)),
            (false, 0, None),
        ];
        assert_eq!(known, expected);
        // A name resolved again keeps its first result.
        let (resolved, has_changed) = names.note(&name("e.example"), Ok(addresses(&["192.0.2.5"])));
        assert_eq!((resolved, has_changed), (Ok(addresses(&["192.0.2.5"])), false));
        let (second, _) = names.note(&name("e.example"), Ok(addresses(&["192.0.2.6"])));
        assert_eq!(second, Ok(addresses(&["192.0.2.5"])));
        let (failed, _) = names.note(&name("f.example"), Err(ResolveError::Temporary));
        assert_eq!((failed, names.known(&name("f.example"))), (Err(ResolveError::Temporary), None));
    }

    #[test]
    fn names_beyond_a_bound_are_forgotten_the_oldest_first() {
        let names = Names::default();
        let name = |i: usize| format!("n{i}.example").parse::<HostName>().unwrap();
        for i in 0..=REMEMBERED.get() {
            let _ = names.note(&name(i), Ok(addresses(&["192.0.2.1"])));
        }
        assert_eq!(names.known(&name(0)), None);
        assert_eq!(names.asked().len(), REMEMBERED.get());
        assert!(names.known(&name(1)).is_some());
    }

    #[test]
    fn a_name_that_is_resolved_again_says_whether_it_has_changed() {
        let name: HostName = "a.example".parse().unwrap();
        let names = Names::of([("a.example", "192.0.2.1")]).again_after(Some(Duration::ZERO));
        assert_eq!(names.known(&name), None);
        assert!(!names.note(&name, Ok(addresses(&["192.0.2.1"]))).1);
        assert!(names.note(&name, Ok(addresses(&["192.0.2.2"]))).1);
        assert_eq!(names.later(&name), addresses(&["192.0.2.2", "192.0.2.1"]));
    }
}
