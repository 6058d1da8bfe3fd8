//! The required outcome of a call.

/// What a word must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This word.
    Word(&'static str),
    /// One of these words.
    Either(Vec<&'static str>),
    /// This number.
    Number(u64),
    /// This number, or a larger one.
    AtLeast(u64),
}

pub(crate) const OK: Outcome = Outcome::Word("ok");
pub(crate) const INVALID: &str = "invalid-argument";
pub(crate) const INVALID_ARGUMENT: Outcome = Outcome::Word(INVALID);
pub(crate) const INVALID_STATE: Outcome = Outcome::Word("invalid-state");
pub(crate) const BOUNCED: &str = "connection-refused";
pub(crate) const TOO_LARGE: &str = "datagram-too-large";

impl Outcome {
    /// The error is what the word must be.
    pub(crate) fn check(&self, word: &str) -> Result<(), String> {
        match self {
            Self::Word(expected) if word == *expected => Ok(()),
            Self::Word(expected) => Err(format!("be {expected}")),
            Self::Either(expected) if expected.contains(&word) => Ok(()),
            Self::Either(expected) => Err(format!("be one of {expected:?}")),
            Self::Number(expected) if word.parse() == Ok(*expected) => Ok(()),
            Self::Number(expected) => Err(format!("be {expected}")),
            Self::AtLeast(least) if word.parse().is_ok_and(|number: u64| number >= *least) => {
                Ok(())
            }
            Self::AtLeast(least) => Err(format!("be {least} or more")),
        }
    }
}
