//! What is known of a run that improves the advice in refusals. It grants nothing.

use std::fmt;
use std::net::IpAddr;

use super::{Endpoint, Grants, Ports, Request};

/// The maximum number of peers in a sentence.
const NAMED: usize = 12;

/// What the command line tells besides its grants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Advice {
    /// The peers in the component's arguments.
    pub peers: Vec<Endpoint>,
    /// The command as typed, if its component's arguments grant nothing because the first of them
    /// is an option.
    pub command: Option<Command>,
}

/// A command as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program, and the arguments before the component.
    pub before: Vec<String>,
    /// The component and its arguments.
    pub component: Vec<String>,
}

impl Command {
    /// The option in the place of arguments that would be grants.
    pub fn first_option(&self) -> &str {
        self.component.get(1).map_or("", String::as_str)
    }

    /// The command with `flags` before the component, quoted for a shell.
    pub fn with(&self, flags: &str) -> String {
        let quoted =
            |words: &[String]| words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
        format!("{} {flags} {}", quoted(&self.before), quoted(&self.component))
    }
}

/// Quotes a word for a POSIX shell.
fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

impl Advice {
    /// Guesses the peers in `arguments` of a component whose options are not known: `HOST:PORT`, or
    /// `HOST` followed by `PORT`. If there are addresses, names are ignored, since they are more
    /// likely to be something else.
    pub fn peers_in(arguments: &[String]) -> Vec<Endpoint> {
        let pairs = arguments.windows(2).filter_map(|pair| match pair {
            [host, port] => endpoint(host, port),
            _ => None,
        });
        let joined = arguments
            .iter()
            .filter_map(|argument| argument.parse::<Endpoint>().ok().filter(Endpoint::is_single));
        let (addresses, names): (Vec<_>, Vec<_>) =
            pairs.chain(joined).partition(|peer| matches!(peer, Endpoint::Address(_)));
        if addresses.is_empty() { names } else { addresses }
    }

    /// The flags that grant `request`, if there are better ones than the flag derived from the
    /// request itself.
    pub(super) fn flags(&self, request: &Request) -> Option<Vec<String>> {
        let flag = |peer: &Endpoint| format!("--allow-to {peer}");
        let wanted = |peer: &&Endpoint| match (request, peer) {
            (Request::Bind(local), _) => is_to_send_from(local.ip(), local.port()),
            (Request::Resolve(name), Endpoint::Name(named, _)) => name == named,
            _ => false,
        };
        let flags: Vec<_> = self.peers.iter().filter(wanted).map(flag).collect();
        (1..=NAMED).contains(&flags.len()).then_some(flags)
    }
}

/// Parses `host` and `port` as a destination, if they are one.
pub(super) fn endpoint(host: &str, port: &str) -> Option<Endpoint> {
    let port: u16 = port.parse().ok()?;
    // A network, if meant as one, can be granted by a flag, and a number alone is more likely to be
    // just that.
    let is_number = host.bytes().all(|byte| byte.is_ascii_digit());
    let host =
        Some(host).filter(|host| !is_number && !host.contains('/') && !host.starts_with('-'))?;
    Endpoint::new(host, Ports::new(port..=port)?).ok()
}

/// Whether a socket bound to this address is one that a component needs for sending: on any port,
/// at an address that reveals nothing about the machine.
pub(super) fn is_to_send_from(ip: IpAddr, port: u16) -> bool {
    let ip = ip.to_canonical();
    port == 0 && (ip.is_unspecified() || ip.is_loopback())
}

/// The flags for what is granted already and for what `request` needs, as far as a message has
/// room.
pub(super) struct Better<'a> {
    pub grants: &'a Grants,
    pub flags: Vec<String>,
}

impl fmt::Display for Better<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let granted = self.grants.as_flags();
        if granted.len() > NAMED {
            write!(f, "what grants it all now and {}", self.flags.join(" "))
        } else {
            f.write_str(&[granted, self.flags.clone()].concat().join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::PeerCredit;

    fn peers(line: &str) -> Vec<String> {
        let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        Advice::peers_in(&arguments).iter().map(Endpoint::to_string).collect()
    }

    #[test]
    fn arguments_of_any_order_name_whom_they_are_for() {
        for (line, expected) in [
            ("-c 1 127.0.0.1 9", "127.0.0.1:9"),
            ("--count 3 host.example 12000 -q", "host.example:12000"),
            ("-v [::1]:7", "[::1]:7"),
            ("--name probe 5 --to 192.0.2.7 9", "192.0.2.7:9"),
            ("--target a.example:1 --target b.example:2", "a.example:1 b.example:2"),
            ("-v 12001", ""),
            ("--help", ""),
            ("-c 192.0.2.0/24 9", ""),
        ] {
            assert_eq!(peers(line).join(" "), expected, "{line}");
        }
    }

    #[test]
    fn a_bind_and_a_lookup_are_advised_by_whom_arguments_name() {
        let bind = |local: &str| Request::Bind(local.parse().unwrap());
        let resolve = |name: &str| Request::Resolve(name.parse().unwrap());
        let to = "192.0.2.7:7".parse().unwrap();
        let both = "--allow-to a.example:7 --allow-to b.example:8";
        for (request, expected) in [
            (bind("0.0.0.0:0"), Some(both)),
            (bind("[::1]:0"), Some(both)),
            (bind("0.0.0.0:7"), None),
            (bind("192.0.2.1:0"), None),
            (resolve("b.example"), Some("--allow-to b.example:8")),
            (resolve("c.example"), None),
            (Request::Send { to, credit: PeerCredit::None }, None),
        ] {
            let peers = ["a.example:7", "b.example:8"].map(|peer| peer.parse().unwrap()).to_vec();
            let flags = Advice { peers, command: None }.flags(&request);
            assert_eq!(flags.map(|flags| flags.join(" ")).as_deref(), expected, "{request}");
        }
    }

    #[test]
    fn advice_of_more_peers_than_a_sentence_names_is_none() {
        for count in [0, 1, NAMED, NAMED + 1] {
            let peers = (1..=count).map(|host| format!("192.0.2.{host}:7").parse().unwrap());
            let advice = Advice { peers: peers.collect(), command: None };
            let flags = advice.flags(&Request::Bind("0.0.0.0:0".parse().unwrap()));
            let is_sentence = (1..=NAMED).contains(&count);
            assert_eq!(flags.map(|flags| flags.len()), is_sentence.then_some(count));
        }
    }

    #[test]
    fn a_command_is_shown_as_a_shell_takes_it() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut component = words("x.wasm -c 3");
        component.push("it's".to_owned());
        let command = Command { before: words("udping-host --log text"), component };
        assert_eq!(
            command.with("--allow-to a:1"),
            r"udping-host --log text --allow-to a:1 x.wasm -c 3 'it'\''s'"
        );
        assert_eq!(command.first_option(), "-c");
    }
}
