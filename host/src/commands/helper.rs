//! The helper roles that this program starts itself in.

use std::process::ExitCode;

use crate::process::helper::{Role, isolate};

/// Runs the helper `role` to its end.
pub fn serve(role: Role) -> ExitCode {
    isolate();
    match role {
        #[cfg(feature = "compiler")]
        Role::Compile => crate::sandbox::compile::serve(),
        #[cfg(feature = "exporter")]
        Role::Metrics => super::metrics::serve(),
        #[cfg(feature = "exporter")]
        Role::Probe => super::prober::serve(),
        #[cfg(target_os = "linux")]
        Role::ReadKeys => super::rotation::serve(),
        #[cfg(target_os = "linux")]
        Role::Resolve => crate::process::resolver::serve(),
    }
}
