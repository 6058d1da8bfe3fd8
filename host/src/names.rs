//! Names and what they stand for, asked once.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;

use tokio::net::lookup_host;

use crate::grants::HostName;

/// The addresses of every name in the grants, resolved when the run starts.
///
/// The component's lookup of such a name gets these same addresses: a name that changes in between gains it nothing.
#[derive(Clone, Debug, Default)]
pub struct Names(HashMap<HostName, Vec<IpAddr>>);

impl Names {
    /// Resolves each name through the system's resolver. One that has no address is kept, with none.
    pub async fn resolve(names: impl Iterator<Item = &HostName>) -> Self {
        let mut resolved = HashMap::new();
        for name in names {
            if !resolved.contains_key(name) {
                resolved.insert(name.clone(), resolve(name).await.unwrap_or_default());
            }
        }
        Self(resolved)
    }

    /// What `name` stands for; nothing where it has no address or is not in the grants.
    pub fn addresses(&self, name: &HostName) -> &[IpAddr] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether `name` is in the grants.
    pub fn contains(&self, name: &HostName) -> bool {
        self.0.contains_key(name)
    }
}

/// Asks the system's resolver, now.
pub async fn resolve(name: &HostName) -> io::Result<Vec<IpAddr>> {
    Ok(lookup_host((name.as_str(), 0)).await?.map(|address| address.ip().to_canonical()).collect())
}
