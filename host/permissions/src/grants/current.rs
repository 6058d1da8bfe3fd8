//! The grants in force: those of the start, with the current addresses of their names.

use std::sync::{Arc, PoisonError, RwLock};

use super::{GrantSpec, Grants};
use crate::names::Names;

/// The grants of a run. They change only when names are resolved again, and only in the addresses
/// of those names.
#[derive(Debug, Default)]
pub struct Current {
    spec: GrantSpec,
    grants: RwLock<Arc<Grants>>,
}

impl Current {
    /// Creates the grants in force from `grants`, which were made of `spec`.
    pub fn new(spec: GrantSpec, grants: Grants) -> Self {
        Self { spec, grants: RwLock::new(Arc::new(grants)) }
    }

    /// The grants in force now.
    pub fn get(&self) -> Arc<Grants> {
        self.grants.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Grants the current addresses of `names`.
    pub fn follow(&self, names: &Names) {
        let own = self.get().own.clone();
        let followed = Grants { own, ..self.spec.with_addresses(names) };
        *self.grants.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(followed);
    }
}

impl From<Grants> for Current {
    fn from(grants: Grants) -> Self {
        Self::new(GrantSpec::default(), grants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::{PeerCredit, Request};

    #[test]
    fn this_machines_addresses_stay_known_when_names_change() {
        let to = vec!["10.9.0.0/24:7".parse().unwrap(), "a.example:7".parse().unwrap()];
        let spec = GrantSpec { to, ..GrantSpec::default() };
        let own = [[10, 9, 0, 1].into()].into();
        let grants = Grants { own, ..spec.with_addresses(&Names::default()) };
        let current = Current::new(spec, grants);
        let decided = |to: &str| {
            let request = Request::Send { to: to.parse().unwrap(), credit: PeerCredit::None };
            current.get().decide(&request).is_ok()
        };
        let granted = || ["10.9.0.1:7", "10.9.0.2:7", "192.0.2.1:7"].map(decided);
        assert_eq!(granted(), [false, true, false]);
        current.follow(&Names::of([("a.example", "192.0.2.1")]));
        assert_eq!(granted(), [false, true, true]);
    }
}
