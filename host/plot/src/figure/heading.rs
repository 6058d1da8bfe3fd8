//! The title and the legend.

use plotters::element::Rectangle;
use plotters::style::Color as _;
use plotters::style::text_anchor::HPos;

use super::{Area, Drawn, LEFT, RIGHT, WIDTH, marks, style};
use crate::document::Document;
use crate::palette;
use crate::series::{Mark, Series};
use crate::units;
use crate::words;

/// The height of title and subtitle in pixels.
pub(super) const HEIGHT: u32 = 68;

const LINE: u32 = 22;
/// Names per line.
const ACROSS: u32 = 3;
/// The size of a coloured square in pixels.
const SQUARE: i32 = 12;

/// Draws title and subtitle.
pub(super) fn draw(document: &Document, area: &Area<'_>) -> Drawn {
    let title = words::title(document);
    let within = WIDTH - LEFT - RIGHT;
    // The title is in larger letters.
    let title = style::cut(&title, (f64::from(within) * style::BODY / style::TITLE * 0.95) as u32);
    area.draw_text(
        &title,
        &style::bold(style::TITLE, palette::TEXT, HPos::Left),
        (LEFT as i32, 26),
    )?;
    let subtitle = style::cut(&words::subtitle(document), within);
    area.draw_text(
        &subtitle,
        &style::text(style::BODY, palette::QUIET, HPos::Left),
        (LEFT as i32, 52),
    )?;
    Ok(())
}

/// The height of the legend in pixels.
pub(super) fn legend_height(series: &Series<'_>) -> u32 {
    (series.len() as u32).div_ceil(ACROSS) * LINE + 8
}

/// Draws the name of each series next to its colour and mark, and its share of lost pings.
pub(super) fn draw_legend(series: &Series<'_>, area: &Area<'_>) -> Drawn {
    let width = (WIDTH - LEFT - RIGHT) / ACROSS;
    for (index, (name, loss)) in series.names().enumerate() {
        let (column, row) = (index as u32 % ACROSS, index as u32 / ACROSS);
        let (x, y) = ((LEFT + column * width) as i32, (row * LINE + LINE / 2) as i32);
        let ink = series.ink(index);
        if series.mark(index) == Mark::Dot {
            let square = [(x, y - SQUARE / 2), (x + SQUARE, y + SQUARE / 2)];
            area.draw(&Rectangle::new(square, ink.rgb().filled()))?;
        } else {
            let line = vec![(x - SQUARE / 2, y), (x + 3 * SQUARE / 2, y)];
            marks::line(area, line, series.mark(index), ink.rgb().mix(1.0), 2)?;
            marks::mark(area, (x + SQUARE / 2, y), series.mark(index), 4, ink.rgb().mix(1.0))?;
        }
        let loss = loss.map_or_else(String::new, |loss| format!("{} % lost", units::percent(loss)));
        let room = style::width(&loss) + 24;
        let name = style::cut(&name, width.saturating_sub(2 * SQUARE as u32 + 8 + room));
        area.draw_text(
            &name,
            &style::text(style::BODY, palette::TEXT, HPos::Left),
            (x + SQUARE + 10, y),
        )?;
        area.draw_text(
            &loss,
            &style::text(style::BODY, palette::QUIET, HPos::Right),
            (x + width as i32 - 24, y),
        )?;
    }
    Ok(())
}
