//! The marks and lines by which series of the same colour are told apart, in pixels of an area.

use plotters::element::{Circle, Cross, PathElement, Polygon, Rectangle};
use plotters::style::{Color as _, RGBAColor};

use super::{Area, Chart, Drawn};
use crate::series::Mark;

type Pixel = (i32, i32);

/// Draws a mark of that radius.
pub(super) fn mark(area: &Area<'_>, at: Pixel, mark: Mark, radius: i32, ink: RGBAColor) -> Drawn {
    let (x, y) = at;
    match mark {
        Mark::Dot => area.draw(&Circle::new(at, radius, ink.filled())),
        Mark::Square => {
            let corners = [(x - radius, y - radius), (x + radius, y + radius)];
            area.draw(&Rectangle::new(corners, ink.filled()))
        }
        Mark::Diamond => {
            let far = radius + 1;
            let corners = [(x - far, y), (x, y - far), (x + far, y), (x, y + far)];
            area.draw(&Polygon::new(corners, ink.filled()))
        }
        Mark::Cross => area.draw(&Cross::new(at, radius, ink.stroke_width(2))),
    }?;
    Ok(())
}

/// Draws a line as it goes with a mark, of a width up to [`WIDEST`].
pub(super) fn line(
    area: &Area<'_>,
    points: Vec<Pixel>,
    mark: Mark,
    ink: RGBAColor,
    width: u32,
) -> Drawn {
    area.draw(&PathElement::new(points, ink.stroke_width(width + DASHED * mark as u32)))?;
    Ok(())
}

/// The maximum width of a [`line`].
const WIDEST: u32 = 2;

/// plotters draws each dash by itself, of which there may be a hundred thousand: a width that no line
/// has stands for dashes, until [`dashed`] puts SVG's own in its place.
const DASHED: u32 = 1000;

/// Puts dashes into an SVG.
pub(super) fn dashed(mut svg: String) -> String {
    for mark in Mark::ALL {
        let Some((dash, gap)) = mark.dashes() else { continue };
        for width in 1..=WIDEST {
            svg = svg.replace(
                &format!("stroke-width=\"{}\"", width + DASHED * mark as u32),
                &format!("stroke-width=\"{width}\" stroke-dasharray=\"{dash} {gap}\""),
            );
        }
    }
    svg
}

/// The plotting area of a chart, for marks in pixels.
pub(super) struct Screen<'a, 'b, 'c> {
    chart: &'c Chart<'a, 'b>,
    pub area: Area<'b>,
}

impl<'a, 'b, 'c> Screen<'a, 'b, 'c> {
    pub(super) fn of(chart: &'c Chart<'a, 'b>) -> Self {
        Self { chart, area: chart.plotting_area().strip_coord_spec() }
    }

    /// The pixel of a place on the chart's axes, within the area.
    pub(super) fn pixel(&self, place: (f64, f64)) -> Pixel {
        let plot = self.chart.plotting_area();
        let ((x, y), (left, top)) = (plot.map_coordinate(&place), plot.get_base_pixel());
        (x - left, y - top)
    }

    /// The pixels of several places.
    pub(super) fn pixels(&self, places: Vec<(f64, f64)>) -> Vec<Pixel> {
        places.into_iter().map(|place| self.pixel(place)).collect()
    }
}
