//! Programs for WASI 0.3: the steps that a guest runs.

use crate::encoding;
use crate::{Family, Local, Remote, SocketOption};

/// The end of the word of an action that may bind, where the socket is bound then.
pub const BOUND: char = '@';

/// The outcome of a `receive` of which nothing has come yet.
pub const NONE: &str = "none";

/// The outcome of a `receive` of which nothing has come yet, and which is kept.
pub const KEPT: &str = "kept";

/// A step: an action on one of the sockets.
pub type Step = crate::Step<Action>;

/// An action. None may trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `create`.
    Create(Family),
    /// `bind`.
    Bind(Local),
    /// `connect`.
    Connect(Remote),
    /// `disconnect`.
    Disconnect,
    /// `get-local-address`.
    LocalAddress,
    /// `get-remote-address`.
    RemoteAddress,
    /// `get-address-family`.
    AddressFamily,
    /// Reads or sets an option.
    Option(SocketOption),
    /// `send`.
    Send(Remote),
    /// `send` of more than a datagram can have, home: to the peer, else to the socket itself if it is
    /// bound, else to where nobody listens.
    SendTooLarge,
    /// Two calls of `send` at the same time: home, and there.
    SendBoth(Remote),
    /// `receive`, which is cancelled if nothing is there.
    Receive,
    /// `receive`, which is kept if nothing is there.
    Start,
    /// Asks the kept `receive` for what has come.
    Finish,
    /// Cancels the kept `receive`.
    Cancel,
    /// Drops everything.
    Close,
    /// Reads both clocks twice.
    ReadClocks,
}

/// What an action needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handle {
    /// No socket: it is to be created.
    NoSocket,
    /// The socket.
    Socket,
    /// Its kept `receive`.
    Kept,
    /// The socket without a kept `receive`.
    NotKept,
}

impl Action {
    /// The handle that must, or must not, exist.
    pub fn handle(self) -> Handle {
        match self {
            Self::Create(_) => Handle::NoSocket,
            Self::Finish | Self::Cancel => Handle::Kept,
            Self::Start => Handle::NotKept,
            Self::Bind(_)
            | Self::Connect(_)
            | Self::Disconnect
            | Self::LocalAddress
            | Self::RemoteAddress
            | Self::AddressFamily
            | Self::Option(_)
            | Self::Send(_)
            | Self::SendTooLarge
            | Self::SendBoth(_)
            | Self::Receive
            | Self::Close
            | Self::ReadClocks => Handle::Socket,
        }
    }

    /// Whether it needs the next socket to be bound.
    pub fn needs_next(self) -> bool {
        matches!(
            self,
            Self::Bind(Local::Taken)
                | Self::Connect(Remote::Next)
                | Self::Send(Remote::Next)
                | Self::SendBoth(Remote::Next)
        )
    }

    /// Whether the socket may be bound by it.
    pub fn may_bind(self) -> bool {
        matches!(
            self,
            Self::Bind(_)
                | Self::Connect(_)
                | Self::Send(_)
                | Self::SendTooLarge
                | Self::SendBoth(_)
        )
    }
}

/// The weights of the actions, of 85 in total with the options: a third of the values of a byte. Most
/// lead to states with many possible actions.
pub(crate) static ACTIONS: [(usize, Action); 35] = {
    use Action::{
        AddressFamily, Bind, Cancel, Close, Connect, Create, Disconnect, Finish, LocalAddress,
        ReadClocks, Receive, RemoteAddress, Send, SendBoth, SendTooLarge, Start,
    };
    [
        (4, Create(Family::V4)),
        (4, Create(Family::V6)),
        (7, Bind(Local::Free)),
        (1, Bind(Local::Taken)),
        (1, Bind(Local::OtherFamily)),
        (1, Bind(Local::Mapped)),
        (1, Bind(Local::Elsewhere)),
        (4, Connect(Remote::Next)),
        (1, Connect(Remote::Deserted)),
        (1, Connect(Remote::OtherFamily)),
        (1, Connect(Remote::PortZero)),
        (1, Connect(Remote::Unspecified)),
        (1, Connect(Remote::Mapped)),
        (2, Disconnect),
        (2, LocalAddress),
        (2, RemoteAddress),
        (1, AddressFamily),
        (2, Send(Remote::Unsaid)),
        (7, Send(Remote::Next)),
        (1, Send(Remote::Deserted)),
        (1, Send(Remote::OtherFamily)),
        (1, Send(Remote::PortZero)),
        (1, Send(Remote::Unspecified)),
        (1, Send(Remote::Mapped)),
        (1, SendTooLarge),
        (1, SendBoth(Remote::Unsaid)),
        (3, SendBoth(Remote::Next)),
        (1, SendBoth(Remote::Deserted)),
        (1, SendBoth(Remote::PortZero)),
        (7, Receive),
        (3, Start),
        (4, Finish),
        (1, Cancel),
        (1, Close),
        (1, ReadClocks),
    ]
};

/// Decodes the steps of a program.
pub fn steps(program: &[u8]) -> impl Iterator<Item = Step> + Clone {
    encoding::steps(&ACTIONS, Action::Option, program)
}
