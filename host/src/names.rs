//! Names and what they stand for, asked once.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::num::NonZeroUsize;
#[cfg(target_os = "linux")]
use std::sync::{Arc, OnceLock};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use tokio::net::lookup_host;

use crate::grants::HostName;
#[cfg(target_os = "linux")]
use crate::resolver::Resolver;

/// How many names that are not in the grants by themselves are remembered: at one question a second more than an hour's. The
/// one that was asked for least recently is forgotten first.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// The addresses of every name in the grants, resolved when the run starts.
///
/// The component's lookup of such a name gets these same addresses: a name that changes in between gains it nothing.
#[derive(Debug)]
pub struct Names {
    granted: HashMap<HostName, Vec<IpAddr>>,
    /// Those that were asked for later, as wildcards let them be.
    asked: Mutex<LruCache<HostName, Vec<IpAddr>>>,
    /// Asks for those, where this process itself cannot.
    #[cfg(target_os = "linux")]
    resolver: OnceLock<Arc<Resolver>>,
}

impl Default for Names {
    fn default() -> Self {
        // Not with room for all from the start.
        let asked = Mutex::new(LruCache::unbounded());
        Self {
            granted: HashMap::new(),
            asked,
            #[cfg(target_os = "linux")]
            resolver: OnceLock::new(),
        }
    }
}

impl Names {
    /// Resolves each name through the system's resolver, now, on this thread. One that has no address is kept, with none.
    pub fn resolve<'a>(names: impl Iterator<Item = &'a HostName>) -> Self {
        let mut resolved = HashMap::new();
        for name in names {
            if !resolved.contains_key(name) {
                resolved.insert(name.clone(), resolve(name).unwrap_or_default());
            }
        }
        Self { granted: resolved, ..Self::default() }
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
            names.granted.entry(name).or_default().push(address);
        }
        names
    }

    /// What `name` stands for; nothing where it has no address or is not in the grants.
    pub fn addresses(&self, name: &HostName) -> &[IpAddr] {
        self.granted.get(name).map_or(&[], Vec::as_slice)
    }

    /// What `name` stands for, where that can be told without a question to the system.
    pub fn known(&self, name: &HostName) -> Option<Vec<IpAddr>> {
        self.granted.get(name).cloned().or_else(|| self.asked().get(name).cloned())
    }

    /// What a name stands for that is not [`Self::known`]: the system is asked. Where it was asked twice at the same time, what
    /// it said first stays.
    pub async fn ask(&self, name: &HostName) -> io::Result<Vec<IpAddr>> {
        let addresses = self.resolve_later(name).await?;
        let mut asked = self.asked();
        let kept = asked.get_or_insert(name.clone(), || addresses).clone();
        while asked.len() > REMEMBERED.get() {
            asked.pop_lru();
        }
        Ok(kept)
    }

    async fn resolve_later(&self, name: &HostName) -> io::Result<Vec<IpAddr>> {
        #[cfg(target_os = "linux")]
        if let Some(resolver) = self.resolver.get() {
            return resolver.resolve(name).await;
        }
        Ok(lookup_host((name.as_str(), 0)).await?.map(|address| address.ip().to_canonical()).collect())
    }

    fn asked(&self) -> MutexGuard<'_, LruCache<HostName, Vec<IpAddr>>> {
        // No code that holds the lock leaves the map half changed.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn resolve(name: &HostName) -> io::Result<Vec<IpAddr>> {
    Ok((name.as_str(), 0).to_socket_addrs()?.map(|address| address.ip().to_canonical()).collect())
}
