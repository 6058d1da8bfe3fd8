//! The account of the run, drawn as text.

use plotters::element::PathElement;
use plotters::style::text_anchor::HPos;

use super::{Area, Drawn, MARGIN, RIGHT, WIDTH, style};
use crate::palette;
use crate::table::{Row, Table};

const TITLE: u32 = 34;
const LINE: u32 = 20;
const BOTTOM: u32 = 16;
/// Between columns.
const GAP: u32 = 12;
/// Rows that are drawn. An HTML page has all.
const MOST: usize = 24;
/// Notes that are drawn.
const MOST_NOTES: usize = 8;

/// How high it is, in pixels.
pub(super) fn height(table: &Table) -> u32 {
    // With the headings.
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

/// Where each column starts and ends: the last at the right margin, each as wide as what is in it.
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

/// What is said below the rows.
fn notes(table: &Table) -> Vec<String> {
    let more = |all: usize, shown: usize, what: &str| {
        (all > shown).then(|| format!("... and {} more {what}", all - shown))
    };
    let rows = more(table.rows.len(), MOST, "rows, which an HTML page has");
    let notes = more(table.notes.len(), MOST_NOTES, "targets that could not be pinged");
    rows.into_iter().chain(table.notes.iter().take(MOST_NOTES).cloned()).chain(notes).collect()
}
