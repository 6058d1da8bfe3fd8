//! What the built-in client's own options ask of this host: WASI has neither interfaces nor files.

use std::net::IpAddr;

use crate::artifact::Source;
use crate::cli::BuiltIn;

/// Options of the client that mean something here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientOptions {
    /// `-I` with an address: it sends from there.
    pub source: Option<IpAddr>,
    /// `-I` with an interface: the same as `--bind-device`.
    pub device: Option<String>,
    /// `-p`: the port of targets that are named without one.
    pub port: Option<u16>,
}

impl ClientOptions {
    /// Those among `arguments`; none where `source` is another component, whose options may mean anything.
    pub fn of(source: &Source, arguments: &[String]) -> Self {
        if !is_client(source) {
            return Self::default();
        }
        let interface = value(arguments, "-I", "--interface");
        let address = interface.as_deref().and_then(|text| {
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            bare.split('%').next().unwrap_or(bare).parse().ok()
        });
        Self {
            source: address,
            device: interface.filter(|_| address.is_none()),
            port: value(arguments, "-p", "--port").and_then(|port| port.parse().ok()),
        }
    }
}

/// Whether `source` is the built-in client.
pub fn is_client(source: &Source) -> bool {
    matches!(source, Source::BuiltIn(component) if component.name == BuiltIn::Client.component().name)
}

/// The value of an option, in each way to write it; the last one's.
fn value(arguments: &[String], short: &str, long: &str) -> Option<String> {
    let mut found = None;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if word == short || word == long {
            found = words.next().cloned();
        } else if let Some(value) = word.strip_prefix(long).and_then(|rest| rest.strip_prefix('=')) {
            found = Some(value.to_owned());
        } else if let Some(value) = word.strip_prefix(short).filter(|value| !word.starts_with("--") && !value.is_empty()) {
            found = Some(value.trim_start_matches('=').to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_found_however_it_is_written() {
        let client = Source::BuiltIn(BuiltIn::Client.component());
        let of =
            |words: &[&str]| ClientOptions::of(&client, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let device = Some("eth0".to_owned());
        for words in [&["-I", "eth0"][..], &["-Ieth0"], &["--interface", "eth0"], &["--interface=eth0"]] {
            assert_eq!(of(words), ClientOptions { device: device.clone(), ..ClientOptions::default() }, "{words:?}");
        }
        for (words, ip) in
            [(["-I", "192.0.2.1"], "192.0.2.1"), (["-I", "[2001:db8::1]"], "2001:db8::1"), (["-I", "fe80::1%2"], "fe80::1")]
        {
            assert_eq!(of(&words), ClientOptions { source: ip.parse().ok(), ..ClientOptions::default() });
        }
        assert_eq!(of(&["a", "--port", "7", "-p8"]).port, Some(8));
        assert_eq!(of(&["a", "7", "-i", "1"]), ClientOptions::default());
        let server = Source::BuiltIn(BuiltIn::Server.component());
        assert_eq!(ClientOptions::of(&server, &["-I".to_owned(), "eth0".to_owned()]), ClientOptions::default());
    }
}
