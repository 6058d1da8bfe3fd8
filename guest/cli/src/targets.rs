//! The targets on the client's command line.

use std::num::NonZeroU16;

use crate::address::Address;
use crate::client::{Args, Spoken};
use crate::contract::STAMP_PORT;
use crate::number;

/// A host and a port, as the user wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The address or name of the host.
    pub host: String,
    /// The destination port.
    pub port: NonZeroU16,
}

impl Args {
    /// Returns all targets on the command line. With `--targets -` they are the lines of standard
    /// input, which [`list`] parses.
    ///
    /// # Errors
    ///
    /// If one has no port, or is not a host. The message is one line.
    pub fn targets(&self) -> Result<Vec<Named>, String> {
        let port = self.port_of_all();
        let mut all = Vec::new();
        if let Some(host) = &self.host {
            all.push(first(host, self.port, port)?);
        }
        for text in &self.target {
            all.push(named(text, port).map_err(|error| format!("--target: {error}"))?);
        }
        Ok(all)
    }

    /// Returns the port of targets without their own.
    pub fn port_of_all(&self) -> Option<NonZeroU16> {
        let given = self.port.or(self.default_port);
        match self.protocol {
            Spoken::Stamp => given.or(NonZeroU16::new(STAMP_PORT)),
            Spoken::Text => given,
        }
    }
}

/// Parses the first target: `HOST PORT`, or `HOST:PORT`.
fn first(host: &str, given: Option<NonZeroU16>, port: Option<NonZeroU16>) -> Result<Named, String> {
    let at = |port| Named { host: host.to_owned(), port };
    if host.parse::<Address>().is_ok() || !host.contains(':') {
        return port
            .map(at)
            .ok_or_else(|| "which port of the server? write HOST PORT (see --help)".to_owned());
    }
    match (named(host, None), given) {
        (Ok(named), None) => Ok(named),
        (Ok(_), Some(port)) => {
            Err(format!("{host} has a port already: leave {port} out (see --help)"))
        }
        (Err(error), _) => Err(error),
    }
}

/// Parses a list of targets, one `HOST[:PORT]` per line; what follows a `#` is a comment.
///
/// # Errors
///
/// If a line is not a target, or there is none.
pub fn list(text: &str, port: Option<NonZeroU16>) -> Result<Vec<Named>, String> {
    let mut all = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            all.push(
                named(line, port).map_err(|error| format!("--targets: line {}: {error}", i + 1))?,
            );
        }
    }
    if all.is_empty() {
        Err("--targets: standard input contains no target".to_owned())
    } else {
        Ok(all)
    }
}

