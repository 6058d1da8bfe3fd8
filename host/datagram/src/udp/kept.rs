//! Bound sockets that outlive an instance, or existed before it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::permissions::SocketId;
use crate::world::KeptSocket;

/// Bound sockets by the address that components request. Each is reused by the next component that
/// binds to its address; datagrams received in between are queued in it.
#[derive(Default)]
pub struct InheritedSockets {
    sockets: Mutex<Vec<(SocketAddr, KeptSocket, SocketId)>>,
    /// The maximum number of sockets, or 0 if none that are bound later are kept.
    most: usize,
}

impl InheritedSockets {
    /// Creates the collection with the sockets of `given`, each with the address it is bound to. Up
    /// to `most` sockets that are bound later are kept, too.
    pub fn new(given: impl IntoIterator<Item = (SocketAddr, KeptSocket)>, most: usize) -> Self {
        let entry = |(local, socket)| (local, socket, SocketId::unique());
        let sockets: Vec<_> = given.into_iter().map(entry).collect();
        let most = if most == 0 { 0 } else { sockets.len() + most };
        Self { sockets: Mutex::new(sockets), most }
    }

    /// Returns an unused socket bound to `local`.
    pub fn take(&self, local: SocketAddr) -> Option<(KeptSocket, SocketId)> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free =
            sockets.iter().filter(|(address, socket, _)| *address == local && is_free(socket));
        free.next().map(|(_, socket, id)| (socket.clone(), *id))
    }

    /// Keeps `socket`, which was bound to the requested address `local`. If there are too many, the
    /// oldest unused socket is closed.
    pub fn keep(&self, local: SocketAddr, socket: impl FnOnce() -> KeptSocket, id: SocketId) {
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
            sockets.push((local, socket(), id));
        }
    }
}

fn is_free(socket: &KeptSocket) -> bool {
    Arc::strong_count(socket) == 1
}

impl fmt::Debug for InheritedSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InheritedSockets").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7);

    fn socket() -> KeptSocket {
        Arc::new(())
    }

    #[test]
    fn one_is_handed_out_while_nobody_has_it() {
        let kept = InheritedSockets::new([(LOCAL, socket())], 0);
        let (first, id) = kept.take(LOCAL).unwrap();
        assert!(kept.take(LOCAL).is_none());
        drop(first);
        assert_eq!(kept.take(LOCAL).map(|(_, again)| again), Some(id), "it is the same socket");
        assert!(kept.take("127.0.0.1:0".parse().unwrap()).is_none());
    }

    #[test]
    fn what_is_bound_later_is_kept_only_where_that_is_asked_for() {
        let asked = "127.0.0.1:0".parse().unwrap();
        for most in [1, 0] {
            let kept = InheritedSockets::new([], most);
            let socket = socket();
            kept.keep(asked, || socket.clone(), SocketId::unique());
            assert!(kept.take(asked).is_none(), "it is in use");
            drop(socket);
            assert_eq!(kept.take(asked).is_some(), most == 1);
        }
    }

    #[test]
    fn inherited_sockets_kept_are_bounded_across_all_addresses() {
        let kept = InheritedSockets::new([], 2);
        let asked = |port| SocketAddr::from(([127, 0, 0, 1], port));
        for port in 1..=9 {
            kept.keep(asked(port), socket, SocketId::unique());
        }
        assert_eq!(
            (1..=9).filter(|port| kept.take(asked(*port)).is_some()).collect::<Vec<_>>(),
            [8, 9]
        );
    }
}
