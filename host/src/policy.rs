//! Grants and limits from a file: what the flags say, in TOML, for service units and images.
//!
//! `docs/policy.schema.json` describes it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::cli::{GrantFlags, LimitFlags};

/// The largest policy that is read, in bytes.
const SIZE_LIMIT: u64 = 1 << 20;

/// A policy: flags without their dashes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// What a component may do.
    pub grants: GrantFlags,
    /// What it may use.
    pub limits: LimitFlags,
}

/// A file that is no policy.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct PolicyError {
    path: PathBuf,
    problem: String,
}

impl Policy {
    /// Reads one.
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        let failed = |problem: String| PolicyError { path: path.to_owned(), problem };
        let size = fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
        if size > SIZE_LIMIT {
            return Err(failed("is larger than 1 MiB, and no policy".to_owned()));
        }
        let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Self::parse(&text).map_err(failed)
    }

    /// Reads one from text. The error is one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
            let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            format!("{place}{}", error.message().lines().collect::<Vec<_>>().join(" "))
        })
    }
}
