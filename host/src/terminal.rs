//! What a built-in component may know of the terminal that it writes to: the variables that say what it can show. Its width is one
//! of the facts of [`crate::environment`].

use std::env;
use std::io::{self, IsTerminal as _};

use crate::artifact::Source;

/// Variables of this process's environment that tell what a terminal can show, and nothing else: its kind, whether colours are
/// wanted (<https://no-color.org>), and the locale's characters (POSIX).
const ABOUT_IT: [&str; 5] = ["TERM", "NO_COLOR", "LC_ALL", "LC_CTYPE", "LANG"];

/// The terminal that standard output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// None; or one that the component shall not control.
    None,
    /// It is one.
    Stdout,
}

impl Terminal {
    /// That of the component from `source`: only the built-in ones control a terminal.
    pub fn of(source: &Source) -> Self {
        if matches!(source, Source::BuiltIn(_)) && io::stdout().is_terminal() { Self::Stdout } else { Self::None }
    }

    /// The variables about it, from this process's environment.
    pub fn variables(self) -> Vec<(String, String)> {
        match self {
            Self::None => Vec::new(),
            Self::Stdout => ABOUT_IT.into_iter().filter_map(|name| Some((name.to_owned(), env::var(name).ok()?))).collect(),
        }
    }
}
