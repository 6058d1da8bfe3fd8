//! Lanes that show when events happened, one for each kind.

use plotters::element::{Polygon, Rectangle};
use plotters::style::Color as _;
use plotters::style::text_anchor::HPos;

use super::bars::{self, Bar};
use super::{Area, Detail, Drawn, Figure, LEFT, style};
use crate::axis::Axis;
use crate::columns::{Column, Mishap};
use crate::palette;
use crate::units;

/// The gap between lanes in pixels.
const GAP: u32 = 6;
/// The height of a lane with one colour, in pixels.
const LANE: u32 = 34;
/// The height of one target's part of a lane, in pixels, and where targets are many.
const PART: (u32, u32) = (8, 4);
/// The height of the smallest share, in pixels: otherwise few among many would be invisible.
const LEAST: u32 = 3;
/// How many degrees of opacity tell shares apart.
const LEVELS: f64 = 4.0;
/// Half the width of a mark for one ping, in pixels.
const HALF_MARK: i32 = 1;

impl Figure<'_> {
    pub(super) fn mishap_height(&self) -> u32 {
        let part = if self.series.are_many() { PART.1 } else { PART.0 };
        GAP + LANE.max(self.series.len() as u32 * part)
    }

    pub(super) fn draw_mishap(&self, kind: Mishap, area: &Area<'_>) -> Drawn {
        let (_, lane) = area.split_vertically(GAP);
        let amount = match &self.detail {
            Detail::Pings => self.draw_marks(kind, &lane)?,
            Detail::Columns(series) if self.series.are_many() => {
                self.draw_rows(kind, series, &lane)?
            }
            Detail::Columns(series) => self.draw_shares(kind, series, &lane)?,
        };
        let (x, middle) = (LEFT as i32 - 10, (self.mishap_height() - GAP) as i32 / 2);
        lane.draw_text(
            kind.name(),
            &style::text(style::BODY, palette::TEXT, HPos::Right),
            (x, middle - 8),
        )?;
        lane.draw_text(
            &amount,
            &style::text(style::BODY, palette::QUIET, HPos::Right),
            (x, middle + 8),
        )?;
        Ok(())
    }

    /// Draws a mark for each ping, in its target's part of the lane. Returns the number of marks.
    fn draw_marks(&self, kind: Mishap, area: &Area<'_>) -> Drawn<String> {
        let parts = self.series.len();
        let mut chart = self.over_time(area, Axis::linear(0.0..parts as f64, 1).bare())?;
        style::mesh(&mut chart).draw()?;
        let plot = chart.plotting_area();
        let screen = plot.strip_coord_spec();
        let (left, top) = plot.get_base_pixel();
        let mut count = 0;
        for index in 0..parts {
            let ink = self.series.mishap_ink(index, kind);
            for ping in self.series.pings(index).filter(|ping| kind.befell(ping)) {
                count += 1;
                let at = self.x(ping.at as f64);
                // From the top, in the order of the legend.
                let (x, start) = plot.map_coordinate(&(at, (parts - index) as f64));
                let (_, end) = plot.map_coordinate(&(at, (parts - index - 1) as f64));
                let mark =
                    [(x - left - HALF_MARK, start - top + 1), (x - left + HALF_MARK, end - top)];
                screen.draw(&Rectangle::new(mark, ink.rgb().filled()))?;
                self.tip_mark(index, ping, (x - HALF_MARK, start), (x + HALF_MARK, end));
            }
        }
        Ok(units::count(count))
    }

    /// Draws a row for each target, where there are many, in the order of the legend: the larger the
    /// share of a column's pings, the more opaque. Returns what full opacity stands for.
    fn draw_rows(&self, kind: Mishap, series: &[Vec<Column>], area: &Area<'_>) -> Drawn<String> {
        let share = |column: &Column| column.mishaps(kind) as f64 / column.pings.max(1) as f64;
        let most = series.iter().flatten().map(share).fold(0.0, f64::max);
        let level = |column: &Column| (share(column) / most * LEVELS).ceil();
        let rows = series.len();
        let mut chart = self.over_time(area, Axis::linear(0.0..rows as f64, 1).bare())?;
        style::mesh(&mut chart).draw()?;
        for (index, columns) in series.iter().enumerate() {
            let ink = self.series.mishap_ink(index, kind).rgb();
            let (top, bottom) = ((rows - index) as f64, (rows - index - 1) as f64);
            let mut end = 0;
            // Columns of the same level are one shape.
            #[expect(clippy::float_cmp, reason = "levels are whole numbers")]
            for same in columns.chunk_by(|one, other| level(one) == level(other)) {
                let start = end;
                end += same.len();
                let opacity = same.first().map_or(0.0, level) / LEVELS;
                if opacity > 0.0 {
                    let [left, right] = [start, end].map(|column| self.edge(column, columns.len()));
                    let place = [(left, top), (right, bottom)];
                    let shape = Rectangle::new(place, ink.mix(opacity).filled());
                    chart.plotting_area().draw(&shape)?;
                }
            }
        }
        self.tip_parts(&chart);
        Ok(format!("to {} %", units::percent(most)))
    }

    /// Draws the share of each column's pings, with the targets stacked. Returns what a full lane
    /// stands for.
    fn draw_shares(&self, kind: Mishap, series: &[Vec<Column>], area: &Area<'_>) -> Drawn<String> {
        let count = series.iter().map(Vec::len).min().unwrap_or(0);
        let sum = |column: usize, of: &dyn Fn(&Column) -> u64| {
            series.iter().map(|columns| of(&columns[column])).sum::<u64>()
        };
        let pings: Vec<_> =
            (0..count).map(|column| sum(column, &|column| column.pings).max(1) as f64).collect();
        let share =
            |column: usize| sum(column, &|column| column.mishaps(kind)) as f64 / pings[column];
        let most = (0..count).map(share).fold(0.0, f64::max);
        let mut chart = self.over_time(area, Axis::linear(0.0..most, 1).bare())?;
        style::mesh(&mut chart).draw()?;
        let least = most * f64::from(LEAST) / f64::from(self.mishap_height() - GAP);
        let mut feet = vec![0.0; count];
        for (index, columns) in series.iter().enumerate() {
            let bars = columns.iter().enumerate().map(|(column, what)| {
                let share = what.mishaps(kind) as f64 / pings[column];
                let height = if share > 0.0 { share.max(least) } else { 0.0 };
                Bar {
                    x: [column, column + 1].map(|column| self.edge(column, count)),
                    y: [feet[column], feet[column] + height],
                }
            });
            let bars: Vec<_> = bars.collect();
            #[expect(clippy::float_cmp, reason = "where nothing happened a bar ends at its foot")]
            for side_by_side in bars
                .split(|Bar { y: [foot, head], .. }| foot == head)
                .filter(|bars| !bars.is_empty())
            {
                let ink = self.series.mishap_ink(index, kind).rgb();
                chart
                    .plotting_area()
                    .draw(&Polygon::new(bars::outline(side_by_side), ink.filled()))?;
            }
            feet = bars.iter().map(|Bar { y: [_, head], .. }| *head).collect();
        }
        self.tip_parts(&chart);
        Ok(format!("to {} %", units::percent(most)))
    }
}
