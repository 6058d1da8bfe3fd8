//! A scenario as a file in TOML.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use thiserror::Error;
use toml::{Spanned, Value};
use udping_cli::usage;

use crate::link::{Link, LinkError};
use crate::scenario::{Between, Change, DURATION, Node, Scenario};
use crate::time::Time;

/// The maximum number of nodes: far more than memory holds.
const MOST_NODES: u32 = 1_000_000;

/// Why a text is not a scenario.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("line {line}, column {column}: {message}")]
pub struct ScenarioError {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// What is wrong, and where.
type Wrong = (Range<usize>, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a scenario")]
struct File {
    #[serde(default = "one")]
    seed: u64,
    duration: Option<Spanned<String>>,
    link: Option<Spanned<BTreeMap<Spanned<String>, Spanned<Value>>>>,
    #[serde(default)]
    node: Vec<NodeTable>,
    #[serde(default)]
    links: Vec<Spanned<BTreeMap<Spanned<String>, Spanned<Value>>>>,
    #[serde(default)]
    fault: Vec<Spanned<BTreeMap<Spanned<String>, Spanned<Value>>>>,
}

fn one() -> u64 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a node")]
struct NodeTable {
    name: Spanned<String>,
    count: Option<Spanned<u32>>,
    run: Spanned<Words>,
    #[serde(default)]
    address: Vec<IpAddr>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    spread: Option<Spanned<String>>,
    wait: Option<bool>,
    #[serde(default)]
    reports: bool,
    #[serde(default)]
    exit: u8,
}

/// A command line: words, or a text that is split at white space.
struct Words(Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || de::Error::custom("a command line is a text, or a list of words");
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text.split_whitespace().map(str::to_owned).collect())),
            Value::Array(words) => {
                let word = |word: Value| word.as_str().map(str::to_owned).ok_or_else(wrong);
                words.into_iter().map(word).collect::<Result<_, _>>().map(Self)
            }
            _ => Err(wrong()),
        }
    }
}

type Table = BTreeMap<Spanned<String>, Spanned<Value>>;

impl Scenario {
    /// Parses a scenario.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, and where it stands.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let at = |(span, message): Wrong| ScenarioError::new(text, &span, &message);
        let file: File = toml::from_str(text)
            .map_err(|error| at((error.span().unwrap_or_default(), error.message().to_owned())))?;
        file.scenario().map_err(at)
    }
}

impl ScenarioError {
    fn new(text: &str, span: &Range<usize>, message: &str) -> Self {
        let (line, column) = usage::place(text, span.start);
        let message = message.lines().collect::<Vec<_>>().join(": ");
        Self { line, column, message }
    }
}

impl File {
    fn scenario(self) -> Result<Scenario, Wrong> {
        let duration =
            self.duration.map_or(Ok(DURATION), |text| duration(&text.span(), text.get_ref()))?;
        let link = match self.link {
            None => Link::default(),
            Some(table) => link_of(&Link::default(), &table.span(), table.into_inner())?,
        };
        let nodes: Vec<Node> =
            self.node.into_iter().map(NodeTable::node).collect::<Result<_, _>>()?;
        let mut scenario = Scenario {
            seed: self.seed,
            duration,
            link,
            nodes,
            links: Vec::new(),
            faults: Vec::new(),
        };
        scenario.check_names()?;
        for table in self.links {
            let span = table.span();
            let mut table = table.into_inner();
            let ends = scenario.ends(&span, &mut table)?;
            let Some((from, to)) = ends else {
                return Err((span, "a link needs from and to".to_owned()));
            };
            let link = link_of(&scenario.link, &span, table)?;
            scenario.links.push(Between { from, to, link });
        }
        for table in self.fault {
            let fault = scenario.fault(&table.span(), table.into_inner())?;
            scenario.faults.push(fault);
        }
        scenario.faults.sort_by_key(|(time, _)| *time);
        Ok(scenario)
    }
}

