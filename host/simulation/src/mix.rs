//! Faults that a seed draws, for a search: some kinds and not others, so that one does not hide what
//! another would show (swarm testing).

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

use crate::link::LinkError;
use crate::scenario::{Change, Scenario};
use crate::time::Time;

/// One thing that may be left out of a scenario, without making another meaningless.
#[derive(Clone, Debug, PartialEq)]
pub enum Ingredient {
    /// A property of all links.
    Link(&'static str, String),
    /// Faults that belong together, such as a partition and its end.
    Faults(Vec<(Time, Change)>),
}

impl Ingredient {
    /// Adds it to `scenario`.
    ///
    /// # Errors
    ///
    /// If it is a property of links that does not go with the others.
    pub fn add_to(&self, scenario: &mut Scenario) -> Result<(), LinkError> {
        match self {
            Self::Link(name, value) => {
                scenario.link.set(name, value)?;
                for between in &mut scenario.links {
                    between.link.set(name, value)?;
                }
            }
            Self::Faults(faults) => {
                scenario.faults.extend(faults.iter().cloned());
                scenario.faults.sort_by_key(|(time, _)| *time);
            }
        }
        Ok(())
    }
}

/// Formats it as a scenario has it.
impl fmt::Display for Ingredient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(name, value) => write!(f, "{name}={value}"),
            Self::Faults(faults) => {
                for (index, (time, change)) in faults.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{change} at {:.3} s", time.since_start().as_secs_f64())?;
                }
                Ok(())
            }
        }
    }
}

/// The ingredients of a scenario: the faults that it has, each alone, and those that `seed` draws, in
/// the first `span` of it.
pub fn ingredients(scenario: &Scenario, seed: u64, span: Duration) -> Vec<Ingredient> {
    let own = scenario.faults.iter().map(|fault| Ingredient::Faults(vec![fault.clone()]));
    own.chain(Draw::new(scenario, seed, span).mix()).collect()
}

/// The probability of each kind of fault to be in a mix: a third has few at once, and all pairs often.
const SHARE: f64 = 1.0 / 3.0;

struct Draw<'a> {
    scenario: &'a Scenario,
    names: Vec<String>,
    span: Duration,
    generator: ChaCha8Rng,
}

impl<'a> Draw<'a> {
    fn new(scenario: &'a Scenario, seed: u64, span: Duration) -> Self {
        let key = Sha256::new().chain_update(b"mix").chain_update(seed.to_le_bytes()).finalize();
        let names = scenario.names().map(|(name, _)| name).collect();
        Self { scenario, names, span, generator: ChaCha8Rng::from_seed(key.into()) }
    }

    /// A number from 0 to 1, without 1.
    fn unit(&mut self) -> f64 {
        (self.generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn is_in(&mut self) -> bool {
        self.unit() < SHARE
    }

    fn percent(&mut self, most: f64) -> String {
        format!("{:.1}%", self.unit() * most)
    }

    fn millis(&mut self, least: f64, most: f64) -> String {
        format!("{}us", ((least + self.unit() * (most - least)) * 1000.0).round())
    }

    fn name(&mut self) -> String {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is from 0 to the number of names"
        )]
        let index = (self.unit() * self.names.len() as f64) as usize;
        self.names.get(index).cloned().unwrap_or_default()
    }

    /// Two times, the second up to `longest` after the first.
    fn times(&mut self, longest: Duration) -> (Time, Time) {
        let from = self.span.mul_f64(self.unit());
        let to = from + longest.mul_f64(self.unit());
        (Time::START + from, Time::START + to)
    }

    fn mix(&mut self) -> Vec<Ingredient> {
        // Everything is drawn, whether it is in or not: then the rest does not depend on it.
        let all = [
            self.links(),
            vec![
                self.partition(),
                self.step(),
                self.drift(),
                self.suspension(),
                self.restart(),
                self.outage(),
                self.address(),
                self.silence(),
            ],
        ];
        all.into_iter().flatten().filter(|_| self.is_in()).collect()
    }

