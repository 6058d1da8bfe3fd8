//! What happens to each datagram on its path: drawn from the seed, the path and the datagram's
//! ordinal on it alone, so that no order of events elsewhere changes it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

use crate::link::{Distribution, Link};

/// What happens to a datagram on a link, apart from its queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// It is lost.
    Lost,
    /// It arrives.
    Arrives {
        /// The delay.
        delay: Duration,
        /// Whether it skipped the link's delay.
        reordered: bool,
        /// What happens to its payload.
        corrupt: Option<Corruption>,
        /// The delay of its copy, if it arrives twice.
        copy: Option<Duration>,
    },
}

/// The bit of a payload that is inverted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corruption(f64);

impl Corruption {
    /// Inverts the bit in `payload`, if that has any.
    pub fn apply(self, payload: &mut [u8]) {
        let bits = payload.len() * 8;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is from 0 to the number of bits"
        )]
        let bit = ((self.0 * bits as f64) as usize).min(bits.saturating_sub(1));
        if let Some(byte) = payload.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
    }
}

/// The datagrams from one address to another, and what the fate of the next depends on.
#[derive(Clone, Debug)]
pub struct Path {
    key: [u8; 32],
    ordinal: u64,
    /// The state of the Gilbert-Elliott model.
    is_bad: bool,
    /// What the delay of the last datagram was drawn from, with the mean 0 and the deviation 1.
    last: Option<f64>,
}

/// The 32-bit words of random numbers for each datagram, the number of those that are drawn and
/// more: so that none depends on which others are used.
const WORDS: u128 = 32;

/// The random numbers of one datagram, each from 0 to 1, without 1.
struct Draws {
    loss: f64,
    burst: f64,
    state: f64,
    duplicate: f64,
    reorder: f64,
    corrupt: f64,
    bit: f64,
    delay: [f64; 2],
    copy: [f64; 2],
}

impl Path {
    /// Creates the path from one address to another under `seed`, before its first datagram.
    pub fn between(seed: u64, from: SocketAddr, to: SocketAddr) -> Self {
        let mut name = Vec::with_capacity(36);
        for address in [from, to] {
            match address.ip() {
                IpAddr::V4(ip) => name.extend(ip.octets()),
                IpAddr::V6(ip) => name.extend(ip.octets()),
            }
            name.extend(address.port().to_le_bytes());
        }
        Self::new(seed, &name)
    }

    /// Creates the path that `name` identifies under `seed`, before its first datagram.
    pub fn new(seed: u64, name: &[u8]) -> Self {
        let hash = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(name).finalize();
        Self { key: hash.into(), ordinal: 0, is_bad: false, last: None }
    }

    /// The number of datagrams that were sent on this path.
    pub fn ordinal(&self) -> u64 {
        self.ordinal
    }

    /// Draws the fate of the next datagram.
    pub fn next(&mut self, link: &Link) -> Fate {
        let draws = self.draws();
        let bursts = link.gemodel.is_some_and(|bursts| {
            let change = if self.is_bad { bursts.to_good } else { bursts.to_bad };
            self.is_bad ^= change.happens(draws.state);
            let loss = if self.is_bad { bursts.bad_loss } else { bursts.good_loss };
            loss.happens(draws.burst)
        });
        if link.loss.happens(draws.loss) || bursts {
            return Fate::Lost;
        }
        let reordered = link.reorder.happens(draws.reorder);
        let delay = if reordered { Duration::ZERO } else { self.delay(link, draws.delay) };
        let is_twice = link.duplicate.happens(draws.duplicate);
        Fate::Arrives {
            delay,
            reordered,
            corrupt: link.corrupt.happens(draws.corrupt).then_some(Corruption(draws.bit)),
            copy: is_twice.then(|| self.delay(link, draws.copy)),
        }
    }

