//! The help, over the picture.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::widgets::{Clear, Widget as _};

use super::{nth, text};
use crate::action::KEYS;
use crate::look::Look;

/// The width of the keys.
const KEYS_WIDTH: u16 = 16;

/// The size of the help, if there is room.
const WIDTH: u16 = 62;

pub(super) fn draw(buffer: &mut Buffer, area: Rect, look: Look) {
    let symbols = look.symbols();
    let marks = [
        (symbols.bar[8], "RTT: the mean of the column's pings"),
        (symbols.range, "RTT: up to their maximum"),
        (symbols.lost, "a ping was lost: no reply within the timeout"),
        (symbols.late, "a reply came after the timeout"),
        (symbols.not_sent, "a ping could not be sent"),
        (symbols.awaited, "a reply is awaited; blank: nothing was sent"),
    ];
    let keys = KEYS.iter().map(|(keys, what)| ((*keys).to_owned(), *what));
    let marks = marks.iter().map(|(mark, what)| (mark.to_string(), *what));
    let lines: Vec<_> = keys.chain(marks).collect();
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
    let (width, height) = (WIDTH.min(area.width), height.min(area.height));
    let area = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(area, buffer);
    let style = Style::new().add_modifier(Modifier::REVERSED);
    buffer.set_style(nth(area, 0), style);
    text(buffer, nth(area, 0), 1, "Keys, and what the graph's marks mean", style);
    for (line, (keys, what)) in (1..).zip(lines) {
        let line = nth(area, line);
        text(buffer, line, 1, &keys, Style::new().add_modifier(Modifier::BOLD));
        text(buffer, line, KEYS_WIDTH, what, Style::new());
    }
    let note = "Numbers cover the whole run, the graph what is shown.";
    text(buffer, nth(area, height.saturating_sub(1)), 1, note, look.quiet());
}