    fn links(&mut self) -> Vec<Ingredient> {
        let distributions = ["uniform", "normal", "pareto"];
        let delay = self.millis(1.0, 100.0);
        let jitter = self.millis(0.0, 50.0);
        let distribution = distributions[usize::from(self.is_in()) + usize::from(self.is_in())];
        let gemodel = format!("{}:{}", self.percent(5.0), self.percent(50.0));
        let rate = format!("{}kbit", 20 + self.generator.next_u64() % 200);
        [
            ("delay", delay),
            ("jitter", jitter),
            ("distribution", distribution.to_owned()),
            ("loss", self.percent(40.0)),
            ("gemodel", gemodel),
            ("duplicate", self.percent(30.0)),
            ("corrupt", self.percent(10.0)),
            ("rate", rate),
            ("limit", (1 + self.generator.next_u64() % 50).to_string()),
        ]
        .map(|(name, value)| Ingredient::Link(name, value))
        .to_vec()
    }

    fn partition(&mut self) -> Ingredient {
        let (name, (from, to)) = (self.name(), self.times(Duration::from_secs(5)));
        Ingredient::Faults(vec![(from, Change::Partition(vec![name])), (to, Change::Heal)])
    }

    fn step(&mut self) -> Ingredient {
        let (name, (at, _)) = (self.name(), self.times(Duration::ZERO));
        #[expect(clippy::cast_possible_truncation, reason = "a day has 47 bits of nanoseconds")]
        let by = ((self.unit() - 0.5) * 2.0 * 86_400e9) as i64;
        Ingredient::Faults(vec![(at, Change::Step(name, by))])
    }

    fn drift(&mut self) -> Ingredient {
        let (name, (at, _)) = (self.name(), self.times(Duration::ZERO));
        let parts = i64::try_from(self.generator.next_u64() % 1000).unwrap_or_default() - 500;
        Ingredient::Faults(vec![(at, Change::Drift(name, parts))])
    }

    fn suspension(&mut self) -> Ingredient {
        let (name, (from, to)) = (self.name(), self.times(Duration::from_secs(3)));
        Ingredient::Faults(vec![(from, Change::Suspend(name.clone())), (to, Change::Resume(name))])
    }

    /// Of a node that is not waited for: a client that is killed reports nothing.
    fn restart(&mut self) -> Ingredient {
        let (drawn, (from, to)) = (self.name(), self.times(Duration::from_secs(2)));
        let all: Vec<_> = self.scenario.names().filter(|(_, node)| !node.wait).collect();
        let name = all.iter().find(|(name, _)| *name == drawn).or(all.first());
        let name = name.map(|(name, _)| name.clone());
        Ingredient::Faults(name.map_or(Vec::new(), |name| {
            vec![(from, Change::Kill(name.clone())), (to, Change::Start(name))]
        }))
    }

    /// All links lose everything for a while.
    fn outage(&mut self) -> Ingredient {
        let (from, to) = self.times(Duration::from_secs(3));
        let mut lossy = self.scenario.link.clone();
        lossy.loss = crate::link::Probability::ONE;
        let link = self.scenario.link.clone();
        Ingredient::Faults(vec![(from, Change::Link(None, lossy)), (to, Change::Link(None, link))])
    }

    /// A client's machine gets another address.
    fn address(&mut self) -> Ingredient {
        let (drawn, (at, _)) = (self.name(), self.times(Duration::ZERO));
        let waits = |(_, node): &(String, &crate::scenario::Node)| node.wait;
        let all: Vec<_> = self.scenario.names().filter(waits).map(|(name, _)| name).collect();
        let name = all.iter().find(|name| **name == drawn).or(all.first()).cloned();
        let last = u8::try_from(1 + self.generator.next_u64() % 250).unwrap_or(1);
        let address = IpAddr::from([10, 255, 0, last]);
        let change = name.map(|name| (at, Change::Address(name, address)));
        Ingredient::Faults(change.into_iter().collect())
    }

    fn silence(&mut self) -> Ingredient {
        let (from, to) = self.times(Duration::from_secs(20));
        Ingredient::Faults(vec![(from, Change::NameServer(true)), (to, Change::NameServer(false))])
    }
}
