//! Round-trip times over time.

use plotters::element::{Circle, PathElement, Polygon, Rectangle, TriangleMarker};
use plotters::style::Color as _;
use plotters::style::text_anchor::HPos;

use super::bars::{self, Bar};
use super::marks::Screen;
use super::{
    Area, CHART_WIDTH, Chart, Detail, Drawn, Figure, LEFT, RIGHT, WIDTH, marks, style, tips,
};
use crate::axis::Axis;
use crate::columns::{Column, Mishap, Spread, rank};
use crate::document::{Fate, Ping};
use crate::palette::{self, Ink};

/// The height of the chart's title in pixels.
const TITLE: u32 = 34;
const CHART: u32 = 330;
/// The height of a chart without data, in pixels.
const EMPTY: u32 = 80;

/// If the maximum exceeds the median by more than this factor, the axis is logarithmic: on a linear
/// one, most replies would be at its bottom.
const WIDE: u64 = 5;

/// The maximum number of pings to a target that are joined by lines.
const JOINED: usize = 200;

/// The meaning of the mark of a late reply: the axis does not extend to late replies.
const LATE: &str = "late reply (beyond the axis: at its top)";

/// The opacity of a band.
const BAND: f64 = 0.35;

/// A mark, its colour and its meaning.
type Key = (Mark, Ink, &'static str);

#[derive(Clone, Copy)]
enum Mark {
    Dot,
    Ring,
    Triangle,
    Line,
    Band,
}

impl Figure<'_> {
    pub(super) fn rtt_height(&self) -> u32 {
        TITLE + if self.replies().is_some() { CHART } else { EMPTY }
    }

    /// The minimum and the maximum RTT of replies in time; if there are none, of the late replies
    /// that are drawn.
    fn replies(&self) -> Option<(u64, u64)> {
        let in_time = || Some((*self.rtts.first()?, *self.rtts.last()?));
        let drawn =
            if let Detail::Pings = self.detail { self.document.pings.as_slice() } else { &[] };
        let late = drawn
            .iter()
            .filter_map(|ping| if let Fate::Late { rtt } = ping.fate { Some(rtt) } else { None });
        in_time().or_else(|| Some((late.clone().min()?, late.max()?)))
    }

    /// The axis of RTTs, and its label.
    fn rtt_axis(&self, min: u64, max: u64) -> (Axis, String) {
        let median = rank(&self.rtts, 0.5).copied().unwrap_or(max);
        let [low, high] = [min, max].map(|ns| self.unit.of(ns.max(1) as f64));
        let (axis, how) = if max > median.saturating_mul(WIDE) {
            (Axis::log(low / 1.2..high * 1.2, 12), " (log scale)")
        } else if low > 0.75 * high && low < high {
            let margin = 0.06 * (high - low);
            (Axis::linear(low - margin..high + margin, 8), " (not from 0)")
        } else {
            (Axis::linear(0.0..high * 1.06, 8), "")
        };
        (axis, format!("RTT, {}{how}", self.unit.sign()))
    }

    pub(super) fn draw_rtt(&self, area: &Area<'_>) -> Drawn {
        let (top, below) = area.split_vertically(TITLE);
        let title = style::bold(style::CHART_TITLE, palette::TEXT, HPos::Left);
        top.draw_text("Round-trip times", &title, (LEFT as i32, TITLE as i32 / 2))?;
        let Some((min, max)) = self.replies() else {
            let mut chart = self.over_time(&below, Axis::linear(0.0..1.0, 1).bare())?;
            style::mesh(&mut chart).draw()?;
            let place = ((LEFT + CHART_WIDTH / 2) as i32, EMPTY as i32 / 2);
            let why = if self.document.pings.is_empty() {
                "no ping was sent"
            } else {
                "no reply came in time"
            };
            below.draw_text(
                why,
                &style::text(style::CHART_TITLE, palette::QUIET, HPos::Center),
                place,
            )?;
            return Ok(());
        };
        draw_keys(&self.keys(), &top)?;
        let (y, name) = self.rtt_axis(min, max);
        let mut chart = self.over_time(&below, y)?;
        style::mesh(&mut chart).y_desc(name).draw()?;
        // The lossiest on top.
        for index in (0..self.series.len()).rev() {
            match &self.detail {
                Detail::Pings => self.draw_pings(index, &chart)?,
                Detail::Columns(columns) => self.draw_columns(index, &columns[index], &chart)?,
            }
        }
        self.tip_parts(&chart);
        Ok(())
    }

    fn keys(&self) -> Vec<Key> {
        let several = self.series.len() > 1;
        let ink = if several { palette::QUIET } else { self.series.ink(0) };
        let mishap = |kind: Mishap, mark: Mark, meaning: &'static str| {
            let ink = if several { palette::QUIET } else { self.series.mishap_ink(0, kind) };
            self.document.pings.iter().any(|ping| kind.befell(ping)).then_some((mark, ink, meaning))
        };
        match self.detail {
            Detail::Pings => [(Mark::Dot, ink, "reply")]
                .into_iter()
                .chain(mishap(Mishap::Late, Mark::Triangle, LATE))
                .chain(mishap(Mishap::Duplicated, Mark::Ring, "duplicated reply"))
                .collect(),
            Detail::Columns(_) => [(Mark::Line, ink, "median")]
                .into_iter()
                .chain((!self.series.are_many()).then_some((Mark::Band, ink, "min to max")))
                .collect(),
        }
    }

    fn draw_pings(&self, index: usize, chart: &Chart<'_, '_>) -> Drawn {
        let plot = chart.plotting_area();
        let screen = Screen::of(chart);
        let (ink, mark) = (self.series.ink(index), self.series.mark(index));
        let place = |ping: &Ping, rtt: u64| (self.x(ping.at as f64), self.unit.of(rtt as f64));
        let pings: Vec<_> = self.series.pings(index).collect();
        if pings.len() <= JOINED && !self.series.is_others(index) {
            let joined = pings.split(|ping| ping.rtt().is_none());
            for run in joined.filter(|run| run.len() > 1) {
                let line: Vec<_> =
                    run.iter().filter_map(|ping| Some(place(ping, ping.rtt()?))).collect();
                let line = screen.pixels(line);
                marks::line(&screen.area, line, mark, ink.rgb().mix(0.35), 1)?;
            }
        }
        let (radius, opacity) = match self.document.pings.len() {
            0..=100 => (4, 1.0),
            101..=1000 => (3, 0.8),
            _ => (2, 0.6),
        };
        for ping in pings {
            let rtt = match ping.fate {
                Fate::Received { rtt } => {
                    let at = screen.pixel(place(ping, rtt));
                    marks::mark(&screen.area, at, mark, radius, ink.rgb().mix(opacity))?;
                    rtt
                }
                Fate::Late { rtt } => {
                    let ink = self.series.mishap_ink(index, Mishap::Late);
                    plot.draw(&TriangleMarker::new(
                        place(ping, rtt),
                        radius + 2,
                        ink.rgb().filled(),
                    ))?;
                    rtt
                }
                Fate::Lost | Fate::NotSent | Fate::Awaited => continue,
            };
            self.tip_ping(index, ping, tips::pixel(chart, place(ping, rtt)));
            if ping.duplicates > 0 {
                let ink = self.series.mishap_ink(index, Mishap::Duplicated);
                plot.draw(&Circle::new(place(ping, rtt), radius + 4, style::line(ink, 2)))?;
            }
        }
        Ok(())
    }

    /// Draws a band from the minimum to the maximum RTT, unless there are many, and the median within
    /// it. Both are interrupted where pings were sent and none was answered.
    fn draw_columns(&self, index: usize, columns: &[Column], chart: &Chart<'_, '_>) -> Drawn {
        let plot = chart.plotting_area();
        let screen = Screen::of(chart);
        let (ink, mark) = (self.series.ink(index).rgb(), self.series.mark(index));
        let edge = |column| self.edge(column, columns.len());
        let rtt = |ns: u64| self.unit.of(ns as f64);
        let sent: Vec<_> =
            columns.iter().enumerate().filter(|(_, column)| column.pings > 0).collect();
        for answered in
            sent.split(|(_, column)| column.rtt.is_none()).filter(|answered| !answered.is_empty())
        {
            let bars = |of: fn(Spread) -> [u64; 2]| -> Vec<Bar> {
                let bar = |column, spread| Bar {
                    x: [edge(column), edge(column + 1)],
                    y: of(spread).map(rtt),
                };
                answered.iter().filter_map(|(column, what)| Some(bar(*column, what.rtt?))).collect()
            };
            if !self.series.are_many() || self.series.is_others(index) {
                let band = bars::outline(&bars(|spread| [spread.min, spread.max]));
                plot.draw(&Polygon::new(band, ink.mix(BAND).filled()))?;
            }
            let median = bars::heads(&bars(|spread| [spread.median; 2]));
            marks::line(&screen.area, screen.pixels(median), mark, ink.mix(1.0), 2)?;
        }
        Ok(())
    }
}

/// Draws the key of the marks, from the right.
fn draw_keys(keys: &[Key], area: &Area<'_>) -> Drawn {
    let mut end = (WIDTH - RIGHT) as i32;
    let y = TITLE as i32 / 2;
    for (mark, ink, meaning) in keys.iter().rev() {
        let start = end - style::width(meaning) as i32;
        area.draw_text(meaning, &style::text(style::BODY, palette::TEXT, HPos::Left), (start, y))?;
        let (middle, ink) = (start - 14, ink.rgb());
        match mark {
            Mark::Dot => area.draw(&Circle::new((middle, y), 4, ink.filled())),
            Mark::Ring => area.draw(&Circle::new((middle, y), 6, ink.stroke_width(2))),
            Mark::Triangle => area.draw(&TriangleMarker::new((middle, y), 6, ink.filled())),
            Mark::Line => area
                .draw(&PathElement::new([(middle - 8, y), (middle + 8, y)], ink.stroke_width(2))),
            Mark::Band => area.draw(&Rectangle::new(
                [(middle - 8, y - 6), (middle + 8, y + 6)],
                ink.mix(BAND).filled(),
            )),
        }?;
        end = middle - 26;
    }
    Ok(())
}
