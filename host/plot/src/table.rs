//! The summary of a run as a table of text.

use std::collections::HashMap;

use udping_results::Nanoseconds;

use crate::columns::rank;
use crate::document::{self, Document, Flow, Spread, Summary};
use crate::units::{self, Unit};

/// The content of a cell without a value.
const NOTHING: &str = "-";

/// The columns of a row.
const HEADINGS: [&str; 16] = [
    "sent",
    "received",
    "lost, %",
    "late",
    "duplicates",
    "min",
    "mean",
    "median",
    "p90",
    "p95",
    "p99",
    "p99.9",
    "max",
    "stddev",
    "mean ipdv",
    "jitter",
];

/// The [`HEADINGS`] that are left out if no row has a value for them.
const OPTIONAL: [&str; 4] = ["late", "duplicates", "mean ipdv", "jitter"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// The caption, with the unit of times.
    pub caption: String,
    /// The headings of the columns after the first, which has names.
    pub headings: Vec<&'static str>,
    /// All pings; then each target and source port, if there are several.
    pub rows: Vec<Row>,
    /// Targets that could not be pinged, and why.
    pub notes: Vec<String>,
}

/// Summary of one target or flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub name: String,
    /// One cell for each heading.
    pub cells: Vec<String>,
}

impl Table {
    /// Summarizes `document`, all of whose RTTs are `rtts` (in ns, sorted), with times in `unit`.
    pub(crate) fn new(document: &Document, rtts: &[u64], unit: Unit) -> Self {
        let mut headings = HEADINGS.to_vec();
        let mut rows = rows(document, rtts, unit);
        for index in (0..HEADINGS.len()).rev() {
            let is_empty =
                rows.iter().all(|row| [NOTHING, "0"].contains(&row.cells[index].as_str()));
            if is_empty && OPTIONAL.contains(&HEADINGS[index]) {
                headings.remove(index);
                for row in &mut rows {
                    row.cells.remove(index);
                }
            }
        }
        let failed =
            document.targets.iter().filter_map(|target| Some((target, target.error.as_ref()?)));
        let order = if rows.len() > 1 { ", by loss" } else { "" };
        Self {
            caption: format!("Summary{order} (times in {})", unit.sign()),
            headings,
            rows,
            notes: failed
                .map(|(target, error)| format!("{}: {error}", document::name(target)))
                .collect(),
        }
    }
}

fn rows(document: &Document, rtts: &[u64], unit: Unit) -> Vec<Row> {
    let all = |name| Row { name, cells: cells(&document.total, rtts, unit) };
    if let [only] = document.flows.as_slice() {
        return vec![all(document::name(&document.targets[only.target as usize]))];
    }
    let rtts = rtts_of_flows(document);
    let mut flows_of = vec![0; document.targets.len()];
    document.flows.iter().for_each(|flow| flows_of[flow.target as usize] += 1);
    let flow = |Flow { target, source_port, summary }: &Flow| {
        let name = document::name(&document.targets[*target as usize]);
        let rtts = rtts.get(&(*target, *source_port)).map_or(&[][..], Vec::as_slice);
        Row {
            name: if flows_of[*target as usize] > 1 {
                format!("{name} from port {source_port}")
            } else {
                name
            },
            cells: cells(summary, rtts, unit),
        }
    };
    let mut flows: Vec<_> = document.flows.iter().collect();
    // Those with the same loss stay in their order.
    flows.sort_by(|one, other| other.summary.loss_ratio.total_cmp(&one.summary.loss_ratio));
    [all("all".to_owned())].into_iter().chain(flows.into_iter().map(flow)).collect()
}

/// The RTTs of each flow, in ns, sorted; empty if all flows have their percentiles already.
fn rtts_of_flows(document: &Document) -> HashMap<(u32, u16), Vec<u64>> {
    let mut flows = HashMap::<_, Vec<u64>>::new();
    if document
        .flows
        .iter()
        .filter_map(|flow| flow.summary.rtt.as_ref())
        .any(|rtt| rtt.p50_ns.is_none())
    {
        for ping in &document.pings {
            flows.entry((ping.target, ping.source_port)).or_default().extend(ping.rtt());
        }
        for rtts in flows.values_mut() {
            rtts.sort_unstable();
        }
    }
    flows
}

