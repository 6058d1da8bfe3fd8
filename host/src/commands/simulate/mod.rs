//! `udping-host simulate`: components on a virtual network, with the truth beside their reports.

mod plan;
mod report;
mod run;
mod search;

use std::io::{self, IsTerminal as _, Write};
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::commands::conditions;
use crate::commands::run::prepare_runtime;
use crate::config::cli::SimulateArguments;
use crate::process::exit::Exit;
use crate::process::log::say;
use search::Search;
use udping_harden::{self as harden, Needs};

/// Runs a scenario, and reports it to `out`.
pub fn simulate(arguments: &SimulateArguments, out: &mut dyn Write) -> Result<Exit> {
    let scenario = plan::scenario(arguments)?;
    let capture = arguments.pcap.as_deref().map(conditions::capture).transpose()?;
    harden::drop_privileges(Needs::default()).iter().for_each(say);
    let programs = match run::Programs::load(&scenario, arguments.scenario.as_deref()) {
        Ok(programs) => programs,
        Err((source, error)) => return Ok(crate::commands::context::refuse(&source, &error)),
    };
    // Nothing that a component does is real: this process needs neither files nor sockets.
    prepare_runtime()?;
    harden::close_inherited([]);
    harden::shut().iter().for_each(say);
    if let Some(count) = arguments.search {
        let search = Search::new(&scenario, &programs)?;
        return search.run(count, out, &again(std::env::args()));
    }
    let mut scenario = match &arguments.mix {
        None => scenario,
        Some(mix) => {
            let mix = search::mix(mix)?;
            Search::new(&scenario, &programs)?.mixed(scenario.seed, mix.as_deref())?.0
        }
    };
    if let Some(pings) = arguments.pings {
        search::limit(&mut scenario, pings.get());
    }
    let start = Instant::now();
    let simulated = run::run(&scenario, &programs, capture.clone())?;
    let took = start.elapsed();
    if let Some(capture) = capture {
        capture.finish().context("the capture is not complete")?;
    }
    let exit = report::write(out, &scenario, &simulated, arguments.verbose)
        .context("cannot write the report")?;
    out.flush()?;
    // Not for those who compare: it is another each time.
    if !io::stderr().is_terminal() {
        return Ok(exit);
    }
    let real = took.as_secs_f64();
    let times = simulated.end.since_start().as_secs_f64() / real;
    let _ = writeln!(io::stderr(), "simulated in {real:.2} s: {times:.0} times real time");
    Ok(exit)
}

/// The words after `simulate` of this process's own command line, without those that a search replaces.
fn again(words: impl Iterator<Item = String>) -> String {
    let mut words = words.skip_while(|word| word != "simulate").skip(1);
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        match word.split('=').next() {
            Some("--search" | "--seed") if !word.contains('=') => drop(words.next()),
            Some("--search" | "--seed") => {}
            Some("--") => {
                kept.push(word);
                break;
            }
            _ => kept.push(word),
        }
    }
    kept.extend(words);
    let quoted = |word: &String| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=%.,:/@".contains(c);
        if !word.is_empty() && word.chars().all(is_plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    kept.iter().map(quoted).collect::<Vec<_>>().join(" ")
}
