//! The servers: each a `udping-host` with an audit trail, what it reports, and the resources it
//! holds.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::NamedTempFile;
use udping_tests::{Server, file, guests, host_program};

use crate::account::Account;

/// The host's limit per source, in datagrams per second.
pub(crate) const SOURCE_LIMIT: u32 = 500;

/// Options that select the path of datagrams through the host, in turn.
pub(crate) fn path(turn: usize) -> &'static [&'static str] {
    const PATHS: [&[&str]; 4] = [&[], &["--no-offload"], &["--batch", "1"], &["--workers", "2"]];
    PATHS[turn % PATHS.len()]
}

/// A running server.
pub(crate) struct Service {
    server: Option<Server>,
    port: u16,
    trail: NamedTempFile,
}

impl Service {
    /// Starts the built-in server, which deliberately leaves one in a hundred unanswered.
    pub(crate) fn echo(port: u16, options: &[&str]) -> Result<Self> {
        let (limit, port) = (SOURCE_LIMIT.to_string(), port.to_string());
        let server =
            ["--limit-source", &limit, "server", &port, "--bind", "127.0.0.1", "--drop-rate", "1"];
        Self::start(&[options, &server].concat())
    }

    /// Starts the guest that traps when told to, and is restarted.
    pub(crate) fn trapping() -> Result<Self> {
        let guest = file("traps_in_batch.wasm", guests::TRAPS_IN_BATCH);
        let guest = guest.to_str().context("a path that is text")?;
        Self::start(&["--allow-listen", "127.0.0.1:0", "--restart", "on-trap", guest])
    }

    fn start(arguments: &[&str]) -> Result<Self> {
        let trail = NamedTempFile::new()?;
        let mut command = Command::new("sh");
        // Into a file: a pipe that nobody reads would fill up.
        command.args(["-c", "trail=$1; shift; exec \"$@\" 2>\"$trail\"", "sh"]).arg(trail.path());
        let server =
            Server::listening(command.arg(host_program()).args(["--log", "json"]).args(arguments));
        Ok(Self { port: server.addresses[0].port(), server: Some(server), trail })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("it has not ended")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.server().process.signal(signal);
    }

    /// Asks it to end.
    pub(crate) fn stop(&mut self) -> Result<Said> {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Returns its report after it has ended.
    pub(crate) fn ended(&mut self) -> Result<Said> {
        let outcome = self.server.take().context("it has ended already")?.process.wait();
        let mut said =
            Said { guest: None, ..Said::of_host(&mut BufReader::new(self.trail.reopen()?))? };
        for line in outcome.stdout.lines().filter(|line| line.contains(" received, ")) {
            said.guest.get_or_insert_default().extend(counts(line)?);
        }
        if said.guest.is_some() {
            ensure!(outcome.status.success(), "{outcome:?}");
        }
        Ok(said)
    }
}

/// Parses `3 received, 1 answered, 0 dropped, 2 refused (1 repeated, 1 not a request: over one a
/// second)`.
fn counts(line: &str) -> Result<Vec<(String, u64)>> {
    let parts = line.split([',', '(']).map(|part| part.trim_end_matches(')').trim());
    parts
        .map(|part| {
            let (count, what) =
                part.split_once(' ').with_context(|| format!("not a count: {line}"))?;
            Ok((what.to_owned(), count.parse()?))
        })
        .collect()
}

/// The report of a server.
#[derive(Debug, Default)]
pub(crate) struct Said {
    received: u64,
    sent: u64,
    /// Datagrams that the host did not deliver, by reason.
    denied: Vec<(String, u64)>,
    /// The number of its guest's traps.
    pub traps: u64,
    /// The guest's counts, if it reports any.
    guest: Option<Vec<(String, u64)>>,
}

impl Said {
    fn of_host(trail: &mut BufReader<File>) -> Result<Self> {
        let mut said = Self::default();
        let mut has_ended = false;
        for line in trail.lines() {
            // The message of a panicking guest is on standard error, too.
            let Ok(event) = serde_json::from_str::<Value>(&line?) else { continue };
            let count = |key| event[key].as_u64().with_context(|| format!("no {key}: {event}"));
            match event["event"].as_str() {
                Some("denied_total") if event["what"] == "receive" => {
                    said.denied.push((
                        event["why"].as_str().unwrap_or_default().to_owned(),
                        count("count")?,
                    ));
                }
                Some("trapped") => said.traps += 1,
                Some("ended") => {
                    (said.received, said.sent) = (count("received")?, count("sent")?);
                    has_ended = true;
                }
                _ => {}
            }
        }
        ensure!(has_ended, "the trail does not say that it ended");
        Ok(said)
    }

