//! `udping-host simulate`: components on a virtual network, with the truth beside their reports.

mod plan;
mod report;
mod run;

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::commands::run::prepare_runtime;
use crate::config::cli::SimulateArguments;
use crate::process::exit::Exit;
use crate::process::log::say;
use udping_harden::{self as harden, Needs};

/// Runs a scenario, and reports it to `out`.
pub fn simulate(arguments: &SimulateArguments, out: &mut dyn Write) -> Result<Exit> {
    let scenario = plan::scenario(arguments)?;
    harden::drop_privileges(Needs::default()).iter().for_each(say);
    let programs = match run::Programs::load(&scenario, arguments.scenario.as_deref()) {
        Ok(programs) => programs,
        Err((source, error)) => return Ok(crate::commands::context::refuse(&source, &error)),
    };
    // Nothing that a component does is real: this process needs neither files nor sockets.
    prepare_runtime()?;
    harden::close_inherited([]);
    harden::shut().iter().for_each(say);
    let start = Instant::now();
    let simulated = run::run(&scenario, &programs)?;
    let took = start.elapsed();
    let exit = report::write(out, &scenario, &simulated).context("cannot write the report")?;
    out.flush()?;
    // Not on standard output, which is the same whenever it runs.
    let real = took.as_secs_f64();
    let times = simulated.end.since_start().as_secs_f64() / real;
    let _ = writeln!(io::stderr(), "simulated in {real:.2} s: {times:.0} times real time");
    Ok(exit)
}
