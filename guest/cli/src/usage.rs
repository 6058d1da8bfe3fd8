//! Usage errors, formatted as one line.

use clap::Error;
use clap::error::{ContextKind, ContextValue};

/// Formats a usage error as one line: clap's first paragraph, and its suggestion.
pub fn one_line(error: &Error) -> String {
    let text = error.to_string();
    let paragraph = text.split("\n\n").next().unwrap_or(&text);
    let words: Vec<_> = paragraph.trim_start_matches("error: ").split_whitespace().collect();
    let meant = meant(error).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
    format!("{}{meant} (see --help)", words.join(" "))
}

/// Returns the line and the column, in characters and both from 1, of the byte at `offset`.
pub fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

/// Returns what clap suggests in place of an unknown argument.
fn meant(error: &Error) -> Option<String> {
    let similar =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    similar.iter().find_map(|kind| match error.get(*kind)? {
        ContextValue::String(one) => Some(one.clone()),
        ContextValue::Strings(several) => several.last().cloned(),
        _ => None,
    })
}

/// Returns the unknown option that an error is about, if any: `--count` of `--count=3`.
pub fn unknown_option(error: &Error) -> Option<&str> {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option))
            if error.kind() == clap::error::ErrorKind::UnknownArgument =>
        {
            Some(option.split('=').next().unwrap_or(option))
                .filter(|option| option.starts_with('-'))
        }
        _ => None,
    }
}

/// Returns whether `option`, as typed, is one of `command`'s.
pub fn has_option(command: &clap::Command, option: &str) -> bool {
    let is_short =
        |short: char| command.get_arguments().any(|argument| argument.get_short() == Some(short));
    match option.strip_prefix("--") {
        Some(long) => command.get_arguments().any(|argument| argument.get_long() == Some(long)),
        None => option.strip_prefix('-').and_then(|rest| rest.chars().next()).is_some_and(is_short),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::client::Args;

    #[test]
    fn a_usage_error_is_one_line() {
        let error = Args::try_parse_from(["client"]).unwrap_err();
        assert_eq!(
            one_line(&error),
            "the following required arguments were not provided: <HOST> (see --help)"
        );
    }

    #[test]
    fn an_unknown_option_is_told_from_its_value() {
        for (argument, option) in
            [("--allow-to=a:1", Some("--allow-to")), ("--cout", Some("--cout")), ("-Z", Some("-Z"))]
        {
            let error = Args::try_parse_from(["client", "a", "1", argument]).unwrap_err();
            assert_eq!(unknown_option(&error), option);
        }
        let error = Args::try_parse_from(["client", "a", "1", "-c", "x"]).unwrap_err();
        assert_eq!(unknown_option(&error), None);
        let command = Args::command();
        assert!(has_option(&command, "--count") && has_option(&command, "-c"));
        assert!(
            !has_option(&command, "--cout")
                && !has_option(&command, "-S")
                && !has_option(&command, "c")
        );
    }
}