/// Parses `HOST[:PORT]`; `port` is the default, if there is one.
///
/// # Errors
///
/// If it is not that. The message is one line.
pub fn named(text: &str, port: Option<NonZeroU16>) -> Result<Named, String> {
    let is_host = |host: &str| {
        !host.is_empty() && (!host.contains(':') || host.starts_with('[') && host.ends_with(']'))
    };
    let at = |host: &str, port| Named { host: host.to_owned(), port };
    if is_host(text) {
        return port
            .map(|port| at(text, port))
            .ok_or_else(|| format!("which port of {text}? write HOST:PORT"));
    }
    text.rsplit_once(':')
        .filter(|(host, _)| is_host(host))
        .and_then(|(host, port)| Some(at(host, number::whole(port, &(1..=u16::MAX.into()))?)))
        .ok_or_else(|| format!("{text:?} is not HOST:PORT, with an IPv6 address in brackets"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn targets(line: &str) -> Result<Vec<String>, String> {
        let args = Args::try_parse_from(["client"].into_iter().chain(line.split(' '))).unwrap();
        Ok(args.targets()?.iter().map(|named| format!("{} {}", named.host, named.port)).collect())
    }

    #[test]
    fn whom_a_command_line_names_does_not_depend_on_the_order() {
        for (line, expected) in [
            ("localhost 12000", "localhost 12000"),
            ("-c 3 localhost 12000", "localhost 12000"),
            ("-q localhost -i 1s 12000 -W 1s", "localhost 12000"),
            ("localhost:12000 -c 3", "localhost 12000"),
            ("-c 3 127.0.0.1:7", "127.0.0.1 7"),
            ("[::1]:7", "[::1] 7"),
            ("::1 7", "::1 7"),
            ("fe80::1%eth0 7", "fe80::1%eth0 7"),
            ("[fe80::1%eth0]:7", "[fe80::1%eth0] 7"),
            ("a.example --protocol stamp", "a.example 862"),
            ("--protocol stamp ::1", "::1 862"),
            ("--protocol stamp a.example:7", "a.example 7"),
        ] {
            assert_eq!(targets(line), Ok(vec![expected.to_owned()]), "{line}");
        }
        assert_eq!(targets("--target a:1 --target [::1]:2").unwrap(), ["a 1", "[::1] 2"]);
        assert_eq!(targets("a 7 --target b --target c:1").unwrap(), ["a 7", "b 7", "c 1"]);
        assert_eq!(targets("--protocol stamp --target b --target c:1").unwrap(), ["b 862", "c 1"]);
    }

    #[test]
    fn what_names_nobody_is_said() {
        for (line, complaint) in [
            ("a", "which port of the server? write HOST PORT (see --help)"),
            ("::1", "which port of the server? write HOST PORT (see --help)"),
            ("a:7 8", "a:7 has a port already: leave 8 out (see --help)"),
            ("a:x", "\"a:x\" is not HOST:PORT, with an IPv6 address in brackets"),
            (
                "a 7 --target b:0",
                "--target: \"b:0\" is not HOST:PORT, with an IPv6 address in brackets",
            ),
            ("--target b", "--target: which port of b? write HOST:PORT"),
        ] {
            assert_eq!(targets(line), Err(complaint.to_owned()), "{line}");
        }
    }

    #[test]
    fn a_target_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("127.0.0.1:7", "127.0.0.1", 7),
            ("[::1]:12000", "[::1]", 12_000),
            ("a.example:65535", "a.example", 65_535),
        ] {
            let expected = Named { host: host.to_owned(), port: NonZeroU16::new(port).unwrap() };
            assert_eq!(named(text, None), Ok(expected), "{text}");
        }
        for text in [
            "",
            ":7",
            "host",
            "host:",
            "host:0",
            "host:65536",
            "::1",
            "::1:7",
            "[::1]",
            "[::1",
            "host:x",
        ] {
            assert!(named(text, None).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_host_without_a_port_has_the_one_that_all_have() {
        let port = NonZeroU16::new(862);
        for (text, host, expected) in
            [("a.example", "a.example", 862), ("[::1]", "[::1]", 862), ("[::1]:7", "[::1]", 7)]
        {
            let named = named(text, port).unwrap();
            assert_eq!((named.host.as_str(), named.port.get()), (host, expected));
        }
        for text in ["", "::1", "::1:7", "host:", "[::1"] {
            assert!(named(text, port).is_err(), "{text:?}");
        }
    }

    #[test]
    fn target_list_allows_comments_and_reports_the_bad_line() {
        let hosts = |text| {
            list(text, None).map(|all| all.into_iter().map(|named| named.host).collect::<Vec<_>>())
        };
        assert_eq!(hosts("a:1\n\n# b:2\n  c:3 # the third\r\n").unwrap(), ["a", "c"]);
        let complaint = |text| hosts(text).unwrap_err();
        assert_eq!(complaint("a:1\nb\n"), "--targets: line 2: which port of b? write HOST:PORT");
        assert_eq!(
            complaint("::1:7\n"),
            "--targets: line 1: \"::1:7\" is not HOST:PORT, with an IPv6 address in brackets"
        );
        assert_eq!(complaint("# nobody\n"), "--targets: standard input contains no target");
    }
}
