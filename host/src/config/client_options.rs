//! The options of the built-in client that this host applies: WASI has neither interfaces nor
//! files.

use std::iter;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use crate::config::built_in;
use crate::config::cli::BuiltIn;
use crate::sandbox::artifact::Source;

/// The client's options that also concern the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientOptions {
    /// `-I` with an address: the source address.
    pub source: Option<IpAddr>,
    /// `-I` with an interface: the same as `--bind-device`.
    pub device: Option<String>,
    /// `-p`: the default port of targets.
    pub port: Option<u16>,
    /// `--resolve-every`.
    pub resolve_every: Option<Duration>,
}

impl ClientOptions {
    /// Parses `arguments`. Returns none of the options if `source` is another component, whose
    /// options may mean anything.
    pub fn of(source: &Source, arguments: &[String]) -> Self {
        if !is_client(source) {
            return Self::default();
        }
        // The list of targets may not be among the arguments yet, so they may be incomplete.
        let command = built_in::definition(BuiltIn::Client.component()).ignore_errors(true);
        let words = iter::once("client").chain(arguments.iter().map(String::as_str));
        let Ok(matches) = command.try_get_matches_from(words) else { return Self::default() };
        let interface = matches.get_one::<String>("interface").cloned();
        let address = interface.as_deref().and_then(|text| {
            let bare =
                text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            bare.split('%').next().unwrap_or(bare).parse().ok()
        });
        Self {
            source: address,
            device: interface.filter(|_| address.is_none()),
            port: matches.get_one::<NonZeroU16>("default_port").map(|port| port.get()),
            resolve_every: matches.get_one("resolve_every").copied(),
        }
    }
}

/// Whether `source` is the built-in client.
pub fn is_client(source: &Source) -> bool {
    matches!(source, Source::BuiltIn(component) if component.name == BuiltIn::Client.component().name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_found_however_it_is_written() {
        let client = Source::BuiltIn(BuiltIn::Client.component());
        let of = |words: &[&str]| {
            ClientOptions::of(
                &client,
                &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(),
            )
        };
        let device = Some("eth0".to_owned());
        for words in
            [&["-I", "eth0"][..], &["-Ieth0"], &["--interface", "eth0"], &["--interface=eth0"]]
        {
            assert_eq!(
                of(words),
                ClientOptions { device: device.clone(), ..ClientOptions::default() },
                "{words:?}"
            );
        }
        for (words, ip) in [
            (["-I", "192.0.2.1"], "192.0.2.1"),
            (["-I", "[2001:db8::1]"], "2001:db8::1"),
            (["-I", "fe80::1%2"], "fe80::1"),
        ] {
            assert_eq!(
                of(&words),
                ClientOptions { source: ip.parse().ok(), ..ClientOptions::default() }
            );
        }
        assert_eq!(of(&["a", "-p8"]).port, Some(8));
        assert_eq!(of(&["--port", "7"]).port, Some(7), "what is pinged is not among them yet");
        assert_eq!(
            of(&["a", "7", "--resolve-every", "1m"]).resolve_every,
            Some(Duration::from_mins(1))
        );
        assert_eq!(of(&["a", "7", "-i", "1"]), ClientOptions::default());
        let server = Source::BuiltIn(BuiltIn::Server.component());
        assert_eq!(
            ClientOptions::of(&server, &["-I".to_owned(), "eth0".to_owned()]),
            ClientOptions::default()
        );
    }
}
