//! Numbers and names in few characters.

use std::time::Duration;

use unicode_width::UnicodeWidthStr as _;

/// Formats a duration in milliseconds with three significant digits, in at most five characters:
/// `0.268`, `5.32`, `20.4`, `1234`, `12 s`.
pub(crate) fn millis(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1e3;
    match millis {
        _ if millis < 0.9995 => format!("{millis:.3}"),
        _ if millis < 9.995 => format!("{millis:.2}"),
        _ if millis < 99.95 => format!("{millis:.1}"),
        _ if millis < 9_999.5 => format!("{millis:.0}"),
        _ => format!("{:.0} s", millis / 1e3),
    }
}

/// Formats a share from 0 to 1 in percent, in at most four characters: `0`, `33.3`, `100`. What is
/// not zero is not shown as zero.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent == 0.0 || percent >= 99.95 {
        format!("{percent:.0}")
    } else {
        format!("{:.1}", percent.max(0.1))
    }
}

/// Formats a duration in its two largest units: `7s`, `1m10s`, `2h05m`, `3d04h`.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match seconds {
        86_400.. => format!("{days}d{hours:02}h"),
        3_600.. => format!("{hours}h{minutes:02}m"),
        60.. => format!("{minutes}m{:02}s", seconds % 60),
        _ => format!("{seconds}s"),
    }
}

/// Returns `text` in at most `width` columns. If it is cut, its end stays, which tells ports and
/// domains apart, and `mark` stands for the rest.
pub(crate) fn cut(text: &str, width: usize, mark: char) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let head = room.div_ceil(2);
    let start = prefix(text, head);
    let mut end = text.len();
    while let Some((at, _)) = text[..end].char_indices().next_back() {
        if start.width() + text[at..].width() > room {
            break;
        }
        end = at;
    }
    if width == 0 { String::new() } else { format!("{start}{mark}{}", &text[end..]) }
}

/// Returns the longest start of `text` in at most `width` columns.
pub(crate) fn prefix(text: &str, width: usize) -> &str {
    let mut end = text.len();
    while text[..end].width() > width {
        end = text[..end].char_indices().next_back().map_or(0, |(at, _)| at);
    }
    &text[..end]
}

/// Returns `text`, if necessary with what is not ASCII escaped.
pub(crate) fn in_locale(text: &str, unicode: bool) -> String {
    if unicode || text.is_ascii() {
        return text.to_owned();
    }
    let escaped =
        |c: char| if c.is_ascii() { c.to_string() } else { c.escape_default().to_string() };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_three_digits_and_little_room() {
        for (micros, text) in [
            (0, "0.000"),
            (268, "0.268"),
            (999, "0.999"),
            (5_321, "5.32"),
            (9_996, "10.0"),
            (20_440, "20.4"),
            (99_960, "100"),
            (1_234_400, "1234"),
            (9_999_600, "10 s"),
            (3_600_000_000, "3600 s"),
        ] {
            assert_eq!(millis(Duration::from_micros(micros)), text);
        }
        for (share, text) in
            [(0.0, "0"), (1e-9, "0.1"), (1.0 / 3.0, "33.3"), (0.9996, "100"), (1.0, "100")]
        {
            assert_eq!(percent(share), text);
        }
        for (seconds, text) in [(7, "7s"), (70, "1m10s"), (7_500, "2h05m"), (273_600, "3d04h")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_name_that_is_cut_has_its_start_and_its_end() {
        for (width, text) in
            [(0, ""), (1, "~"), (2, "a~"), (3, "a~7"), (7, "a.l~e:7"), (13, "a.l.example:7")]
        {
            assert_eq!(cut("a.l.example:7", width, '~'), text);
        }
        // Each takes two columns.
        assert_eq!(cut("例え例え", 5, '~'), "例~え");
        assert_eq!((prefix("例え", 3), prefix("例え", 1)), ("例", ""));
        assert_eq!(in_locale("größe", false), "gr\\u{f6}\\u{df}e");
    }
}
