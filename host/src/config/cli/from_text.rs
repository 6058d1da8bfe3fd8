//! Deserializes policy values from the text that the command line accepts.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use udping_cli::number;

/// Reads a list of values from their texts.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    Vec::<Scalar>::deserialize(deserializer)?.iter().map(Scalar::parse).collect()
}

/// Reads an optional value from its text.
pub(super) fn option<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    Scalar::deserialize(deserializer)?.parse().map(Some)
}

/// Reads a number of 1 or more.
pub(super) fn positive<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
{
    let (text, range) = (Scalar::deserialize(deserializer)?.text(), 1..=u64::MAX);
    let number = number::whole(&text, &range);
    number.map(Some).ok_or_else(|| invalid(&text, number::expected(&range)))
}

/// A value, as text; ports and factors may also be plain numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Integer(i64),
    Number(f64),
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }

    fn parse<T: FromStr<Err: Display>, E: Error>(&self) -> Result<T, E> {
        let text = self.text();
        text.parse().map_err(|error| invalid(&text, error))
    }
}

fn invalid<E: Error>(text: &str, error: impl Display) -> E {
    E::custom(format_args!("invalid value '{text}': {error}"))
}
