//! The summary in text: one fact per line, always with units.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};
use std::time::Duration;

use udping_core::client::Summary;
use udping_core::client::{FlowId, ReceiveTimes, Results};
use udping_core::duration::Millis;
use udping_core::stats::Spread;
use udping_core::stats::SyncedSpreads;
use udping_core::wire::stamp::ErrorEstimate;

use crate::run::{Run, Sort};
use crate::style::Style;
use crate::table;
use crate::text::Name;
use crate::units::{ByteRate, Rate, Short};

/// Appends the summary of a run to `out`.
pub fn write(run: &Run, results: &Results, out: &mut String) {
    if let [flow] = run.flows.as_slice() {
        let host = &run.targets[flow.target].host;
        let is_bare = host.contains(':') && !host.starts_with('[');
        let host = if is_bare { format!("[{host}]") } else { host.clone() };
        *out += &format!("\n--- {host}:{} ping statistics ---\n", flow.address.port());
    } else {
        *out += "\n--- ping statistics ---\n";
        targets(run, results, out);
        *out += "total:\n";
    }
    let total = &results.total;
    let awaited = "still awaited when stopped";
    *out += &format!("{}\n", Counts { results, awaited, style: run.settings.style });
    rates(results, out);
    outage(total, out);
    if let Some(losses) = total.directed_losses.filter(|_| total.lost > 0) {
        *out += &format!(
            "lost: {} forward, {} backward, {} unknown\n",
            losses.forward, losses.backward, losses.unknown
        );
    }
    if total.received > 0 {
        let times = match results.receive_times {
            ReceiveTimes::User => "user",
            ReceiveTimes::Kernel => "kernel",
        };
        *out += &format!("receive times: {times}\n");
    }
    if let Some(rtt) = &total.rtt {
        // In ping's format, for programs that parse it.
        let [min, avg, max, mdev] = [rtt.min, rtt.mean, rtt.max, rtt.stddev].map(Millis);
        *out += &format!("rtt min/avg/max/mdev = {min}/{avg}/{max}/{mdev} ms\n");
    }
    quantities(results, out);
    if let Some(synced) = total.one_way.as_ref().and_then(|one_way| one_way.synced.as_ref()) {
        *out += &format!("{}\n", Clocks(synced));
    }
}

/// Returns the results so far in one line, as ping prints them at SIGQUIT.
pub fn interim(run: &Run, results: &Results) -> String {
    let mut line = Counts { results, awaited: "awaited", style: Style::default() }.to_string();
    if let Some(rtt) = &results.total.rtt {
        let _ = write!(line, ", rtt {}", MinAvgMax(rtt));
    }
    let _ = write!(line, ", after {}", Short(results.duration));
    if run.flows.len() > 1
        && let Some((name, summary)) = worst(run, results).first()
        && summary.unanswered_ratio() > 0.0
    {
        let _ =
            write!(line, ", worst {name} ({:.1} % unanswered)", 100.0 * summary.unanswered_ratio());
    }
    line
}

/// Returns the targets, the worst first: by the share of unanswered pings, and then by mean RTT.
pub fn worst<'a>(run: &'a Run, results: &'a Results) -> Vec<(&'a str, &'a Summary)> {
    let flows = run.flows.iter().zip(&results.flows);
    let mut all: Vec<_> =
        flows.map(|(flow, summary)| (run.targets[flow.target].host.as_str(), summary)).collect();
    let mean = |summary: &Summary| summary.rtt.as_ref().map_or(Duration::ZERO, |rtt| rtt.mean);
    all.sort_by(|(_, one), (_, other)| {
        by_loss(one, other).then_with(|| mean(other).cmp(&mean(one)))
    });
    all
}

fn by_loss(one: &Summary, other: &Summary) -> Ordering {
    other.unanswered_ratio().total_cmp(&one.unanswered_ratio())
}

fn p99(summary: &Summary) -> Duration {
    // A target without any answer is worse than one with some.
    summary.rtt.as_ref().map_or(Duration::MAX, |rtt| {
        carried(rtt, 100).map_or(rtt.max, |percentiles| percentiles.p99)
    })
}

/// Returns the percentiles, if there are at least `values` values, as needed for one of that rank.
fn carried(spread: &Spread, values: u64) -> Option<udping_core::stats::Percentiles> {
    spread.percentiles.filter(|_| spread.count >= values)
}

