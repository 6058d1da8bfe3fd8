//! `tcp-socket` of `wasi:sockets/types`, of which there is none: TCP is always denied, and the attempt
//! reported.

use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

use crate::p3::SocketError;
use crate::p3::types::{
    Duration, ErrorCode, HostTcpSocket, HostTcpSocketWithStore, IpAddressFamily, IpSocketAddress,
};
use crate::view::{View, Viewed};

/// A TCP socket. It has no values.
#[derive(Debug)]
pub enum Socket {}

type SocketResult<T> = Result<T, SocketError>;
type Transfer = FutureReader<Result<(), ErrorCode>>;

impl View<'_> {
    /// Traps: there is no such socket.
    fn tcp<T>(&self, socket: &Resource<Socket>) -> wasmtime::Result<T> {
        match *self.table.get(socket)? {}
    }

    fn tcp_socket<T>(&self, socket: &Resource<Socket>) -> SocketResult<T> {
        self.tcp(socket).map_err(SocketError::trap)
    }
}

impl<T: Send> HostTcpSocketWithStore<T> for Viewed {
    async fn connect(
        accessor: &Accessor<T, Self>,
        socket: Resource<Socket>,
        _: IpSocketAddress,
    ) -> SocketResult<()> {
        accessor.with(|mut access| access.get().tcp_socket(&socket))
    }
}

impl HostTcpSocket for View<'_> {
    fn create(&mut self, _: IpAddressFamily) -> SocketResult<Resource<Socket>> {
        self.sockets.permissions.refuse_tcp();
        Err(ErrorCode::AccessDenied.into())
    }

    fn bind(&mut self, socket: Resource<Socket>, _: IpSocketAddress) -> SocketResult<()> {
        self.tcp_socket(&socket)
    }

    fn listen(&mut self, socket: Resource<Socket>) -> SocketResult<StreamReader<Resource<Socket>>> {
        self.tcp_socket(&socket)
    }

    fn send(
        &mut self,
        socket: Resource<Socket>,
        _: StreamReader<u8>,
    ) -> wasmtime::Result<Transfer> {
        self.tcp(&socket)
    }

    fn receive(
        &mut self,
        socket: Resource<Socket>,
    ) -> wasmtime::Result<(StreamReader<u8>, Transfer)> {
        self.tcp(&socket)
    }

    fn get_local_address(&mut self, socket: Resource<Socket>) -> SocketResult<IpSocketAddress> {
        self.tcp_socket(&socket)
    }

    fn get_remote_address(&mut self, socket: Resource<Socket>) -> SocketResult<IpSocketAddress> {
        self.tcp_socket(&socket)
    }

    fn get_is_listening(&mut self, socket: Resource<Socket>) -> wasmtime::Result<bool> {
        self.tcp(&socket)
    }

    fn get_address_family(
        &mut self,
        socket: Resource<Socket>,
    ) -> wasmtime::Result<IpAddressFamily> {
        self.tcp(&socket)
    }

    fn set_listen_backlog_size(&mut self, socket: Resource<Socket>, _: u64) -> SocketResult<()> {
        self.tcp_socket(&socket)
    }

    fn get_keep_alive_enabled(&mut self, socket: Resource<Socket>) -> SocketResult<bool> {
        self.tcp_socket(&socket)
    }

    fn set_keep_alive_enabled(&mut self, socket: Resource<Socket>, _: bool) -> SocketResult<()> {
        self.tcp_socket(&socket)
    }

    fn get_keep_alive_idle_time(&mut self, socket: Resource<Socket>) -> SocketResult<Duration> {
        self.tcp_socket(&socket)
    }

    fn set_keep_alive_idle_time(
        &mut self,
        socket: Resource<Socket>,
        _: Duration,
    ) -> SocketResult<()> {
        self.tcp_socket(&socket)
    }

    fn get_keep_alive_interval(&mut self, socket: Resource<Socket>) -> SocketResult<Duration> {
        self.tcp_socket(&socket)
    }

    fn set_keep_alive_interval(
        &mut self,
        socket: Resource<Socket>,
        _: Duration,
    ) -> SocketResult<()> {
        self.tcp_socket(&socket)
    }

    fn get_keep_alive_count(&mut self, socket: Resource<Socket>) -> SocketResult<u32> {
        self.tcp_socket(&socket)
    }

    fn set_keep_alive_count(&mut self, socket: Resource<Socket>, _: u32) -> SocketResult<()> {
        self.tcp_socket(&socket)
    }

    fn get_hop_limit(&mut self, socket: Resource<Socket>) -> SocketResult<u8> {
        self.tcp_socket(&socket)
    }

    fn set_hop_limit(&mut self, socket: Resource<Socket>, _: u8) -> SocketResult<()> {
        self.tcp_socket(&socket)
    }

    fn get_receive_buffer_size(&mut self, socket: Resource<Socket>) -> SocketResult<u64> {
        self.tcp_socket(&socket)
    }

    fn set_receive_buffer_size(&mut self, socket: Resource<Socket>, _: u64) -> SocketResult<()> {
        self.tcp_socket(&socket)
    }

    fn get_send_buffer_size(&mut self, socket: Resource<Socket>) -> SocketResult<u64> {
        self.tcp_socket(&socket)
    }

    fn set_send_buffer_size(&mut self, socket: Resource<Socket>, _: u64) -> SocketResult<()> {
        self.tcp_socket(&socket)
    }

    fn drop(&mut self, socket: Resource<Socket>) -> wasmtime::Result<()> {
        self.tcp(&socket)
    }
}
