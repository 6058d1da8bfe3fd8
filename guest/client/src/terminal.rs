//! What the terminal can show, as the environment tells it.

use udping_net::console::Console;
use udping_net::host::{self, variable};
use udping_report::Style;
use udping_report::live::WIDTH;

/// How many columns it has now.
pub fn columns() -> usize {
    host::columns().filter(|columns| *columns > 0).unwrap_or(WIDTH)
}

/// What it can show: nothing but plain text, where standard output is none. `NO_COLOR` is as
/// <https://no-color.org> has it, and the locale as POSIX has it: without one, it is "C", which has
/// ASCII alone.
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
