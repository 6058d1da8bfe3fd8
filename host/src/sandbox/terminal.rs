//! What a built-in component may know of the terminal that it writes to: the variables that say
//! what it can show. Its width is one of the facts of [`crate::sandbox::environment`].

use std::env;
use std::io::{self, IsTerminal as _};

use crate::sandbox::artifact::Source;

/// Variables of this process's environment that tell what a terminal can show, and nothing else:
/// its kind, whether colours are wanted (<https://no-color.org>), and the locale's characters
/// (POSIX).
const ABOUT_IT: [&str; 5] = ["TERM", "NO_COLOR", "LC_ALL", "LC_CTYPE", "LANG"];

/// The variables that the component from `source` gets: only the built-in ones control a terminal.
pub fn variables(source: &Source) -> Vec<(String, String)> {
    let controls_it = matches!(source, Source::BuiltIn(_)) && io::stdout().is_terminal();
    let known = ABOUT_IT.into_iter().filter(|_| controls_it);
    known.filter_map(|name| Some((name.to_owned(), env::var(name).ok()?))).collect()
}
