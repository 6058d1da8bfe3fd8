//! The grants in force: those of the start, and what their names stand for by now.

use std::sync::{Arc, PoisonError, RwLock};

use super::{GrantSpec, Grants};
use crate::names::Names;

/// The grants of a run. They change where names are resolved again, and only in what those stand
/// for.
#[derive(Debug, Default)]
pub struct Current {
    spec: GrantSpec,
    grants: RwLock<Arc<Grants>>,
}

impl Current {
    /// `grants`, made of `spec`.
    pub fn new(spec: GrantSpec, grants: Grants) -> Self {
        Self { spec, grants: RwLock::new(Arc::new(grants)) }
    }

    /// As they are now.
    pub fn get(&self) -> Arc<Grants> {
        self.grants.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Grants what `names` stand for now, where that has changed.
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
