//! Policy files: the flags for grants and limits, in TOML, for service units and images.
//!
//! `docs/policy.schema.json` describes it.

use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use serde::Deserialize;
use thiserror::Error;

use crate::config::cli::{GrantFlags, LimitFlags};
use crate::process::log;
use crate::process::trust::{self, Text};

/// The maximum size of a policy.
const SIZE_LIMIT: ByteSize = ByteSize::mib(1);

/// A policy: flags without their dashes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// What a component may do.
    pub grants: GrantFlags,
    /// The limits of what it may use.
    pub limits: LimitFlags,
}

/// Why a file is not a valid policy.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct PolicyError {
    path: PathBuf,
    problem: String,
}

impl Policy {
    /// Reads a policy. The file must be writable only by this user and root; a group that can write
    /// it too causes a warning.
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        let failed = |problem: String| PolicyError { path: path.to_owned(), problem };
        let Text { text, warning } =
            trust::read_text(path, SIZE_LIMIT).map_err(|error| failed(error.to_string()))?;
        if let Some(untrusted) = warning {
            log::say(format_args!("warning: --policy {}: {untrusted}", path.display()));
        }
        Self::parse(&text).map_err(failed)
    }

    /// Parses a policy. The error is one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let line =
                error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
            let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            format!("{place}{}", error.message().lines().collect::<Vec<_>>().join(" "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../docs/policy.toml");
    const SCHEMA: &str = include_str!("../../../docs/policy.schema.json");

    #[test]
    fn the_example_says_what_flags_would() {
        let policy = Policy::parse(EXAMPLE).unwrap();
        let granted = policy.grants.spec().unwrap();
        assert_eq!(granted.listen, ["12000".parse().unwrap()]);
        assert_eq!(
            policy.grants.deny_to,
            ["10.0.0.0/8".parse().unwrap(), "192.0.2.7:53".parse().unwrap()]
        );
        assert_eq!(policy.grants.answer().window.as_secs(), 10);
        assert_eq!(policy.limits.limits().memory.as_u64(), 32 << 20);
        assert_eq!(policy.limits.rates().source.unwrap().0.get(), 1_000);
    }

    /// Returns the valid keys of one of the two tables, as the parser lists them in its error about
    /// an unknown key.
    fn parsed(table: &str) -> Vec<String> {
        let error = Policy::parse(&format!("[{table}]\nnonsense = 1")).unwrap_err();
        error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn the_schema_lists_what_the_parser_takes() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        for table in ["grants", "limits"] {
            let listed = schema["properties"][table]["properties"].as_object().unwrap();
            let mut parsed = parsed(table);
            parsed.sort();
            assert!(parsed.len() > 5, "{parsed:?}");
            assert_eq!(listed.keys().cloned().collect::<Vec<_>>(), parsed);
        }
    }

    #[test]
    fn what_is_wrong_is_one_line_with_its_place() {
        for (text, complaint) in [
            ("x = 1", "line 1: unknown field `x`, expected `grants` or `limits`"),
            ("[grants]\n\nallow-to = [\"nowhere\"]", "line 3: invalid value 'nowhere': write HOST"),
            ("[grants]\nallow-to = 7", "line 2: invalid type: integer `7`, expected a sequence"),
            ("[limits]\nsockets = 0", "line 2: invalid value '0': not a whole number of 1 or more"),
            ("[limits]\nmemory = \"lots\"", "line 2: invalid value 'lots': "),
            ("[limits]\nsend-bytes = 0", "line 2: invalid value '0': must not be 0"),
            ("[limits]\nreceive-bytes = \"0 B\"", "line 2: invalid value '0 B': must not be 0"),
            ("[limits", "line 1: "),
        ] {
            let error = Policy::parse(text).unwrap_err();
            assert!(
                error.starts_with(complaint) && error.lines().count() == 1,
                "{text:?}: {error:?}"
            );
        }
    }
}
