//! Names by the system's resolver: those of the grants at the start, all at once; others while
//! guests run.
//!
//! The C library opens files for it, loads libraries, and uses TCP and netlink. A hardened process
//! does none of it, so another one does ([`Resolver::start_helper`]).

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

/// Resolves names while guests run: in this process, or by a helper once there is one.
#[derive(Debug, Default)]
pub struct Resolver {
    #[cfg(target_os = "linux")]
    helper: OnceLock<Arc<helper::Helper>>,
}

impl Resolver {
    /// From now on, a helper process resolves. To be called on the main thread, before this process
    /// gives up what that takes.
    ///
    /// # Errors
    ///
    /// Where no process can be started.
    #[cfg(target_os = "linux")]
    pub fn start_helper(&self) -> io::Result<()> {
        let helper = helper::Helper::start()?;
        // Only a second one is none.
        let _ = self.helper.set(helper);
        Ok(())
    }

    /// Starts to listen for that process's answers, on a thread of its own, where there is one.
    ///
    /// # Errors
    ///
    /// Where no thread can be started.
    pub fn listen(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(helper) = self.helper.get() {
            return helper.listen();
        }
        Ok(())
    }

    /// What `name` stands for.
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
