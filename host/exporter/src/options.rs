//! Options in a configuration: those of a command line, without their dashes.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

/// Options of a command, as a table of TOML: `interval = "1s"` is `--interval=1s`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Options(BTreeMap<String, Spanned<OptionValue>>);

/// Tables are the same if they are the same options, wherever they stand in the file.
impl PartialEq for Options {
    fn eq(&self, other: &Self) -> bool {
        self.words() == other.words()
    }
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum OptionValue {
    /// A flag: given, or not.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// Any other value.
    Text(String),
    /// An option that is given several times.
    List(Vec<OptionValue>),
}

/// One option that a command does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OptionError {
    /// Where its value stands in the file, in bytes.
    pub(crate) span: Range<usize>,
    /// What is wrong with it, in one line.
    pub(crate) message: String,
}

impl OptionValue {
    fn push(&self, name: &str, words: &mut Vec<String>) {
        match self {
            Self::Flag(false) => {}
            Self::Flag(true) => words.push(format!("--{name}")),
            Self::Integer(value) => words.push(format!("--{name}={value}")),
            Self::Float(value) => words.push(format!("--{name}={value}")),
            Self::Text(value) => words.push(format!("--{name}={value}")),
            Self::List(values) => values.iter().for_each(|value| value.push(name, words)),
        }
    }
}

impl Options {
    /// The options as arguments of a command line.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for (name, value) in &self.0 {
            value.get_ref().push(name, &mut words);
        }
        words
    }

    /// Whether an option is given.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Has each option checked by itself by `check`, which gets its name and its arguments. An
    /// option in `reserved` is refused, as one that the exporter sets itself.
    ///
    /// # Errors
    ///
    /// The first that is refused.
    pub(crate) fn check(
        &self,
        reserved: &[&str],
        check: impl Fn(&str, &[String]) -> Result<(), String>,
    ) -> Result<(), OptionError> {
        for (name, value) in &self.0 {
            let failed = |message| OptionError { span: value.span(), message };
            if reserved.contains(&name.as_str()) {
                return Err(failed(format!("{name} is not for a module: the exporter decides it")));
            }
            let mut words = Vec::new();
            value.get_ref().push(name, &mut words);
            check(name, &words).map_err(failed)?;
        }
        Ok(())
    }
}
