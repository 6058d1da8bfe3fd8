//! `udping-host inspect`: what a component imports and exports, and which grants it would need.

use std::fmt;
use std::io::Write;

use anyhow::Result;
use udping_cli::contract;
use wasmtime::component::Component;

use crate::commands::context::{self, Loading};
use crate::process::exit::Exit;
use crate::process::log::say;
use crate::process::printable::Printable;
use crate::sandbox::artifact::Source;

/// Which grant each network interface needs, by the prefix of its name.
const NEEDS: [(&str, &str); 3] = [
    (
        "wasi:sockets/udp@",
        "--allow-to HOST:PORT to send, --allow-listen [ADDR:]PORT to listen and answer",
    ),
    // Of WASI 0.3, where it has TCP, too.
    (
        "wasi:sockets/types@",
        "--allow-to HOST:PORT to send, --allow-listen [ADDR:]PORT to listen and answer",
    ),
    (
        "wasi:sockets/ip-name-lookup@",
        "--allow-resolve NAME to resolve names (--allow-to NAME:PORT grants that too)",
    ),
];

/// Imports that are never granted, and mostly unused: standard libraries import them for every
/// program.
const NEVER_GRANTED: [(&str, &str); 2] = [
    (
        "wasi:sockets/tcp@",
        "TCP (wasi:sockets/tcp): a program that uses it is refused; one whose libc merely imports it runs",
    ),
    (
        "wasi:filesystem/types@",
        "files (wasi:filesystem): there are none; a program whose libc merely imports them runs",
    ),
];

/// Writes the interface of the component at `source` to `out`, and reports on standard error which
/// imports this host does not serve.
pub fn inspect(source: &Source, loading: Loading, out: &mut impl Write) -> Result<Exit> {
    match context::read(source, loading) {
        Ok((sandbox, loaded)) => {
            write!(out, "{}", Interface::of(&loaded.component))?;
            match sandbox.link(&loaded) {
                Ok(_) => Ok(Exit::Success),
                Err(error) => {
                    say(format_args!("{source}: {error}"));
                    Ok(Exit::NotAComponent)
                }
            }
        }
        Err(error) => Ok(context::refuse(source, &error)),
    }
}

/// The imports and exports of a component.
#[derive(Debug, PartialEq, Eq)]
pub struct Interface {
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Interface {
    /// Reads the interface of a compiled component.
    pub fn of(component: &Component) -> Self {
        let (outside, engine) = (component.component_type(), component.engine());
        Self {
            imports: outside.imports(engine).map(|(name, _)| name.to_owned()).collect(),
            exports: outside.exports(engine).map(|(name, _)| name.to_owned()).collect(),
        }
    }

    /// The names of its imports, in the component's order.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// The names of its exports, in the component's order.
    pub fn exports(&self) -> &[String] {
        &self.exports
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, names) in [("imports", &self.imports), ("exports", &self.exports)] {
            writeln!(f, "{title}:")?;
            names.iter().try_for_each(|name| writeln!(f, "  {}", Printable(name)))?;
        }
        writeln!(f, "to be granted:")?;
        let imported = |list: &[(&str, &'static str)]| -> Vec<&'static str> {
            let is_imported =
                |interface: &str| self.imports.iter().any(|import| import.starts_with(interface));
            list.iter()
                .filter(|(interface, _)| is_imported(interface))
                .map(|(_, text)| *text)
                .collect()
        };
        let needed = imported(&NEEDS);
        if needed.is_empty() {
            writeln!(f, "  nothing: it does not import UDP")?;
        }
        needed.iter().try_for_each(|need| writeln!(f, "  {need}"))?;
        let never = imported(&NEVER_GRANTED);
        if !never.is_empty() {
            writeln!(f, "imported, and never granted:")?;
        }
        never.iter().try_for_each(|what| writeln!(f, "  {what}"))?;
        let stops = if self.exports.iter().any(|export| export.starts_with(contract::EXPORT)) {
            "takes notices on standard input, and ends by itself when it is told to stop (udping:guest/notices)"
        } else {
            "takes no notices: the first signal ends it at once"
        };
        writeln!(f, "when it is stopped:\n  {stops}")
    }
}
