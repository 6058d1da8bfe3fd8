//! Glue: the bindings of `wasi:sockets/udp` and `udp-create-socket`, over [`super::socket`] and [`super::streams`].

use std::net::SocketAddr;

use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, HostNetwork, IpAddressFamily, IpSocketAddress};
use wasmtime_wasi::p2::{DynPollable, Network, Pollable, SocketError, SocketResult, subscribe};

use super::os::Family;
pub use super::socket::Socket;
use super::streams::Wanted;
pub use super::streams::{Incoming, Outgoing};
use super::{Datagram, UdpView};

#[allow(unsafe_code, reason = "bindgen implements unsafe traits of wasmtime's")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        interfaces: "import wasi:sockets/udp@0.2.0; import wasi:sockets/udp-create-socket@0.2.0;",
        imports: { default: trappable },
        trappable_error_type: {
            "wasi:sockets/network.error-code" => wasmtime_wasi::p2::SocketError,
        },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:sockets/network": wasmtime_wasi::p2::bindings::sockets::network,
            "wasi:sockets/udp.udp-socket": super::Socket,
            "wasi:sockets/udp.incoming-datagram-stream": super::Incoming,
            "wasi:sockets/udp.outgoing-datagram-stream": super::Outgoing,
        },
    });
}

use bindings::wasi::sockets::{udp, udp_create_socket};

/// Adds both interfaces to what a linker serves, where `view` gives what they need of a store's state.
pub fn add_to_linker<T: Send>(linker: &mut Linker<T>, view: fn(&mut T) -> UdpView<'_>) -> wasmtime::Result<()> {
    udp::add_to_linker::<_, Udp>(linker, view)?;
    udp_create_socket::add_to_linker::<_, Udp>(linker, view)
}

struct Udp;

impl HasData for Udp {
    type Data<'a> = UdpView<'a>;
}

// What bindgen asks for so that SocketError can be lowered; the linker serves wasmtime-wasi's own network interface.
impl network::Host for UdpView<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(self.table.get(&error)?.downcast_ref::<std::io::Error>().map(ErrorCode::from))
    }
}

impl HostNetwork for UdpView<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.table.delete(network)?;
        Ok(())
    }
}

impl udp_create_socket::Host for UdpView<'_> {
    fn create_udp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<Socket>> {
        let family = match family {
            IpAddressFamily::Ipv4 => Family::V4,
            IpAddressFamily::Ipv6 => Family::V6,
        };
        Ok(self.table.push(Socket::new(family, self.guard.clone(), self.tuning)?)?)
    }
}

impl udp::Host for UdpView<'_> {}

impl udp::HostUdpSocket for UdpView<'_> {
    fn start_bind(
        &mut self,
        socket: Resource<Socket>,
        network: Resource<Network>,
        local: IpSocketAddress,
    ) -> SocketResult<()> {
        // Holding the network is what permits it (wasi:sockets/instance-network).
        self.table.get(&network)?;
        self.table.get_mut(&socket)?.start_bind(local.into())
    }

    fn finish_bind(&mut self, socket: Resource<Socket>) -> SocketResult<()> {
        self.table.get_mut(&socket)?.finish_bind()
    }

    fn stream(
        &mut self,
        socket: Resource<Socket>,
        peer: Option<IpSocketAddress>,
    ) -> SocketResult<(Resource<Incoming>, Resource<Outgoing>)> {
        let is_stream = |child: &(dyn std::any::Any + Send)| child.is::<Incoming>() || child.is::<Outgoing>();
        if self.table.iter_children(&socket)?.any(is_stream) {
            return Err(SocketError::trap(wasmtime::format_err!("UDP streams not dropped yet")));
        }
        let (incoming, outgoing) = self.table.get_mut(&socket)?.stream(peer.map(SocketAddr::from))?;
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
        self.table.get(&socket)?.set_hop_limit(hops)
    }

    fn receive_buffer_size(&mut self, socket: Resource<Socket>) -> SocketResult<u64> {
        self.table.get(&socket)?.receive_buffer_size()
    }

    fn set_receive_buffer_size(&mut self, socket: Resource<Socket>, bytes: u64) -> SocketResult<()> {
        self.table.get(&socket)?.set_receive_buffer_size(bytes)
    }

    fn send_buffer_size(&mut self, socket: Resource<Socket>) -> SocketResult<u64> {
        self.table.get(&socket)?.send_buffer_size()
    }

    fn set_send_buffer_size(&mut self, socket: Resource<Socket>, bytes: u64) -> SocketResult<()> {
        self.table.get(&socket)?.set_send_buffer_size(bytes)
    }

    fn subscribe(&mut self, socket: Resource<Socket>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, socket)
    }

    fn drop(&mut self, socket: Resource<Socket>) -> wasmtime::Result<()> {
        self.table.delete(socket)?;
        Ok(())
    }
}

#[async_trait]
impl Pollable for Socket {
    async fn ready(&mut self) {
        // No operation of a socket's own takes time.
    }
}

impl udp::HostIncomingDatagramStream for UdpView<'_> {
    fn receive(&mut self, stream: Resource<Incoming>, most: u64) -> SocketResult<Vec<udp::IncomingDatagram>> {
        Ok(self.table.get_mut(&stream)?.receive(most)?.into_iter().map(Into::into).collect())
    }

    fn subscribe(&mut self, stream: Resource<Incoming>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, stream)
    }

    fn drop(&mut self, stream: Resource<Incoming>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}

impl udp::HostOutgoingDatagramStream for UdpView<'_> {
    fn check_send(&mut self, stream: Resource<Outgoing>) -> SocketResult<u64> {
        Ok(self.table.get_mut(&stream)?.check_send())
    }

    fn send(&mut self, stream: Resource<Outgoing>, datagrams: Vec<udp::OutgoingDatagram>) -> SocketResult<u64> {
        let wanted: Vec<Wanted> = datagrams.into_iter().map(Into::into).collect();
        self.table.get_mut(&stream)?.send(&wanted)
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