/// The cells of one `summary`. Percentiles that it lacks are computed from `rtts`.
fn cells(summary: &Summary, rtts: &[u64], unit: Unit) -> Vec<String> {
    let time = |ns: Option<Nanoseconds>| {
        ns.map_or_else(|| NOTHING.to_owned(), |ns| units::figures(unit.of(ns.0 as f64)))
    };
    let rtt = |of: fn(&Spread) -> Nanoseconds| time(summary.rtt.as_ref().map(of));
    let percentile = |of: fn(&Spread) -> Option<Nanoseconds>, share| {
        let counted = || rank(rtts, share).map(|ns| Nanoseconds(*ns));
        time(summary.rtt.as_ref().and_then(|rtt| of(rtt).or_else(counted)))
    };
    let cells: [String; HEADINGS.len()] = [
        units::count(summary.sent),
        units::count(summary.received),
        units::percent(summary.loss_ratio),
        units::count(summary.late),
        units::count(summary.duplicates),
        rtt(|rtt| rtt.min_ns),
        rtt(|rtt| rtt.mean_ns),
        percentile(|rtt| rtt.p50_ns, 0.5),
        percentile(|rtt| rtt.p90_ns, 0.9),
        percentile(|rtt| rtt.p95_ns, 0.95),
        percentile(|rtt| rtt.p99_ns, 0.99),
        percentile(|rtt| rtt.p99_9_ns, 0.999),
        rtt(|rtt| rtt.max_ns),
        rtt(|rtt| rtt.stddev_ns),
        time(summary.ipdv.as_ref().map(|ipdv| ipdv.mean_ns)),
        time(summary.jitter_ns),
    ];
    cells.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Fate, Ping};

    /// Two targets, one of which was pinged from two ports, and one without an address. The first
    /// has no percentiles.
    const WRITTEN: &str = r#"{"format": "udping-results", "version": 1, "started": "2026-11-24T00:20:11Z",
        "config": {"protocol": "text", "schedule": "fixed", "interval_ns": 1000, "timeout_ns": 2000, "size_bytes": 32},
        "targets": [{"host": "192.0.2.1", "address": "192.0.2.1:7"}, {"host": "b.example", "address": "[2001:db8::1]:7"},
            {"host": "c.example", "error": "no such name"}],
        "records": [],
        "flows": [
            {"target": 0, "source_port": 1, "sent": 200, "received": 100, "loss_ratio": 0.5,
                "rtt": {"min_ns": 1000, "mean_ns": 50500, "stddev_ns": 28866, "max_ns": 100000}},
            {"target": 1, "source_port": 1, "sent": 1, "received": 0, "loss_ratio": 1.0, "rtt": null},
            {"target": 1, "source_port": 2, "sent": 1, "received": 1, "loss_ratio": 0.0, "jitter_ns": 5000, "rtt":
                {"min_ns": 1000000, "mean_ns": 2000000, "stddev_ns": 0, "max_ns": 9000000,
                "p50_ns": 3000000, "p90_ns": 4000000, "p95_ns": 5000000, "p99_ns": 6000000, "p99_9_ns": 7000000}}],
        "total": {"sent": 202, "received": 101, "loss_ratio": 0.5, "rtt": null}}"#;

    fn table() -> Table {
        let mut document = Document::read(WRITTEN.as_bytes()).unwrap();
        // Backwards, so that nothing is in order by accident.
        document.pings = (1..=100)
            .rev()
            .map(|us| Ping {
                at: 0,
                fate: Fate::Received { rtt: us * 1000 },
                target: 0,
                source_port: 1,
                duplicates: 0,
            })
            .collect();
        Table::new(&document, &[], Unit::Us)
    }

    fn row<'a>(table: &'a Table, name: &str) -> HashMap<&'static str, &'a str> {
        let row = table
            .rows
            .iter()
            .find(|row| row.name == name)
            .unwrap_or_else(|| panic!("{name} is not in {table:?}"));
        table.headings.iter().copied().zip(row.cells.iter().map(String::as_str)).collect()
    }

    #[test]
    fn percentiles_are_those_of_the_summary() {
        let table = table();
        let row = row(&table, "b.example ([2001:db8::1]:7) from port 2");
        let cells = ["min", "mean", "median", "p90", "p95", "p99", "p99.9", "max"]
            .map(|heading| row[heading]);
        assert_eq!(cells, ["1,000", "2,000", "3,000", "4,000", "5,000", "6,000", "7,000", "9,000"]);
    }

    #[test]
    fn percentiles_missing_in_the_summary_come_from_records() {
        let table = table();
        let row = row(&table, "192.0.2.1:7");
        let cells =
            ["min", "median", "p90", "p95", "p99", "p99.9", "max"].map(|heading| row[heading]);
        assert_eq!(cells, ["1.000", "50.00", "90.00", "95.00", "99.00", "100.0", "100.0"]);
    }

    #[test]
    fn where_no_reply_came_there_is_no_time() {
        let table = table();
        let row = row(&table, "b.example ([2001:db8::1]:7) from port 1");
        assert_eq!(
            [row["lost, %"], row["min"], row["median"], row["stddev"]],
            ["100.0", "-", "-", "-"]
        );
    }

    #[test]
    fn columns_that_no_row_has_are_left_out() {
        let headings = table().headings;
        assert!(
            headings.contains(&"jitter")
                && !headings.contains(&"mean ipdv")
                && !headings.contains(&"late"),
            "{headings:?}"
        );
        assert!(table().rows.iter().all(|row| row.cells.len() == headings.len()));
    }

    #[test]
    fn a_target_without_an_address_is_told() {
        assert_eq!(table().notes, ["c.example: no such name"]);
    }

    #[test]
    fn one_flow_alone_is_all_there_is() {
        let mut document = Document::read(WRITTEN.as_bytes()).unwrap();
        document.flows.truncate(1);
        let table = Table::new(&document, &[], Unit::Us);
        assert_eq!(
            table.rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
            ["192.0.2.1:7"]
        );
    }
}
