//! `simulate --search`: runs a scenario with other seeds, each of which draws its own mix of faults,
//! until a run is not as it has to be; then looks for the smallest mix that shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use udping_results::{Spread, Summary};
use udping_simulation::{Change, Ended, Ingredient, Scenario, Time, ingredients};

use crate::commands::simulate::run::{self, Client, Programs, Simulated};
use crate::process::exit::Exit;

/// Virtual time that a run may take beyond that of one without faults: for timeouts, and for a name
/// server that does not answer.
const MORE: Duration = Duration::from_mins(1);

/// The number of failing seeds that are shrunk.
const FAILURES: usize = 8;

/// How long after the last fault pings have to be answered again.
const HEALED: Duration = Duration::from_secs(1);

/// The search of a scenario.
pub(super) struct Search<'a> {
    scenario: &'a Scenario,
    programs: &'a Programs,
    /// How long the scenario takes without faults.
    span: Duration,
}

/// A run that was not as it has to be.
struct Failure {
    seed: u64,
    /// The numbers of the ingredients that it had.
    mix: Vec<usize>,
    pings: Option<u64>,
    violations: Vec<String>,
}

impl<'a> Search<'a> {
    /// Runs the scenario without faults, to learn how long it takes.
    pub(super) fn new(scenario: &'a Scenario, programs: &'a Programs) -> Result<Self> {
        let calm = Scenario { faults: Vec::new(), ..scenario.clone() };
        let span = run::run(&calm, programs, None)?.end.since_start();
        Ok(Self { scenario, programs, span })
    }

    /// The scenario with the ingredients `mix` of those that its seed draws, or all of them.
    pub(super) fn mixed(
        &self,
        seed: u64,
        mix: Option<&[usize]>,
    ) -> Result<(Scenario, Vec<Ingredient>)> {
        let all = ingredients(self.scenario, seed, self.span);
        let duration = self.scenario.duration.min(self.span + MORE);
        let mut scenario = Scenario { seed, duration, faults: Vec::new(), ..self.scenario.clone() };
        let mut used = Vec::new();
        for (index, ingredient) in all.iter().enumerate() {
            if mix.is_none_or(|mix| mix.contains(&index)) {
                ingredient.add_to(&mut scenario)?;
                used.push(ingredient.clone());
            }
        }
        Ok((scenario, used))
    }

    fn violations(
        &self,
        seed: u64,
        mix: Option<&[usize]>,
        pings: Option<u64>,
    ) -> Result<Vec<String>> {
        let (mut scenario, used) = self.mixed(seed, mix)?;
        if let Some(pings) = pings {
            limit(&mut scenario, pings);
        }
        Ok(violations(&used, &run::run(&scenario, self.programs, None)?))
    }

    /// Searches `count` seeds, and writes what it finds to `out`.
    pub(super) fn run(&self, count: NonZeroU64, out: &mut dyn Write, again: &str) -> Result<Exit> {
        let first = self.scenario.seed;
        let end = first.saturating_add(count.get());
        let failures = self.failures(first, end)?;
        let Some(failure) = failures.first() else {
            writeln!(out, "seeds {first} to {}: each report is what happened", end - 1)?;
            return Ok(Exit::Success);
        };
        writeln!(out, "seed {}, with {} faults:", failure.seed, failure.mix.len())?;
        self.write(out, failure)?;
        let _ = writeln!(io::stderr(), "looking for the least that shows it");
        // What one seed draws may not be shrunk as far as what another does.
        let shrunk: Result<Vec<_>> =
            failures.into_iter().map(|failure| self.shrink(failure)).collect();
        let size = |failure: &Failure| (failure.mix.len() > 3, failure.pings, failure.mix.len());
        let Some(least) = shrunk?.into_iter().min_by_key(size) else { return Ok(Exit::Failed) };
        writeln!(out, "the least that shows it: seed {}, {} faults", least.seed, least.mix.len())?;
        self.write(out, &least)?;
        let mix: Vec<_> = least.mix.iter().map(ToString::to_string).collect();
        let mix = if mix.is_empty() { "none".to_owned() } else { mix.join(",") };
        let pings = least.pings.map_or(String::new(), |pings| format!(" --pings {pings}"));
        let seed = least.seed;
        writeln!(out, "again: udping-host simulate --seed {seed} --mix {mix}{pings} {again}")?;
        Ok(Exit::Failed)
    }

