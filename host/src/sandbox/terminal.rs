//! What a built-in component learns about the terminal that it writes to: the variables that
//! describe its abilities. Its width is one of the facts of [`crate::sandbox::environment`].

use std::env;
use std::io::{self, IsTerminal as _};

use crate::sandbox::artifact::Source;

/// The variables that describe a terminal: its type, whether colours are wanted
/// (<https://no-color.org>), and the character set of the locale (POSIX).
const ABOUT_IT: [&str; 5] = ["TERM", "NO_COLOR", "LC_ALL", "LC_CTYPE", "LANG"];

/// Returns the variables for the component from `source`: only built-in ones control a terminal.
pub fn variables(source: &Source) -> Vec<(String, String)> {
    let controls_it = matches!(source, Source::BuiltIn(_)) && io::stdout().is_terminal();
    let known = ABOUT_IT.into_iter().filter(|_| controls_it);
    known.filter_map(|name| Some((name.to_owned(), env::var(name).ok()?))).collect()
}
