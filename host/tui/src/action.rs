//! Keys and the mouse, and what they ask for.

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::Position;

use crate::state::Sort;

/// What the user asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Stop the drawing, or continue it.
    Pause,
    /// Sort the table.
    Sort(Sort),
    /// Show less time, in more detail.
    Closer,
    /// Show more time.
    Wider,
    /// Select another target.
    Select(Move),
    /// Show the help, or hide it.
    Help,
    /// Select what is there.
    Click(Position),
    /// Scroll, or zoom, what is there.
    Wheel {
        /// Away from the user.
        up: bool,
        /// Where the pointer is.
        at: Position,
    },
    /// Draw everything again.
    Redraw,
    /// Stop this process, as Ctrl-Z does.
    Suspend,
    /// End.
    Quit,
}

/// A step in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// As many rows up as are shown.
    PageUp,
    /// As many rows down as are shown.
    PageDown,
    /// To the first row.
    First,
    /// To the last row.
    Last,
}

/// The keys, as the help lists them.
pub(crate) const KEYS: [(&str, &str); 9] = [
    ("q Esc Ctrl-C", "quit, and print the summary"),
    ("space", "stop the drawing, not the pings"),
    ("+ - wheel", "zoom: less or more time"),
    ("l", "sort by loss"),
    ("p", "sort by p99"),
    ("n", "sort as named"),
    ("up down click", "select a target"),
    ("Ctrl-Z", "stop; fg continues"),
    ("?", "this help"),
];

/// Returns what an event of the terminal asks for. While the help is shown, Esc hides it.
pub(crate) fn action(event: &Event, is_help_shown: bool) -> Option<Action> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => of_key(*key, is_help_shown),
        Event::Mouse(mouse) => of_mouse(*mouse),
        Event::Resize(..) => Some(Action::Redraw),
        _ => None,
    }
}

fn of_key(key: KeyEvent, is_help_shown: bool) -> Option<Action> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Action::Quit),
            KeyCode::Char('z') => Some(Action::Suspend),
            KeyCode::Char('l') => Some(Action::Redraw),
            _ => None,
        };
    }
    Some(match key.code {
        KeyCode::Esc if is_help_shown => Action::Help,
        KeyCode::Char('q') | KeyCode::Esc => Action::Quit,
        KeyCode::Char(' ') => Action::Pause,
        // On many keyboards, = is + without shift.
        KeyCode::Char('+' | '=') => Action::Closer,
        KeyCode::Char('-') => Action::Wider,
        KeyCode::Char('l') => Action::Sort(Sort::Loss),
        KeyCode::Char('p') => Action::Sort(Sort::P99),
        KeyCode::Char('n') => Action::Sort(Sort::Given),
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => Action::Help,
        KeyCode::Up | KeyCode::Char('k') => Action::Select(Move::Up),
        KeyCode::Down | KeyCode::Char('j') => Action::Select(Move::Down),
        KeyCode::PageUp => Action::Select(Move::PageUp),
        KeyCode::PageDown => Action::Select(Move::PageDown),
        KeyCode::Home => Action::Select(Move::First),
        KeyCode::End => Action::Select(Move::Last),
        _ => return None,
    })
}

fn of_mouse(mouse: MouseEvent) -> Option<Action> {
    let at = Position::new(mouse.column, mouse.row);
    match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) => Some(Action::Click(at)),
        MouseEventKind::ScrollUp => Some(Action::Wheel { up: true, at }),
        MouseEventKind::ScrollDown => Some(Action::Wheel { up: false, at }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn esc_hides_the_help_before_it_quits() {
        let esc = Event::Key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
        assert_eq!(action(&esc, true), Some(Action::Help));
        assert_eq!(action(&esc, false), Some(Action::Quit));
    }

    #[test]
    fn with_ctrl_a_key_is_another_one() {
        let key = |code, modifiers| action(&Event::Key(KeyEvent::new(code, modifiers)), false);
        let (c, l, z) = (KeyCode::Char('c'), KeyCode::Char('l'), KeyCode::Char('z'));
        assert_eq!(key(c, KeyModifiers::CONTROL), Some(Action::Quit));
        assert_eq!(key(z, KeyModifiers::CONTROL), Some(Action::Suspend));
        assert_eq!(key(l, KeyModifiers::CONTROL), Some(Action::Redraw));
        assert_eq!(key(l, KeyModifiers::NONE), Some(Action::Sort(Sort::Loss)));
        assert_eq!((key(c, KeyModifiers::NONE), key(z, KeyModifiers::NONE)), (None, None));
    }
}
