//! The configuration file.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser as _;
use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;
use udping_cli::{client, usage};

use crate::options::{OptionError, Options};
use crate::target::{AllowList, Allowed, Target};

/// The options of the client that the exporter sets, or that have no meaning for it.
const CLIENT_RESERVED: &[&str] = &[
    "deadline",
    "fail-if",
    "flood",
    "format",
    "help",
    "live",
    "quiet",
    "records",
    "report-every",
    "sort",
    "target",
    "targets",
    "timestamps",
    "until-reply",
    "version",
];

/// The default of `timeout-offset`.
const OFFSET: Duration = Duration::from_millis(500);

/// The default of `max-probes`.
const PROBES: usize = 64;

/// The configuration, as parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The names in `Host` headers that are this exporter's, besides addresses and localhost.
    pub hosts: Vec<String>,
    /// How much sooner than the scraper gives up a probe must end.
    pub timeout_offset: Duration,
    /// The maximum number of probes at a time, of each module.
    pub max_probes: usize,
    /// The modules by name.
    pub modules: BTreeMap<String, Module>,
}

/// A module: how targets are pinged, and which ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// The targets that are pinged all the time.
    pub targets: Vec<Target>,
    /// A file of further ones, one on a line.
    pub targets_file: Option<PathBuf>,
    /// The targets that may be probed, and stand in `targets_file`.
    pub allow: AllowList,
    /// The component to run in place of the built-in client.
    pub component: Option<PathBuf>,
    /// The options of the client.
    pub client: Options,
    /// The options of the host.
    pub host: Options,
}

/// Why a text is not a configuration.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("line {line}, column {column}: {message}")]
pub struct ConfigError {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a configuration")]
struct File {
    #[serde(default)]
    hosts: Vec<String>,
    timeout_offset: Option<Spanned<String>>,
    max_probes: Option<Spanned<usize>>,
    #[serde(default)]
    modules: BTreeMap<Spanned<String>, ModuleTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a module")]
struct ModuleTable {
    #[serde(default)]
    targets: Vec<Target>,
    targets_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    allow: Vec<Allowed>,
    component: Option<PathBuf>,
    #[serde(default)]
    client: Options,
    #[serde(default)]
    host: Options,
}

/// Checks an option by its name and its arguments. The error is one line.
pub(crate) type OptionCheck = dyn Fn(&str, &[String]) -> Result<(), String>;

/// What only the host knows.
pub(crate) struct Checks<'a> {
    /// Checks an option of the host, by its arguments.
    pub(crate) host_option: &'a OptionCheck,
    /// The addresses of this machine, which no network covers.
    pub(crate) own: HashSet<IpAddr>,
}

impl Config {
    /// Parses a configuration.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, and where it stands.
    pub(crate) fn parse(text: &str, checks: &Checks<'_>) -> Result<Self, ConfigError> {
        let at = |span: Range<usize>, message: String| ConfigError::new(text, &span, &message);
        let file: File = toml::from_str(text)
            .map_err(|error| at(error.span().unwrap_or_default(), error.message().to_owned()))?;
        let timeout_offset = file.timeout_offset.map_or(Ok(OFFSET), |offset| {
            humantime::parse_duration(offset.get_ref())
                .map_err(|error| at(offset.span(), format!("timeout-offset: {error}")))
        })?;
        let max_probes = match file.max_probes {
            Some(zero) if *zero.get_ref() == 0 => {
                Err(at(zero.span(), "max-probes must not be 0".to_owned()))
            }
            given => Ok(given.map_or(PROBES, Spanned::into_inner)),
        }?;
        let mut modules = BTreeMap::new();
        for (name, table) in file.modules {
            let module = Module::of(&name, table, checks)
                .map_err(|OptionError { span, message }| at(span, message))?;
            modules.insert(name.into_inner(), module);
        }
        Ok(Self { hosts: file.hosts, timeout_offset, max_probes, modules })
    }
}

impl Module {
    fn of(
        name: &Spanned<String>,
        table: ModuleTable,
        checks: &Checks<'_>,
    ) -> Result<Self, OptionError> {
        let allow = AllowList::new(&table.allow, checks.own.clone());
        if let Some(file) = table.targets_file.as_ref().filter(|_| allow.is_empty()) {
            let message =
                "targets-file needs allow: who writes that file may name those targets alone";
            return Err(OptionError { span: file.span(), message: message.to_owned() });
        }
        table.client.check(CLIENT_RESERVED, |_, words| client_option(words))?;
        table.host.check(&[], checks.host_option)?;
        // Each by itself is right by now.
        client_option(&table.client.words())
            .map_err(|message| OptionError { span: name.span(), message })?;
        let mut seen = HashSet::new();
        let targets = table.targets.into_iter().filter(|target| seen.insert(target.clone()));
        Ok(Self {
            name: name.get_ref().clone(),
            targets: targets.collect(),
            targets_file: table.targets_file.map(Spanned::into_inner),
            allow,
            component: table.component,
            client: table.client,
            host: table.host,
        })
    }