    /// Adds the datagrams of a server that counts them itself.
    pub(crate) fn enter(&self, account: &mut Account) -> Result<()> {
        let counts = self.guest.as_ref().context("the server did not say what it did")?;
        let of = |wanted: &str| {
            counts.iter().filter(|(what, _)| what == wanted).map(|(_, count)| count).sum::<u64>()
        };
        if (of("received"), of("answered")) != (self.received, self.sent) {
            bail!("the host and its guest do not agree: {self:?}");
        }
        for (what, count) in counts
            .iter()
            .filter(|(what, _)| !["received", "answered", "refused"].contains(&what.as_str()))
        {
            account.enter(format!("server: {what}"), *count);
        }
        self.enter_denied(account);
        Ok(())
    }

    /// Adds the datagrams that the host did not deliver.
    pub(crate) fn enter_denied(&self, account: &mut Account) {
        for (why, count) in &self.denied {
            account.enter(format!("host: {why}"), *count);
        }
    }

    /// The number of datagrams that the host delivered without an answer.
    pub(crate) fn in_hand(&self) -> u64 {
        self.received - self.sent
    }
}

/// A server that runs from start to end, with samples of its resources.
pub(crate) struct Watched {
    pub service: Service,
    pub resources: Resources,
}

impl Watched {
    /// Call this before the server has anything to do.
    pub(crate) fn new(name: &'static str, service: Service) -> Result<Self> {
        let first_descriptors = service.server().process.descriptors()?;
        Ok(Self { service, resources: Resources { first_descriptors, ..Resources::new(name) } })
    }

    /// Samples its resident memory.
    pub(crate) fn sample(&mut self) -> Result<()> {
        self.resources.sample(self.service.server().process.resident()?);
        Ok(())
    }

    /// Counts its open descriptors at the end.
    pub(crate) fn count_descriptors(&mut self) -> Result<()> {
        self.resources.last_descriptors = self.service.server().process.descriptors()?;
        Ok(())
    }
}

/// Samples of what a process, or several, have taken.
pub(crate) struct Resources {
    name: &'static str,
    /// The number of open descriptors before there was anything to do.
    pub first_descriptors: usize,
    /// The number of open descriptors after everything.
    pub last_descriptors: usize,
    memory: Vec<u64>,
}

impl Resources {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, first_descriptors: 0, last_descriptors: 0, memory: Vec::new() }
    }

    /// Adds a sample of memory in bytes.
    pub(crate) fn sample(&mut self, memory: u64) {
        self.memory.push(memory);
    }

    /// The median of the memory in that quarter of the run, counted from 0.
    fn quarter(&self, number: usize) -> u64 {
        let length = self.memory.len();
        let mut samples = self.memory[length * number / 4..length * (number + 1) / 4].to_vec();
        samples.sort_unstable();
        samples.get(samples.len() / 2).copied().unwrap_or(0)
    }

    /// Whether the last quarter of the run needed at most 5 % more memory than the second.
    pub(crate) fn is_flat(&self) -> bool {
        self.quarter(3) * 100 <= self.quarter(1) * 105
    }

    /// Whether descriptors were left open.
    pub(crate) fn has_leaked(&self) -> bool {
        self.last_descriptors != self.first_descriptors
    }

    /// Its row of the table.
    pub(crate) fn row(&self) -> String {
        let Self { name, first_descriptors, last_descriptors, .. } = self;
        let [second, fourth] = [1, 3].map(|quarter| self.quarter(quarter) as f64 / 1e6);
        let memory = if self.is_flat() { "flat" } else { "GREW" };
        let descriptors = if self.has_leaked() { ", LEAKED" } else { "" };
        format!(
            "| {name} | {second:.1} | {fourth:.1} | {first_descriptors} | {last_descriptors} | {memory}{descriptors} |"
        )
    }
}
