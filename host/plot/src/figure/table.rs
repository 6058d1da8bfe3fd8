//! The summary table, drawn as text.

use plotters::element::PathElement;
use plotters::style::text_anchor::HPos;

use super::{Area, Drawn, MARGIN, RIGHT, WIDTH, style};
use crate::palette;
use crate::table::{Row, Table};

const TITLE: u32 = 34;
const LINE: u32 = 20;
const BOTTOM: u32 = 16;
/// The gap between columns in pixels.
const GAP: u32 = 12;
/// The maximum number of rows drawn. An HTML page has all.
const MOST: usize = 24;
/// The maximum number of notes drawn.
const MOST_NOTES: usize = 8;

/// The height of the table in pixels.
pub(super) fn height(table: &Table) -> u32 {
    // Including the headings.
    let lines = 1 + table.rows.len().min(MOST) + notes(table).len();
    TITLE + lines as u32 * LINE + BOTTOM
}

pub(super) fn draw(table: &Table, area: &Area<'_>) -> Drawn {
    area.draw_text(
        &table.caption,
        &style::bold(style::CHART_TITLE, palette::TEXT, HPos::Left),
        (MARGIN as i32, TITLE as i32 / 2),
    )?;
    let rows = &table.rows[..table.rows.len().min(MOST)];
    let ends = ends(table, rows);
    let names = ends.first().map_or(0, |(start, _)| *start).saturating_sub(MARGIN + GAP);
    let (quiet, text) = (
        style::text(style::BODY, palette::QUIET, HPos::Right),
        style::text(style::BODY, palette::TEXT, HPos::Right),
    );
    let mut y = TITLE + LINE / 2;
    for (heading, (_, end)) in table.headings.iter().zip(&ends) {
        area.draw_text(heading, &quiet, (*end as i32, y as i32))?;
    }
    let below = (y + LINE / 2) as i32;
    area.draw(&PathElement::new(
        [(MARGIN as i32, below), ((WIDTH - RIGHT) as i32, below)],
        style::line(palette::GRID, 1),
    ))?;
    let left = style::text(style::BODY, palette::TEXT, HPos::Left);
    for row in rows {
        y += LINE;
        area.draw_text(&style::cut(&row.name, names), &left, (MARGIN as i32, y as i32))?;
        for (cell, (_, end)) in row.cells.iter().zip(&ends) {
            area.draw_text(cell, &text, (*end as i32, y as i32))?;
        }
    }
    let quiet = style::text(style::BODY, palette::QUIET, HPos::Left);
    for note in notes(table) {
        y += LINE;
        area.draw_text(
            &style::cut(&note, WIDTH - MARGIN - RIGHT),
            &quiet,
            (MARGIN as i32, y as i32),
        )?;
    }
    Ok(())
}

/// The start and end of each column: the last is at the right margin, each as wide as its content.
fn ends(table: &Table, rows: &[Row]) -> Vec<(u32, u32)> {
    let mut end = WIDTH - RIGHT;
    let mut ends = Vec::new();
    for (index, heading) in table.headings.iter().enumerate().rev() {
        let cells = rows.iter().map(|row| style::width(&row.cells[index]));
        let start = end.saturating_sub(cells.fold(style::width(heading), u32::max));
        ends.push((start, end));
        end = start.saturating_sub(GAP);
    }
    ends.reverse();
    ends
}

/// The notes below the rows.
fn notes(table: &Table) -> Vec<String> {
    let more = |all: usize, shown: usize, what: &str| {
        (all > shown).then(|| format!("... and {} more {what}", all - shown))
    };
    let rows = more(table.rows.len(), MOST, "rows, which an HTML page has");
    let notes = more(table.notes.len(), MOST_NOTES, "targets that could not be pinged");
    rows.into_iter().chain(table.notes.iter().take(MOST_NOTES).cloned()).chain(notes).collect()
}