impl NodeTable {
    fn node(self) -> Result<Node, Wrong> {
        let run = self.run.get_ref().0.clone();
        let Some(component) = run.first() else {
            return Err((self.run.span(), "run needs a component".to_owned()));
        };
        let count = match &self.count {
            Some(count) if !(1..=MOST_NODES).contains(count.get_ref()) => {
                return Err((count.span(), format!("count is from 1 to {MOST_NODES}")));
            }
            count => count.as_ref().map_or(1, |count| *count.get_ref()),
        };
        if count > 1 && !self.address.is_empty() {
            return Err((self.name.span(), "several nodes cannot have one address".to_owned()));
        }
        let wait = self.wait.unwrap_or(component != "server");
        let spread = self
            .spread
            .map_or(Ok(Duration::ZERO), |text| duration(&text.span(), text.get_ref()))?;
        let (name, addresses) = (self.name.into_inner(), self.address);
        let (env, reports, exit) = (self.env, self.reports, self.exit);
        Ok(Node { name, count, run, addresses, env, spread, wait, reports, exit })
    }
}

impl Scenario {
    fn check_names(&self) -> Result<(), Wrong> {
        let mut names: Vec<_> = self.names().map(|(name, _)| name).collect();
        names.sort_unstable();
        if let Some([name, ..]) = names.windows(2).find(|two| two[0] == two[1]) {
            return Err((0..0, format!("two nodes are called {name}")));
        }
        let addresses: Vec<_> = self.nodes.iter().flat_map(|node| &node.addresses).collect();
        for (index, address) in addresses.iter().enumerate() {
            if addresses[..index].contains(address) {
                return Err((0..0, format!("two nodes have the address {address}")));
            }
        }
        if names.is_empty() {
            return Err((0..0, "there is no node: add [[node]], with name and run".to_owned()));
        }
        Ok(())
    }

    /// Checks that there is a node of that name.
    fn known(&self, name: &Spanned<Value>) -> Result<String, Wrong> {
        let wrong = |message| (name.span(), message);
        let text = name
            .get_ref()
            .as_str()
            .ok_or_else(|| wrong("the name of a node is a text".to_owned()))?;
        let is_known = self.nodes.iter().any(|node| node.name == text)
            || self.names().any(|(name, _)| name == text);
        if is_known {
            return Ok(text.to_owned());
        }
        let all: Vec<_> = self.nodes.iter().map(|node| node.name.as_str()).collect();
        Err(wrong(format!("there is no node {text:?}; there are {}", all.join(", "))))
    }

    /// Takes `from` and `to` out of a table.
    fn ends(
        &self,
        span: &Range<usize>,
        table: &mut Table,
    ) -> Result<Option<(String, String)>, Wrong> {
        let mut end = |name| take(table, name).map(|value| self.known(&value)).transpose();
        match (end("from")?, end("to")?) {
            (Some(from), Some(to)) => Ok(Some((from, to))),
            (None, None) => Ok(None),
            _ => Err((span.clone(), "a link needs both from and to".to_owned())),
        }
    }

