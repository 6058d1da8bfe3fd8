//! The options of a socket, which both versions of WASI have.

use crate::Buffer;
use crate::outcome::{INVALID_ARGUMENT, OK, Outcome};

/// A call that reads or sets an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketOption {
    /// `unicast-hop-limit`, or `get-unicast-hop-limit`.
    HopLimit,
    /// `set-unicast-hop-limit`.
    SetHopLimit(u8),
    /// `receive-buffer-size` or `send-buffer-size`, or those after `get-`.
    BufferSize(Buffer),
    /// `set-receive-buffer-size` or `set-send-buffer-size`.
    SetBufferSize(Buffer, u64),
}

/// Each of these has the weight 1 among the actions.
pub(crate) static OPTIONS: [SocketOption; 12] = {
    use Buffer::{Receive, Send};
    use SocketOption::{BufferSize, HopLimit, SetBufferSize, SetHopLimit};
    [
        HopLimit,
        SetHopLimit(0),
        SetHopLimit(1),
        SetHopLimit(255),
        BufferSize(Receive),
        BufferSize(Send),
        SetBufferSize(Receive, 0),
        SetBufferSize(Receive, 1),
        SetBufferSize(Receive, 100_000),
        SetBufferSize(Send, 0),
        SetBufferSize(Send, 100_000),
        SetBufferSize(Send, u64::MAX),
    ]
};

/// What is known of the options of a socket.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    hop_limit: Option<u64>,
    receive_buffer: Option<u64>,
    send_buffer: Option<u64>,
}

impl Options {
    /// The outcome of a call.
    pub(crate) fn take(&mut self, call: SocketOption) -> Outcome {
        let known = |value: Option<u64>| value.map_or(Outcome::AtLeast(1), Outcome::Number);
        match call {
            SocketOption::HopLimit => known(self.hop_limit),
            SocketOption::BufferSize(which) => known(*self.buffer(which)),
            SocketOption::SetHopLimit(0) | SocketOption::SetBufferSize(_, 0) => INVALID_ARGUMENT,
            SocketOption::SetHopLimit(hops) => {
                self.hop_limit = Some(hops.into());
                OK
            }
            SocketOption::SetBufferSize(which, bytes) => {
                // Other sizes may be rounded.
                *self.buffer(which) = (bytes == 100_000).then_some(bytes);
                OK
            }
        }
    }

    fn buffer(&mut self, which: Buffer) -> &mut Option<u64> {
        match which {
            Buffer::Receive => &mut self.receive_buffer,
            Buffer::Send => &mut self.send_buffer,
        }
    }
}
