//! Bound sockets that outlive an instance, or were there before it.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use crate::guard::SocketId;

/// Sockets by the address that a component asks for, which are handed to whoever binds to it next: datagrams that come in
/// between wait in them.
#[derive(Debug, Default)]
pub struct Kept {
    sockets: Mutex<Vec<(SocketAddr, Arc<UdpSocket>, SocketId)>>,
    keeps: bool,
}

impl Kept {
    /// `given` are bound already. Where it `keeps`, so are all that are bound later.
    pub fn new(given: impl IntoIterator<Item = UdpSocket>, keeps: bool) -> io::Result<Self> {
        let entry = |socket: UdpSocket| Ok((socket.local_addr()?, Arc::new(socket), SocketId::unique()));
        let sockets = given.into_iter().map(entry).collect::<io::Result<Vec<_>>>()?;
        Ok(Self { sockets: Mutex::new(sockets), keeps })
    }

    /// One for `local` that nobody has.
    pub fn take(&self, local: SocketAddr) -> Option<(Arc<UdpSocket>, SocketId)> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = sockets.iter().filter(|(address, socket, _)| *address == local && Arc::strong_count(socket) == 1);
        free.next().map(|(_, socket, id)| (socket.clone(), *id))
    }

    /// `socket` was bound to `local`, as it was asked for.
    pub fn keep(&self, local: SocketAddr, socket: &Arc<UdpSocket>, id: SocketId) {
        if self.keeps {
            self.sockets.lock().unwrap_or_else(PoisonError::into_inner).push((local, socket.clone(), id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_handed_out_while_nobody_has_it() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let local = socket.local_addr().unwrap();
        let kept = Kept::new([socket], false).unwrap();
        let (first, id) = kept.take(local).unwrap();
        assert!(kept.take(local).is_none());
        drop(first);
        assert_eq!(kept.take(local).map(|(_, again)| again), Some(id), "it is the same socket");
        assert!(kept.take("127.0.0.1:0".parse().unwrap()).is_none());
    }

    #[test]
    fn what_is_bound_later_is_kept_only_where_that_is_asked_for() {
        let asked = "127.0.0.1:0".parse().unwrap();
        for keeps in [true, false] {
            let kept = Kept::new([], keeps).unwrap();
            let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
            kept.keep(asked, &socket, SocketId::unique());
            assert!(kept.take(asked).is_none(), "it is in use");
            drop(socket);
            assert_eq!(kept.take(asked).is_some(), keeps);
        }
    }
}
