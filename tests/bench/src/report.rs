//! The results, as tables for people and as JSON.

use std::fmt::{self, Write as _};

use serde::Serialize;

/// All results of a run of the benchmark.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub machine: Vec<(&'static str, String)>,
    /// The measures, in the order measured.
    pub measures: Vec<Measure>,
    /// The goals, and whether they are met.
    pub goals: Vec<Goal>,
}

/// One quantity of several peers, measured in turn.
#[derive(Debug, Serialize)]
pub(crate) struct Measure {
    /// The name.
    pub name: &'static str,
    /// The unit of the values.
    pub unit: &'static str,
    /// One for each peer; ratios are relative to the first.
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Row {
    pub peer: String,
    /// One for each round.
    pub values: Vec<f64>,
    /// Datagrams lost or answered wrongly in all rounds, if they are counted.
    pub lost: Option<u64>,
    /// Why there are no values.
    pub missing: Option<String>,
}

impl Row {
    /// Creates a row without values.
    pub(crate) fn new(peer: String, missing: Option<String>) -> Self {
        Self { peer, missing, ..Self::default() }
    }

    /// The median of its values.
    pub(crate) fn median(&self) -> Option<f64> {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        Some(f64::midpoint(sorted[last / 2], sorted[last.div_ceil(2)]))
    }

    /// The minimum of its values.
    pub(crate) fn min(&self) -> Option<f64> {
        self.values.iter().copied().min_by(f64::total_cmp)
    }

    /// The maximum of its values.
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

/// A bound for a measured value.
#[derive(Debug, Serialize)]
pub(crate) struct Goal {
    /// What is compared.
    pub what: String,
    /// The bound.
    pub bound: Bound,
    /// The value; `None` if something needed for it is missing.
    pub measured: Option<f64>,
}

/// A bound for a value.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    /// Whether the value is within the bound; `None` if there is no value.
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

/// Formats with three significant digits, and separators between thousands.
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
