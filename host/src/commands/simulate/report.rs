//! The report of a simulation: the truth, what the clients say, and the difference. It has nothing in
//! it that differs from run to run.

use std::io::{self, Write};

use udping_simulation::{Direction, Ended, Scenario};

use crate::commands::simulate::run::{Client, Reported, Simulated};
use crate::process::exit::Exit;
use crate::process::printable::Printable;

/// The maximum number of lines about single components.
const LINES: usize = 20;

/// Writes the report. Returns success if each component has ended as was expected, and reports what
/// happened.
pub(super) fn write(
    out: &mut dyn Write,
    scenario: &Scenario,
    simulated: &Simulated,
    is_verbose: bool,
) -> io::Result<Exit> {
    let Simulated { end, totals, clients, waiting, .. } = simulated;
    let nodes = scenario.names().count();
    writeln!(
        out,
        "seed {}: {nodes} nodes, {end} s, {} datagrams",
        scenario.seed,
        totals.forward.sent + totals.backward.sent
    )?;
    writeln!(out)?;
    let row = |out: &mut dyn Write, name: &str, cells: [&str; 6]| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>11}")).collect();
        writeln!(out, "{name:<9}{cells}")
    };
    row(out, "network", ["sent", "arrived", "lost", "duplicated", "reordered", "corrupted"])?;
    for (name, direction) in [("forward", &totals.forward), ("backward", &totals.backward)] {
        let Direction { sent, arrived, duplicated, reordered, corrupted, lost } = direction;
        let lost: u64 = lost.values().sum();
        let cells = [sent, arrived, &lost, duplicated, reordered, corrupted];
        let cells = cells.map(ToString::to_string);
        row(out, name, cells.each_ref().map(String::as_str))?;
    }
    for (name, direction) in [("forward", &totals.forward), ("backward", &totals.backward)] {
        for (cause, count) in &direction.lost {
            writeln!(out, "{name}: {count} {cause}")?;
        }
    }
    let reports: Vec<_> = clients.iter().filter_map(|client| client.report.as_ref()).collect();
    if !reports.is_empty() {
        writeln!(out)?;
        numbers(out, &reports)?;
    }
    if is_verbose {
        clients.iter().try_for_each(|client| output(out, client))?;
    } else if let [only] = clients.as_slice()
        && only.report.is_none()
    {
        writeln!(out)?;
        out.write_all(&only.stdout)?;
    }
    let succeeded = components(out, clients, waiting, simulated.ended)?;
    let same = differences(out, clients)?;
    writeln!(out, "trace: {}", simulated.fingerprint)?;
    Ok(if succeeded && same { Exit::Success } else { Exit::Failed })
}

/// What a component has written.
fn output(out: &mut dyn Write, client: &Client) -> io::Result<()> {
    for (name, text) in [("standard output", &client.stdout), ("standard error", &client.stderr)] {
        if !text.is_empty() {
            writeln!(out, "\n{}, {name}:", client.node)?;
            out.write_all(text)?;
        }
    }
    Ok(())
}

/// What a client reports of all its pings.
fn reported(report: &Reported) -> udping_results::Summary {
    report.document.total.clone().unwrap_or_default()
}

