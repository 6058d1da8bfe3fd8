//! The capabilities of the terminal, from the environment.

use udping_report::Style;
use udping_report::live::WIDTH;
use udping_wasi::console::Console;
use udping_wasi::host::{self, variable};

/// Returns its current number of columns.
pub fn columns() -> usize {
    host::columns().filter(|columns| *columns > 0).unwrap_or(WIDTH)
}

/// Returns its capabilities: only plain text if standard output is not a terminal. `NO_COLOR` is
/// interpreted as in <https://no-color.org>, and the locale as in POSIX: by default it is "C",
/// which is ASCII only.
pub fn style() -> Style {
    if !Console::stdout_is_terminal() {
        return Style::default();
    }
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(set)
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_dumb = variable("TERM").is_some_and(|term| term == "dumb");
    Style {
        colour: !is_dumb && set("NO_COLOR").is_none(),
        unicode: locale.contains("utf-8") || locale.contains("utf8"),
        clears: !is_dumb,
    }
}
