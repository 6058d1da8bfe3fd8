//! Names and what they stand for, as somebody else resolved them.

use std::collections::HashMap;
use std::mem;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::host_name::HostName;
use wasi_datagram::{ResolveError, Resolved};

/// How many names that are not in the grants by themselves are remembered: at one question a second
/// more than an hour's. The one that was asked for least recently is forgotten first.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Timers of a component and of this process differ: what it asks for after this part of the
/// interval is resolved again.
const SLACK: f64 = 0.9;

/// The addresses of every name in the grants, resolved when the run starts.
///
/// The component's lookup of such a name gets these same addresses: a name that changes in between
/// gains it nothing.
#[derive(Debug)]
pub struct Names {
    granted: HashMap<HostName, Resolved>,
    /// How often they are resolved again, and what came of that.
    again: Option<Again>,
    /// Those that were asked for later, as wildcards let them be.
    asked: Mutex<LruCache<HostName, Resolved>>,
}

/// Names of the grants that are resolved again when they are asked for.
#[derive(Debug)]
struct Again {
    every: Duration,
    /// What came of each that was asked for, since all of them were resolved at `start`.
    latest: Mutex<HashMap<HostName, Latest>>,
    start: Instant,
}

#[derive(Debug)]
struct Latest {
    /// When it was asked for the last time.
    asked: Instant,
    /// The last answer; where there was none since the start, what came of it then.
    resolved: Resolved,
    /// The addresses before that, to which something may be on its way.
    before: Vec<IpAddr>,
}

impl Default for Names {
    fn default() -> Self {
        // Not with room for all from the start.
        Self { granted: HashMap::new(), again: None, asked: Mutex::new(LruCache::unbounded()) }
    }
}

impl FromIterator<(HostName, Resolved)> for Names {
    /// The names of the grants, each with what it stands for. One that has no address is kept, with
    /// the reason.
    fn from_iter<T: IntoIterator<Item = (HostName, Resolved)>>(granted: T) -> Self {
        Self { granted: granted.into_iter().collect(), ..Self::default() }
    }
}

impl Names {
    /// Has those be resolved again that are asked for after `every`, where that is given.
    #[must_use]
    pub fn again_after(self, every: Option<Duration>) -> Self {
        let again =
            every.map(|every| Again { every, latest: Mutex::default(), start: Instant::now() });
        Self { again, ..self }
    }

    /// As if each name stood for the address beside it.
    #[cfg(test)]
    pub(crate) fn of<'a>(known: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut names = Self::default();
        for (name, address) in known {
            let (name, address) = (name.parse().unwrap(), address.parse().unwrap());
            names.granted.entry(name).or_insert(Ok(Vec::new())).as_mut().unwrap().push(address);
        }
        names
    }

    /// What `name` stands for; nothing where it has no address or is not in the grants.
    pub fn addresses(&self, name: &HostName) -> &[IpAddr] {
        self.granted.get(name).and_then(|resolved| resolved.as_deref().ok()).unwrap_or_default()
    }

    /// What `name`, of the grants, stood for when it was resolved again, the last time and the time
    /// before.
    pub fn later(&self, name: &HostName) -> Vec<IpAddr> {
        let latest = self.again.as_ref().map(Again::latest);
        let addresses = |latest: &Latest| {
            [latest.resolved.as_deref().unwrap_or_default(), &latest.before].concat()
        };
        latest.and_then(|latest| latest.get(name).map(addresses)).unwrap_or_default()
    }

    /// Whether `name` stands in the grants.
    pub fn is_granted(&self, name: &HostName) -> bool {
        self.granted.contains_key(name)
    }

    /// Why `name`, of the grants, has no address, where it has none.
    pub fn failure(&self, name: &HostName) -> Option<ResolveError> {
        match self.granted.get(name)? {
            Ok(addresses) if addresses.is_empty() => Some(ResolveError::NoSuchName),
            Ok(_) => None,
            Err(error) => Some(*error),
        }
    }

    /// What `name` stands for, where that can be told without a question to the system.
    pub fn known(&self, name: &HostName) -> Option<Resolved> {
        match (self.granted.get(name), &self.again) {
            (Some(first), Some(again)) => again.known(name, first),
            (Some(first), None) => Some(first.clone()),
            (None, _) => self.asked().get(name).cloned(),
        }
    }

    /// Remembers what the system said of a name that was not [`Self::known`], and gives what
    /// counts: where it was asked twice at the same time, what it said first. A failure that may
    /// pass is not remembered. Says, too, whether a name of the grants stands for something else
    /// than before.
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
        // No code that holds the lock leaves the map half changed.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Again {
    fn latest(&self) -> MutexGuard<'_, HashMap<HostName, Latest>> {
        // No code that holds the lock leaves the map half changed.
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `name` stands for, whose first answer was `first`; `None` where it is to be asked for
    /// again, as is said once in each interval: a component that asks a thousand times has the
    /// system asked once.
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

    /// Remembers an answer that is none of failure. Whether it has an address that the one before
    /// had not.
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
        // A failure leaves what was known.
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
        // Asked for again it is what it was.
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