    fn fault(&self, span: &Range<usize>, mut table: Table) -> Result<(Time, Change), Wrong> {
        let Some(at) = take(&mut table, "at") else {
            return Err((span.clone(), "a fault needs a time: at = \"5s\"".to_owned()));
        };
        let time = Time::START + duration(&at.span(), at.get_ref().as_str().unwrap_or_default())?;
        let ends = self.ends(span, &mut table)?;
        if ends.is_some() {
            return Ok((time, Change::Link(ends, link_of(&self.link, span, table)?)));
        }
        let mut rest = table.into_iter();
        let (Some((name, value)), second) = (rest.next(), rest.next()) else {
            return Err((span.clone(), "a fault needs one thing that happens".to_owned()));
        };
        if Link::NAMES.contains(&name.get_ref().as_str()) {
            let table = [(name, value)].into_iter().chain(second).chain(rest).collect();
            return Ok((time, Change::Link(None, link_of(&self.link, span, table)?)));
        }
        if let Some((name, _)) = second {
            let name = name.get_ref();
            return Err((span.clone(), format!("a fault is one thing: {name} is another")));
        }
        let wrong = |message: &str| (value.span(), format!("{}: {message}", name.get_ref()));
        let node = || self.known(&value);
        let of_node = |key: &str| {
            let table = value.get_ref().as_table().ok_or_else(|| wrong("needs a node"))?;
            let node = table.get("node").cloned().ok_or_else(|| wrong("needs a node"))?;
            let node = self.known(&Spanned::new(value.span(), node))?;
            let amount = table.get(key).ok_or_else(|| wrong(&format!("needs {key}")))?;
            let extra = table.keys().find(|other| *other != "node" && *other != key);
            match extra {
                Some(extra) => Err(wrong(&format!("has no {extra}"))),
                None => Ok((node, amount.clone())),
            }
        };
        let change = match name.get_ref().as_str() {
            "partition" => {
                let names = value.get_ref().as_array().ok_or_else(|| wrong("a list of nodes"))?;
                let known = |name: &Value| self.known(&Spanned::new(value.span(), name.clone()));
                Change::Partition(names.iter().map(known).collect::<Result<_, _>>()?)
            }
            "heal" => Change::Heal,
            "suspend" => Change::Suspend(node()?),
            "resume" => Change::Resume(node()?),
            "kill" => Change::Kill(node()?),
            "start" => Change::Start(node()?),
            "name-server" => match value.get_ref().as_str() {
                Some("silent") => Change::NameServer(true),
                Some("answers") => Change::NameServer(false),
                _ => return Err(wrong("is \"silent\" or \"answers\"")),
            },
            "wall-clock-step" => {
                let (node, by) = of_node("by")?;
                Change::Step(node, signed(by.as_str().unwrap_or_default()).map_err(|e| wrong(&e))?)
            }
            "wall-clock-drift" => {
                let (node, ppm) = of_node("ppm")?;
                let ppm = ppm.as_integer().filter(|ppm| ppm.unsigned_abs() < 1_000_000);
                Change::Drift(node, ppm.ok_or_else(|| wrong("ppm is less than a million"))?)
            }
            "address" => {
                let (node, to) = of_node("to")?;
                let address = to.as_str().and_then(|text| text.parse().ok());
                Change::Address(node, address.ok_or_else(|| wrong("to is an IP address"))?)
            }
            other => {
                let known = "partition, heal, suspend, resume, kill, start, name-server, \
                    wall-clock-step, wall-clock-drift, address, and the properties of a link";
                return Err((name.span(), format!("{other} is no fault; there are {known}")));
            }
        };
        Ok((time, change))
    }
}

fn take(table: &mut Table, name: &str) -> Option<Spanned<Value>> {
    let key = table.keys().find(|key| key.get_ref() == name)?.clone();
    table.remove(&key)
}

fn duration(span: &Range<usize>, text: &str) -> Result<Duration, Wrong> {
    humantime::parse_duration(text)
        .map_err(|_| (span.clone(), format!("{text:?} is not a duration, such as \"5s\"")))
}

/// A duration that may have a minus sign, in nanoseconds.
fn signed(text: &str) -> Result<i64, String> {
    let (sign, span) = text.strip_prefix('-').map_or((1, text), |span| (-1, span));
    let wrong = || format!("by is a duration, such as \"-1h\", and not {text:?}");
    let span = humantime::parse_duration(span).map_err(|_| wrong())?;
    Ok(sign * i64::try_from(span.as_nanos()).map_err(|_| wrong())?)
}

