//! From what the user named to addresses. One that cannot be pinged never stops the others.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use udping_cli::client::Args;
use udping_cli::targets::{Named, list};
use udping_net::bindings::wasi::sockets::network::ErrorCode;
use udping_net::error::NetError;
use udping_net::host;
use udping_net::program::Failure;
use udping_net::resolve;
use udping_report::Target;

/// Everybody whom the command line names, or standard input.
pub fn named(args: &Args) -> Result<Vec<Named>, Failure> {
    if args.targets.is_none() {
        return args.targets().map_err(Failure::Message);
    }
    if host::is_udping_host() && host::has_notices() {
        let message = "under udping-host, the host reads targets: udping-host --targets FILE client";
        return Err(Failure::Message(message.to_owned()));
    }
    let text = host::read_stdin().map_err(|error| Failure::Message(format!("--targets: {error}")))?;
    list(&text, args.port_of_all()).map_err(Failure::Message)
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
    match resolve::literal(host, port).map_err(Failure::Message)? {
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
