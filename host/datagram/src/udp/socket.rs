//! `udp-socket`: its states as described by wasi:sockets/udp, and the operations permitted in each.

use std::mem;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use wasmtime_wasi::p2::SocketResult;
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;

use super::SocketContext;
use super::origins::Origins;
use super::outgoing::Outgoing;
use super::streams::Incoming;
use crate::family::Family;
use crate::permissions::{Operation, SocketId, SocketPermissions};
use crate::world::UdpSocket;

/// A component's UDP socket.
pub struct Socket {
    inner: Box<dyn UdpSocket>,
    family: Family,
    context: SocketContext,
    binding: Binding,
    peer: Option<SocketAddr>,
    origins: Arc<Mutex<Origins>>,
}

/// The state of binding, with the permissions of the bound socket.
enum Binding {
    Unbound,
    /// Bound by `start-bind`; `finish-bind` has not been called yet.
    Started(Arc<dyn SocketPermissions>),
    Bound(Arc<dyn SocketPermissions>),
}

impl Socket {
    /// Opens an unbound socket.
    pub(crate) fn new(family: Family, context: SocketContext) -> SocketResult<Self> {
        let inner = context.world.open(family);
        let inner =
            inner.inspect_err(|error| context.permissions.failed(Operation::Open, error))?;
        let (binding, origins) = (Binding::Unbound, Arc::default());
        Ok(Self { inner, family, context, binding, peer: None, origins })
    }

    /// `start-bind`: binds immediately, since binding never blocks.
    pub(crate) fn start_bind(&mut self, local: SocketAddr) -> SocketResult<()> {
        match self.binding {
            Binding::Unbound => {}
            Binding::Started(_) => return Err(ErrorCode::ConcurrencyConflict.into()),
            Binding::Bound(_) => return Err(ErrorCode::InvalidState.into()),
        }
        if !self.family.has(local.ip()) {
            return Err(ErrorCode::InvalidArgument.into());
        }
        let kept = self.context.kept.take(local);
        let id = kept.as_ref().map_or_else(SocketId::unique, |(_, id)| *id);
        let Some(permissions) = self.context.permissions.permit_bind(local, id) else {
            return Err(ErrorCode::AccessDenied.into());
        };
        if let Some((kept, _)) = kept {
            self.inner.adopt(kept)?;
        } else {
            self.inner.bind(local).inspect_err(|error| {
                self.context.permissions.failed(Operation::Bind(local), error);
            })?;
            self.context.kept.keep(local, || self.inner.keep(), id);
        }
        self.binding = Binding::Started(permissions.into());
        Ok(())
    }

    /// `finish-bind`.
    pub(crate) fn finish_bind(&mut self) -> SocketResult<()> {
        match mem::replace(&mut self.binding, Binding::Unbound) {
            Binding::Started(permissions) => {
                self.binding = Binding::Bound(permissions);
                Ok(())
            }
            other => {
                self.binding = other;
                Err(ErrorCode::NotInProgress.into())
            }
        }
    }

    /// `stream`: both streams, connected to `peer` if there is one. No stream of an earlier call
    /// may exist.
    pub(crate) fn stream(
        &mut self,
        peer: Option<SocketAddr>,
    ) -> SocketResult<(Incoming, Outgoing)> {
        self.associate(peer)?;
        Ok((self.incoming()?, self.outgoing()?))
    }

    /// Connects the socket to `peer`, or disconnects it.
    pub(crate) fn associate(&mut self, peer: Option<SocketAddr>) -> SocketResult<()> {
        let permissions = self.permissions()?.clone();
        match peer {
            Some(peer) => self.connect(peer, &*permissions)?,
            None if self.peer.is_some() => {
                self.inner.disconnect()?;
                self.peer = None;
            }
            None => {}
        }
        Ok(())
    }

