//! `--env`: environment variables for a component.

use std::convert::Infallible;
use std::env::{self, VarError};
use std::str::FromStr;

use thiserror::Error;

use crate::config::key;
use crate::sandbox::environment::RESERVED;

/// One variable, as typed: `NAME` or `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    name: String,
    /// `None` inherits the value from this process's environment.
    value: Option<String>,
}

impl FromStr for Variable {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.split_once('=') {
            Some((name, value)) => Self { name: name.to_owned(), value: Some(value.to_owned()) },
            None => Self { name: text.to_owned(), value: None },
        })
    }
}

/// Why a variable cannot be set. No message contains a value.
#[derive(Debug, Error)]
pub enum VariableError {
    /// It has no name.
    #[error("--env: a variable has a name: write --env NAME, or --env NAME=VALUE")]
    NoName,
    /// This process has no such variable to inherit.
    #[error("--env {0}: there is no such variable: set it{or_value}", or_value = or_value(.0))]
    Missing(String),
    /// Its value is not Unicode, as WASI requires.
    #[error("--env {0}: its value is not valid Unicode")]
    NotUnicode(String),
    /// It is one that this host sets itself.
    #[error("--env {0}: this host sets it itself")]
    Reserved(String),
    /// A secret would be visible among the arguments.
    #[error(
        "--env {0}=...: every user of the machine can read arguments: set the variable, and write --env {0}"
    )]
    KeyInArguments(&'static str),
    /// The key would have two values.
    #[error("--key-file and --env {0} both give it a key: leave one out")]
    TwoKeys(&'static str),
}

/// Suggests an alternative to a missing variable. A key's value must not be an argument.
fn or_value(name: &str) -> String {
    if name == key::VARIABLE { String::new() } else { format!(", or write --env {name}=VALUE") }
}

impl Variable {
    /// Whether it holds the key.
    pub fn is_key(&self) -> bool {
        self.name == key::VARIABLE
    }

    /// Returns its name and value.
    pub fn resolved(&self) -> Result<(String, String), VariableError> {
        let Self { name, value } = self;
        if name.is_empty() {
            return Err(VariableError::NoName);
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(VariableError::Reserved(name.clone()));
        }
        let value = match value {
            Some(_) if self.is_key() => return Err(VariableError::KeyInArguments(key::VARIABLE)),
            Some(value) => value.clone(),
            None => env::var(name).map_err(|error| match error {
                VarError::NotPresent => VariableError::Missing(name.clone()),
                VarError::NotUnicode(_) => VariableError::NotUnicode(name.clone()),
            })?,
        };
        Ok((name.clone(), value))
    }
}
