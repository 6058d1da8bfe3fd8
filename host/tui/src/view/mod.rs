//! The picture: graphs above, the table below, a line of facts at the top and one of keys at the
//! bottom. A small terminal shows less of it.

mod graph;
mod help;
mod table;

use std::time::Duration;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use unicode_width::UnicodeWidthStr as _;

use crate::format;
use crate::look::Look;
use crate::state::{Sort, State};

/// The lines that a graph takes at least, and that below all of them is the time.
const LEAST_GRAPH: u16 = 6;

/// Draws `state` as of `now`, and notes there where things are.
pub(crate) fn draw(frame: &mut Frame<'_>, state: &mut State, now: Duration, look: Look) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    state.sort_if_due(now);
    let [top, middle, bottom] = split(area);
    heading(buffer, top, state, now, look);
    let (graphs, rows) = share(middle, state.shown().len());
    graph::draw_all(buffer, graphs, state, now, look);
    table::draw(buffer, rows, state, now, look);
    footing(buffer, bottom, state, look);
    if state.help {
        help::draw(buffer, area, look);
    }
}

/// The first line, the last one, and what is between; a low terminal has that alone.
fn split(area: Rect) -> [Rect; 3] {
    let top = u16::from(area.height >= 3);
    let bottom = u16::from(area.height >= 6);
    let middle = area.height - top - bottom;
    let at = |y, height| Rect { y: area.y + y, height, ..area };
    [at(0, top), at(top, middle), at(top + middle, bottom)]
}

/// Shares the lines among graphs and table: it has what it needs, up to half of them.
fn share(area: Rect, targets: usize) -> (Rect, Rect) {
    let needed = u16::try_from(targets + 1).unwrap_or(u16::MAX);
    let most = if area.height < LEAST_GRAPH + 2 { area.height } else { area.height / 2 };
    let table = needed.min(most);
    // A graph that has no room gives it to the table.
    let table = if area.height - table < LEAST_GRAPH { area.height } else { table };
    let graphs = area.height - table;
    let at = |y, height| Rect { y: area.y + y, height, ..area };
    (at(0, graphs), at(graphs, table))
}

fn heading(buffer: &mut Buffer, area: Rect, state: &State, now: Duration, look: Look) {
    let targets = state.shown();
    let mut facts = Vec::new();
    if state.is_paused() {
        facts.push(("PAUSED".to_owned(), Style::new().add_modifier(Modifier::REVERSED)));
    }
    let plain = Style::new();
    facts.push(("udping".to_owned(), Style::new().add_modifier(Modifier::BOLD)));
    facts.push((format::span(state.time(now)), plain));
    let count = targets.len();
    facts.push((format!("{count} target{}", if count == 1 { "" } else { "s" }), plain));
    if state.missed > 0 {
        facts.push((format!("{} events missed", state.missed), look.bad()));
    }
    let sum = |of: fn(&crate::target::Counts) -> u64| {
        targets.iter().map(|target| of(&target.counts)).sum::<u64>()
    };
    let (sent, lost) = (sum(|counts| counts.sent), sum(|counts| counts.lost));
    facts.push((format!("{sent} sent"), plain));
    facts.push((format!("{lost} lost"), if lost > 0 { look.bad() } else { plain }));
    match state.sort {
        Sort::Given => {}
        Sort::Loss => facts.push(("by loss".to_owned(), plain)),
        Sort::P99 => facts.push(("by p99".to_owned(), plain)),
    }
    line(buffer, area, &facts, look);
}

fn footing(buffer: &mut Buffer, area: Rect, state: &State, look: Look) {
    if let Some(message) = &state.message {
        let message = format::in_locale(message, look.unicode);
        return text(buffer, area, 0, &message, look.bad());
    }
    let keys = ["q quit", "? help", "space pause", "+/- zoom", "l/p/n sort by loss/p99/name"];
    let facts = keys.map(|key| (key.to_owned(), look.quiet()));
    line(buffer, area, &facts, look);
}

/// Writes facts, one after the other, as far as they fit as a whole.
fn line(buffer: &mut Buffer, area: Rect, facts: &[(String, Style)], look: Look) {
    let separator = look.symbols().separator;
    let mut x = 0_u16;
    for (fact, style) in facts {
        let before = if x == 0 { "" } else { separator };
        let at = x.saturating_add(columns_of(before));
        let end = at.saturating_add(columns_of(fact));
        if end > area.width {
            return;
        }
        text(buffer, area, x, before, look.quiet());
        text(buffer, area, at, fact, *style);
        x = end;
    }
}

/// Writes `content` into the first line of `area`, from column `x`, as far as it fits. Control
/// characters are left out by ratatui, too.
fn text(buffer: &mut Buffer, area: Rect, x: u16, content: &str, style: Style) {
    if area.height > 0 && x < area.width {
        let room = usize::from(area.width - x);
        buffer.set_stringn(area.x + x, area.y, content, room, style);
    }
}

/// Writes `content` so that it ends with the first line of `area`, from column `least` on.
fn text_at_end(buffer: &mut Buffer, area: Rect, least: u16, content: &str, style: Style) {
    let width = columns_of(content);
    if width <= area.width.saturating_sub(least) {
        text(buffer, area, area.width - width, content, style);
    }
}

/// The columns that `text` takes.
fn columns_of(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// The `n`th line of `area`; an empty one if it has fewer.
fn nth(area: Rect, n: u16) -> Rect {
    let height = u16::from(n < area.height);
    Rect { y: area.y + n.min(area.height), height, ..area }
}

#[cfg(test)]
mod tests;
