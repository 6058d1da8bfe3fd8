//! Makes text from others safe to print: none of its control characters reaches a terminal or ends
//! a line.

use std::fmt::{self, Display, Formatter, Write};

/// Displays its content with characters that control a terminal, end a line or change the direction
/// of text escaped as Rust does: `\n`, `\u{1b}`.
#[derive(Clone, Copy, Debug)]
pub struct Printable<T>(pub T);

impl<T: Display> Display for Printable<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(Escaping { out: f, escape: rust_escape }, "{}", self.0)
    }
}

/// Displays JSON with the same characters replaced by JSON escapes. They can occur only within
/// strings, so the value is the same.
#[derive(Clone, Copy, Debug)]
pub struct PrintableJson<T>(pub T);

impl<T: Display> Display for PrintableJson<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(Escaping { out: f, escape: json_escape }, "{}", self.0)
    }
}

/// Whether a character must not be printed as it is: controls (C0, C1 and DEL), line and paragraph
/// separators, and invisible characters that change how others are shown, above all those that
/// change the direction of text.
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
        )
}

/// Displays bytes reversibly as text: printable UTF-8 is unchanged, except that backslashes are
/// doubled; all else is escaped, and bytes that are not UTF-8 become `\xff`.
pub fn bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str(r"\\"),
                c if is_unprintable(c) => text.extend(c.escape_default()),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, r"\x{byte:02x}");
        }
    }
    text
}

fn rust_escape(c: char, out: &mut dyn Write) -> fmt::Result {
    write!(out, "{}", c.escape_default())
}

fn json_escape(c: char, out: &mut dyn Write) -> fmt::Result {
    c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, r"\u{unit:04x}"))
}

struct Escaping<'a, W> {
    out: &'a mut W,
    escape: fn(char, &mut dyn Write) -> fmt::Result,
}

impl<W: Write> Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_unprintable) {
            let (printable, from) = rest.split_at(at);
            self.out.write_str(printable)?;
            let mut chars = from.chars();
            if let Some(c) = chars.next() {
                (self.escape)(c, &mut *self.out)?;
            }
            rest = chars.as_str();
        }
        self.out.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROLS: [char; 12] = [
        '\0',
        '\n',
        '\r',
        '\x1b',
        '\x7f',
        '\u{85}',
        '\u{9b}',
        '\u{202e}',
        '\u{2028}',
        '\u{2029}',
        '\u{2066}',
        '\u{e0041}',
    ];

    #[test]
    fn controls_are_replaced_and_text_of_any_language_is_not() {
        for c in CONTROLS {
            let shown = Printable(format!("a{c}b")).to_string();
            assert!(
                shown.starts_with("a\\") && shown.ends_with('b') && !shown.contains(c),
                "{shown}"
            );
        }
        assert_eq!(Printable("a\nudping-host: \x1b[2J").to_string(), r"a\nudping-host: \u{1b}[2J");
        for text in ["", "plain", "größe, 大きさ, גודל, می\u{200c}خواهم", "C:\\x y\"z'"]
        {
            assert_eq!(Printable(text).to_string(), text);
        }
    }

    #[test]
    fn in_json_the_value_stays_the_same() {
        for c in CONTROLS {
            let value = serde_json::Value::from(format!("a{c}\u{10ffff}ü\\\"b"));
            let shown = PrintableJson(&value).to_string();
            assert!(!shown.contains(is_unprintable), "{shown}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }

    #[test]
    fn bytes_can_be_told_from_their_text() {
        assert_eq!(bytes(b"a\xff\x1b[1m\\x1b\xc3\xbc\xc3"), r"a\xff\u{1b}[1m\\x1bü\xc3");
        assert_ne!(bytes(b"\\n"), bytes(b"\n"));
    }
}
