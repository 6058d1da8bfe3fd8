//! Programs as bytes.

use crate::options::{OPTIONS, SocketOption};
use crate::{SOCKETS, Step};

/// Decodes the steps of a program, whose actions are as frequent as their weights; `option` makes an
/// action of each option.
pub(crate) fn steps<Action: Copy>(
    actions: &'static [(usize, Action)],
    option: fn(SocketOption) -> Action,
    program: &[u8],
) -> impl Iterator<Item = Step<Action>> + Clone {
    let own = actions.iter().flat_map(|(often, action)| std::iter::repeat_n(*action, *often));
    let all: Vec<_> = own.chain(OPTIONS.into_iter().map(option)).collect();
    program.iter().map(move |byte| Step {
        socket: usize::from(*byte) % SOCKETS,
        action: all[usize::from(*byte) / SOCKETS % all.len()],
    })
}

/// Encodes a program as an argument.
pub fn hex(program: &[u8]) -> String {
    program.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decodes a program from an argument; what is not hexadecimal is skipped.
pub fn unhex(digits: &str) -> Vec<u8> {
    let pairs = (0..digits.len() / 2).filter_map(|index| digits.get(2 * index..2 * index + 2));
    pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each value of a third of a byte is an action, and each action is one of them.
    #[test]
    fn the_weights_are_85_in_total() {
        let of = |weights: usize| weights + OPTIONS.len();
        assert_eq!(of(crate::p2::ACTIONS.iter().map(|(often, _)| often).sum()), 85);
        assert_eq!(of(crate::p3::ACTIONS.iter().map(|(often, _)| often).sum()), 85);
    }

    #[test]
    fn a_program_is_the_same_after_it_was_an_argument() {
        let bytes: Vec<_> = (0..=u8::MAX).collect();
        assert_eq!(unhex(&hex(&bytes)), bytes);
    }
}
