//! Names and what they stand for, asked once.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::net::lookup_host;

use crate::grants::HostName;

/// The addresses of every name in the grants, resolved when the run starts.
///
/// The component's lookup of such a name gets these same addresses: a name that changes in between gains it nothing.
#[derive(Debug, Default)]
pub struct Names {
    granted: HashMap<HostName, Vec<IpAddr>>,
    /// Those that were asked for later, as wildcards let them be.
    asked: Mutex<HashMap<HostName, Vec<IpAddr>>>,
}

impl Names {
    /// Resolves each name through the system's resolver. One that has no address is kept, with none.
    pub async fn resolve(names: impl Iterator<Item = &HostName>) -> Self {
        let mut resolved = HashMap::new();
        for name in names {
            if !resolved.contains_key(name) {
                resolved.insert(name.clone(), resolve(name).await.unwrap_or_default());
            }
        }
        Self { granted: resolved, asked: Mutex::default() }
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

    /// Whether `name` is in the grants.
    pub fn contains(&self, name: &HostName) -> bool {
        self.granted.contains_key(name)
    }

    /// What a name stands for that is not in the grants by itself: what it stood for when it was first asked for and had an
    /// address. How many are kept is up to the limit of lookups.
    pub async fn ask(&self, name: &HostName) -> io::Result<Vec<IpAddr>> {
        let known = self.asked().get(name).cloned();
        match known {
            Some(addresses) => Ok(addresses),
            None => {
                let addresses = resolve(name).await?;
                Ok(self.asked().entry(name.clone()).or_insert(addresses).clone())
            }
        }
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<HostName, Vec<IpAddr>>> {
        // No code that holds the lock leaves the map half changed.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the system's resolver, now.
async fn resolve(name: &HostName) -> io::Result<Vec<IpAddr>> {
    Ok(lookup_host((name.as_str(), 0)).await?.map(|address| address.ip().to_canonical()).collect())
}