    fn draws(&mut self) -> Draws {
        let mut generator = ChaCha8Rng::from_seed(self.key);
        generator.set_word_pos(u128::from(self.ordinal) * WORDS);
        self.ordinal += 1;
        // The upper 53 bits: as many as a mantissa has.
        let mut next = || (generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        Draws {
            loss: next(),
            burst: next(),
            state: next(),
            duplicate: next(),
            reorder: next(),
            corrupt: next(),
            bit: next(),
            delay: [next(), next()],
            copy: [next(), next()],
        }
    }

    fn delay(&mut self, link: &Link, draws: [f64; 2]) -> Duration {
        if link.jitter.is_zero() {
            return link.delay;
        }
        let fresh = match link.distribution {
            Distribution::Uniform => uniform(draws),
            Distribution::Normal => normal(draws),
            Distribution::Pareto => pareto(draws),
        };
        let correlation = link.correlation.get();
        let deviation = match self.last {
            // Its deviation stays 1, other than with netem's weighted mean.
            Some(last) => correlation * last + libm::sqrt(1.0 - correlation * correlation) * fresh,
            None => fresh,
        };
        self.last = Some(deviation);
        let offset = deviation * link.jitter.as_nanos() as f64;
        let offset = if link.distribution == Distribution::Uniform {
            // The jitter is the half of the width here.
            offset * HALF_WIDTH_OF_DEVIATION
        } else {
            offset
        };
        let nanoseconds = libm::round(link.delay.as_nanos() as f64 + offset);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast of a float saturates"
        )]
        Duration::from_nanos(nanoseconds.max(0.0) as u64)
    }
}

/// The deviation of an even distribution from -1 to 1: the square root of 1/3.
const HALF_WIDTH_OF_DEVIATION: f64 = 0.577_350_269_189_625_8;

/// The shape of the Pareto distribution: the least whole one whose deviation is finite and whose tail
/// is as heavy as that of netem's table.
const SHAPE: f64 = 3.0;

fn uniform([draw, _]: [f64; 2]) -> f64 {
    (2.0 * draw - 1.0) / HALF_WIDTH_OF_DEVIATION
}

/// By Box and Muller's transform.
fn normal([radius, angle]: [f64; 2]) -> f64 {
    libm::sqrt(-2.0 * libm::log(1.0 - radius)) * libm::cos(std::f64::consts::TAU * angle)
}