    /// The receiving half, of which at most one exists.
    pub(crate) fn incoming(&self) -> SocketResult<Incoming> {
        let (permissions, receiver) = (self.permissions()?.clone(), self.inner.receiver()?);
        Ok(Incoming::new(receiver, permissions, self.peer, self.origins(), &self.context))
    }

    /// The sending half, of which at most one exists.
    pub(crate) fn outgoing(&self) -> SocketResult<Outgoing> {
        let (permissions, sender) = (self.permissions()?.clone(), self.inner.sender()?);
        let origins = self.origins();
        Ok(Outgoing::new(sender, self.family, permissions, self.peer, origins, &self.context))
    }

    /// Datagrams of a connected socket leave from the address chosen at connect.
    fn origins(&self) -> Option<Arc<Mutex<Origins>>> {
        (self.peer.is_none() && self.inner.tells_local()).then(|| self.origins.clone())
    }

    /// Whether it has been bound.
    pub(crate) fn is_bound(&self) -> bool {
        !matches!(self.binding, Binding::Unbound)
    }

    /// The permissions of the bound socket.
    fn permissions(&self) -> Result<&Arc<dyn SocketPermissions>, ErrorCode> {
        match &self.binding {
            Binding::Unbound => Err(ErrorCode::InvalidState),
            Binding::Started(permissions) | Binding::Bound(permissions) => Ok(permissions),
        }
    }

    fn connect(
        &mut self,
        peer: SocketAddr,
        permissions: &dyn SocketPermissions,
    ) -> SocketResult<()> {
        if !self.family.is_destination(peer) {
            return Err(ErrorCode::InvalidArgument.into());
        }
        if !permissions.permit_connect(peer) {
            return Err(ErrorCode::AccessDenied.into());
        }
        let result = self.inner.connect(peer);
        if let Err(error) = &result {
            self.context.permissions.failed(Operation::Connect(peer), error);
        }
        // Also after a failed connect, which may have dissolved an earlier association.
        self.peer = self.inner.peer();
        Ok(result?)
    }

    /// `local-address`.
    pub(crate) fn local_address(&self) -> SocketResult<SocketAddr> {
        self.permissions()?;
        Ok(self.inner.local_address()?)
    }

    /// `remote-address`.
    pub(crate) fn peer(&self) -> SocketResult<SocketAddr> {
        Ok(self.peer.ok_or(ErrorCode::InvalidState)?)
    }

    /// `address-family`.
    pub(crate) fn family(&self) -> Family {
        self.family
    }

    /// `unicast-hop-limit`.
    pub(crate) fn hop_limit(&self) -> SocketResult<u8> {
        Ok(self.inner.hop_limit()?)
    }

    /// `set-unicast-hop-limit`.
    pub(crate) fn set_hop_limit(&self, hops: u8) -> SocketResult<()> {
        if hops == 0 {
            return Err(ErrorCode::InvalidArgument.into());
        }
        Ok(self.inner.set_hop_limit(hops)?)
    }

    /// `receive-buffer-size`.
    pub(crate) fn receive_buffer_size(&self) -> SocketResult<u64> {
        Ok(self.inner.receive_buffer_size()? as u64)
    }

    /// `set-receive-buffer-size`.
    pub(crate) fn set_receive_buffer_size(&mut self, bytes: u64) -> SocketResult<()> {
        Ok(self.inner.set_receive_buffer_size(size(bytes)?)?)
    }

    /// `send-buffer-size`.
    pub(crate) fn send_buffer_size(&self) -> SocketResult<u64> {
        Ok(self.inner.send_buffer_size()? as u64)
    }

    /// `set-send-buffer-size`.
    pub(crate) fn set_send_buffer_size(&mut self, bytes: u64) -> SocketResult<()> {
        Ok(self.inner.set_send_buffer_size(size(bytes)?)?)
    }
}

fn size(bytes: u64) -> Result<usize, ErrorCode> {
    if bytes == 0 {
        Err(ErrorCode::InvalidArgument)
    } else {
        Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
    }
}
