//! Arguments, variables, the terminal, and the end: `wasi:cli`.

use crate::bindings::wasi::cli;

/// Returns the arguments, the program's name first.
pub fn arguments() -> Vec<String> {
    cli::environment::get_arguments()
}

/// Returns the environment variables.
pub fn variables() -> Vec<(String, String)> {
    cli::environment::get_environment()
}

/// Returns whether standard output is a terminal.
pub fn stdout_is_terminal() -> bool {
    cli::terminal_stdout::get_terminal_stdout().is_some()
}

/// Ends the program without success.
pub fn exit_unsuccessfully() {
    cli::exit::exit(Err(()));
}
