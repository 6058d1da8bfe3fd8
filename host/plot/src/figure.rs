//! The figure: its parts and their layout.

mod bars;
mod heading;
mod histogram;
mod marks;
mod mishaps;
mod rtt;
mod style;
mod table;
mod tips;

use std::cell::RefCell;
use std::io;
use std::iter;

use plotters::backend::SVGBackend;
use plotters::chart::{ChartBuilder, ChartContext, LabelAreaPosition};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea as _};
use thiserror::Error;

use crate::axis::Axis;
use crate::clock::Clock;
use crate::columns::{Column, Mishap, columns, rank};
use crate::document::{Document, Ping};
use crate::escape::Escaped;
use crate::palette;
use crate::series::Series;
use crate::table::Table;
use crate::units::Unit;
use crate::words;

/// The width of the figure in pixels.
const WIDTH: u32 = 1280;
/// The left margin of the figure in pixels.
const MARGIN: u32 = 24;
/// The left margin of charts in pixels, including axis labels.
const LEFT: u32 = MARGIN + 84;
/// The right margin of charts in pixels.
const RIGHT: u32 = 24;
/// The width of a chart in pixels, without labels.
const CHART_WIDTH: u32 = WIDTH - LEFT - RIGHT;
/// The height of the axis below a chart, in pixels.
const X_AXIS: u32 = 48;

/// The maximum number of pings that are drawn individually.
const FEW: usize = 4000;

/// The figure could not be drawn. That does not happen: it is drawn to memory.
#[derive(Debug, Error)]
#[error("cannot be drawn")]
pub struct DrawError(#[from] DrawingAreaErrorKind<io::Error>);

type Drawn<T = ()> = Result<T, DrawError>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;

/// How pings are shown.
#[derive(Debug)]
enum Detail {
    /// Individually.
    Pings,
    /// Aggregated: the columns of each series, of equal number.
    Columns(Vec<Vec<Column>>),
}

/// Whether the figure contains the parts that are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    /// It does: the figure stands alone.
    All,
    /// It does not: the text is around the figure.
    Charts,
}

/// The parts of the figure, from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Heading,
    Legend,
    Rtt,
    Mishap(Mishap),
    /// The axis below the charts over time.
    Time,
    Histogram,
    Table,
}

/// A document, prepared for drawing.
#[derive(Debug)]
pub(crate) struct Figure<'a> {
    document: &'a Document,
    series: Series<'a>,
    detail: Detail,
    /// When the last ping was sent, in ns since the start; if there is only one, when the next
    /// would have been.
    end: u64,
    clock: Clock,
    /// The RTTs of replies in time, in ns, sorted.
    rtts: Vec<u64>,
    unit: Unit,
    /// The names of the series, if there are several.
    names: Vec<String>,
    /// The tooltips, if it is for a page.
    tips: Option<RefCell<Vec<tips::Tip>>>,
    parts: Parts,
}

impl<'a> Figure<'a> {
    pub(crate) fn new(document: &'a Document, parts: Parts) -> Self {
        let series = Series::of(document);
        let mut rtts: Vec<_> = document.pings.iter().filter_map(Ping::rtt).collect();
        rtts.sort_unstable();
        let pings = document.pings.len();
        let least = if pings > 1 { 1 } else { document.config.interval_ns.0.max(1) };
        let end = document.pings.iter().map(|ping| ping.at).fold(least, u64::max);
        let detail = if pings <= FEW {
            Detail::Pings
        } else {
            // Several pings of each target per column if possible; and two pixels per column if
            // there are very many pings.
            let most = CHART_WIDTH as usize * 4 / series.len().max(4);
            let count = (pings / series.len() / 4).clamp(100, most);
            Detail::Columns(
                (0..series.len()).map(|index| columns(series.pings(index), end, count)).collect(),
            )
        };
        let unit = rank(&rtts, 0.5).map_or(Unit::Ms, |median| Unit::of_rtt(*median));
        let clock = Clock::new(document.started);
        let names = series.names().map(|(name, _)| name).collect();
        let tips = (parts == Parts::Charts).then(RefCell::default);
        Self { document, series, detail, end, clock, rtts, unit, names, tips, parts }
    }

    /// The summary table.
    pub(crate) fn table(&self) -> Table {
        Table::new(self.document, &self.rtts, self.unit)
    }

