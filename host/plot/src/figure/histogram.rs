//! The histogram of round-trip times.

use plotters::chart::LabelAreaPosition;
use plotters::element::Polygon;
use plotters::style::Color as _;
use plotters::style::text_anchor::HPos;

use super::bars::{self, Bar};
use super::marks::Screen;
use super::{Area, Drawn, Figure, LEFT, X_AXIS, marks, style};
use crate::axis::Axis;
use crate::bins::Bins;
use crate::document::Ping;
use crate::palette;

/// The height with title and axis, in pixels.
pub(super) const HEIGHT: u32 = TITLE + 210 + X_AXIS;

const TITLE: u32 = 34;

/// If a bin has more pings than this, counts are on a logarithmic axis, so that rare ones are
/// visible.
const MANY: u64 = 100;

impl Figure<'_> {
    pub(super) fn draw_histogram(&self, area: &Area<'_>) -> Drawn {
        let (top, below) = area.split_vertically(TITLE);
        let title = style::bold(style::CHART_TITLE, palette::TEXT, HPos::Left);
        top.draw_text("Histogram of round-trip times", &title, (LEFT as i32, TITLE as i32 / 2))?;
        let (Some(min), Some(max)) = (self.rtts.first(), self.rtts.last()) else { return Ok(()) };
        let bins = Bins::new(*min, *max, self.rtts.len());
        let rtts = |index| self.series.pings(index).filter_map(Ping::rtt);
        let counts: Vec<_> = (0..self.series.len()).map(|index| bins.count(rtts(index))).collect();
        let most = counts.iter().flatten().copied().max().unwrap_or(0);

        let (start, end) = (self.unit.of(bins.range().start), self.unit.of(bins.range().end));
        let (y, name) = if most > MANY {
            (Axis::log(0.6..most as f64 * 1.5, 8), "pings (log scale)")
        } else {
            (Axis::linear(0.0..most as f64 * 1.1, most.clamp(1, 4) as usize + 1), "pings")
        };
        let mut chart = super::chart_on(&below)
            .set_label_area_size(LabelAreaPosition::Bottom, X_AXIS)
            .build_cartesian_2d(Axis::log(start..end, 14), y)?;
        style::mesh(&mut chart)
            .x_desc(format!("RTT, {} (log scale)", self.unit.sign()))
            .y_desc(name)
            .draw()?;
        // Several series are translucent, so that none hides another, and the lossiest are on top.
        let (opacity, width) = match counts.len() {
            1 => (0.8, 1),
            _ if self.series.are_many() => (0.05, 2),
            _ => (0.2, 2),
        };
        let screen = Screen::of(&chart);
        for (index, counts) in counts.iter().enumerate().rev() {
            let (ink, mark) = (self.series.ink(index), self.series.mark(index));
            let bars = counts.iter().enumerate().map(|(index, count)| {
                let edges = bins.edges(index);
                Bar {
                    x: [self.unit.of(edges.start), self.unit.of(edges.end)],
                    y: [0.0, *count as f64],
                }
            });
            let bars: Vec<_> = bars.collect();
            for hill in
                bars.split(|Bar { y: [_, head], .. }| *head == 0.0).filter(|hill| !hill.is_empty())
            {
                chart
                    .plotting_area()
                    .draw(&Polygon::new(bars::outline(hill), ink.rgb().mix(opacity).filled()))?;
                let heads = screen.pixels(bars::heads(hill));
                marks::line(&screen.area, heads, mark, ink.rgb().mix(1.0), width)?;
            }
        }
        Ok(())
    }
}