/// By inversion, shifted and scaled to the mean 0 and the deviation 1.
fn pareto([draw, _]: [f64; 2]) -> f64 {
    let value = libm::pow(1.0 - draw, -1.0 / SHAPE);
    let mean = SHAPE / (SHAPE - 1.0);
    let variance = SHAPE / ((SHAPE - 1.0) * (SHAPE - 1.0) * (SHAPE - 2.0));
    (value - mean) / libm::sqrt(variance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Probability;

    const COUNT: u32 = 200_000;

    fn link(properties: &str) -> Link {
        let mut link = Link::default();
        for property in properties.split(',') {
            let (name, value) = property.split_once('=').unwrap();
            link.set(name, value).unwrap();
        }
        link
    }

    fn fates(link: &Link) -> Vec<Fate> {
        let mut path = Path::new(7, b"a to b");
        (0..COUNT).map(|_| path.next(link)).collect()
    }

    fn share(fates: &[Fate], which: impl Fn(&Fate) -> bool) -> f64 {
        fates.iter().filter(|fate| which(fate)).count() as f64 / f64::from(COUNT)
    }

    fn delays(link: &Link) -> Vec<f64> {
        let delay = |fate| match fate {
            Fate::Arrives { delay, .. } => delay.as_secs_f64() * 1000.0,
            Fate::Lost => unreachable!(),
        };
        fates(link).into_iter().map(delay).collect()
    }

    /// The mean, and the standard deviation.
    fn moments(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
        (mean, (variance / values.len() as f64).sqrt())
    }

    fn is_near(value: f64, expected: f64, within: f64) -> bool {
        (value - expected).abs() <= within
    }

    #[test]
    fn each_happens_as_often_as_it_should() {
        let fates = fates(&link("delay=40ms,loss=2%,duplicate=5%,reorder=10%,corrupt=1%"));
        let lost = share(&fates, |fate| *fate == Fate::Lost);
        assert!(is_near(lost, 0.02, 0.002), "{lost}");
        let arrives = 1.0 - lost;
        for (expected, which) in [
            (
                0.05,
                (|fate| matches!(fate, Fate::Arrives { copy: Some(_), .. })) as fn(&Fate) -> bool,
            ),
            (
                0.1,
                |fate| matches!(fate, Fate::Arrives { reordered: true, delay, .. } if delay.is_zero()),
            ),
            (0.01, |fate| matches!(fate, Fate::Arrives { corrupt: Some(_), .. })),
        ] {
            let share = share(&fates, which);
            assert!(is_near(share, expected * arrives, 0.003), "{share} instead of {expected}");
        }
    }

    #[test]
    fn nothing_happens_on_a_link_without_impairments() {
        let untouched =
            Fate::Arrives { delay: Duration::ZERO, reordered: false, corrupt: None, copy: None };
        assert!(fates(&Link::default()).iter().all(|fate| *fate == untouched));
        let certain = Link { loss: Probability::ONE, ..Link::default() };
        assert!(fates(&certain).iter().all(|fate| *fate == Fate::Lost));
    }

    #[test]
    fn the_fate_of_a_datagram_does_not_depend_on_other_impairments() {
        let lost = |properties| {
            let fates = fates(&link(properties));
            fates.iter().map(|fate| *fate == Fate::Lost).collect::<Vec<_>>()
        };
        assert_eq!(
            lost("loss=10%"),
            lost("loss=10%,delay=9ms,jitter=1ms,duplicate=50%,corrupt=3%,distribution=normal")
        );
    }

    #[test]
    fn delays_have_the_mean_and_the_deviation_of_their_distribution() {
        for (distribution, deviation) in [("uniform", 5.0 / 3_f64.sqrt()), ("normal", 5.0)] {
            let delays =
                delays(&link(&format!("delay=40ms,jitter=5ms,distribution={distribution}")));
            let (mean, spread) = moments(&delays);
            assert!(
                is_near(mean, 40.0, 0.05) && is_near(spread, deviation, 0.05),
                "{distribution}: {mean}, {spread}"
            );
        }
        // The deviation of a heavy tail converges slowly.
        let (mean, spread) = moments(&delays(&link("delay=40ms,jitter=5ms,distribution=pareto")));
        assert!(is_near(mean, 40.0, 0.1) && is_near(spread, 5.0, 0.6), "{mean}, {spread}");
        let uniform = delays(&link("delay=40ms,jitter=5ms"));
        assert!(uniform.iter().all(|delay| (35.0..=45.0).contains(delay)));
    }

    #[test]
    fn correlated_delays_follow_each_other_and_spread_as_others() {
        let correlation = |percent| {
            let delays = delays(&link(&format!(
                "delay=40ms,jitter=5ms,distribution=normal,correlation={percent}%"
            )));
            let (mean, spread) = moments(&delays);
            assert!(is_near(spread, 5.0, 0.2), "{spread}");
            let products = delays.windows(2).map(|two| (two[0] - mean) * (two[1] - mean));
            products.sum::<f64>() / delays.len() as f64 / (spread * spread)
        };
        assert!(is_near(correlation(0), 0.0, 0.02));
        assert!(is_near(correlation(75), 0.75, 0.02));
    }

    #[test]
    fn losses_of_the_gilbert_elliott_model_come_in_bursts() {
        // A share of p / (p + r) is bad, for 1 / r datagrams on average.
        let fates = fates(&link("gemodel=1%:20%"));
        let lost = share(&fates, |fate| *fate == Fate::Lost);
        assert!(is_near(lost, 0.01 / 0.21, 0.004), "{lost}");
        let bursts = fates.windows(2).filter(|two| two[0] != Fate::Lost && two[1] == Fate::Lost);
        let length = lost * f64::from(COUNT) / bursts.count() as f64;
        assert!(is_near(length, 5.0, 0.3), "{length}");
    }

    #[test]
    fn one_bit_of_a_payload_is_inverted() {
        let mut path = Path::new(7, b"a to b");
        let always = link("corrupt=100%");
        let mut bits = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let Fate::Arrives { corrupt: Some(corruption), .. } = path.next(&always) else {
                panic!("it is not corrupt")
            };
            let mut payload = [0; 2];
            corruption.apply(&mut payload);
            let payload = u16::from_le_bytes(payload);
            assert_eq!(payload.count_ones(), 1);
            bits.insert(payload.trailing_zeros());
            corruption.apply(&mut []);
        }
        assert_eq!(bits.len(), 16);
    }

    /// What is drawn is a promise: a seed means the same with the next release, and on each machine.
    #[test]
    fn seed_and_path_mean_the_same_for_ever() {
        let link = link("delay=40ms,jitter=5ms,distribution=pareto,loss=50%");
        let first = |seed, name: &[u8]| {
            let mut path = Path::new(seed, name);
            (0..4)
                .map(|_| match path.next(&link) {
                    Fate::Lost => 0,
                    Fate::Arrives { delay, .. } => delay.as_nanos(),
                })
                .collect::<Vec<_>>()
        };
        assert_ne!(first(7, b"a"), first(8, b"a"));
        assert_ne!(first(7, b"a"), first(7, b"b"));
        assert_eq!(first(7, b"a"), [0, 0, 41_141_492, 37_428_986]);
    }
}
