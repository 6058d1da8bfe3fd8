//! The table: a line for each target, with the numbers of its whole run.

use std::time::Duration;

use super::{columns_of, nth, text, text_at_end};
use crate::format::{self, millis, percent};
use crate::history::Column;
use crate::look::Look;
use crate::state::State;
use crate::target::{Figures, Outcome, Target};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

/// A column of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Sent,
    Loss,
    Last,
    Min,
    Avg,
    P50,
    P95,
    P99,
    Max,
    Jitter,
}

/// All of them, from left to right.
const FIELDS: [Field; 10] = [
    Field::Sent,
    Field::Loss,
    Field::Last,
    Field::Min,
    Field::Avg,
    Field::P50,
    Field::P95,
    Field::P99,
    Field::Max,
    Field::Jitter,
];

/// All of them, the one that is given up last comes first.
const BY_WEIGHT: [Field; 10] = [
    Field::Loss,
    Field::Last,
    Field::P99,
    Field::Avg,
    Field::P50,
    Field::P95,
    Field::Max,
    Field::Min,
    Field::Sent,
    Field::Jitter,
];

/// The width of the marker of the selected target.
const MARKER: u16 = 2;

/// The least width of the bars of recent pings: below that, they are not shown.
const RECENT: u16 = 16;

impl Field {
    fn heading(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Loss => "lost%",
            Self::Last => "last",
            Self::Min => "min",
            Self::Avg => "avg",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Max => "max",
            Self::Jitter => "jitter",
        }
    }

    /// Its width, with a space before it.
    fn width(self) -> u16 {
        match self {
            Self::Sent | Self::Jitter => 7,
            _ => 6,
        }
    }

    fn value(self, target: &Target, figures: Option<&Figures>) -> Option<String> {
        match self {
            Self::Sent => Some(count(target.counts.sent)),
            Self::Loss => target.counts.loss().map(percent),
            Self::Last => target.last.map(|last| match last {
                Outcome::Reply(rtt) => millis(rtt),
                Outcome::Lost => "lost".to_owned(),
            }),
            Self::Min => figures.map(|figures| millis(figures.min)),
            Self::Avg => figures.map(|figures| millis(figures.mean)),
            Self::P50 => figures.map(|figures| millis(figures.p50)),
            Self::P95 => figures.map(|figures| millis(figures.p95)),
            Self::P99 => figures.map(|figures| millis(figures.p99)),
            Self::Max => figures.map(|figures| millis(figures.max)),
            Self::Jitter => figures.and_then(|figures| figures.jitter).map(millis),
        }
    }
}

/// Formats a count in at most six characters.
fn count(count: u64) -> String {
    match count {
        0..1_000_000 => count.to_string(),
        1_000_000..1_000_000_000 => format!("{:.2}M", count as f64 / 1e6),
        _ => format!("{:.1}G", count as f64 / 1e9),
    }
}

/// What is shown, from left to right.
struct Columns {
    name: u16,
    fields: Vec<Field>,
    /// The width of the bars of recent pings.
    recent: u16,
}

impl Columns {
    /// Chooses what fits into `width`, where the longest name has `longest` columns.
    fn fitting(width: u16, longest: u16) -> Self {
        let least = (width / 5).max(6).min(longest);
        let mut room = width.saturating_sub(MARKER + least);
        let mut chosen = Vec::new();
        for field in BY_WEIGHT {
            if field.width() > room {
                break;
            }
            room -= field.width();
            chosen.push(field);
        }
        let fields = FIELDS.into_iter().filter(|field| chosen.contains(field)).collect();
        let more = room.min(longest - least);
        let recent = room - more;
        let recent = if recent > RECENT { recent - 1 } else { 0 };
        Self { name: least + more, fields, recent }
    }
}

/// Draws the table.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, state: &mut State, now: Duration, look: Look) {
    let height = area.height.saturating_sub(1);
    state.areas.rows = Rect { y: area.y + 1, height, ..area };
    let rows = usize::from(height).max(1);
    let last = state.order().len().saturating_sub(rows);
    let selected = state.selected_row();
    state.scroll = state.scroll.clamp((selected + 1).saturating_sub(rows), selected).min(last);
    let longest = state.shown().iter().map(|target| columns_of(&target.name)).max().unwrap_or(0);
    let columns = Columns::fitting(area.width, longest);
    heading(buffer, nth(area, 0), &columns, look);
    for (line, row) in (1..area.height).zip(state.scroll..state.order().len()) {
        let index = state.order()[row];
        let target = &state.shown()[index];
        let line = nth(area, line);
        draw_row(buffer, line, target, &columns, look);
        if columns.recent > 0 && target.not_pinged.is_none() {
            let recent = Rect { x: line.right() - columns.recent, width: columns.recent, ..line };
            let history =
                target.history.columns(state.zoom, state.time(now), usize::from(columns.recent));
            draw_recent(buffer, recent, &history, look);
        }
        if index == state.selected() && state.order().len() > 1 {
            text(buffer, line, 0, ">", Style::new());
            let numbers = Rect { width: line.width - columns.recent, ..line };
            buffer.set_style(numbers, Style::new().add_modifier(Modifier::REVERSED));
        }
    }
}

