//! The style of text and axes in the figure.

use plotters::backend::SVGBackend;
use plotters::chart::MeshStyle;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontDesc, FontFamily, FontStyle, ShapeStyle, TextStyle};

use super::Chart;
use crate::axis::Axis;
use crate::palette::{self, Ink};

/// The font size of the figure's title, in pixels.
pub(super) const TITLE: f64 = 20.0;
/// The font size of a chart's title, in pixels.
pub(super) const CHART_TITLE: f64 = 15.0;
/// The font size of all other text, in pixels.
pub(super) const BODY: f64 = 12.5;

/// The length of the lines from an axis to its labels, in pixels.
const TICK: i32 = 4;

/// Widths of letters, as a share of the font size. There is no font to measure: the reader has it.
const NARROW: f64 = 0.4;
const WIDE: f64 = 0.63;

/// Estimates the width of `text` in [`BODY`], in pixels; rather too wide.
pub(super) fn width(text: &str) -> u32 {
    let share: f64 =
        text.chars().map(|c| if " .,:;()[]'|ijlftr-".contains(c) { NARROW } else { WIDE }).sum();
    (share * BODY).ceil() as u32
}

/// Shortens `text` to that many pixels in [`BODY`], if necessary, keeping its start and end.
pub(super) fn cut(text: &str, within: u32) -> String {
    if width(text) <= within {
        return text.to_owned();
    }
    let all = text.chars().count();
    let with = |kept: usize| -> String {
        let (start, end) = (text.chars().take(kept.div_ceil(2)), text.chars().skip(all - kept / 2));
        start.chain("...".chars()).chain(end).collect()
    };
    (0..all).rev().map(with).find(|cut| width(cut) <= within).unwrap_or_default()
}

/// Returns a text style of that size in pixels, centred vertically on its position.
pub(super) fn text(size: f64, ink: Ink, anchor: HPos) -> TextStyle<'static> {
    styled(size, ink, anchor, FontStyle::Normal)
}

/// Like [`text`], but bold.
pub(super) fn bold(size: f64, ink: Ink, anchor: HPos) -> TextStyle<'static> {
    styled(size, ink, anchor, FontStyle::Bold)
}

fn styled(size: f64, ink: Ink, anchor: HPos, style: FontStyle) -> TextStyle<'static> {
    // The SVG backend divides sizes by that factor.
    let font = FontDesc::new(FontFamily::SansSerif, size * 1.24, style);
    TextStyle { font, color: ink.rgb().to_backend_color(), pos: Pos::new(anchor, VPos::Center) }
}

/// Returns the axes, ticks and grid lines of a chart, to be drawn.
pub(super) fn mesh<'c, 'a, 'b>(
    chart: &'c mut Chart<'a, 'b>,
) -> MeshStyle<'a, 'c, Axis, Axis, SVGBackend<'b>> {
    let mut mesh = chart.configure_mesh();
    mesh.set_all_tick_mark_size(TICK)
        .bold_line_style(palette::GRID.rgb())
        .axis_style(palette::QUIET.rgb())
        .label_style(text(BODY, palette::QUIET, HPos::Left))
        .axis_desc_style(text(BODY, palette::TEXT, HPos::Left));
    mesh
}

pub(super) fn line(ink: Ink, width: u32) -> ShapeStyle {
    ink.rgb().stroke_width(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_loses_its_middle() {
        assert_eq!(cut("abc", width("abc")), "abc");
        assert_eq!(cut("aaaaabbbbbccccc", width("aaa...ccc")), "aaa...ccc");
        assert_eq!(cut("\u{e9}\u{e9}\u{e9}\u{e9}", width("\u{e9}...")), "\u{e9}...");
        assert_eq!(cut("abc", 0), "");
    }
}
