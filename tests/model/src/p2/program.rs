//! Programs for WASI 0.2: the steps that a guest runs.

use crate::encoding;
use crate::{Family, Local, Remote, SocketOption};

/// A step: an action on one of the sockets.
pub type Step = crate::Step<Action>;

/// A list of datagrams to send. Home is the peer of the stream or, without one, the socket itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagrams {
    /// None.
    None,
    /// One.
    One(Remote),
    /// One between two that are sent home.
    Amid(Remote),
    /// One that exceeds the maximum size of a datagram, sent home.
    TooLarge,
}

/// An action. It may trap unless it says "safely".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `create-udp-socket`.
    Create(Family),
    /// `start-bind`.
    StartBind(Local),
    /// `finish-bind`.
    FinishBind,
    /// `stream`.
    Stream(Remote),
    /// `stream`, safely: the previous streams are dropped first.
    Restream(Remote),
    /// `local-address`.
    LocalAddress,
    /// `remote-address`.
    RemoteAddress,
    /// `address-family`.
    AddressFamily,
    /// Reads or sets an option.
    Option(SocketOption),
    /// `check-send`.
    CheckSend,
    /// `send`.
    Send(Datagrams),
    /// `send`, safely: after a `check-send`.
    CheckAndSend(Datagrams),
    /// `send` of one datagram more than a preceding `check-send` permits.
    SendTooMany,
    /// `receive`.
    Receive(u64),
    /// `subscribe` of `outgoing-datagram-stream`, to test for readiness.
    IsWritable,
    /// `subscribe` of `incoming-datagram-stream`, to test for readiness.
    IsReadable,
    /// `subscribe` of `incoming-datagram-stream`, to be kept.
    Subscribe,
    /// Drops the pollable of `Subscribe`.
    Unsubscribe,
    /// Drops the receiving stream.
    DropIncoming,
    /// Drops the sending stream.
    DropOutgoing,
    /// Drops the socket.
    DropSocket,
    /// Drops everything safely: in reverse order of creation.
    Close,
    /// Reads both clocks twice.
    ReadClocks,
}

/// The handle that an action needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handle {
    /// No socket: it is to be created.
    NoSocket,
    /// The socket.
    Socket,
    /// Its receiving stream.
    Incoming,
    /// Its sending stream.
    Outgoing,
    /// The kept pollable.
    Pollable,
    /// The receiving stream without a kept pollable: that is to be created.
    NoPollable,
}

impl Action {
    /// The handle that must, or must not, exist.
    pub fn handle(self) -> Handle {
        match self {
            Self::Create(_) => Handle::NoSocket,
            Self::CheckSend
            | Self::Send(_)
            | Self::CheckAndSend(_)
            | Self::SendTooMany
            | Self::IsWritable
            | Self::DropOutgoing => Handle::Outgoing,
            Self::Receive(_) | Self::IsReadable | Self::DropIncoming => Handle::Incoming,
            Self::Subscribe => Handle::NoPollable,
            Self::Unsubscribe => Handle::Pollable,
            Self::StartBind(_)
            | Self::FinishBind
            | Self::Stream(_)
            | Self::Restream(_)
            | Self::LocalAddress
            | Self::RemoteAddress
            | Self::AddressFamily
            | Self::Option(_)
            | Self::DropSocket
            | Self::Close
            | Self::ReadClocks => Handle::Socket,
        }
    }

    /// Whether it needs the next socket to be bound.
    pub fn needs_next(self) -> bool {
        use Datagrams::{Amid, One};
        matches!(
            self,
            Self::StartBind(Local::Taken)
                | Self::Stream(Remote::Next)
                | Self::Restream(Remote::Next)
                | Self::Send(One(Remote::Next) | Amid(Remote::Next))
                | Self::CheckAndSend(One(Remote::Next) | Amid(Remote::Next))
        )
    }
}

/// The weights of the actions, of 85 in total with the options: a third of the values of a byte. Most
/// lead to states with many possible actions.
pub(crate) static ACTIONS: [(usize, Action); 50] = {
    use Action::{
        AddressFamily, CheckAndSend, CheckSend, Close, Create, DropIncoming, DropOutgoing,
        DropSocket, FinishBind, IsReadable, IsWritable, LocalAddress, ReadClocks, Receive,
        RemoteAddress, Restream, Send, SendTooMany, StartBind, Stream, Subscribe, Unsubscribe,
    };
    use Datagrams::{Amid, One, TooLarge};
    [
        (3, Create(Family::V4)),
        (3, Create(Family::V6)),
        (5, StartBind(Local::Free)),
        (1, StartBind(Local::Taken)),
        (1, StartBind(Local::OtherFamily)),
        (1, StartBind(Local::Mapped)),
        (1, StartBind(Local::Elsewhere)),
        (3, FinishBind),
        (1, Stream(Remote::Unsaid)),
        (1, Stream(Remote::Next)),
        (3, Restream(Remote::Unsaid)),
        (4, Restream(Remote::Next)),
        (2, Restream(Remote::Deserted)),
        (1, Restream(Remote::OtherFamily)),
        (1, Restream(Remote::PortZero)),
        (1, Restream(Remote::Unspecified)),
        (1, Restream(Remote::Mapped)),
        (1, LocalAddress),
        (2, RemoteAddress),
        (1, AddressFamily),
        (1, CheckSend),
        (1, Send(Datagrams::None)),
        (1, Send(One(Remote::Unsaid))),
        (1, Send(Amid(Remote::Next))),
        (3, CheckAndSend(One(Remote::Unsaid))),
        (3, CheckAndSend(One(Remote::Next))),
        (1, CheckAndSend(One(Remote::Deserted))),
        (1, CheckAndSend(One(Remote::OtherFamily))),
        (1, CheckAndSend(One(Remote::PortZero))),
        (1, CheckAndSend(One(Remote::Unspecified))),
        (1, CheckAndSend(One(Remote::Mapped))),
        (1, CheckAndSend(Amid(Remote::Unsaid))),
        (2, CheckAndSend(Amid(Remote::Next))),
        (1, CheckAndSend(Amid(Remote::Deserted))),
        (1, CheckAndSend(Amid(Remote::PortZero))),
        (1, CheckAndSend(TooLarge)),
        (1, SendTooMany),
        (1, Receive(0)),
        (1, Receive(1)),
        (2, Receive(2)),
        (1, Receive(u64::MAX)),
        (1, ReadClocks),
        (1, IsWritable),
        (1, IsReadable),
        (1, Subscribe),
        (1, Unsubscribe),
        (1, DropIncoming),
        (1, DropOutgoing),
        (1, DropSocket),
        (1, Close),
    ]
};

/// Decodes the steps of a program.
pub fn steps(program: &[u8]) -> impl Iterator<Item = Step> + Clone {
    encoding::steps(&ACTIONS, Action::Option, program)
}