/// Appends an aligned line for each flow.
fn targets(run: &Run, results: &Results, out: &mut String) {
    let mut order: Vec<_> = (0..run.flows.len()).collect();
    let of = |id: &usize| &results.flows[*id];
    match run.settings.sort {
        Sort::Given => {}
        Sort::Loss => order.sort_by(|one, other| by_loss(of(one), of(other))),
        Sort::P99 => order.sort_by_key(|id| std::cmp::Reverse(p99(of(id)))),
    }
    let has = |count: fn(&Summary) -> u64| results.flows.iter().any(|flow| count(flow) > 0);
    let (unsent, awaited) = (has(|flow| flow.send_errors), has(|flow| flow.awaited));
    let row = |id: &usize| {
        let s = of(id);
        let name =
            format!("{} {}", run.targets[run.flows[*id].target].host, Name(run, FlowId(*id)));
        let mut cells = vec![
            name,
            s.sent.to_string(),
            s.received.to_string(),
            s.lost.to_string(),
            percent(s.loss_ratio()),
        ];
        cells.push(s.send_errors.to_string());
        cells.push(s.awaited.to_string());
        cells
    };
    let rows: Vec<_> = order.iter().map(row).collect();
    let widths = table::widths(&rows);
    for (id, row) in order.iter().zip(&rows) {
        let s = of(id);
        let cell = |column: usize| table::right(&row[column], widths[column]);
        let lost = format!("{} lost ({} %)", cell(3), cell(4));
        let lost = run.settings.style.alarm(s.lost > 0, &lost);
        let _ = write!(
            out,
            "{}: {} sent, {} received, {lost}",
            table::left(&row[0], widths[0]),
            cell(1),
            cell(2)
        );
        if unsent {
            *out += &format!(
                ", {}",
                run.settings.style.alarm(s.send_errors > 0, &format!("{} not sent", cell(5)))
            );
        }
        if awaited {
            let _ = write!(out, ", {} awaited", cell(6));
        }
        if let Some(rtt) = &s.rtt {
            let _ = write!(out, ", rtt {}", MinAvgMax(rtt));
            if let Some(percentiles) = carried(rtt, 100).filter(|_| run.settings.sort == Sort::P99)
            {
                let _ = write!(out, ", p99 {} ms", Millis(percentiles.p99));
            }
        }
        out.push('\n');
    }
}

fn percent(ratio: f64) -> String {
    format!("{:.1}", 100.0 * ratio)
}

/// The line of counts.
struct Counts<'a> {
    results: &'a Results,
    /// What to call pings that are awaited.
    awaited: &'static str,
    style: Style,
}

impl fmt::Display for Counts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (s, p) = (&self.results.total, &self.results.punctuality);
        let lost = format!("{} lost ({} %)", s.lost, percent(s.loss_ratio()));
        write!(
            f,
            "{} sent, {} received, {}",
            s.sent,
            s.received,
            self.style.alarm(s.lost > 0, &lost)
        )?;
        if s.send_errors > 0 {
            let unsent = percent(s.send_errors as f64 / s.attempted().max(1) as f64);
            let unsent = format!("{} not sent ({unsent} % of {})", s.send_errors, s.attempted());
            write!(f, ", {}", self.style.alarm(true, &unsent))?;
        }
        // In the plural even for one, as in ping.
        write!(f, ", {} duplicates, {} late", s.duplicates, s.late)?;
        for (count, name) in [
            (s.reordered, "reordered"),
            (s.awaited, self.awaited),
            (s.foreign, "foreign"),
            (p.missed_slots, if p.missed_slots == 1 { "slot missed" } else { "slots missed" }),
            (
                self.results.dropped.unwrap_or_default(),
                "dropped by this machine for want of receive buffer",
            ),
        ] {
            if count > 0 {
                write!(f, ", {count} {name}")?;
            }
        }
        Ok(())
    }
}

/// Appends the duration and the rates. A single ping has no rate.
fn rates(results: &Results, out: &mut String) {
    let (s, seconds) = (&results.total, results.duration.as_secs_f64());
    *out += &format!("duration {}", Short(results.duration));
    if s.sent > 1 && seconds > 0.0 {
        for (name, datagrams, bytes) in
            [("sent", s.sent, s.sent_bytes), ("received", s.received + s.late, s.received_bytes)]
        {
            let (datagrams, bytes) =
                (Rate(datagrams as f64 / seconds), ByteRate(bytes as f64 / seconds));
            *out += &format!(", {name} {datagrams}/s ({bytes})");
        }
    }
    out.push('\n');
}

