//! An HTML page with the figure and the table: one file, without scripts, that loads nothing.

use std::fmt::{self, Write as _};

use crate::document::Document;
use crate::escape::Escaped;
use crate::figure::{DrawError, Figure, Parts};
use crate::palette;
use crate::table::Table;
use crate::words;

const STYLE: &str = "\
  :root { color-scheme: light dark; --paper: #ffffff; --text: #1a1a1a; --quiet: #595959; --line: #e3e3e3 }
  body { margin: 0 auto; padding: 1rem; max-width: 80rem; background: var(--paper); color: var(--text);
    font: 0.875rem/1.5 system-ui, sans-serif }
  h1 { margin: 0; font-size: 1.4rem; overflow-wrap: anywhere }
  h2 { margin: 1rem 0 0 }
  h2, caption { font-size: 1.05rem; font-weight: bold; text-align: left; padding-bottom: 0.4rem }
  h1 + p { margin: 0.2rem 0 1rem; color: var(--quiet); overflow-wrap: anywhere }
  svg { display: block; width: 100%; height: auto }
  rect { shape-rendering: crispEdges }
  .tips :hover { stroke: var(--text); stroke-width: 1 }
  ul { margin: 0; padding-left: 1.2rem }
  .wide { overflow-x: auto }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin-top: 1rem; width: 100%;
    font-size: 0.8125rem }
  th, td { padding: 0.2rem 0.4rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line) }
  thead th { color: var(--quiet); font-weight: normal }
  th:first-child { text-align: left; font-weight: normal; padding-left: 0; white-space: normal; overflow-wrap: anywhere;
    min-width: 10rem }
";

/// Draws `document` as a page.
///
/// # Errors
///
/// If the figure cannot be drawn.
pub(crate) fn page(document: &Document) -> Result<String, DrawError> {
    let figure = Figure::new(document, Parts::Charts);
    let (title, subtitle) = (words::title(document), words::subtitle(document));
    let (title, subtitle) = (Escaped(&title), Escaped(&subtitle));
    let (svg, table, dark) = (figure.svg()?, Html(figure.table()), palette::dark_rules());
    Ok(format!(
        "\
<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>{title}</title>
<style>
{STYLE}  @media (prefers-color-scheme: dark) {{
  :root {{ --paper: #16181b; --text: #e8e8e8; --quiet: #a8adb3; --line: #33383e }}
{dark}  }}
</style>
<h1>{title}</h1>
<p>{subtitle}</p>
{svg}{table}</html>
"
    ))
}

struct Html(Table);

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Table { caption, headings, rows, notes } = &self.0;
        writeln!(f, "<div class=\"wide\">\n<table>\n<caption>{}</caption>", Escaped(caption))?;
        f.write_str("<thead><tr><th scope=\"col\">target</th>")?;
        headings
            .iter()
            .try_for_each(|heading| write!(f, "<th scope=\"col\">{}</th>", Escaped(heading)))?;
        f.write_str("</tr></thead>\n<tbody>\n")?;
        for row in rows {
            write!(f, "<tr><th scope=\"row\">{}</th>", Escaped(&row.name))?;
            row.cells.iter().try_for_each(|cell| write!(f, "<td>{}</td>", Escaped(cell)))?;
            f.write_str("</tr>\n")?;
        }
        f.write_str("</tbody>\n</table>\n</div>\n")?;
        if !notes.is_empty() {
            f.write_str("<h2>Not pinged</h2>\n<ul>\n")?;
            notes.iter().try_for_each(|note| writeln!(f, "<li>{}</li>", Escaped(note)))?;
            f.write_str("</ul>\n")?;
        }
        f.write_char('\n')
    }
}
