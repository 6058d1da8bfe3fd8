//! Ctrl-C and SIGTERM: the first asks the component to end, the second ends it.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::exit::Exit;

/// Resolves at the first Ctrl-C, SIGTERM or SIGHUP from now on. At the second the process ends at once, from a thread of
/// its own, so that a component that spins or blocks cannot prevent it.
///
/// # Errors
///
/// Where it was called before in this process.
pub fn stop() -> Result<impl Future<Output = ()>, ctrlc::Error> {
    let asked = Arc::new(Notify::new());
    let (notify, already) = (asked.clone(), AtomicBool::new(false));
    ctrlc::set_handler(move || {
        if already.swap(true, Ordering::Relaxed) {
            process::exit(Exit::Interrupted.code().into());
        }
        notify.notify_one();
    })?;
    Ok(async move { asked.notified().await })
}
