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
        Role::Metrics => reported("metrics", super::metrics::serve),
        #[cfg(feature = "exporter")]
        Role::Probe => reported("probes", super::prober::serve),
        #[cfg(target_os = "linux")]
        Role::ReadKeys => super::rotation::serve(),
        #[cfg(target_os = "linux")]
        Role::Resolve => crate::process::resolver::serve(),
    }
}

/// Runs a helper that shares the host's standard error, and reports there why it failed.
#[cfg(feature = "exporter")]
fn reported(what: &str, serve: fn() -> anyhow::Result<()>) -> ExitCode {
    use crate::process::log;

    log::start(None);
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::say(format_args!("{what}: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