    /// Whether `target` may be pinged once.
    pub fn may_probe(&self, target: &Target) -> bool {
        self.targets.contains(target) || self.allow.covers(target)
    }

    /// Whether names may have to be resolved for its probes.
    pub fn has_names(&self) -> bool {
        self.allow.has_names() || self.targets.iter().any(Target::is_name)
    }
}

/// Checks options of the client.
fn client_option(words: &[String]) -> Result<(), String> {
    // Any target will do.
    let line =
        ["client", "192.0.2.1:1"].into_iter().map(str::to_owned).chain(words.iter().cloned());
    match client::Args::try_parse_from(line) {
        Ok(_) => Ok(()),
        Err(error) => Err(usage::one_line(&error)),
    }
}

impl ConfigError {
    fn new(text: &str, span: &Range<usize>, message: &str) -> Self {
        let (line, column) = usage::place(text, span.start);
        Self { line, column, message: message.lines().collect::<Vec<_>>().join(" ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        let host_option = |name: &str, _: &[String]| match name {
            "key-file" => Ok(()),
            _ => Err(format!("no option {name}")),
        };
        let checks = Checks { host_option: &host_option, own: HashSet::new() };
        Config::parse(text, &checks).map_err(|error| error.to_string())
    }

    #[test]
    fn a_module_is_options_without_dashes() {
        let config = parse(
            "hosts = ['ping.example']\n\
             [modules.a]\n\
             targets = ['192.0.2.7:7', '192.0.2.7:7']\n\
             client = { interval = '200ms', stateful = true, protocol = 'stamp', source-ports = 2, ipv6 = false }\n\
             host.key-file = '/k'\n",
        )
        .unwrap();
        let module = &config.modules["a"];
        assert_eq!(module.targets.len(), 1);
        assert_eq!(
            module.client.words(),
            ["--interval=200ms", "--protocol=stamp", "--source-ports=2", "--stateful"]
        );
        assert_eq!(module.host.words(), ["--key-file=/k"]);
        assert_eq!((config.max_probes, config.timeout_offset.as_millis()), (64, 500));
    }

    #[test]
    fn what_is_wrong_is_one_line_with_its_place() {
        for (text, complaint) in [
            ("x = 1", "line 1, column 1: unknown field `x`"),
            ("max-probes = 0", "line 1, column 14: max-probes must not be 0"),
            ("timeout-offset = '5 parsecs'", "line 1, column 18: timeout-offset: "),
            ("[modules.a]\ntarget = []", "line 2, column 1: unknown field `target`"),
            ("[modules.a]\ntargets = ['a:7', 'b']", "line 2, column 11: \"b\": which port of b?"),
            (
                "[modules.a]\nallow = [\n 'nonsense',\n]",
                "line 2, column 9: \"nonsense\": write HOST",
            ),
            ("[modules.a]\ntargets-file = 'x'", "line 2, column 16: targets-file needs allow"),
            ("[modules.a.client]\ninterval = 'ü'", "line 2, column 12: invalid value 'ü'"),
            ("[modules.a]\nclient = { count = 1, nonsense = 1 }", "line 2, column 34: "),
            (
                "[modules.a.client]\nformat = 'json'",
                "line 2, column 10: format is not for a module",
            ),
            ("[modules.a.client]\nflood = true", "line 2, column 9: flood is not for a module"),
            ("[modules.a.host]\nallow-to = 'x:1'", "line 2, column 12: no option allow-to"),
            ("[modules.a.client]\nipv4 = true\nipv6 = true", "line 1, column 10: "),
            ("[modules", "line 1, column "),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(complaint), "{text}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
