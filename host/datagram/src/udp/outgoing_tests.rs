//! Tests of what happens to datagrams that the system does not take.

use std::collections::VecDeque;

use super::*;
use crate::permissions::SocketId;
use crate::policies::AllowAll;

/// What each call of the system returns: how many it takes, or an error. Then it takes all.
#[derive(Clone, Default)]
struct System {
    results: Arc<Mutex<VecDeque<Result<usize, ErrorKind>>>>,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Sender for System {
    fn try_send(&mut self, datagrams: &[Transmit<'_>]) -> io::Result<usize> {
        let count = self.results.lock().unwrap().pop_front().unwrap_or(Ok(datagrams.len()))?;
        let taken = datagrams[..count].iter().map(|datagram| datagram.data.to_vec());
        self.sent.lock().unwrap().extend(taken);
        Ok(count)
    }

    fn is_writable(&self) -> bool {
        true
    }

    fn writable(&mut self) -> Waiting {
        Box::pin(std::future::ready(()))
    }
}

impl System {
    fn outgoing(&self) -> Outgoing {
        let context = SocketContext::new(Arc::new(AllowAll));
        let local = "127.0.0.1:0".parse().unwrap();
        let permissions = context.permissions.permit_bind(local, SocketId::unique()).unwrap();
        Outgoing::new(Box::new(self.clone()), Family::V4, permissions.into(), None, None, &context)
    }

    fn returns(&self, results: impl IntoIterator<Item = Result<usize, ErrorKind>>) {
        self.results.lock().unwrap().extend(results);
    }

    fn sent(&self) -> Vec<u8> {
        self.sent.lock().unwrap().iter().flatten().copied().collect()
    }
}

fn send(outgoing: &mut Outgoing, number: u8, gathers: bool) -> u64 {
    outgoing.check_send();
    let to = "127.0.0.1:9".parse().ok();
    outgoing.send(&[Wanted { data: vec![number], to }], gathers).unwrap().taken
}

#[test]
fn gathered_datagrams_without_room_are_sent_later_and_in_order() {
    let (system, full) = (System::default(), Err(ErrorKind::WouldBlock));
    let mut outgoing = system.outgoing();
    for number in 0..3 {
        assert_eq!(send(&mut outgoing, number, true), 1);
    }
    // One fits, and then none.
    system.returns([Ok(1), full]);
    outgoing.flush();
    assert!(outgoing.has_gathered());
    assert_eq!(system.sent(), [0]);
    // The next is not taken before them: it has to wait as if there were no batches.
    system.returns([full]);
    assert_eq!(send(&mut outgoing, 3, false), 0);
    assert_eq!(system.sent(), [0]);
    assert_eq!(send(&mut outgoing, 3, false), 1);
    assert_eq!(system.sent(), [0, 1, 2, 3]);
    assert!(!outgoing.has_gathered());
}

/// Of one that may be too long for the network, the component learns at once.
#[test]
fn only_datagrams_that_fit_every_network_are_gathered() {
    for (length, gathers) in [(1, true), (1232, true), (1233, false), (65_508, false)] {
        let mut outgoing = System::default().outgoing();
        outgoing.check_send();
        let to = "127.0.0.1:9".parse().ok();
        outgoing.send(&[Wanted { data: vec![0; length], to }], true).unwrap();
        assert_eq!(outgoing.has_gathered(), gathers, "{length}");
    }
}

#[test]
fn an_error_of_a_gathered_datagram_is_of_no_other() {
    let system = System::default();
    let mut outgoing = system.outgoing();
    for number in 0..3 {
        send(&mut outgoing, number, true);
    }
    // The second is refused.
    system.returns([Ok(1), Err(ErrorKind::PermissionDenied)]);
    assert_eq!(send(&mut outgoing, 3, false), 1);
    assert_eq!(system.sent(), [0, 2, 3]);
    // One that leaves at once has its own error.
    system.returns([Err(ErrorKind::PermissionDenied)]);
    outgoing.check_send();
    let to = "127.0.0.1:9".parse().ok();
    assert!(outgoing.send(&[Wanted { data: vec![4], to }], false).is_err());
}
