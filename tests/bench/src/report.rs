//! What was measured, as tables for people and as JSON.

use std::fmt::{self, Write as _};

use serde::Serialize;

/// Everything that one run of the benchmark found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub machine: Vec<(&'static str, String)>,
    /// Each measure, in the order measured.
    pub measures: Vec<Measure>,
    /// What was aimed at, and what came of it.
    pub goals: Vec<Goal>,
}

/// One quantity, of several peers, measured alternately.
#[derive(Debug, Serialize)]
pub(crate) struct Measure {
    /// What it is called.
    pub name: &'static str,
    /// What its values count.
    pub unit: &'static str,
    /// One for each peer; ratios are to the first.
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Row {
    pub peer: String,
    /// One for each round.
    pub values: Vec<f64>,
    /// Datagrams lost or answered wrongly in all rounds, where they are counted.
    pub lost: Option<u64>,
    /// Why there are no values.
    pub missing: Option<String>,
}

impl Row {
    /// A row that has no values yet.
    pub(crate) fn new(peer: String, missing: Option<String>) -> Self {
        Self { peer, missing, ..Self::default() }
    }

    /// The middle of its values.
    pub(crate) fn median(&self) -> Option<f64> {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        Some(f64::midpoint(sorted[last / 2], sorted[last.div_ceil(2)]))
    }

    /// The least of its values.
    pub(crate) fn min(&self) -> Option<f64> {
        self.values.iter().copied().min_by(f64::total_cmp)
    }

    /// The greatest of its values.
    pub(crate) fn max(&self) -> Option<f64> {
        self.values.iter().copied().max_by(f64::total_cmp)
    }
}

impl Measure {
    /// The row of `peer`.
    pub(crate) fn row(&self, peer: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.peer == peer)
    }
}

/// A bound on what was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Goal {
    /// What is compared with what.
    pub what: String,
    /// What it should be.
    pub bound: Bound,
    /// What it is; `None` where something needed for it is missing.
    pub measured: Option<f64>,
}

/// What a value should be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    /// Whether it is reached; `None` where nothing tells.
    pub(crate) fn is_met(&self) -> Option<bool> {
        Some(match self.bound {
            Bound::AtLeast(bound) => self.measured? >= bound,
            Bound::AtMost(bound) => self.measured? <= bound,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, value) in &self.machine {
            writeln!(f, "{what}: {value}")?;
        }
        for measure in &self.measures {
            write!(f, "\n{measure}")?;
        }
        writeln!(f, "\n| goal | bound | measured | |\n|---|---|---|---|")?;
        for goal in &self.goals {
            let bound = match goal.bound {
                Bound::AtLeast(bound) => format!(">= {bound}"),
                Bound::AtMost(bound) => format!("<= {bound}"),
            };
            let measured = goal.measured.map_or("-".to_owned(), number);
            let verdict = match goal.is_met() {
                Some(true) => "met",
                Some(false) => "missed",
                None => "not measured",
            };
            writeln!(f, "| {} | {bound} | {measured} | {verdict} |", goal.what)?;
        }
        Ok(())
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, unit, rows } = self;
        let reference = rows.first().and_then(Row::median).filter(|reference| *reference > 0.0);
        writeln!(
            f,
            "| {name} | {unit}, median | min to max | ratio | lost |\n|---|---|---|---|---|"
        )?;
        for row in rows {
            let mut line = format!("| {} |", row.peer);
            match (row.median(), row.min(), row.max()) {
                (Some(median), Some(min), Some(max)) => {
                    let ratio = reference
                        .map_or("-".to_owned(), |reference| format!("{:.2}", median / reference));
                    let lost = row.lost.map_or("-".to_owned(), |lost| lost.to_string());
                    write!(
                        line,
                        " {} | {} to {} | {ratio} | {lost} |",
                        number(median),
                        number(min),
                        number(max)
                    )?;
                }
                _ => write!(
                    line,
                    " missing: {} | | | |",
                    row.missing.as_deref().unwrap_or("not measured")
                )?,
            }
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

/// With three digits that mean something, and thousands set apart.
fn number(value: f64) -> String {
    match value.abs() {
        10_000.0.. => {
            let thousands = (value / 1000.0).round();
            format!("{thousands}k")
        }
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
