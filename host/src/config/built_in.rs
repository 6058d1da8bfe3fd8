//! The command lines of the built-in components: the host shares their definitions, and derives
//! grants from them regardless of the order of arguments.

use std::iter;

use clap::{CommandFactory as _, FromArgMatches as _};
use thiserror::Error;
use udping_cli::targets::Named;
use udping_cli::{client, server, usage};
use udping_components::{CLIENT, Component};

use udping_permissions::grants::{Endpoint, GrantError, GrantSpec, Listen, Ports};

/// Why the arguments of a built-in component are not valid.
#[derive(Debug, Error)]
pub enum ArgumentsError {
    /// They ask for help or the version, or do not parse.
    #[error("{component}: {}", usage::one_line(error))]
    Usage {
        /// The component.
        component: &'static str,
        /// The error of clap.
        error: Box<clap::Error>,
    },
    /// They contain an option of the host.
    #[error(
        "{component}: {option} is an option of udping-host, and those go before the component: udping-host {option} ... {component} ..."
    )]
    OfHost {
        /// The component.
        component: &'static str,
        /// The option.
        option: String,
    },
    /// They parse, but their values are not valid.
    #[error("{component}: {message}")]
    Wrong {
        /// The component.
        component: &'static str,
        /// The error message.
        message: String,
    },
}

/// Returns a component's command line as a subcommand of this program.
pub fn command(component: Component) -> clap::Command {
    let command = definition(component);
    // Its examples start with the component's name.
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (name, here) =
        (format!("\n  {} ", component.name), format!("\n  udping-host {} ", component.name));
    let command = command.after_help(after.replace(&name, &here));
    command
        .bin_name(format!("udping-host {}", component.name))
        .display_name(format!("udping-host {}", component.name))
}

/// Returns a component's command line as the component itself defines it.
pub fn definition(component: Component) -> clap::Command {
    if component == CLIENT { client::Args::command() } else { server::Args::command() }
}

/// Returns the grants that `arguments`, without the component's own name, ask for.
///
/// # Errors
///
/// If they are not a valid command line of the component. `host` is this program's own command
/// line, whose options may stand there by mistake.
pub fn grants(
    component: Component,
    arguments: &[String],
    host: &clap::Command,
) -> Result<GrantSpec, ArgumentsError> {
    let name = component.name;
    let wrong = |message: String| ArgumentsError::Wrong { component: name, message };
    let words = iter::once(name).chain(arguments.iter().map(String::as_str));
    let matches =
        command(component).try_get_matches_from(words).map_err(
            |error| match usage::unknown_option(&error) {
                Some(option) if usage::has_option(host, option) => {
                    ArgumentsError::OfHost { component: name, option: option.to_owned() }
                }
                _ => ArgumentsError::Usage { component: name, error: Box::new(error) },
            },
        )?;
    let not_parsed = |error| ArgumentsError::Usage { component: name, error: Box::new(error) };
    if component == CLIENT {
        let args = client::Args::from_arg_matches(&matches).map_err(not_parsed)?;
        let to =
            args.targets().and_then(|all| all.iter().map(endpoint).collect()).map_err(wrong)?;
        Ok(GrantSpec { to, ..GrantSpec::default() })
    } else {
        let args = server::Args::from_arg_matches(&matches).map_err(not_parsed)?;
        let port = args.port().map_err(|misuse| wrong(misuse.to_string()))?;
        let listen = match args.bind {
            None => Listen { address: None, port },
            Some(address) => {
                Listen::at(address, port).map_err(|error| wrong(format!("--bind: {error}")))?
            }
        };
        Ok(GrantSpec { listen: vec![listen], ..GrantSpec::default() })
    }
}

/// Returns the grant of a target.
///
/// # Errors
///
/// If its host is none. The message is one line.
pub fn endpoint(named: &Named) -> Result<Endpoint, String> {
    let port = named.port.get();
    let ports = Ports::new(port..=port).ok_or(GrantError::Endpoint);
    // A grant may be for a network; a host has no prefix length.
    let ports = ports.and_then(|ports| {
        if named.host.contains('/') { Err(GrantError::Endpoint) } else { Ok(ports) }
    });
    ports.and_then(|ports| Endpoint::new(&named.host, ports)).map_err(|error| match error {
        GrantError::Zone => format!("{}: {error}", named.host),
        _ => format!("{:?} is neither an address nor a host name", named.host),
    })
}

