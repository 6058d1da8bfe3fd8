//! Untrusted text from a document.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text that is safe in a figure: what XML forbids, and what changes the order of other text, is
/// replaced by U+FFFD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Text(String);

impl Text {
    /// The text to draw, not yet escaped.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(if text.contains(is_hidden) { text.replace(is_hidden, "\u{fffd}") } else { text })
    }
}

/// Whether it is a control, a mark of direction, or one of the two characters that XML forbids.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_forbids_or_what_turns_text_around_is_replaced() {
        for hidden in ["\0", "\u{1b}", "\n", "\u{7f}", "\u{202e}", "\u{2066}", "\u{ffff}"] {
            assert_eq!(Text::from(format!("a{hidden}b")).as_str(), "a\u{fffd}b", "{hidden:?}");
        }
        assert_eq!(Text::from("<b>\u{e9}&".to_owned()).as_str(), "<b>\u{e9}&");
    }
}
