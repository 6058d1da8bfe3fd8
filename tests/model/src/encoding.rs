//! Programs as bytes.

use crate::{SOCKETS, Step};

/// Decodes the steps of a program, whose actions are as frequent as their weights.
pub(crate) fn steps<Action: Copy>(
    actions: &'static [(usize, Action)],
    program: &[u8],
) -> impl Iterator<Item = Step<Action>> + Clone {
    program.iter().filter_map(|byte| {
        let action = action(actions, usize::from(*byte) / SOCKETS)?;
        Some(Step { socket: usize::from(*byte) % SOCKETS, action })
    })
}

/// Returns the `index`th action, where each is repeated according to its weight.
fn action<Action: Copy>(actions: &[(usize, Action)], index: usize) -> Option<Action> {
    let all = actions.iter().map(|(often, _)| often).sum::<usize>();
    let mut left = index % all;
    for (often, action) in actions {
        match left.checked_sub(*often) {
            Some(rest) => left = rest,
            None => return Some(*action),
        }
    }
    // Unreachable: the rest is below the sum.
    None
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

    #[track_caller]
    fn every_action_is_a_step_of_some_byte<Action>(actions: &'static [(usize, Action)])
    where
        Action: Copy + PartialEq + std::fmt::Debug,
    {
        let bytes: Vec<_> = (0..=u8::MAX).collect();
        for (_, action) in actions {
            for socket in 0..SOCKETS {
                let step = Step { socket, action: *action };
                assert!(steps(actions, &bytes).any(|other| other == step), "{step:?}");
            }
        }
    }

    #[test]
    fn every_action_of_either_version_is_a_step_of_some_byte() {
        every_action_is_a_step_of_some_byte(&crate::p2::ACTIONS);
        every_action_is_a_step_of_some_byte(&crate::p3::ACTIONS);
    }

    #[test]
    fn a_program_is_the_same_after_it_was_an_argument() {
        let bytes: Vec<_> = (0..=u8::MAX).collect();
        assert_eq!(unhex(&hex(&bytes)), bytes);
    }
}