/// The link of a table, whose other properties are those of `base`.
fn link_of(base: &Link, span: &Range<usize>, table: Table) -> Result<Link, Wrong> {
    let mut link = base.clone();
    for (name, value) in table {
        let text = match value.get_ref() {
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            other => {
                let (name, kind) = (name.get_ref(), other.type_str());
                return Err((value.span(), format!("{name} is a text or a number, and no {kind}")));
            }
        };
        link.set(name.get_ref(), &text).map_err(|error| {
            let is_name = matches!(error, LinkError::Name(_));
            (if is_name { name.span() } else { value.span() }, error.to_string())
        })?;
    }
    link.check().map_err(|error| (span.clone(), error.to_string()))?;
    Ok(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: &str = r#"
seed = 7
duration = "10m"

[link]
delay = "40ms"
loss = "2%"

[[node]]
name = "server"
run = "server 12000"

[[node]]
name = "client"
count = 2
run = ["client", "server", "12000"]

[[links]]
from = "client"
to = "server"
delay = "10ms"

[[fault]]
at = "8s"
heal = true

[[fault]]
at = "5s"
partition = ["server"]

[[fault]]
at = "6s"
wall-clock-step = { node = "client-2", by = "-1h" }

[[fault]]
at = "7s"
from = "client"
to = "server"
loss = "100%"
"#;

    #[test]
    fn a_scenario_has_nodes_links_and_faults_in_order_of_time() {
        let scenario = Scenario::parse(SCENARIO).unwrap();
        let names: Vec<_> = scenario.names().map(|(name, _)| name).collect();
        assert_eq!(names, ["server", "client-1", "client-2"]);
        assert_eq!((scenario.nodes[0].wait, scenario.nodes[1].wait), (false, true));
        assert_eq!(scenario.nodes[1].run, ["client", "server", "12000"]);
        // What a link does not say is as everywhere.
        assert_eq!(scenario.links[0].link.delay, Duration::from_millis(10));
        assert_eq!(scenario.links[0].link.loss, "2%".parse().unwrap());
        let kinds: Vec<_> = scenario.faults.iter().map(|(_, change)| change).collect();
        assert!(
            matches!(
                kinds[..],
                [
                    Change::Partition(_),
                    Change::Step(_, -3_600_000_000_000),
                    Change::Link(..),
                    Change::Heal
                ]
            ),
            "{kinds:?}"
        );
        let (network, nodes) = scenario.network();
        assert_eq!(network.name(nodes[2].0), "client-2");
        assert_eq!(network.addresses(nodes[0].0), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn what_is_wrong_is_one_line_with_its_place() {
        let node = "[[node]]\nname = \"a\"\nrun = \"client b 7\"\n";
        for (text, expected) in [
            ("", "line 1, column 1: there is no node"),
            ("sede = 1", "line 1, column 1: unknown field `sede`"),
            ("duration = \"fast\"", "line 1, column 12: \"fast\" is not a duration"),
            ("[link]\nloss = \"101%\"", "line 2, column 8: loss=101%: more than 100 %"),
            ("[link]\nlos = \"1%\"", "line 2, column 1: \"los\" is no property of a link"),
            ("[link]\nreorder = \"1%\"", "line 1, column 1: reorder needs a delay"),
            (
                &format!("{node}[[links]]\nfrom = \"a\"\nto = \"nowhere\""),
                "line 6, column 6: there is no node \"nowhere\"; there are a",
            ),
            (&format!("{node}[[links]]\nfrom = \"a\""), "line 4, column 1: a link needs both"),
            (&format!("{node}{node}"), "line 1, column 1: two nodes are called a"),
            (&format!("{node}count = 0"), "line 4, column 9: count is from 1"),
            ("[[node]]\nname = \"a\"\nrun = \"\"", "line 3, column 7: run needs a component"),
            ("[[node]]\nname = \"a\"\nrun = 1", "line 3, column 7: a command line is"),
            (&format!("{node}[[fault]]\nheal = true"), "line 4, column 1: a fault needs a time"),
            (
                &format!("{node}[[fault]]\nat = \"1s\"\npartitoin = [\"a\"]"),
                "line 6, column 1: partitoin is no fault",
            ),
            (
                &format!("{node}[[fault]]\nat = \"1s\"\nkill = \"b\""),
                "line 6, column 8: there is no node \"b\"",
            ),
            (
                &format!("{node}[[fault]]\nat = \"1s\"\nkill = \"a\"\nheal = true"),
                "line 4, column 1: a fault is one thing",
            ),
            (
                &format!("{node}[[fault]]\nat = \"1s\"\nwall-clock-step = {{ node = \"a\" }}"),
                "line 6, column 19: wall-clock-step: needs by",
            ),
        ] {
            let error = Scenario::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
