//! Resolution of the named targets. One that cannot be pinged does not stop the others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use udping_cli::client::Args;
use udping_cli::targets::{Named, list};
use udping_report::Target;
use udping_wasi::error::{ErrorCode, NetError};
use udping_wasi::host::{self, Notices};
use udping_wasi::program::Failure;
use udping_wasi::resolve;
use udping_wasi::udp::Bound;

/// Returns the targets named on the command line or on standard input.
pub fn named(args: &Args) -> Result<Vec<Named>, Failure> {
    if args.targets.is_none() {
        return args.targets().map_err(Failure::Message);
    }
    if host::is_udping_host() && host::has_notices() {
        let message =
            "under udping-host, the host reads targets: udping-host --targets FILE client";
        return Err(Failure::Message(message.to_owned()));
    }
    let text =
        host::read_stdin().map_err(|error| Failure::Message(format!("--targets: {error}")))?;
    list(&text, args.port_of_all()).map_err(Failure::Message)
}

/// The targets of a run, and whether one of them cannot be pinged.
#[derive(Debug)]
pub struct Resolved {
    /// All named targets, each with its address or the reason why it is not pinged.
    pub targets: Vec<Target>,
    /// Whether a target has no address. One whose address another target already has does not
    /// count.
    pub has_failed: bool,
}

/// Resolves each target, or records why it has no address and reports that to `told`. An address is
/// pinged once, even if two targets have it.
///
/// # Errors
///
/// If the only target cannot be pinged, or if the host says that the program should end.
pub async fn resolve(
    named: Vec<Named>,
    args: &Args,
    mut told: impl FnMut(&str),
) -> Result<Resolved, Failure> {
    let stop = Notices::from_host();
    let mut first_with: HashMap<SocketAddr, String> = HashMap::new();
    let mut resolved = Resolved { targets: Vec::new(), has_failed: false };
    let single = named.len() == 1;
    for Named { host, port } in named {
        let address = match address(&host, port.get(), args, stop.as_ref()).await {
            Err(failure) if single || matches!(failure, Failure::Ran) => return Err(failure),
            Err(failure) => {
                resolved.has_failed = true;
                Err(failure.to_string())
            }
            Ok(address) => match first_with.get(&address) {
                Some(other) if *other == host => Err("it is listed twice".to_owned()),
                Some(other) => Err(format!("it has the address of {other}")),
                None => {
                    first_with.insert(address, host.clone());
                    Ok(address)
                }
            },
        };
        if let Err(reason) = &address {
            told(&format!("{host} port {port} is not pinged: {reason}"));
        }
        resolved.targets.push(Target { host, port: port.get(), address });
    }
    Ok(resolved)
}

async fn address(
    host: &str,
    port: u16,
    args: &Args,
    stop: Option<&Notices>,
) -> Result<SocketAddr, Failure> {
    let fits = |ip: &IpAddr| !(args.ipv4 && ip.is_ipv6() || args.ipv6 && ip.is_ipv4());
    let family = if args.ipv6 { "IPv6" } else { "IPv4" };
    match resolve::literal(host, port).map_err(Failure::Message)? {
        Some(address) if fits(&address.ip()) => Ok(address),
        Some(_) => Err(Failure::Message(format!(
            "{host} is not an {family} address, as -{} asks for",
            &family[3..]
        ))),
        None => match resolve::lookup(host, stop).await {
            Ok(None) => Err(Failure::Ran),
            Ok(Some(all)) => {
                let fitting: Vec<_> =
                    all.iter().filter(|ip| fits(ip)).map(|ip| SocketAddr::new(*ip, port)).collect();
                let other = all.first().map(ToString::to_string).unwrap_or_default();
                reachable(&fitting).ok_or_else(|| {
                    Failure::Message(format!(
                        "{host} has no {family} address, as -{} asks for: it has {other}",
                        &family[3..]
                    ))
                })
            }
            Err(error) => {
                // wasmtime's error if name resolution is not permitted.
                let hint = if error == NetError(ErrorCode::PermanentResolverFailure)
                    && !host::is_udping_host()
                {
                    " (wasmtime allows lookups with -S allow-ip-name-lookup)"
                } else {
                    ""
                };
                Err(Failure::Net(format!("cannot resolve {host}{hint}"), error))
            }
        },
    }
}

/// Returns the first address to which the system has a route, or else the first: connecting a
/// socket shows at once whether there is one.
fn reachable(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    let (first, others) = addresses.split_first()?;
    let is_reachable = |peer: &&SocketAddr| {
        let any = if peer.is_ipv4() {
            IpAddr::from(Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::from(Ipv6Addr::UNSPECIFIED)
        };
        let socket = Bound::new(SocketAddr::new(any, 0));
        socket.and_then(|socket| socket.open(Some(**peer))).is_ok()
    };
    // A single address needs no check.
    if others.is_empty() {
        Some(*first)
    } else {
        addresses.iter().find(is_reachable).or(Some(first)).copied()
    }
}
