//! `wasmtime run`: the stock CLI's own command, of the version that the host embeds.

use clap::Parser;
use wasmtime_cli::commands::RunCommand;

#[derive(Parser)]
#[command(name = "wasmtime")]
enum Wasmtime {
    Run(Box<RunCommand>),
}

fn main() {
    let Wasmtime::Run(run) = Wasmtime::parse();
    if let Err(error) = run.execute() {
        eprintln!("Error: {error:?}");
        std::process::exit(1);
    }
}
