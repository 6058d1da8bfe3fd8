//! What this program does in a role that it was started in by itself.

use std::process::ExitCode;

use crate::process::helper::{Role, isolate};

/// Does the work of `role`, to its end.
pub fn serve(role: Role) -> ExitCode {
    isolate();
    match role {
        #[cfg(feature = "compiler")]
        Role::Compile => crate::sandbox::compile::serve(),
        #[cfg(target_os = "linux")]
        Role::ReadKeys => super::rotation::serve(),
        #[cfg(target_os = "linux")]
        Role::Resolve => crate::process::resolver::serve(),
    }
}
