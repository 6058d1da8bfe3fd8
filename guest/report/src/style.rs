//! What the terminal that text is written to can show.

/// The default is plain text, as for a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Colours: loss is red (ECMA-48: SGR).
    pub colour: bool,
    /// Characters beyond ASCII.
    pub unicode: bool,
    /// A line can be cleared (ECMA-48: EL).
    pub clears: bool,
}

impl Style {
    /// `text` as what should be seen first, where `is_bad`.
    pub fn alarm(self, is_bad: bool, text: &str) -> String {
        if self.colour && is_bad { format!("\x1b[31m{text}\x1b[0m") } else { text.to_owned() }
    }
}
