//! Aligned columns of text.

use unicode_width::UnicodeWidthStr as _;

/// The number of spaces between two columns.
const GAP: usize = 2;

/// Appends `rows` to `out`, one per line, with aligned columns: the first to the left, the others
/// to the right.
pub(crate) fn write(rows: &[Vec<String>], out: &mut String) {
    let widths = widths(rows);
    for row in rows {
        let mut line = String::new();
        for (i, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if i == 0 {
                line += &left(cell, *width);
            } else {
                line += &" ".repeat(GAP);
                line += &right(cell, *width);
            }
        }
        *out += line.trim_end();
        out.push('\n');
    }
}

/// Returns the width of each column of `rows`.
pub(crate) fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    (0..columns)
        .map(|i| {
            rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.width()).max().unwrap_or(0)
        })
        .collect()
}

/// Pads `text` at its end.
pub(crate) fn left(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// Pads `text` at its start.
pub(crate) fn right(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

/// Returns the longest prefix of `text` that is not wider than `width`.
pub(crate) fn cut(text: &str, width: usize) -> &str {
    let mut end = text.len();
    while text[..end].width() > width {
        end = text[..end].char_indices().next_back().map_or(0, |(at, _)| at);
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_look() {
        let rows = [["例え", "1"], ["a", "100"]].map(|row| row.map(str::to_owned).to_vec());
        let mut out = String::new();
        write(&rows, &mut out);
        assert_eq!(out, "例え    1\na     100\n");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        for (width, expected) in [(0, ""), (1, ""), (2, "例"), (3, "例"), (4, "例え"), (9, "例え")]
        {
            assert_eq!(cut("例え", width), expected);
        }
    }
}
