//! The interfaces that components are served: the command worlds of WASI 0.2 and 0.3, with this host's
//! own environment, UDP, refusal of TCP, name resolution, waiting, clocks and random bytes.
//!
//! Each is listed, rather than all added and some replaced: a linker takes the newest patch version
//! of an interface, so a replacement at 0.2.0 would leave wasmtime-wasi's 0.2.12 to every component
//! that asks for a version other than 0.2.0.

use udping_components::Wasi;
use wasmtime::Result;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{LinkOptions, cli, filesystem, io, sockets};
use wasmtime_wasi::p3::bindings as p3;
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};

use crate::sandbox::environment;
use crate::sandbox::state::State;
use crate::sandbox::waiting;
use wasi_datagram::{clocks, random, tcp};

struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

/// Adds everything that a component of that version of WASI can import from this host. One of 0.3 may
/// import the other's, too: what it is refused for is found out later ([`super::load_error`]).
pub fn add_to_linker(linker: &mut Linker<State>, wasi: Wasi) -> Result<()> {
    add_p2(linker)?;
    match wasi {
        Wasi::P2 => Ok(()),
        Wasi::P3 => add_p3(linker),
    }
}

/// WASI 0.2. Each call is noted, for the story of a trap.
fn add_p2(l: &mut Linker<State>) -> Result<()> {
    io::error::add_to_linker::<_, Io>(l, |s| s.called("wasi:io/error").ctx().table)?;
    waiting::add_to_linker(l, |s| s.called("wasi:io/poll").waiting())?;
    io::streams::add_to_linker::<_, Io>(l, |s| s.called("wasi:io/streams").ctx().table)?;

    clocks::add_to_linker(l, |s| s.called("wasi:clocks").view())?;
    random::add_to_linker(l, |s| s.called("wasi:random").view())?;

    cli::exit::add_to_linker::<_, WasiCli>(l, |s| s.called("wasi:cli/exit").cli())?;
    environment::add_to_linker(l, |s| s.called("wasi:cli/environment").environment())?;
    cli::stdin::add_to_linker::<_, WasiCli>(l, |s| s.called("wasi:cli/stdin").cli())?;
    cli::stdout::add_to_linker::<_, WasiCli>(l, |s| s.called("wasi:cli/stdout").cli())?;
    cli::stderr::add_to_linker::<_, WasiCli>(l, |s| s.called("wasi:cli/stderr").cli())?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, State::cli)?;

    sockets::network::add_to_linker::<_, WasiSockets>(
        l,
        &(&LinkOptions::default()).into(),
        State::sockets,
    )?;
    sockets::instance_network::add_to_linker::<_, WasiSockets>(l, State::sockets)?;
    wasi_datagram::sockets::add_to_linker(l, |s| s.called("wasi:sockets").view())?;

    // Standard libraries import these whether a program uses them or not. There are no files, and
    // TCP is never granted.
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, State::filesystem)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(l, |s| {
        s.called("wasi:filesystem").filesystem()
    })?;
    tcp::add_to_linker(l, |s| s.called("wasi:sockets").view())?;
    sockets::tcp::add_to_linker::<_, WasiSockets>(l, State::sockets)
}

/// WASI 0.3.
fn add_p3(l: &mut Linker<State>) -> Result<()> {
    p3::cli::exit::add_to_linker::<_, WasiCli>(l, |s| s.called("wasi:cli/exit").cli())?;
    environment::add_p3_to_linker(l, |s| s.called("wasi:cli/environment").environment())?;
    p3::cli::stdin::add_to_linker::<_, WasiCli>(l, |s| s.called("wasi:cli/stdin").cli())?;
    p3::cli::stdout::add_to_linker::<_, WasiCli>(l, |s| s.called("wasi:cli/stdout").cli())?;
    p3::cli::stderr::add_to_linker::<_, WasiCli>(l, |s| s.called("wasi:cli/stderr").cli())?;
    p3::cli::terminal_input::add_to_linker::<_, WasiCli>(l, State::cli)?;
    p3::cli::terminal_output::add_to_linker::<_, WasiCli>(l, State::cli)?;
    p3::cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, State::cli)?;
    p3::cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, State::cli)?;
    p3::cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, State::cli)?;
    p3::filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, State::filesystem)?;
    p3::filesystem::types::add_to_linker::<_, WasiFilesystem>(l, |s| {
        s.called("wasi:filesystem").filesystem()
    })?;
    wasi_datagram::p3::sockets::add_to_linker(l, |s| s.called("wasi:sockets").view())?;
    wasi_datagram::p3::clocks::add_to_linker(l, |s| s.called("wasi:clocks").view())?;
    wasi_datagram::p3::random::add_to_linker(l, |s| s.called("wasi:random").view())
}
