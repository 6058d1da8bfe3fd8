//! The bindings of `wasi:sockets/udp` and `udp-create-socket`, implemented by [`crate::udp`].

use std::net::SocketAddr;

use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{DynPollable, Network, Pollable, SocketError, SocketResult, subscribe};

use crate::family::Family;
use crate::sockets::{IpAddressFamily, IpSocketAddress, udp, udp_create_socket};
use crate::udp::Datagram;
use crate::udp::outgoing::{Outgoing, Wanted};
use crate::udp::socket::Socket;
use crate::udp::streams::Incoming;
use crate::view::View;

impl udp_create_socket::Host for View<'_> {
    fn create_udp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<Socket>> {
        let family = match family {
            IpAddressFamily::Ipv4 => Family::V4,
            IpAddressFamily::Ipv6 => Family::V6,
        };
        self.sockets.permissions.open().map_err(SocketError::trap)?;
        let opened = Socket::new(family, self.sockets.clone())
            .and_then(|socket| Ok(self.table.push(socket)?));
        if opened.is_err() {
            // No socket was opened.
            self.sockets.permissions.close();
        }
        opened
    }
}

impl udp::Host for View<'_> {}

impl udp::HostUdpSocket for View<'_> {
    fn start_bind(
        &mut self,
        socket: Resource<Socket>,
        network: Resource<Network>,
        local: IpSocketAddress,
    ) -> SocketResult<()> {
        // The network handle is the capability to bind (wasi:sockets/instance-network).
        self.table.get(&network)?;
        self.changing(&socket)?.start_bind(local.into())
    }

    fn finish_bind(&mut self, socket: Resource<Socket>) -> SocketResult<()> {
        self.table.get_mut(&socket)?.finish_bind()
    }

    fn stream(
        &mut self,
        socket: Resource<Socket>,
        peer: Option<IpSocketAddress>,
    ) -> SocketResult<(Resource<Incoming>, Resource<Outgoing>)> {
        let is_stream =
            |child: &(dyn std::any::Any + Send)| child.is::<Incoming>() || child.is::<Outgoing>();
        if self.table.iter_children(&socket)?.any(is_stream) {
            return Err(SocketError::trap(wasmtime::format_err!("UDP streams not dropped yet")));
        }
        let (incoming, outgoing) = self.changing(&socket)?.stream(peer.map(SocketAddr::from))?;
        Ok((self.table.push_child(incoming, &socket)?, self.table.push_child(outgoing, &socket)?))
    }

    fn local_address(&mut self, socket: Resource<Socket>) -> SocketResult<IpSocketAddress> {
        Ok(self.table.get(&socket)?.local_address()?.into())
    }

    fn remote_address(&mut self, socket: Resource<Socket>) -> SocketResult<IpSocketAddress> {
        Ok(self.table.get(&socket)?.peer()?.into())
    }

    fn address_family(&mut self, socket: Resource<Socket>) -> wasmtime::Result<IpAddressFamily> {
        Ok(match self.table.get(&socket)?.family() {
            Family::V4 => IpAddressFamily::Ipv4,
            Family::V6 => IpAddressFamily::Ipv6,
        })
    }

    fn unicast_hop_limit(&mut self, socket: Resource<Socket>) -> SocketResult<u8> {
        self.table.get(&socket)?.hop_limit()
    }

    fn set_unicast_hop_limit(&mut self, socket: Resource<Socket>, hops: u8) -> SocketResult<()> {
        self.changing(&socket)?.set_hop_limit(hops)
    }

    fn receive_buffer_size(&mut self, socket: Resource<Socket>) -> SocketResult<u64> {
        self.table.get(&socket)?.receive_buffer_size()
    }

    fn set_receive_buffer_size(
        &mut self,
        socket: Resource<Socket>,
        bytes: u64,
    ) -> SocketResult<()> {
        self.changing(&socket)?.set_receive_buffer_size(bytes)
    }

    fn send_buffer_size(&mut self, socket: Resource<Socket>) -> SocketResult<u64> {
        self.table.get(&socket)?.send_buffer_size()
    }

    fn set_send_buffer_size(&mut self, socket: Resource<Socket>, bytes: u64) -> SocketResult<()> {
        self.changing(&socket)?.set_send_buffer_size(bytes)
    }

    fn subscribe(&mut self, socket: Resource<Socket>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, socket)
    }

    fn drop(&mut self, socket: Resource<Socket>) -> wasmtime::Result<()> {
        self.changing(&socket)?;
        self.table.delete(socket)?;
        self.sockets.permissions.close();
        Ok(())
    }
}

#[async_trait]
impl Pollable for Socket {
    async fn ready(&mut self) {
        // No operation on a socket itself blocks.
    }
}

impl udp::HostIncomingDatagramStream for View<'_> {
    fn receive(
        &mut self,
        stream: Resource<Incoming>,
        most: u64,
    ) -> SocketResult<Vec<udp::IncomingDatagram>> {
        if !self.table.get(&stream)?.is_ready() {
            self.flush();
        }
        let mut times = self.clock.datagram_times();
        times.end();
        let arrival =
            |other| self.table.get(&Resource::<Incoming>::new_borrow(other)).ok()?.arrival();
        let before = times.beside(stream.rep()).into_iter().filter_map(arrival).min();
        let incoming = self.table.get_mut(&stream)?;
        if before.is_some_and(|before| incoming.is_after(before)) {
            times.deferred();
            return Ok(Vec::new());
        }
        let taken = incoming.receive(most, times.splits(stream.rep()))?;
        times.received(stream.rep(), taken.last().and_then(|datagram| datagram.arrived));
        // One that would have taken more does not receive one by one.
        let is_behind = incoming.is_ready() && taken.len() as u64 == most;
        self.clock.gathering().received(is_behind);
        Ok(taken.into_iter().map(Into::into).collect())
    }

    fn subscribe(&mut self, stream: Resource<Incoming>) -> wasmtime::Result<Resource<DynPollable>> {
        let incoming = stream.rep();
        let pollable = subscribe(self.table, stream)?;
        self.clock.datagram_times().subscribed(pollable.rep(), incoming);
        Ok(pollable)
    }

    fn drop(&mut self, stream: Resource<Incoming>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}

impl udp::HostOutgoingDatagramStream for View<'_> {
    fn check_send(&mut self, stream: Resource<Outgoing>) -> SocketResult<u64> {
        Ok(self.table.get_mut(&stream)?.check_send())
    }

    fn send(
        &mut self,
        stream: Resource<Outgoing>,
        datagrams: Vec<udp::OutgoingDatagram>,
    ) -> SocketResult<u64> {
        let wanted: Vec<Wanted> = datagrams.into_iter().map(Into::into).collect();
        self.send_by(stream.rep(), &wanted)
    }

    fn subscribe(&mut self, stream: Resource<Outgoing>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, stream)
    }

    fn drop(&mut self, stream: Resource<Outgoing>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}

impl From<Datagram> for udp::IncomingDatagram {
    fn from(datagram: Datagram) -> Self {
        Self { data: datagram.data, remote_address: datagram.from.into() }
    }
}

impl From<udp::OutgoingDatagram> for Wanted {
    fn from(datagram: udp::OutgoingDatagram) -> Self {
        Self { data: datagram.data, to: datagram.remote_address.map(SocketAddr::from) }
    }
}

#[cfg(test)]
#[path = "wit_tests.rs"]
mod tests;
