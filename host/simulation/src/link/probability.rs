//! Probabilities, as percentages.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A probability from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Probability(f64);

impl Probability {
    /// What never happens.
    pub const ZERO: Self = Self(0.0);
    /// What always happens.
    pub const ONE: Self = Self(1.0);

    /// The probability, from 0 to 1.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Whether it happens, where `draw` is evenly distributed from 0 to 1, without 1.
    pub fn happens(self, draw: f64) -> bool {
        draw < self.0
    }
}

/// Why a text is not a probability.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ProbabilityError {
    /// It is not a number with a percent sign.
    #[error("not a percentage, such as 2%")]
    Percentage,
    /// It is more than certain.
    #[error("more than 100 %")]
    TooMuch,
}

impl FromStr for Probability {
    type Err = ProbabilityError;

    fn from_str(text: &str) -> Result<Self, ProbabilityError> {
        let number = text.strip_suffix('%').ok_or(ProbabilityError::Percentage)?;
        let percent: f64 = number.trim().parse().map_err(|_| ProbabilityError::Percentage)?;
        if percent.is_nan() || percent < 0.0 {
            return Err(ProbabilityError::Percentage);
        }
        if percent > 100.0 {
            return Err(ProbabilityError::TooMuch);
        }
        Ok(Self(percent / 100.0))
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ten digits: 0.07 * 100 is not 7.
        write!(f, "{}%", (self.0 * 1e12).round() / 1e10)
    }
}
