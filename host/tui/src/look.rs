//! Colours and symbols, as far as the terminal has them.

use ratatui::style::{Color, Modifier, Style};

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether there are colours.
    pub colour: bool,
    /// Whether there are characters beyond ASCII.
    pub unicode: bool,
}

/// The symbols of a picture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbols {
    /// The parts of a cell that a bar fills, from none to all.
    pub(crate) bar: [char; 9],
    /// Above the mean of a column, up to its maximum.
    pub(crate) range: char,
    /// A column of lost pings alone.
    pub(crate) hole: char,
    /// Below a column with a lost ping.
    pub(crate) lost: char,
    /// Below a column with a late reply.
    pub(crate) late: char,
    /// Below a column with a ping that was not sent.
    pub(crate) not_sent: char,
    /// Below a column whose pings are awaited.
    pub(crate) awaited: char,
    /// The levels of the bars in the table.
    pub(crate) levels: [char; 8],
    /// In place of what does not fit.
    pub(crate) rest: char,
    /// Between the parts of a line.
    pub(crate) separator: &'static str,
}

const UNICODE: Symbols = Symbols {
    bar: [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
    range: '░',
    hole: '╎',
    lost: '×',
    late: '~',
    not_sent: '!',
    awaited: '·',
    levels: ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
    rest: '…',
    separator: " · ",
};

const ASCII: Symbols = Symbols {
    bar: [' ', '_', '_', '.', '.', '=', '=', '#', '#'],
    range: ':',
    hole: '|',
    lost: 'x',
    late: '~',
    not_sent: '!',
    awaited: '.',
    levels: ['_', '.', '-', '~', '=', '+', '*', '#'],
    rest: '~',
    separator: " | ",
};

impl Look {
    /// The symbols of the terminal.
    pub(crate) fn symbols(self) -> &'static Symbols {
        if self.unicode { &UNICODE } else { &ASCII }
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// Of replies.
    pub(crate) fn good(self) -> Style {
        self.coloured(Color::Cyan)
    }

    /// Of losses.
    pub(crate) fn bad(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Of what is neither.
    pub(crate) fn odd(self) -> Style {
        self.coloured(Color::Yellow)
    }

    /// Of what explains the rest.
    pub(crate) fn quiet(self) -> Style {
        if self.colour { Style::new().add_modifier(Modifier::DIM) } else { Style::new() }
    }
}