    /// The first seeds that fail, in order.
    fn failures(&self, first: u64, end: u64) -> Result<Vec<Failure>> {
        let next = AtomicU64::new(first);
        let found: Mutex<BTreeMap<u64, Result<Vec<String>>>> = Mutex::default();
        let work = || loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let is_enough = || {
                let found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.range(..seed).count() >= FAILURES
            };
            if seed >= end || is_enough() {
                break;
            }
            let result = self.violations(seed, None, None);
            if !matches!(&result, Ok(violations) if violations.is_empty()) {
                found.lock().unwrap_or_else(PoisonError::into_inner).insert(seed, result);
            }
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(thread::ScopedJoinHandle::join)
        })
        .map_err(|_| anyhow::anyhow!("a thread panicked"))?;
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        // However many threads there are, the same ones.
        let failure = |(seed, violations): (u64, Result<Vec<String>>)| {
            let mix = (0..ingredients(self.scenario, seed, self.span).len()).collect();
            Ok(Failure { seed, mix, pings: None, violations: violations? })
        };
        found.into_iter().take(FAILURES).map(failure).collect()
    }

    fn write(&self, out: &mut dyn Write, failure: &Failure) -> io::Result<()> {
        let all = ingredients(self.scenario, failure.seed, self.span);
        for (number, ingredient) in all.iter().enumerate() {
            if failure.mix.contains(&number) {
                writeln!(out, "  {number}: {ingredient}")?;
            }
        }
        failure.violations.iter().take(5).try_for_each(|violation| writeln!(out, "  {violation}"))
    }

    /// Leaves out one ingredient after another, and pings, as long as something is not as it has to
    /// be.
    fn shrink(&self, mut failure: Failure) -> Result<Failure> {
        let mut pings = 1;
        // The fewest pings first: everything after that takes less time.
        while pings <= 1 << 20 {
            if self.improve(&mut failure, None, Some(pings))? {
                break;
            }
            pings *= 2;
        }
        loop {
            let mut has_changed = false;
            for number in failure.mix.clone() {
                let rest: Vec<_> =
                    failure.mix.iter().copied().filter(|other| *other != number).collect();
                has_changed |= self.improve(&mut failure, Some(rest), failure_pings(pings))?;
            }
            if !has_changed {
                break;
            }
        }
        let (mut least, mut most) = (0, failure.pings.unwrap_or_default());
        while most > least + 1 {
            let middle = least.midpoint(most);
            if self.improve(&mut failure, None, Some(middle))? {
                most = middle;
            } else {
                least = middle;
            }
        }
        Ok(failure)
    }

    /// Whether it fails with that mix and number of pings, too: then `failure` becomes that.
    fn improve(
        &self,
        failure: &mut Failure,
        mix: Option<Vec<usize>>,
        pings: Option<u64>,
    ) -> Result<bool> {
        let mix = mix.unwrap_or_else(|| failure.mix.clone());
        let violations = self.violations(failure.seed, Some(&mix), pings)?;
        if violations.is_empty() {
            return Ok(false);
        }
        *failure = Failure { seed: failure.seed, mix, pings, violations };
        Ok(true)
    }
}

/// The number of pings to go on with.
fn failure_pings(pings: u64) -> Option<u64> {
    (pings <= 1 << 20).then_some(pings)
}

/// Sets the number of pings of each client.
pub(super) fn limit(scenario: &mut Scenario, pings: u64) {
    for node in scenario.nodes.iter_mut().filter(|node| run::reports(node)) {
        let run = &mut node.run;
        while let Some(index) = run.iter().position(|word| word == "-c" || word == "--count") {
            run.drain(index..(index + 2).min(run.len()));
        }
        run.retain(|word| !word.starts_with("--count="));
        run.push(format!("--count={pings}"));
    }
}

