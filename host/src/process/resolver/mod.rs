//! Name resolution by the system's resolver: the names of the grants at the start, all at once;
//! others while guests run.
//!
//! The C library opens files for it, loads libraries, and uses TCP and netlink. A hardened process
//! can do none of it, so a helper does ([`Resolver::start_helper`]).

#[cfg(target_os = "linux")]
mod helper;
#[cfg(target_os = "linux")]
mod message;
#[cfg(target_os = "linux")]
mod server;
mod system;

use std::io;
#[cfg(target_os = "linux")]
use std::sync::{Arc, OnceLock};

#[cfg(target_os = "linux")]
pub use server::serve;
pub use system::resolve_all;
use wasi_datagram::{ResolveError, Resolved};

/// Resolves names while guests run: in this process, or by a helper once it is started.
#[derive(Debug, Default)]
pub struct Resolver {
    #[cfg(target_os = "linux")]
    helper: OnceLock<Arc<helper::Helper>>,
}

impl Resolver {
    /// Starts a helper process, which resolves from now on. Call this on the main thread, before
    /// this process gives up the privileges that it takes.
    ///
    /// # Errors
    ///
    /// If no process can be started.
    #[cfg(target_os = "linux")]
    pub fn start_helper(&self) -> io::Result<()> {
        let helper = helper::Helper::start()?;
        // It fails only if a helper was already set.
        let _ = self.helper.set(helper);
        Ok(())
    }

    /// Starts a thread that listens for the helper's answers, if there is a helper.
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub fn listen(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(helper) = self.helper.get() {
            return helper.listen();
        }
        Ok(())
    }

    /// Resolves `name`.
    pub async fn resolve(&self, name: &str) -> Resolved {
        #[cfg(target_os = "linux")]
        if let Some(helper) = self.helper.get() {
            return helper.resolve(name).await;
        }
        let name = name.to_owned();
        let resolved = tokio::task::spawn_blocking(move || system::system_resolve(&name)).await;
        resolved.unwrap_or(Err(ResolveError::Permanent))
    }
}
