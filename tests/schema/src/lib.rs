//! Validates what the client writes against the schemas in `docs/`, for tests: it panics if
//! something is wrong.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "it is for tests alone"
)]

use std::sync::LazyLock;

use jsonschema::{Registry, Validator};
use serde_json::Value;

/// The base URI of the schemas: a reference to another one means the file in the same folder.
const FOLDER: &str = "docs:/";

/// Validates the document of `--format json`.
#[track_caller]
pub fn results(text: &str) -> Value {
    static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| validator(RESULTS));
    validated(&VALIDATOR, text)
}

/// Validates the lines of `--format jsonl`.
#[track_caller]
pub fn events(text: &str) -> Vec<Value> {
    static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| validator(EVENTS));
    text.lines().map(|line| validated(&VALIDATOR, line)).collect()
}

const RESULTS: &str = include_str!("../../../docs/results.schema.json");
const EVENTS: &str = include_str!("../../../docs/events.schema.json");

#[track_caller]
fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn validator(schema: &str) -> Validator {
    let beside = Registry::new().add(format!("{FOLDER}results.schema.json"), parse(RESULTS));
    let beside = beside
        .and_then(jsonschema::RegistryBuilder::prepare)
        .expect("schemas that refer to what there is");
    jsonschema::options()
        .with_base_uri(FOLDER)
        .with_registry(&beside)
        .build(&parse(schema))
        .expect("a schema")
}

#[track_caller]
fn validated(validator: &Validator, text: &str) -> Value {
    let value = parse(text);
    let errors: Vec<_> = validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{text}");
    value
}
