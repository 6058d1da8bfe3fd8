//! Names and what they stand for, asked once.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::net::IpAddr;
use std::num::NonZeroUsize;
#[cfg(target_os = "linux")]
use std::sync::{Arc, OnceLock};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::permissions::grants::HostName;
use crate::permissions::resolution::system_resolve;
#[cfg(target_os = "linux")]
use crate::permissions::resolver::Resolver;
use crate::process::interrupt::EndAtSignals;
use wasi_datagram::{ResolveError, Resolved};

/// How many names that are not in the grants by themselves are remembered: at one question a second more than an hour's. The
/// one that was asked for least recently is forgotten first.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// How many names of the grants are resolved at a time: one name server that is silent holds up eight of them for ten seconds.
const AT_A_TIME: usize = 16;

/// Timers of a component and of this process differ: what it asks for after this part of the interval is resolved again.
const SLACK: f64 = 0.9;

/// The addresses of every name in the grants, resolved when the run starts.
///
/// The component's lookup of such a name gets these same addresses: a name that changes in between gains it nothing.
#[derive(Debug)]
pub struct Names {
    granted: HashMap<HostName, Resolved>,
    /// How often they are resolved again, and what came of that.
    again: Option<Again>,
    /// Those that were asked for later, as wildcards let them be.
    asked: Mutex<LruCache<HostName, Resolved>>,
    /// Asks for those, where this process itself cannot.
    #[cfg(target_os = "linux")]
    resolver: OnceLock<Arc<Resolver>>,
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
        let asked = Mutex::new(LruCache::unbounded());
        Self {
            granted: HashMap::new(),
            again: None,
            asked,
            #[cfg(target_os = "linux")]
            resolver: OnceLock::new(),
        }
    }
}

impl Names {
    /// Resolves each name through the system's resolver, now. One that has no address is kept, with the reason. Ctrl-C and SIGTERM
    /// end the process meanwhile. Where there are several names there are threads, which have ended when this returns.
    pub fn resolve<'a>(names: impl Iterator<Item = &'a HostName>) -> Self {
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names.dedup();
        let _interruptible = (!names.is_empty()).then(EndAtSignals::start);
        let chunk = names.len().div_ceil(AT_A_TIME).max(1);
        let resolve_all =
            |names: &[&HostName]| names.iter().map(|name| ((*name).clone(), resolve(name))).collect::<Vec<_>>();
        let granted = if names.len() <= 1 {
            resolve_all(&names).into_iter().collect()
        } else {
            thread::scope(|scope| {
                let workers: Vec<_> = {
                    let resolve_all = &resolve_all;
                    names.chunks(chunk).map(|names| (names, scope.spawn(move || resolve_all(names)))).collect()
                };
                let resolved = workers.into_iter().flat_map(|(names, worker)| {
                    let failed = || names.iter().map(|name| ((*name).clone(), Err(ResolveError::Permanent))).collect();
                    worker.join().unwrap_or_else(|_| failed())
                });
                resolved.collect()
            })
        };
        Self { granted, ..Self::default() }
    }

    /// Has those be resolved again that are asked for after `every`, where that is given.
    pub fn again_after(self, every: Option<Duration>) -> Self {
        let again = every.map(|every| Again { every, latest: Mutex::default(), start: Instant::now() });
        Self { again, ..self }
    }

    /// From now on, names that are not in the grants by themselves are resolved by a helper process. To be called before this
    /// process gives up what that takes.
    ///
    /// # Errors
    ///
    /// Where no process can be started.
    #[cfg(target_os = "linux")]
    pub fn start_resolver(&self) -> io::Result<()> {
        let resolver = Resolver::start()?;
        // Only a second one is none.
        let _ = self.resolver.set(resolver);
        Ok(())
    }

    /// Starts to listen for that process's answers, on a thread of its own, where there is one.
    ///
    /// # Errors
    ///
    /// Where no thread can be started.
    pub fn listen(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(resolver) = self.resolver.get() {
            return resolver.listen();
        }
        Ok(())
    }

    /// As if each name stood for the address beside it.
    #[cfg(test)]
    pub fn of<'a>(known: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
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

    /// What `name`, of the grants, stood for when it was resolved again, the last time and the time before.
    pub fn later(&self, name: &HostName) -> Vec<IpAddr> {
        let latest = self.again.as_ref().map(Again::latest);
        let addresses = |latest: &Latest| [latest.resolved.as_deref().unwrap_or_default(), &latest.before].concat();
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

    /// What a name stands for that is not [`Self::known`]: the system is asked. Where it was asked twice at the same time, what
    /// it said first stays. A failure that may pass is not remembered. Says, too, whether a name of the grants stands for
    /// something else than before.
    pub async fn ask(&self, name: &HostName) -> (Resolved, bool) {
        let resolved = self.resolve_later(name).await;
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

    async fn resolve_later(&self, name: &HostName) -> Resolved {
        #[cfg(target_os = "linux")]
        if let Some(resolver) = self.resolver.get() {
            return resolver.resolve(name).await;
        }
        let name = name.clone();
        tokio::task::spawn_blocking(move || resolve(&name)).await.unwrap_or(Err(ResolveError::Permanent))
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

    /// What `name` stands for, whose first answer was `first`; `None` where it is to be asked for again, as is said once in each
    /// interval: a component that asks a thousand times has the system asked once.
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

    /// Remembers an answer that is none of failure. Whether it has an address that the one before had not.
    fn note(&self, name: &HostName, resolved: &Resolved) -> bool {
        let mut latest = self.latest();
        let (Some(latest), Ok(now)) = (latest.get_mut(name), resolved) else { return false };
        latest.before = mem::replace(&mut latest.resolved, resolved.clone()).unwrap_or_default();
        now.iter().any(|ip| !latest.before.contains(ip))
    }
}

fn resolve(name: &HostName) -> Resolved {
    system_resolve(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &[&str]) -> Vec<IpAddr> {
        text.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_name_is_asked_for_again_once_in_an_interval_however_often_a_component_asks() {
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
        assert_eq!(names.later(&name), addresses(&["192.0.2.3", "192.0.2.2"]), "and what was before that is forgotten");
    }
}
