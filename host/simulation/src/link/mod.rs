//! The model of one direction of a link, with the names of tc-netem(8), for the virtual network and
//! for `--impair`.

mod fate;
mod probability;
mod queue;

use std::time::Duration;

use thiserror::Error;

pub use fate::{Corruption, Fate, Path};
pub use probability::{Probability, ProbabilityError};
pub use queue::{Queue, Rate, RateError};

/// One direction of a link.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The time that a datagram takes, without that for sending its bits ([`Self::rate`]).
    pub delay: Duration,
    /// The spread of the delay: half the width of the uniform distribution, and the standard
    /// deviation of the others.
    pub jitter: Duration,
    /// The distribution of the delay around [`Self::delay`]; no delay is less than zero.
    pub distribution: Distribution,
    /// The correlation of a datagram's delay with that of the one before it.
    pub correlation: Probability,
    /// The probability that a datagram is lost, independent of others.
    pub loss: Probability,
    /// Loss in bursts, beside [`Self::loss`].
    pub gemodel: Option<GilbertElliott>,
    /// The probability that a datagram arrives twice.
    pub duplicate: Probability,
    /// The probability that a datagram skips [`Self::delay`], and so overtakes others.
    pub reorder: Probability,
    /// The probability that one bit of a datagram's payload is inverted.
    pub corrupt: Probability,
    /// The rate at which bits are sent; unlimited if `None`.
    pub rate: Option<Rate>,
    /// The number of datagrams that wait for [`Self::rate`]; further ones are lost.
    pub limit: usize,
    /// The maximum length of an IP packet in bytes, which is not fragmented.
    pub mtu: Option<u16>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            distribution: Distribution::Uniform,
            correlation: Probability::ZERO,
            loss: Probability::ZERO,
            gemodel: None,
            duplicate: Probability::ZERO,
            reorder: Probability::ZERO,
            corrupt: Probability::ZERO,
            rate: None,
            limit: 1000,
            mtu: None,
        }
    }
}

/// How delays are distributed around their mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Evenly, up to the jitter on both sides.
    Uniform,
    /// The normal distribution.
    Normal,
    /// A Pareto distribution of shape 3: most delays are a little below the mean, few far above.
    Pareto,
}

/// The Gilbert-Elliott model of loss in bursts: two states, of which the bad one loses more
/// (`loss gemodel` of tc-netem(8)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GilbertElliott {
    /// `p`: the probability to go from good to bad, at each datagram.
    pub to_bad: Probability,
    /// `r`: the probability to go from bad to good.
    pub to_good: Probability,
    /// `1-h`: the probability that a datagram is lost in the bad state.
    pub bad_loss: Probability,
    /// `1-k`: the probability that a datagram is lost in the good state.
    pub good_loss: Probability,
}

/// Why a text does not describe a link.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LinkError {
    /// There is no such property.
    #[error("{0:?} is no property of a link; there are {list}", list = Link::NAMES.join(", "))]
    Name(String),
    /// A property has no value.
    #[error("{0:?} has no value: write it as NAME=VALUE")]
    NoValue(String),
    /// The value is not a duration.
    #[error("{name}={value}: not a duration, such as 40ms")]
    Duration {
        /// The property.
        name: String,
        /// Its value.
        value: String,
    },
    /// The value is not a probability.
    #[error("{name}={value}: {error}")]
    Probability {
        /// The property.
        name: String,
        /// Its value.
        value: String,
        /// What is wrong with it.
        error: ProbabilityError,
    },
    /// The value is not a rate.
    #[error("rate={value}: {error}")]
    Rate {
        /// The value.
        value: String,
        /// What is wrong with it.
        error: RateError,
    },
    /// The value is not a number in range.
    #[error("{name}={value}: not a whole number from {least} to {most}")]
    Number {
        /// The property.
        name: String,
        /// Its value.
        value: String,
        /// The least number.
        least: u64,
        /// The greatest number.
        most: u64,
    },
    /// There is no such distribution.
    #[error("distribution={0}: there are uniform, normal and pareto")]
    Distribution(String),
    /// Not the four probabilities of the model.
    #[error("gemodel={0}: write it as P:R, P:R:1-H or P:R:1-H:1-K, each a percentage")]
    Bursts(String),
    /// A datagram can only overtake others that are delayed.
    #[error("reorder needs a delay: who skips none overtakes nobody (tc-netem(8))")]
    ReorderWithoutDelay,
}

/// The length in bytes of the IP packet with a datagram of `payload` bytes.
pub(crate) fn packet_length(is_ipv6: bool, payload: usize) -> usize {
    const UDP: usize = 8;
    let ip = if is_ipv6 { 40 } else { 20 };
    ip + UDP + payload
}

/// The least MTU of IPv4 (RFC 791), in bytes.
const LEAST_MTU: u64 = 68;

impl Link {
    /// The names of all properties.
    pub const NAMES: [&str; 12] = [
        "delay",
        "jitter",
        "distribution",
        "correlation",
        "loss",
        "gemodel",
        "duplicate",
        "reorder",
        "corrupt",
        "rate",
        "limit",
        "mtu",
    ];