    /// Draws it as SVG.
    ///
    /// # Errors
    ///
    /// If plotters fails.
    pub(crate) fn svg(&self) -> Drawn<String> {
        let table = self.table();
        let blocks: Vec<_> =
            self.blocks().into_iter().map(|block| (block, self.height(block, &table))).collect();
        let height = blocks.iter().map(|(_, height)| height).sum();
        let mut svg = String::new();
        {
            let page = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
            page.fill(&palette::PAPER.rgb())?;
            let mut top = 0;
            for (block, height) in blocks {
                self.draw(block, &page.clone().shrink((0, top), (WIDTH, height)), &table)?;
                top += height;
            }
            page.present()?;
        }
        svg = marks::dashed(svg);
        if let Some((drawn, end)) = self.tips.as_ref().zip(svg.rfind("</svg>")) {
            svg.insert_str(end, &tips::layer(&drawn.borrow()));
        }
        Ok(headed(&svg, &words::title(self.document), self.parts))
    }

    fn blocks(&self) -> Vec<Block> {
        let text = |block| (self.parts == Parts::All).then_some(block);
        let mishaps = Mishap::ALL
            .into_iter()
            .filter(|kind| self.document.pings.iter().any(|ping| kind.befell(ping)));
        iter::empty()
            .chain(text(Block::Heading))
            .chain((self.series.len() > 1).then_some(Block::Legend))
            .chain([Block::Rtt])
            .chain(mishaps.map(Block::Mishap))
            .chain([Block::Time])
            .chain((!self.rtts.is_empty()).then_some(Block::Histogram))
            .chain(text(Block::Table))
            .collect()
    }

    fn height(&self, block: Block, table: &Table) -> u32 {
        match block {
            Block::Heading => heading::HEIGHT,
            Block::Legend => heading::legend_height(&self.series),
            Block::Rtt => self.rtt_height(),
            Block::Mishap(_) => self.mishap_height(),
            Block::Time => X_AXIS,
            Block::Histogram => histogram::HEIGHT,
            Block::Table => table::height(table),
        }
    }

    fn draw(&self, block: Block, area: &Area<'_>, table: &Table) -> Drawn {
        match block {
            Block::Heading => heading::draw(self.document, area),
            Block::Legend => heading::draw_legend(&self.series, area),
            Block::Rtt => self.draw_rtt(area),
            Block::Mishap(kind) => self.draw_mishap(kind, area),
            Block::Time => self.draw_time(area),
            Block::Histogram => self.draw_histogram(area),
            Block::Table => table::draw(table, area),
        }
    }

    /// The axis of time, with space for marks at its ends.
    fn time_axis(&self) -> Axis {
        let margin = 0.01 * self.end as f64;
        Axis::time(self.clock, self.x(-margin)..self.x(self.end as f64 + margin), 9)
    }

    /// The position on that axis of a time in ns since the start.
    fn x(&self, ns: f64) -> f64 {
        self.clock.place(ns)
    }

    /// The start of one of `count` columns on that axis.
    fn edge(&self, column: usize, count: usize) -> f64 {
        self.x(self.end as f64 * column as f64 / count as f64)
    }

    fn draw_time(&self, area: &Area<'_>) -> Drawn {
        let mut chart = chart_on(area)
            .set_label_area_size(LabelAreaPosition::Bottom, X_AXIS - 1)
            .build_cartesian_2d(self.time_axis(), Axis::linear(0.0..1.0, 1).bare())?;
        style::mesh(&mut chart).disable_mesh().disable_y_axis().x_desc(self.clock.name()).draw()?;
        Ok(())
    }

    /// A chart over time, with the axis that all such charts share.
    fn over_time<'b>(&self, area: &Area<'b>, y: Axis) -> Drawn<Chart<'_, 'b>> {
        Ok(chart_on(area).build_cartesian_2d(self.time_axis(), y)?)
    }
}

/// A chart to be built, from [`LEFT`] to [`RIGHT`].
fn chart_on<'a, 'b>(area: &'a Area<'b>) -> ChartBuilder<'a, 'a, SVGBackend<'b>> {
    let mut chart = ChartBuilder::on(area);
    chart
        .margin_left(MARGIN)
        .margin_right(RIGHT)
        .set_label_area_size(LabelAreaPosition::Left, LEFT - MARGIN);
    chart
}

/// Adds a title for screen readers, and dark colours for who prefers them, unless those are the page's.
fn headed(svg: &str, title: &str, parts: Parts) -> String {
    let style = match parts {
        Parts::All => {
            let rules = palette::dark_rules();
            format!("<style>@media (prefers-color-scheme: dark) {{\n{rules}}}</style>\n")
        }
        Parts::Charts => String::new(),
    };
    match svg.split_once('>') {
        Some((start, rest)) => {
            format!(
                "{start} role=\"img\">\n<title>{}</title>\n{style}{}",
                Escaped(title),
                rest.trim_start()
            )
        }
        None => svg.to_owned(),
    }
}