fn heading(buffer: &mut Buffer, area: Rect, columns: &Columns, look: Look) {
    let style = look.quiet().add_modifier(Modifier::UNDERLINED);
    buffer.set_style(area, style);
    let title = if columns.name >= 17 { "target, RTT in ms" } else { "RTT in ms" };
    let title = format::prefix(title, usize::from(columns.name));
    text(buffer, area, MARKER, title, style);
    let mut x = MARKER + columns.name;
    for field in &columns.fields {
        let cell = Rect { x: area.x + x, width: field.width(), ..area };
        text_at_end(buffer, cell, 0, field.heading(), style);
        x += field.width();
    }
    if columns.recent > 0 {
        text(buffer, area, area.width - columns.recent, "recent", style);
    }
}

fn draw_row(buffer: &mut Buffer, area: Rect, target: &Target, columns: &Columns, look: Look) {
    let name = format::in_locale(&target.name, look.unicode);
    let name = format::cut(&name, usize::from(columns.name), look.symbols().rest);
    text(buffer, area, MARKER, &name, Style::new());
    let mut x = MARKER + columns.name;
    if let Some(reason) = &target.not_pinged {
        let reason = format::in_locale(reason, look.unicode);
        return text(buffer, area, x + 1, &reason, look.bad());
    }
    let figures = target.figures();
    for field in &columns.fields {
        let value = field.value(target, figures.as_ref()).unwrap_or_else(|| "-".to_owned());
        let is_bad = match field {
            Field::Loss => target.counts.loss().is_some_and(|loss| loss > 0.0),
            Field::Last => target.last == Some(Outcome::Lost),
            _ => false,
        };
        let style = if is_bad { look.bad() } else { Style::new() };
        let cell = Rect { x: area.x + x, width: field.width(), ..area };
        text_at_end(buffer, cell, 0, &value, style);
        x += field.width();
    }
}

/// Draws the recent pings in one line.
fn draw_recent(buffer: &mut Buffer, area: Rect, columns: &[Option<Column>], look: Look) {
    let symbols = look.symbols();
    let means = || columns.iter().flatten().filter_map(Column::mean);
    let (low, high) = (means().min().unwrap_or_default(), means().max().unwrap_or_default());
    for (x, column) in (area.x..).zip(columns) {
        let Some(column) = column else { continue };
        let (symbol, style) = match column.mean() {
            _ if column.lost + column.not_sent > 0 => (symbols.lost, look.bad()),
            Some(mean) => {
                let range = high.saturating_sub(low).as_nanos().max(1);
                let level =
                    usize::try_from(mean.saturating_sub(low).as_nanos() * 7 / range).unwrap_or(7);
                (symbols.levels[level.min(7)], look.good())
            }
            None if column.late > 0 => (symbols.late, look.odd()),
            None => (symbols.awaited, look.quiet()),
        };
        if let Some(cell) = buffer.cell_mut((x, area.y)) {
            cell.set_char(symbol).set_style(style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_width_gives_up_numbers_and_then_names() {
        let chosen = |width| {
            let columns = Columns::fitting(width, 21);
            (columns.name, columns.fields.len(), columns.recent)
        };
        assert_eq!(chosen(80), (16, 10, 0));
        assert_eq!(chosen(85), (21, 10, 0));
        assert_eq!(chosen(132), (21, 10, 46));
        assert_eq!(chosen(40), (8, 5, 0));
        assert_eq!(chosen(20), (6, 2, 0));
        assert_eq!(chosen(8), (6, 0, 0));
        assert_eq!(Columns::fitting(20, 21).fields, [Field::Loss, Field::Last]);
    }

    #[test]
    fn a_count_has_six_characters() {
        for (number, text) in
            [(0, "0"), (999_999, "999999"), (1_234_567, "1.23M"), (987_654_321, "987.65M")]
        {
            assert_eq!(count(number), text);
        }
    }
}
