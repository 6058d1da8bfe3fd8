//! The graphs: the RTTs of a target over time, and below them what became of the other pings.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::{LEAST_GRAPH, columns_of, nth, text, text_at_end};
use crate::format;
use crate::history::Column;
use crate::look::Look;
use crate::state::State;
use crate::target::{Outcome, Target};

/// The columns that the values of the axis take, where there is room for them.
const AXIS: u16 = 7;

/// The width from which on there is room for an axis.
const AXIS_FROM: u16 = 40;

/// Draws the graphs of the selected target and of those next to it, as many as fit, and the time
/// below.
pub(super) fn draw_all(
    buffer: &mut Buffer,
    area: Rect,
    state: &mut State,
    now: Duration,
    look: Look,
) {
    state.areas.graphs.clear();
    if area.height < LEAST_GRAPH {
        return;
    }
    let body = Rect { height: area.height - 1, ..area };
    let selected = state.selected();
    let is_worth_it =
        |index: &usize| *index == selected || state.shown()[*index].not_pinged.is_none();
    let all: Vec<_> = state.order().iter().copied().filter(is_worth_it).collect();
    let count = usize::from(body.height / (LEAST_GRAPH - 1)).min(all.len());
    let place = all.iter().position(|index| *index == selected).unwrap_or(0);
    let first = place.min(all.len() - count);
    let shown = all[first..first + count].to_vec();
    let mut y = 0;
    for (place, index) in shown.into_iter().enumerate() {
        let left = count - place;
        let height = (body.height - y) / u16::try_from(left).unwrap_or(1);
        let area = Rect { y: body.y + y, height, ..body };
        let is_selected = index == state.selected() && state.order().len() > 1;
        draw(buffer, area, state, index, is_selected, now, look);
        state.areas.graphs.push((area, index));
        y += height;
    }
    time(buffer, nth(area, area.height - 1), state, now, look);
}

fn axis(width: u16) -> u16 {
    if width >= AXIS_FROM { AXIS } else { 0 }
}

fn draw(
    buffer: &mut Buffer,
    area: Rect,
    state: &State,
    index: usize,
    is_selected: bool,
    now: Duration,
    look: Look,
) {
    let target = &state.shown()[index];
    title(buffer, nth(area, 0), target, is_selected, look);
    let axis = axis(area.width);
    let bars = Rect {
        x: area.x + axis,
        y: area.y + 1,
        width: area.width - axis,
        height: area.height.saturating_sub(2),
    };
    let columns = target.history.columns(state.zoom, state.time(now), usize::from(bars.width));
    let scale = Scale::of(&columns);
    if let Some(scale) = scale.filter(|_| axis > 0) {
        let label = |buffer: &mut Buffer, line, value| {
            let cell = Rect { width: axis - 1, ..nth(area, line) };
            text_at_end(buffer, cell, 0, &format::millis(value), look.quiet());
        };
        label(buffer, 1, scale.high);
        if bars.height > 1 {
            label(buffer, bars.height, scale.low);
        }
    }
    for (x, column) in (bars.x..).zip(&columns) {
        if let Some(column) = column {
            draw_column(buffer, Rect { x, width: 1, ..bars }, column, scale, look);
        }
    }
}

fn title(buffer: &mut Buffer, area: Rect, target: &Target, is_selected: bool, look: Look) {
    let style = Style::new().add_modifier(Modifier::BOLD);
    let marker = if is_selected { "> " } else { "" };
    let state = match (&target.not_pinged, &target.error, target.last) {
        (Some(reason), ..) => Some((format!("not pinged: {reason}"), look.bad())),
        (None, Some(error), _) => Some((error.clone(), look.bad())),
        (None, None, Some(Outcome::Lost)) => Some(("no reply".to_owned(), look.bad())),
        (None, None, Some(Outcome::Reply(rtt))) => {
            Some((format!("{} ms", format::millis(rtt)), Style::new()))
        }
        (None, None, None) => None,
    };
    let state = state.map(|(state, style)| (format::in_locale(&state, look.unicode), style));
    let address = target.address.as_ref().filter(|address| **address != target.name);
    let address = address.map(|address| format!(" ({address})")).unwrap_or_default();
    let name = format::in_locale(&target.name, look.unicode);
    let name = format!("{marker}{name}");
    let name = format::cut(&name, usize::from(area.width), look.symbols().rest);
    text(buffer, area, 0, &name, style);
    let mut used = columns_of(&name);
    let needed = state.as_ref().map_or(0, |(state, _)| columns_of(state).saturating_add(1));
    let with_address = used.saturating_add(columns_of(&address));
    if with_address.saturating_add(needed) <= area.width {
        text(buffer, area, used, &address, look.quiet());
        used = with_address;
    }
    if let Some((state, style)) = state {
        let room = area.width.saturating_sub(used + 1);
        text_at_end(buffer, area, used, format::prefix(&state, room.into()), style);
    }
}