/// The numbers of all reports, beside the truth.
fn numbers(out: &mut dyn Write, reports: &[&Reported]) -> io::Result<()> {
    writeln!(
        out,
        "{:<9}{:>9}{:>10}{:>8}{:>7}{:>12}{:>11}  RTT min/avg/max ms",
        "clients", "sent", "received", "lost", "late", "duplicates", "reordered"
    )?;
    let sum = |number: fn(&Reported) -> u64| reports.iter().map(|r| number(r)).sum::<u64>();
    let rtts: Vec<_> = reports.iter().filter_map(|report| reported(report).rtt).collect();
    let least = rtts.iter().map(|rtt| rtt.min_ns.0).min();
    let greatest = rtts.iter().map(|rtt| rtt.max_ns.0).max();
    let means = reports.iter().filter_map(|report| {
        let summary = reported(report);
        Some(u128::from(summary.rtt?.mean_ns.0) * u128::from(summary.received))
    });
    let received = sum(|report| reported(report).received);
    let mean = (received > 0).then(|| means.sum::<u128>() as f64 / received as f64);
    let mut row = |name: &str, cells: [u64; 6], (least, mean, greatest): Range| {
        let widths = [9, 10, 8, 7, 12, 11];
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:>width$}"));
        let cells: String = cells.collect();
        let rtt = match (least, mean, greatest) {
            (Some(least), Some(mean), Some(greatest)) => {
                format!("{}/{}/{}", ms(least as f64), ms(mean), ms(greatest as f64))
            }
            _ => "-".to_owned(),
        };
        writeln!(out, "{name:<9}{cells}  {rtt}")
    };
    let counts = [
        sum(|report| reported(report).sent),
        received,
        sum(|report| reported(report).lost),
        sum(|report| reported(report).late),
        sum(|report| reported(report).duplicates),
        sum(|report| reported(report).reordered),
    ];
    row("reported", counts, (least, mean, greatest))?;
    let mut truth = udping_simulation::Numbers::default();
    for report in reports {
        truth.add(&report.truth);
    }
    let range = truth.rtt.range();
    let counts =
        [truth.sent, truth.received, truth.lost, truth.late, truth.duplicates, truth.reordered];
    let mean = truth.rtt.moments().map(|(mean, _)| mean);
    row("happened", counts, (range.map(|range| range.0), mean, range.map(|range| range.1)))
}

/// The least, mean and greatest RTT in nanoseconds.
type Range = (Option<u64>, Option<f64>, Option<u64>);

fn ms(nanoseconds: f64) -> String {
    format!("{:.3}", nanoseconds / 1e6)
}

/// What became of the components. Returns whether each has ended as was expected.
fn components(
    out: &mut dyn Write,
    clients: &[Client],
    waiting: &[String],
    ended: Ended,
) -> io::Result<bool> {
    let as_expected = |client: &&Client| client.exit.0.code() == client.exit.1;
    let count = clients.iter().filter(as_expected).count();
    let all = clients.len() + waiting.len();
    writeln!(out)?;
    writeln!(out, "ended as expected: {count} of {all}")?;
    let others = clients.iter().filter(|client| !as_expected(client)).map(|client| {
        let complaint = String::from_utf8_lossy(&client.stderr);
        let first = complaint.lines().next().unwrap_or_default();
        let code = client.exit.0.code();
        let why = client.trouble.clone().unwrap_or_else(|| Printable(first).to_string());
        let colon = if why.is_empty() { "" } else { ": " };
        format!("{}: exit code {code} instead of {}{colon}{why}", client.node, client.exit.1)
    });
    let still = waiting.iter().map(|node| match ended {
        Ended::Idle => format!("{node}: waits for what will never happen"),
        _ => format!("{node}: had not ended"),
    });
    lines(out, others.chain(still))?;
    Ok(count == all)
}

/// The differences between reports and truth. Returns whether there is none.
fn differences(out: &mut dyn Write, clients: &[Client]) -> io::Result<bool> {
    let reports = || clients.iter().filter_map(|client| Some((client, client.report.as_ref()?)));
    if reports().next().is_none() {
        return Ok(true);
    }
    let count: usize = reports().map(|(_, report)| report.differences.len()).sum();
    match count {
        0 => writeln!(out, "differences: none")?,
        _ => writeln!(out, "differences: {count}")?,
    }
    let each = reports().flat_map(|(client, report)| {
        report.differences.iter().map(move |difference| format!("{}: {difference}", client.node))
    });
    lines(out, each)?;
    Ok(count == 0)
}

fn lines(out: &mut dyn Write, lines: impl Iterator<Item = String>) -> io::Result<()> {
    let lines: Vec<_> = lines.collect();
    for line in lines.iter().take(LINES) {
        writeln!(out, "  {line}")?;
    }
    if lines.len() > LINES {
        writeln!(out, "  and {} more", lines.len() - LINES)?;
    }
    Ok(())
}
