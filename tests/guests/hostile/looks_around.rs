//! Looks for resources that it was not given.

use udping_wasi::bindings::wasi::cli::environment::{get_arguments, get_environment, initial_cwd};

fn main() {
    assert_eq!(get_arguments(), ["looks_around.wasm"]);
    let names: Vec<_> = get_environment().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["UDPING_HOST"]);
    assert_eq!(initial_cwd(), None);
}

udping_test_guests::guest!(main);