    /// Sets a property by its name.
    ///
    /// # Errors
    ///
    /// If there is no such property, or the value is not one of it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), LinkError> {
        let duration = || {
            humantime::parse_duration(value)
                .map_err(|_| LinkError::Duration { name: name.to_owned(), value: value.to_owned() })
        };
        let probability = || {
            value.parse().map_err(|error| LinkError::Probability {
                name: name.to_owned(),
                value: value.to_owned(),
                error,
            })
        };
        let number = |least, most| {
            let number = value.parse().ok().filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| LinkError::Number {
                name: name.to_owned(),
                value: value.to_owned(),
                least,
                most,
            })
        };
        match name {
            "delay" => self.delay = duration()?,
            "jitter" => self.jitter = duration()?,
            "distribution" => self.distribution = value.parse()?,
            "correlation" => self.correlation = probability()?,
            "loss" => self.loss = probability()?,
            "gemodel" => self.gemodel = Some(value.parse()?),
            "duplicate" => self.duplicate = probability()?,
            "reorder" => self.reorder = probability()?,
            "corrupt" => self.corrupt = probability()?,
            "rate" => {
                let rate = value.parse();
                self.rate =
                    Some(rate.map_err(|error| LinkError::Rate { value: value.to_owned(), error })?);
            }
            "limit" => {
                let limit = number(0, u32::MAX.into())?;
                self.limit = usize::try_from(limit).unwrap_or(usize::MAX);
            }
            "mtu" => {
                let mtu = number(LEAST_MTU, u16::MAX.into())?;
                self.mtu = Some(u16::try_from(mtu).unwrap_or(u16::MAX));
            }
            _ => return Err(LinkError::Name(name.to_owned())),
        }
        Ok(())
    }

    /// Checks the properties against each other.
    ///
    /// # Errors
    ///
    /// The first that does not go with another.
    pub fn check(&self) -> Result<(), LinkError> {
        if self.reorder > Probability::ZERO && self.delay.is_zero() {
            return Err(LinkError::ReorderWithoutDelay);
        }
        Ok(())
    }
}

impl std::str::FromStr for Distribution {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        match text {
            "uniform" => Ok(Self::Uniform),
            "normal" => Ok(Self::Normal),
            "pareto" => Ok(Self::Pareto),
            _ => Err(LinkError::Distribution(text.to_owned())),
        }
    }
}

impl std::str::FromStr for GilbertElliott {
    type Err = LinkError;

    /// Parses `P:R[:1-H[:1-K]]`; without the last two, as tc-netem(8) has it, the bad state loses
    /// everything and the good one nothing.
    fn from_str(text: &str) -> Result<Self, LinkError> {
        let wrong = || LinkError::Bursts(text.to_owned());
        let parts: Result<Vec<Probability>, _> = text.split(':').map(str::parse).collect();
        let parts = parts.map_err(|_| wrong())?;
        let [to_bad, to_good, rest @ ..] = parts.as_slice() else { return Err(wrong()) };
        let (bad_loss, good_loss) = match rest {
            [] => (Probability::ONE, Probability::ZERO),
            [bad] => (*bad, Probability::ZERO),
            [bad, good] => (*bad, *good),
            _ => return Err(wrong()),
        };
        Ok(Self { to_bad: *to_bad, to_good: *to_good, bad_loss, good_loss })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_have_the_names_of_netem() {
        let mut link = Link::default();
        for (name, value) in [
            ("delay", "40ms"),
            ("jitter", "5ms"),
            ("distribution", "pareto"),
            ("correlation", "25%"),
            ("loss", "2%"),
            ("gemodel", "1%:10%:70%:0.1%"),
            ("duplicate", "0.5%"),
            ("reorder", "1%"),
            ("corrupt", "0%"),
            ("rate", "10mbit"),
            ("limit", "12"),
            ("mtu", "1500"),
        ] {
            link.set(name, value).unwrap();
        }
        assert_eq!(link.delay, Duration::from_millis(40));
        assert_eq!((link.limit, link.mtu), (12, Some(1500)));
        assert_eq!(link.gemodel.unwrap().bad_loss, "70%".parse().unwrap());
        link.check().unwrap();
    }

    #[test]
    fn errors_name_the_property_and_what_it_may_be() {
        for (name, value, expected) in [
            ("dealy", "1ms", "\"dealy\" is no property of a link; there are delay, jitter"),
            ("delay", "fast", "delay=fast: not a duration, such as 40ms"),
            ("loss", "101%", "loss=101%: more than 100 %"),
            ("loss", "-1%", "loss=-1%: not a percentage, such as 2%"),
            ("loss", "nan%", "loss=nan%: not a percentage, such as 2%"),
            ("loss", "2", "loss=2: not a percentage, such as 2%"),
            ("gemodel", "1%", "gemodel=1%: write it as P:R"),
            ("gemodel", "1%:1%:1%:1%:1%", "gemodel=1%:1%:1%:1%:1%: write it as"),
            ("rate", "0bit", "rate=0bit: "),
            ("limit", "-1", "limit=-1: not a whole number from 0 to"),
            ("mtu", "67", "mtu=67: not a whole number from 68 to 65535"),
            ("distribution", "gamma", "distribution=gamma: there are uniform"),
        ] {
            let error = Link::default().set(name, value).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{name}={value}: {error}");
        }
        let reorders = Link { reorder: Probability::ONE, ..Link::default() };
        assert_eq!(reorders.check(), Err(LinkError::ReorderWithoutDelay));
    }
}