/// Appends the longest outage, and its cause.
fn outage(s: &Summary, out: &mut String) {
    let outage = s.longest_outage;
    let mut facts = Vec::new();
    if s.longest_loss_burst > 0 {
        facts.push(format!("longest loss {} in a row", s.longest_loss_burst));
    }
    if outage.lost + outage.not_sent > 0 {
        let causes = [(outage.lost, "lost"), (outage.not_sent, "not sent")];
        let causes: Vec<_> = causes
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, cause)| format!("{count} {cause}"))
            .collect();
        facts.push(format!("longest outage {} ({})", Short(outage.duration), causes.join(", ")));
    }
    if !facts.is_empty() {
        *out += &format!("{}\n", facts.join(", "));
    }
}

/// A column for a percentile or moment: its name, the number of values that it requires, and the
/// function that returns it.
type Column = (&'static str, u64, fn(&Spread) -> Option<Duration>);

const COLUMNS: [Column; 9] = [
    ("min", 1, |s| Some(s.min)),
    ("mean", 1, |s| Some(s.mean)),
    ("median", 1, |s| Some(s.percentiles?.p50)),
    ("p90", 10, |s| Some(s.percentiles?.p90)),
    ("p95", 20, |s| Some(s.percentiles?.p95)),
    ("p99", 100, |s| Some(s.percentiles?.p99)),
    ("p99.9", 1_000, |s| Some(s.percentiles?.p99_9)),
    ("max", 1, |s| Some(s.max)),
    ("stddev", 1, |s| Some(s.stddev)),
];

/// Appends a row for each quantity, with the percentiles that the number of its values supports: of
/// fewer values, the percentile is the maximum.
fn quantities(results: &Results, out: &mut String) {
    let (s, p) = (&results.total, &results.punctuality);
    let one_way = s.one_way.clone().unwrap_or_default();
    let (forward_delay, backward_delay) =
        one_way.synced.map_or((None, None), |synced| (synced.forward_delay, synced.backward_delay));
    let all = [
        ("rtt", s.rtt.clone()),
        ("rtt from schedule", s.scheduled_rtt.clone()),
        ("rtt less reflector", one_way.net_rtt),
        ("reflector", one_way.processing),
        ("forward delay", forward_delay),
        ("backward delay", backward_delay),
        ("forward variation", one_way.forward_variation),
        ("backward variation", one_way.backward_variation),
        ("ipdv", s.ipdv.clone()),
        ("timer error", p.timer_error.clone()),
        ("send call", p.send_call.clone()),
        ("receive delay", results.receive_delay.clone()),
    ];
    let rows: Vec<_> = all.into_iter().filter_map(|(name, spread)| Some((name, spread?))).collect();
    if rows.is_empty() {
        return;
    }
    let value =
        |spread: &Spread, (_, least, of): &Column| of(spread).filter(|_| spread.count >= *least);
    let columns: Vec<_> = COLUMNS
        .iter()
        .filter(|column| rows.iter().any(|(_, spread)| value(spread, column).is_some()))
        .collect();
    let mut cells = vec![
        [String::new()]
            .into_iter()
            .chain(columns.iter().map(|(name, ..)| (*name).to_owned()))
            .collect(),
    ];
    for (name, spread) in &rows {
        let value = |column: &&Column| {
            value(spread, column).map_or("-".to_owned(), |span| Short(span).to_string())
        };
        cells.push(
            [(*name).to_owned()].into_iter().chain(columns.iter().map(value)).collect::<Vec<_>>(),
        );
    }
    out.push('\n');
    table::write(&cells, out);
    if let Some(jitter) = s.jitter {
        *out += &format!("jitter (RFC 3550) {}\n", Short(jitter));
    }
}

struct MinAvgMax<'a>(&'a Spread);

impl fmt::Display for MinAvgMax<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [min, avg, max] = [self.0.min, self.0.mean, self.0.max].map(Millis);
        write!(f, "min/avg/max = {min}/{avg}/{max} ms")
    }
}

/// The accuracy of one-way delays.
struct Clocks<'a>(&'a SyncedSpreads);

impl fmt::Display for Clocks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &SyncedSpreads { below_zero, sender, reflector, .. } = self.0;
        f.write_str("clock error: local ")?;
        clock(sender, f)?;
        f.write_str(", remote ")?;
        match reflector {
            Some(reflector) => clock(reflector, f)?,
            None => f.write_str("unknown")?,
        }
        if below_zero > 0 {
            write!(f, "; {below_zero} delays below zero: the clocks do not agree")
        } else {
            Ok(())
        }
    }
}

fn clock(error: ErrorEstimate, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error.error() {
        Some(error) => write!(f, "+-{}", Short(error))?,
        None => f.write_str("not valid")?,
    }
    f.write_str(if error.is_synchronised() { " of UTC" } else { " (not said to be synchronised)" })
}
