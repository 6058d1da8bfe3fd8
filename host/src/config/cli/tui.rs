//! The options of `tui`: targets, how they are shown, and those of the client that bear on pinging.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, CommandFactory as _, FromArgMatches, ValueEnum,
};

/// The options of the client that `tui` has, too, by their ids. The others bear on its output.
const OF_CLIENT: [&str; 19] = [
    "default_port",
    "protocol",
    "ssid",
    "count",
    "interval",
    "timeout",
    "deadline",
    "size",
    "schedule",
    "seed",
    "adaptive",
    "burst",
    "precise",
    "ipv4",
    "ipv6",
    "resolve_every",
    "interface",
    "source_port",
    "ttl",
];

/// Where they differ from the client's: with another default.
const HELP: [(&str, &str); 2] = [
    ("count", "Pings to send to each server; 0 for no limit [default: no limit]"),
    (
        "resolve_every",
        "Resolve names again this often, and follow their addresses; at least 1s [default: 1m]",
    ),
];

/// `tui`.
#[derive(Debug, Args)]
pub struct TuiArguments {
    /// What to ping: HOST:PORT, with an IPv6 address in brackets; HOST with --port, or with
    /// --protocol stamp
    #[arg(value_name = "TARGET", required_unless_present = "targets_file")]
    pub targets: Vec<String>,
    #[expect(rustdoc::broken_intra_doc_links, reason = "it is help, shown as it stands")]
    /// Ping the targets in this file, too, HOST[:PORT] a line, # starts a comment, - is standard
    /// input
    #[arg(id = "targets_file", long = "targets", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Colours; `NO_COLOR` in the environment is never, unless this says otherwise
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colours::Auto)]
    pub color: Colours,
    /// What the client gets.
    #[command(flatten)]
    pub client: PassedOn,
}

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colours {
    /// Unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Options of the client, as it is to get them. They are parsed by its own definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassedOn(pub Vec<String>);

impl PassedOn {
    /// Whether an option is given.
    pub fn has(&self, option: &str) -> bool {
        self.0.iter().any(|word| word.split('=').next() == Some(option))
    }

    fn definitions() -> impl Iterator<Item = Arg> {
        let client = udping_cli::client::Args::command();
        let all: Vec<_> = client.get_arguments().cloned().collect();
        all.into_iter().filter(|option| OF_CLIENT.contains(&option.get_id().as_str())).map(
            |option| match HELP.iter().find(|(id, _)| option.get_id().as_str() == *id) {
                Some((_, help)) => option.help(*help),
                None => option,
            },
        )
    }
}

impl Args for PassedOn {
    fn augment_args(command: Command) -> Command {
        command.args(Self::definitions())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PassedOn {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut words = Vec::new();
        for option in Self::definitions() {
            let id = option.get_id().as_str();
            let Some(long) = option.get_long() else { continue };
            if matches.value_source(id) != Some(ValueSource::CommandLine) {
                continue;
            }
            if matches!(option.get_action(), ArgAction::SetTrue) {
                words.push(format!("--{long}"));
                continue;
            }
            let values = matches.get_raw(id).into_iter().flatten();
            // They have been parsed, and are Unicode.
            words.extend(values.map(|value| format!("--{long}={}", value.to_string_lossy())));
        }
        Ok(Self(words))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Tui {
        #[command(flatten)]
        arguments: TuiArguments,
    }

    #[test]
    fn every_option_is_one_of_the_client() {
        let found: Vec<_> =
            PassedOn::definitions().map(|option| option.get_id().to_string()).collect();
        for id in OF_CLIENT {
            assert!(found.iter().any(|found| found == id), "{id} is none");
        }
        <Tui as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn what_is_given_is_passed_on_and_nothing_else() {
        let words = ["tui", "a:7", "-i", "10ms", "b:7", "-6", "-W1s", "--ttl", "3"];
        let TuiArguments { targets, client, .. } = Tui::try_parse_from(words).unwrap().arguments;
        assert_eq!(targets, ["a:7", "b:7"]);
        assert_eq!(client.0, ["--interval=10ms", "--timeout=1s", "--ipv6", "--ttl=3"]);
        assert!(client.has("--ttl") && client.has("--ipv6") && !client.has("--count"));
    }

    #[test]
    fn the_clients_own_rules_hold() {
        for (words, complaint) in [
            (&["tui", "a:7", "-i", "1us"][..], "must be at least 10us"),
            (&["tui", "a:7", "-4", "-6"], "cannot be used with"),
            (&["tui"], "required arguments were not provided"),
            (&["tui", "a:7", "--format", "json"], "unexpected argument"),
        ] {
            let error = Tui::try_parse_from(words).unwrap_err().to_string();
            assert!(error.contains(complaint), "{words:?}: {error}");
        }
    }
}
