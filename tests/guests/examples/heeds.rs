//! Declares udping-host's contract, and reacts to notices as its argument says. `says`: writes each
//! notice as a word, and ends at the one to stop; `ignores`: never ends, and reads notices; `looks
//! away`: never asks for standard input; `spins`: asks for it, and computes endlessly; `columns`:
//! writes the columns of the terminal at each report; `env`: writes its variables at the start and
//! when they change, and then traps; `gives up`: leaves by `wasi:cli/exit`; `no notices`: fails if
//! there are any.

use std::hint;

use udping_test_guests::{IpAddressFamily, pause, socket};
use udping_wasi::bindings::wasi::cli::environment::{get_arguments, get_environment};
use udping_wasi::bindings::wasi::cli::exit::exit;
use udping_wasi::console::Console;
use udping_wasi::host::{self, Notice, Notices};

fn main() {
    let out = Console::stdout();
    let mode = get_arguments().pop().unwrap();
    if mode == "looks away" {
        out.line("runs").unwrap();
        loop {
            pause(1_000_000_000_000);
        }
    }
    let notices = Notices::from_host();
    match mode.as_str() {
        "gives up" => exit(Err(())),
        "no notices" => assert!(notices.is_none()),
        _ => {}
    }
    if mode == "env" {
        show_variables();
        while !notices.iter().flat_map(Notices::read).any(|notice| notice == Notice::Environment) {
            if let Some(notices) = &notices {
                notices.pollable().block();
            }
        }
        show_variables();
        panic!("to be started anew");
    }
    // An unfinished line, like output that is only flushed at the end.
    out.write("runs\nand ").unwrap();
    let Some(notices) = notices else { return };
    if mode == "spins" {
        loop {
            hint::spin_loop();
            let _ = socket(IpAddressFamily::Ipv4);
        }
    }
    loop {
        notices.pollable().block();
        for notice in notices.read() {
            match (mode.as_str(), notice) {
                ("ignores", Notice::Stop) => pause(1_000_000_000_000),
                ("columns", Notice::Report) => {
                    out.line(host::columns().unwrap_or_default()).unwrap();
                }
                (_, Notice::Stop) => return out.line("stop").unwrap(),
                (_, notice) => out.line(format_args!("{notice:?}")).unwrap(),
            }
        }
    }
}

fn show_variables() {
    for (name, value) in get_environment() {
        Console::stdout().line(format_args!("{name}={value}")).unwrap();
    }
}

udping_test_guests::guest_with_notices!(main);
