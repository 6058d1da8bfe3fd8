//! The permissions of a component on a node: everything, since nothing of it is real.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use wasi_datagram::{
    AddressUse, Check, Permissions, Resolution, ResolveError, SocketId, SocketPermissions,
    Timer as _,
};

use crate::network::Network;
use crate::time::Time;
use crate::trace::NodeId;
use crate::world::NodeTimer;

/// How long a name server that does not answer is waited for: as long as glibc waits, twice 5 s
/// (resolv.conf(5)).
const PATIENCE: Duration = Duration::from_secs(10);

/// Permits everything on the virtual network, and resolves the names of its nodes.
pub struct Anything {
    network: Arc<Network>,
    node: NodeId,
}

impl Anything {
    /// Creates the permissions of a component on `node`.
    pub fn new(network: Arc<Network>, node: NodeId) -> Self {
        Self { network, node }
    }
}

impl Permissions for Anything {
    fn permit_bind(
        &self,
        local: SocketAddr,
        socket: SocketId,
    ) -> Option<Box<dyn SocketPermissions>> {
        Check(|_, _: AddressUse| true).permit_bind(local, socket)
    }

    fn resolve(&self, name: &str) -> Resolution {
        if let Ok(address) = name.parse() {
            return Resolution::Known(Ok(vec![address]));
        }
        match self.network.resolve(name) {
            Ok(Some(addresses)) => Resolution::Known(Ok(addresses)),
            Ok(None) => Resolution::Known(Err(ResolveError::NoSuchName)),
            Err(_) => {
                let at: Time = self.network.now() + PATIENCE;
                let mut timer = NodeTimer::new(self.network.clone(), self.node, at);
                Resolution::Asked(Box::pin(async move {
                    timer.expired().await;
                    Err(ResolveError::Temporary)
                }))
            }
        }
    }
}
