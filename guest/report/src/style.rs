//! The capabilities of the terminal that text is written to.

/// The capabilities of a terminal. The default is plain text, as for a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether colours are supported: loss is red (ECMA-48: SGR).
    pub colour: bool,
    /// Whether characters beyond ASCII are supported.
    pub unicode: bool,
    /// Whether a line can be cleared (ECMA-48: EL).
    pub clears: bool,
}

impl Style {
    /// Highlights `text` if `is_bad`.
    pub fn alarm(self, is_bad: bool, text: &str) -> String {
        if self.colour && is_bad { format!("\x1b[31m{text}\x1b[0m") } else { text.to_owned() }
    }
}