/// The values at the top and the bottom of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scale {
    low: Duration,
    high: Duration,
}

impl Scale {
    /// The scale of all RTTs: from zero, unless they are much closer to each other than to that.
    /// None without any.
    fn of(columns: &[Option<Column>]) -> Option<Self> {
        let columns = columns.iter().flatten();
        let means = columns.clone().filter_map(Column::mean);
        let least = means.min()?;
        let high = columns.map(|column| column.max).max()?.max(Duration::from_nanos(1));
        // What varies less than a tenth is not made to look as if it did.
        let range = high.saturating_sub(least).max(high / 10);
        let low = high.saturating_sub(range * 2);
        Some(Self { low: if low < high / 3 { Duration::ZERO } else { low }, high })
    }

    /// The height of a bar in eighths of a line, of which there are `lines`. A reply is never
    /// invisible.
    fn eighths(self, value: Duration, lines: u16) -> u32 {
        let range = self.high.saturating_sub(self.low).as_secs_f64();
        let share = value.saturating_sub(self.low).as_secs_f64() / range;
        let most = u32::from(lines) * 8;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as saturates")]
        let eighths = (share * f64::from(most)).round() as u32;
        eighths.clamp(1, most)
    }
}

fn draw_column(buffer: &mut Buffer, area: Rect, column: &Column, scale: Option<Scale>, look: Look) {
    let symbols = look.symbols();
    let put = |buffer: &mut Buffer, line: u16, symbol: char, style| {
        if let Some(cell) = buffer.cell_mut((area.x, area.y + line)) {
            cell.set_char(symbol).set_style(style);
        }
    };
    match (column.mean(), scale) {
        (Some(mean), Some(scale)) => {
            let (mean, max) =
                (scale.eighths(mean, area.height), scale.eighths(column.max, area.height));
            for line in 0..area.height {
                let below = u32::from(area.height - 1 - line) * 8;
                let filled = mean.saturating_sub(below).min(8) as usize;
                if filled > 0 {
                    put(buffer, line, symbols.bar[filled], look.good());
                } else if max > below + 4 {
                    put(buffer, line, symbols.range, look.good());
                }
            }
        }
        _ if column.lost > 0 => {
            (0..area.height).for_each(|line| put(buffer, line, symbols.hole, look.bad()));
        }
        _ => {}
    }
    // The worst of what became of them.
    let (mark, style) = match column {
        Column { lost: 1.., .. } => (symbols.lost, look.bad()),
        Column { not_sent: 1.., .. } => (symbols.not_sent, look.bad()),
        Column { late: 1.., .. } => (symbols.late, look.odd()),
        _ if column.received == 0 && column.awaited() > 0 => (symbols.awaited, look.quiet()),
        _ => return,
    };
    put(buffer, area.height, mark, style);
}

/// The time below the graphs.
fn time(buffer: &mut Buffer, area: Rect, state: &State, now: Duration, look: Look) {
    let axis = axis(area.width);
    let area = Rect { x: area.x + axis, width: area.width - axis, ..area };
    let shown = state.zoom.width() * u32::from(area.width);
    let start = format!("-{}", format::span(shown));
    let end = if state.is_paused() {
        format!("-{}", format::span(now.saturating_sub(state.time(now))))
    } else {
        "now".to_owned()
    };
    text(buffer, area, 0, &start, look.quiet());
    let (left, right) = (columns_of(&start), columns_of(&end));
    text_at_end(buffer, area, left + 1, &end, look.quiet());
    let column = format!("{} s a column", state.zoom.width().as_secs_f64());
    let (width, room) = (columns_of(&column), area.width.saturating_sub(left + right));
    if room > width + 4 {
        text(buffer, area, left + (room - width) / 2, &column, look.quiet());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn columns(rtts: &[u64]) -> Vec<Option<Column>> {
        let column = |rtt: &u64| {
            let mut column = Column::default();
            column.reply(ms(*rtt));
            Some(column)
        };
        rtts.iter().map(column).collect()
    }

    #[test]
    fn a_scale_begins_at_zero_unless_that_is_far() {
        for (rtts, low, high) in [
            (&[10, 40][..], 0, 40),
            (&[40][..], 32, 40),
            (&[39, 40], 32, 40),
            (&[30, 40], 20, 40),
            (&[20, 40], 0, 40),
        ] {
            let scale = Scale { low: ms(low), high: ms(high) };
            assert_eq!(Scale::of(&columns(rtts)), Some(scale), "{rtts:?}");
        }
        assert_eq!(Scale::of(&[None, Some(Column::default())]), None);
    }

    #[test]
    fn a_bar_is_as_high_as_its_value() {
        let scale = Scale { low: ms(0), high: ms(40) };
        for (value, eighths) in [(0, 1), (1, 1), (10, 8), (20, 16), (40, 32), (50, 32)] {
            assert_eq!(scale.eighths(ms(value), 4), eighths);
        }
    }
}
