//! Tooltips of a page: areas above the figure, each with a title, which browsers show.

use std::fmt::Write as _;

use super::{Chart, Detail, Figure};
use crate::columns::{Column, Mishap, columns};
use crate::document::{Fate, Ping};
use crate::escape::Escaped;
use crate::units;

/// How many parts of a run have a tooltip.
const PARTS: usize = 200;

/// How many series the tooltip of a part names.
const NAMED: usize = 8;

/// A tooltip: where it is shown, in pixels of the figure, and its text.
#[derive(Debug)]
pub(super) struct Tip {
    /// The left upper corner.
    start: (i32, i32),
    /// The width and height.
    size: (i32, i32),
    text: String,
}

/// Writes `tips` as a layer of an SVG.
pub(super) fn layer(tips: &[Tip]) -> String {
    let mut svg = String::from("<g class=\"tips\" fill=\"none\" pointer-events=\"all\">\n");
    for Tip { start: (x, y), size: (width, height), text } in tips {
        // Writing to a string never fails.
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"><title>{}</title></rect>",
            Escaped(text)
        );
    }
    svg + "</g>\n"
}

impl Figure<'_> {
    fn add_tip(&self, start: (i32, i32), end: (i32, i32), text: String) {
        if let Some(tips) = &self.tips {
            let size = ((end.0 - start.0).max(1), (end.1 - start.1).max(1));
            tips.borrow_mut().push(Tip { start, size, text });
        }
    }

    /// Adds the tooltip of a ping around its mark at `centre`.
    pub(super) fn tip_ping(&self, index: usize, ping: &Ping, centre: (i32, i32)) {
        if self.tips.is_some() {
            let (x, y) = centre;
            self.add_tip((x - 5, y - 5), (x + 5, y + 5), self.text_of_ping(index, ping));
        }
    }

    /// Adds the tooltip of a ping around its mark in a lane.
    pub(super) fn tip_mark(&self, index: usize, ping: &Ping, start: (i32, i32), end: (i32, i32)) {
        if self.tips.is_some() {
            let text = self.text_of_ping(index, ping);
            self.add_tip((start.0 - 3, start.1), (end.0 + 3, end.1), text);
        }
    }

    /// Adds the tooltips of the parts of the run over the whole height of a chart.
    pub(super) fn tip_parts(&self, chart: &Chart<'_, '_>) {
        let (Some(_), Detail::Columns(drawn)) = (&self.tips, &self.detail) else { return };
        let count = drawn.iter().map(Vec::len).min().unwrap_or(0).min(PARTS);
        let parts: Vec<_> = (0..self.series.len())
            .map(|index| columns(self.series.pings(index), self.end, count))
            .collect();
        let plot = chart.plotting_area();
        let (_, ys) = plot.get_pixel_range();
        for part in 0..count {
            let pixel = |part| plot.map_coordinate(&(self.edge(part, count), 0.0)).0;
            let of: Vec<_> = parts.iter().filter_map(|columns| columns.get(part)).collect();
            if of.iter().any(|column| column.pings > 0) {
                let text = self.text_of_part(part, count, &of);
                self.add_tip((pixel(part), ys.start), (pixel(part + 1), ys.end), text);
            }
        }
    }

    fn text_of_ping(&self, index: usize, ping: &Ping) -> String {
        let rtt =
            |ns: u64| format!("{} {}", units::figures(self.unit.of(ns as f64)), self.unit.sign());
        let what = match ping.fate {
            Fate::Received { rtt: ns } => rtt(ns),
            Fate::Late { rtt: ns } => format!("late: {}", rtt(ns)),
            Fate::Lost => Mishap::Lost.name().to_owned(),
            Fate::NotSent => Mishap::NotSent.name().to_owned(),
            Fate::Awaited => Mishap::Awaited.name().to_owned(),
        };
        let twice = match ping.duplicates {
            0 => String::new(),
            1 => ", 1 duplicate".to_owned(),
            several => format!(", {several} duplicates"),
        };
        let name = if self.series.is_others(index) || self.series.len() == 1 {
            crate::document::name(&self.document.targets[ping.target as usize])
        } else {
            self.name(index)
        };
        format!("{name}\n{} UTC: {what}{twice}", self.clock.time(ping.at))
    }

    fn text_of_part(&self, part: usize, count: usize, of: &[&Column]) -> String {
        let at = |part: usize| {
            self.clock.time((u128::from(self.end) * part as u128 / count as u128) as u64)
        };
        let mut text = format!("{} to {} UTC", at(part), at(part + 1));
        let pinged = of.iter().enumerate().filter(|(_, column)| column.pings > 0);
        let all = pinged.clone().count();
        for (index, column) in pinged.take(NAMED) {
            text.push('\n');
            if of.len() > 1 {
                text += &format!("{}: ", self.name(index));
            }
            text += &self.text_of_column(column);
        }
        if all > NAMED {
            text += &format!("\n... and {} more", all - NAMED);
        }
        text
    }

    fn text_of_column(&self, column: &Column) -> String {
        let figures = |ns: u64| units::figures(self.unit.of(ns as f64));
        let mut parts = vec![match column.rtt {
            Some(rtt) => format!(
                "median {} {} ({} to {})",
                figures(rtt.median),
                self.unit.sign(),
                figures(rtt.min),
                figures(rtt.max)
            ),
            None => "no reply in time".to_owned(),
        }];
        for kind in Mishap::ALL {
            let count = column.mishaps(kind);
            if count > 0 {
                let (count, pings) = (units::count(count), units::count(column.pings));
                parts.push(format!("{count} of {pings} {}", kind.name()));
            }
        }
        parts.join(", ")
    }

    fn name(&self, index: usize) -> String {
        self.names.get(index).cloned().unwrap_or_default()
    }
}

/// The place of a chart's coordinate in the figure.
pub(super) fn pixel(chart: &Chart<'_, '_>, place: (f64, f64)) -> (i32, i32) {
    chart.plotting_area().map_coordinate(&place)
}