/// What is not as it has to be.
fn violations(used: &[Ingredient], simulated: &Simulated) -> Vec<String> {
    let mut found = Vec::new();
    let totals = &simulated.totals;
    if totals.backward.sent > totals.forward.arrived {
        found.push(format!(
            "servers have sent {} datagrams, and received {}",
            totals.backward.sent, totals.forward.arrived
        ));
    }
    if simulated.ended == Ended::Idle {
        found.extend(simulated.waiting.iter().map(|node| format!("{node} waits for ever")));
    }
    let last = used.iter().filter_map(|ingredient| match ingredient {
        Ingredient::Faults(faults) => faults.iter().map(|(time, _)| *time).max(),
        Ingredient::Link(..) => None,
    });
    let healed = last.max().unwrap_or(Time::START) + HEALED;
    // A server with a key takes no pings from another time.
    let is_stepped = used.iter().any(|ingredient| match ingredient {
        Ingredient::Faults(faults) => {
            faults.iter().any(|(_, change)| matches!(change, Change::Step(..)))
        }
        Ingredient::Link(..) => false,
    });
    for client in &simulated.clients {
        let each = of_client(client, healed, is_stepped);
        found.extend(each.into_iter().map(|violation| format!("{}: {violation}", client.node)));
    }
    found
}

fn of_client(client: &Client, healed: Time, is_stepped: bool) -> Vec<String> {
    let mut found = Vec::new();
    let exit = client.exit.0;
    if !matches!(exit, Exit::Success | Exit::Failed | Exit::Usage) {
        let why = client.trouble.as_deref().unwrap_or_default();
        found.push(format!("exit code {}: {why}", exit.code()));
    }
    let Some(report) = &client.report else { return found };
    found.extend(report.differences.iter().map(ToString::to_string));
    let summary = report.document.total.clone().unwrap_or_default();
    let Summary { sent, received, lost, late, awaited, .. } = summary;
    if sent != received + lost + late + awaited {
        found.push(format!("{sent} sent, but {received} + {lost} + {late} + {awaited}"));
    }
    // As ping does: each target has to answer.
    let flows = report.document.flows.as_deref().unwrap_or_default();
    let answered: BTreeSet<_> = flows
        .iter()
        .filter(|flow| flow.summary.received + flow.summary.late > 0)
        .map(|flow| flow.target)
        .collect();
    let targets = report.document.targets.as_ref().map_or(0, Vec::len);
    if (exit == Exit::Success) != (answered.len() == targets) {
        let count = answered.len();
        found.push(format!("exit code {}, and {count} of {targets} have answered", exit.code()));
    }
    for (name, spread) in
        [("rtt", &summary.rtt), ("ipdv", &summary.ipdv), ("scheduled rtt", &summary.scheduled_rtt)]
    {
        if let Some(spread) = spread
            && !is_ordered(spread)
        {
            found.push(format!("{name} is not in order"));
        }
    }
    let since = || client.heard.iter().filter(|(sent, _)| *sent >= healed);
    let is_keyed = report.document.config.as_ref().is_some_and(|config| config.keyed);
    let is_refused = is_keyed && is_stepped;
    if !is_refused && since().next().is_some() && !since().any(|(_, has_reply)| *has_reply) {
        let count = since().count();
        found
            .push(format!("{count} pings have arrived after the last fault, and none is answered"));
    }
    found
}

/// Whether no percentile is less than the one before it, or beyond the least or the greatest.
fn is_ordered(spread: &Spread) -> bool {
    let Spread { min_ns, max_ns, p50_ns, p90_ns, p95_ns, p99_ns, p99_9_ns, .. } = spread;
    let all = [Some(*min_ns), *p50_ns, *p90_ns, *p95_ns, *p99_ns, *p99_9_ns, Some(*max_ns)];
    all.into_iter().flatten().is_sorted() && (*min_ns..=*max_ns).contains(&spread.mean_ns)
}

/// The numbers of `--mix`.
///
/// # Errors
///
/// If it is neither `all` nor `none` nor a list of numbers.
pub(super) fn mix(text: &str) -> Result<Option<Vec<usize>>> {
    match text {
        "all" => Ok(None),
        "none" => Ok(Some(Vec::new())),
        _ => {
            let numbers: Result<Vec<_>, _> = text.split(',').map(|n| n.trim().parse()).collect();
            let numbers = numbers.ok().context("--mix is all, none, or numbers as 0,3,4")?;
            Ok(Some(numbers))
        }
    }
}
