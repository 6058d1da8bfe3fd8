//! The options of a socket, which both versions of WASI have.

use crate::Buffer;
use crate::outcome::{INVALID_ARGUMENT, OK, Outcome};

/// What is known of the options of a socket.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    hop_limit: Option<u64>,
    receive_buffer: Option<u64>,
    send_buffer: Option<u64>,
}

impl Options {
    pub(crate) fn hop_limit(self) -> Outcome {
        self.hop_limit.map_or(Outcome::AtLeast(1), Outcome::Number)
    }

    pub(crate) fn set_hop_limit(&mut self, hops: u8) -> Outcome {
        if hops == 0 {
            return INVALID_ARGUMENT;
        }
        self.hop_limit = Some(hops.into());
        OK
    }

    pub(crate) fn buffer_size(&mut self, which: Buffer) -> Outcome {
        self.buffer(which).map_or(Outcome::AtLeast(1), Outcome::Number)
    }

    pub(crate) fn set_buffer_size(&mut self, which: Buffer, bytes: u64) -> Outcome {
        if bytes == 0 {
            return INVALID_ARGUMENT;
        }
        // Other sizes may be rounded.
        *self.buffer(which) = (bytes == 100_000).then_some(bytes);
        OK
    }

    fn buffer(&mut self, which: Buffer) -> &mut Option<u64> {
        match which {
            Buffer::Receive => &mut self.receive_buffer,
            Buffer::Send => &mut self.send_buffer,
        }
    }
}
