//! From what the user named to addresses. One that cannot be pinged never stops the others.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use udping_core::stamp;
use udping_net::bindings::wasi::sockets::network::ErrorCode;
use udping_net::error::NetError;
use udping_net::host;
use udping_net::program::Failure;
use udping_net::resolve;
use udping_report::Target;

use crate::args::{Args, Spoken};

/// A host and a port, as the user wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The host.
    pub host: String,
    /// The port.
    pub port: NonZeroU16,
}

/// Everybody whom the command line names, or standard input.
pub fn named(args: &Args) -> Result<Vec<Named>, Failure> {
    let port = match (args.port.or(args.default_port), args.protocol) {
        (Some(port), _) => Some(port),
        (None, Spoken::Stamp) => NonZeroU16::new(stamp::PORT),
        (None, Spoken::Text) if args.host.is_some() => {
            return Err(Failure::Message("which port of the server? write HOST PORT (see --help)".to_owned()));
        }
        (None, Spoken::Text) => None,
    };
    let first = args.host.clone().zip(port).map(|(host, port)| Named { host, port });
    let mut all: Vec<_> = first.into_iter().collect();
    for text in &args.target {
        all.push(parse(text, port).map_err(|error| Failure::Message(format!("--target: {error}")))?);
    }
    if args.targets.is_some() {
        if host::is_udping_host() {
            let message = "under udping-host, the host reads targets: udping-host --targets FILE client";
            return Err(Failure::Message(message.to_owned()));
        }
        let text = host::read_stdin().map_err(|error| Failure::Message(format!("--targets: {error}")))?;
        all = list(&text, port)?;
    }
    Ok(all)
}

/// `HOST[:PORT]` a line; what follows a `#` is a comment.
fn list(text: &str, port: Option<NonZeroU16>) -> Result<Vec<Named>, Failure> {
    let mut all = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            all.push(parse(line, port).map_err(|error| Failure::Message(format!("--targets: line {}: {error}", i + 1)))?);
        }
    }
    if all.is_empty() {
        return Err(Failure::Message("--targets: standard input names no target".to_owned()));
    }
    Ok(all)
}

/// A host that names no port has `port`, if there is one.
fn parse(text: &str, port: Option<NonZeroU16>) -> Result<Named, String> {
    let is_host = |host: &str| !host.is_empty() && (!host.contains(':') || host.starts_with('[') && host.ends_with(']'));
    let named = |host: &str, port| Named { host: host.to_owned(), port };
    if is_host(text) {
        return port.map(|port| named(text, port)).ok_or_else(|| format!("which port of {text}? write HOST:PORT"));
    }
    text.rsplit_once(':')
        .filter(|(host, _)| is_host(host))
        .and_then(|(host, port)| Some(named(host, port.parse().ok()?)))
        .ok_or_else(|| format!("{text:?} is not HOST:PORT, with an IPv6 address in brackets"))
}

/// Gives each its address, or says why it has none. Whoever has one that another has already is not pinged twice.
///
/// # Errors
///
/// Where there is only one, and it cannot be pinged.
pub fn resolve(named: Vec<Named>, args: &Args) -> Result<Vec<Target>, Failure> {
    let mut first_with: HashMap<SocketAddr, String> = HashMap::new();
    let mut resolved = Vec::new();
    let single = named.len() == 1;
    for Named { host, port } in named {
        let address = match address(&host, port.get(), args) {
            Err(failure) if single => return Err(failure),
            Err(failure) => Err(failure.to_string()),
            Ok(address) => match first_with.get(&address) {
                Some(other) => Err(format!("it has the address of {other}")),
                None => {
                    first_with.insert(address, host.clone());
                    Ok(address)
                }
            },
        };
        resolved.push(Target { host, port: port.get(), address });
    }
    Ok(resolved)
}

fn address(host: &str, port: u16, args: &Args) -> Result<SocketAddr, Failure> {
    let fits = |ip: &IpAddr| !(args.ipv4 && ip.is_ipv6() || args.ipv6 && ip.is_ipv4());
    match resolve::literal(host, port) {
        Some(address) if fits(&address.ip()) => Ok(address),
        Some(_) => Err(Failure::Message(format!("{host} is not an address of the family asked for with -4 or -6"))),
        None => match resolve::lookup(host, fits) {
            Ok(ip) => Ok(SocketAddr::new(ip, port)),
            Err(error) => {
                // That is what wasmtime answers where it does not allow lookups.
                let hint = if error == NetError(ErrorCode::PermanentResolverFailure) && !host::is_udping_host() {
                    " (wasmtime allows lookups with -S allow-ip-name-lookup)"
                } else {
                    ""
                };
                Err(Failure::Net(format!("cannot resolve {host}{hint}"), error))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_and_a_port() {
        for (text, host, port) in
            [("127.0.0.1:7", "127.0.0.1", 7), ("[::1]:12000", "[::1]", 12_000), ("a.example:65535", "a.example", 65_535)]
        {
            let expected = Named { host: host.to_owned(), port: NonZeroU16::new(port).unwrap() };
            assert_eq!(parse(text, None), Ok(expected), "{text}");
        }
        for text in ["", ":7", "host", "host:", "host:0", "host:65536", "::1", "::1:7", "[::1]", "[::1", "host:x"] {
            assert!(parse(text, None).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_host_without_a_port_has_the_one_that_all_have() {
        let port = NonZeroU16::new(862);
        for (text, host, expected) in [("a.example", "a.example", 862), ("[::1]", "[::1]", 862), ("[::1]:7", "[::1]", 7)] {
            let named = parse(text, port).unwrap();
            assert_eq!((named.host.as_str(), named.port.get()), (host, expected));
        }
        for text in ["", "::1", "::1:7", "host:", "[::1"] {
            assert!(parse(text, port).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_list_has_comments_and_blank_lines_and_says_which_line_is_wrong() {
        let hosts = |text| list(text, None).map(|all| all.into_iter().map(|named| named.host).collect::<Vec<_>>());
        assert_eq!(hosts("a:1\n\n# b:2\n  c:3 # the third\r\n").unwrap(), ["a", "c"]);
        let complaint = |text| hosts(text).unwrap_err().to_string();
        assert_eq!(complaint("a:1\nb\n"), "--targets: line 2: which port of b? write HOST:PORT");
        assert_eq!(complaint("::1:7\n"), "--targets: line 1: \"::1:7\" is not HOST:PORT, with an IPv6 address in brackets");
        assert_eq!(complaint("# nobody\n"), "--targets: standard input names no target");
    }
}