#[cfg(test)]
mod tests {
    use udping_components::SERVER;

    use super::*;
    use crate::config::cli::Cli;

    fn flags(component: Component, line: &str) -> Result<String, String> {
        let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let spec =
            grants(component, &arguments, &Cli::command()).map_err(|error| error.to_string())?;
        let to = spec.to.iter().map(|endpoint| format!("--allow-to {endpoint}"));
        let listen = spec.listen.iter().map(|listen| format!("--allow-listen {listen}"));
        Ok(to.chain(listen).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn options_may_come_first() {
        for (component, line, expected) in [
            (CLIENT, "-c 3 192.0.2.7 12000", "--allow-to 192.0.2.7:12000"),
            (CLIENT, "-q localhost 12000", "--allow-to localhost:12000"),
            (CLIENT, "localhost:12000", "--allow-to localhost:12000"),
            (CLIENT, "-W 1s [::1]:7 -c 1", "--allow-to [::1]:7"),
            (
                CLIENT,
                "--target a.example:1 --target b.example:2",
                "--allow-to a.example:1 --allow-to b.example:2",
            ),
            (CLIENT, "127.1 7 --target b.example", "--allow-to 127.0.0.1:7 --allow-to b.example:7"),
            (CLIENT, "a.example --protocol stamp", "--allow-to a.example:862"),
            (CLIENT, "--protocol stamp 0x7f000001", "--allow-to 127.0.0.1:862"),
            (SERVER, "12001", "--allow-listen 12001"),
            (SERVER, "-v 12001", "--allow-listen 12001"),
            (SERVER, "--protocol stamp", "--allow-listen 862"),
            (SERVER, "--bind ::1 0", "--allow-listen [::1]:0"),
            (SERVER, "7 --bind=127.1", "--allow-listen 127.0.0.1:7"),
        ] {
            assert_eq!(flags(component, line), Ok(expected.to_owned()), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_one_line_that_says_what_may_have_been_meant() {
        for (component, line, complaint) in [
            (
                CLIENT,
                "a 7 --cout 3",
                "client: unexpected argument '--cout' found; did you mean --count? (see --help)",
            ),
            (
                CLIENT,
                "a 7 --format jsn",
                "client: invalid value 'jsn' for '--format <FORMAT>' [possible values: text, json, jsonl, csv, openmetrics]; did you mean json? (see --help)",
            ),
            (
                CLIENT,
                "a 7 --allow-to b:1",
                "client: --allow-to is an option of udping-host, and those go before the component: udping-host --allow-to ... client ...",
            ),
            (
                CLIENT,
                "a 7 -S inherit-network",
                "client: -S is an option of udping-host, and those go before the component: udping-host -S ... client ...",
            ),
            (
                CLIENT,
                "a 0",
                "client: invalid value '0' for '[PORT]': not a whole number from 1 to 65535 (see --help)",
            ),
            (
                CLIENT,
                "a x",
                "client: invalid value 'x' for '[PORT]': not a whole number from 1 to 65535 (see --help)",
            ),
            (CLIENT, "a 7 -c -1", "client: unexpected argument '-1' found (see --help)"),
            (CLIENT, "a", "client: which port of the server? write HOST PORT (see --help)"),
            (
                CLIENT,
                "10.0.0.0/8 7",
                "client: \"10.0.0.0/8\" is neither an address nor a host name",
            ),
            (CLIENT, "010.0.0.1 7", "client: \"010.0.0.1\" is neither an address nor a host name"),
            (
                CLIENT,
                "fe80::1%none 7",
                "client: fe80::1%none: there is no network interface of that name",
            ),
            (
                SERVER,
                "",
                "server: the following required arguments were not provided: <PORT> (see --help)",
            ),
            (
                SERVER,
                "70000",
                "server: invalid value '70000' for '[PORT]': not a whole number from 0 to 65535 (see --help)",
            ),
            (
                SERVER,
                "7 --bind localhost",
                "server: invalid value 'localhost' for '--bind <ADDR>': not an IPv4 or IPv6 address (see --help)",
            ),
            (
                SERVER,
                "7 --bind fe80::1%none",
                "server: --bind: there is no network interface of that name",
            ),
            (
                SERVER,
                "7 --log json",
                "server: --log is an option of udping-host, and those go before the component: udping-host --log ... server ...",
            ),
        ] {
            assert_eq!(flags(component, line), Err(complaint.to_owned()), "{line}");
        }
    }
}
