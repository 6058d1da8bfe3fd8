//! Filters terminal control characters from the output of components from files.

use crate::process::printable::is_unprintable;

/// Replaces each character that controls a terminal by U+FFFD, the replacement character.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// The bytes of an incomplete character.
    start: Vec<u8>,
}

impl Filter {
    pub(super) fn filtered(&mut self, bytes: &[u8]) -> String {
        let bytes = [&std::mem::take(&mut self.start), bytes].concat();
        let mut text = String::with_capacity(bytes.len());
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            let kept = |c: char| matches!(c, '\n' | '\r' | '\t') || !is_unprintable(c);
            text.extend(
                chunk
                    .valid()
                    .chars()
                    .map(|c| if kept(c) { c } else { char::REPLACEMENT_CHARACTER }),
            );
            match chunk.invalid() {
                [] => {}
                start if chunks.peek().is_none() && is_cut_off(start) => {
                    self.start = start.to_vec();
                }
                _ => text.push(char::REPLACEMENT_CHARACTER),
            }
        }
        text
    }
}

/// Whether more bytes could complete a character.
fn is_cut_off(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_controls_are_replaced_and_characters_kept_whole() {
        let mut filter = Filter::default();
        assert_eq!(
            filter.filtered(b"a\x1b[2J\x07\x7f\tb\r\n"),
            "a\u{fffd}[2J\u{fffd}\u{fffd}\tb\r\n"
        );
        assert_eq!(filter.filtered("\u{9b}1m\u{202e}x".as_bytes()), "\u{fffd}1m\u{fffd}x");
        for (i, byte) in "€".bytes().enumerate() {
            assert_eq!(filter.filtered(&[byte]), if i == 2 { "€" } else { "" });
        }
        assert_eq!(filter.filtered(b"\x9b\xe2\x82"), "\u{fffd}");
        assert_eq!(filter.filtered(b"x"), "\u{fffd}x");
    }
}
