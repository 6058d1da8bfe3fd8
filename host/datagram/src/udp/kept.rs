//! Bound sockets that outlive an instance, or were there before it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::RawSocket;
use crate::permissions::SocketId;

/// Sockets by the address that a component asks for, which are handed to whoever binds to it next:
/// datagrams that come in between wait in them.
#[derive(Debug, Default)]
pub struct InheritedSockets {
    sockets: Mutex<Vec<(SocketAddr, Arc<RawSocket>, SocketId)>>,
    /// How many of those that are bound later are kept.
    most: usize,
}

impl InheritedSockets {
    /// `given` are bound already. Of those that are bound later, up to `most` are kept.
    pub fn new(given: impl IntoIterator<Item = RawSocket>, most: usize) -> io::Result<Self> {
        let entry =
            |socket: RawSocket| Ok((socket.local_addr()?, Arc::new(socket), SocketId::unique()));
        let sockets = given.into_iter().map(entry).collect::<io::Result<Vec<_>>>()?;
        let most = if most == 0 { 0 } else { sockets.len() + most };
        Ok(Self { sockets: Mutex::new(sockets), most })
    }

    /// One for `local` that nobody has.
    pub fn take(&self, local: SocketAddr) -> Option<(Arc<RawSocket>, SocketId)> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free =
            sockets.iter().filter(|(address, socket, _)| *address == local && is_free(socket));
        free.next().map(|(_, socket, id)| (socket.clone(), *id))
    }

    /// `socket` was bound to `local`, as it was asked for. Where there are too many, the oldest
    /// that nobody has is closed.
    pub fn keep(&self, local: SocketAddr, socket: &Arc<RawSocket>, id: SocketId) {
        if self.most == 0 {
            return;
        }
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if sockets.len() >= self.most
            && let Some(oldest) = sockets.iter().position(|(_, socket, _)| is_free(socket))
        {
            sockets.remove(oldest);
        }
        if sockets.len() < self.most {
            sockets.push((local, socket.clone(), id));
        }
    }
}

fn is_free(socket: &Arc<RawSocket>) -> bool {
    Arc::strong_count(socket) == 1
}

#[cfg(test)]
mod tests {
    use bytesize::ByteSize;

    use super::super::{Buffers, Reports};
    use super::*;

    fn socket() -> RawSocket {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        RawSocket::new(socket, &Buffers::new(ByteSize::mib(1), 1), &Reports::new()).unwrap()
    }

    #[test]
    fn one_is_handed_out_while_nobody_has_it() {
        let socket = socket();
        let local = socket.local_addr().unwrap();
        let kept = InheritedSockets::new([socket], 0).unwrap();
        let (first, id) = kept.take(local).unwrap();
        assert!(kept.take(local).is_none());
        drop(first);
        assert_eq!(kept.take(local).map(|(_, again)| again), Some(id), "it is the same socket");
        assert!(kept.take("127.0.0.1:0".parse().unwrap()).is_none());
    }

    #[test]
    fn what_is_bound_later_is_kept_only_where_that_is_asked_for() {
        let asked = "127.0.0.1:0".parse().unwrap();
        for most in [1, 0] {
            let kept = InheritedSockets::new([], most).unwrap();
            let socket = Arc::new(socket());
            kept.keep(asked, &socket, SocketId::unique());
            assert!(kept.take(asked).is_none(), "it is in use");
            drop(socket);
            assert_eq!(kept.take(asked).is_some(), most == 1);
        }
    }

    #[test]
    fn no_more_are_kept_than_may_be_open_whatever_addresses_they_were_bound_to() {
        let kept = InheritedSockets::new([], 2).unwrap();
        let asked = |port| SocketAddr::from(([127, 0, 0, 1], port));
        for port in 1..=9 {
            kept.keep(asked(port), &Arc::new(socket()), SocketId::unique());
        }
        assert_eq!(
            (1..=9).filter(|port| kept.take(asked(*port)).is_some()).collect::<Vec<_>>(),
            [8, 9]
        );
    }
}
