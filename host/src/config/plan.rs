//! What to run: the resolved command line.

use std::ffi::OsString;
#[cfg(feature = "exporter")]
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, thread};

use clap::CommandFactory as _;
use thiserror::Error;

use crate::config::built_in::{self, ArgumentsError};
use crate::config::cli::{Cli, GrantFlags, Restart, RunFlags, ServiceFlags, Workers};
use crate::config::client_options::ClientOptions;
use crate::config::key::{self, KeyError, Keys};
use crate::config::policy::{Policy, PolicyError};
use crate::config::targets::{self, TargetsError};
use crate::config::variables::VariableError;
use crate::sandbox::artifact::Source;
use udping_harden::Needs;
use udping_permissions::grants::{Advice, AnswerRule, Command, GrantSpec, Ports};
use udping_permissions::guard::Rates;
use udping_permissions::limits::{Limits, OUTPUT_TOTAL};
use udping_permissions::zones;
use wasi_datagram::{SocketOptions, Tuning};

/// The default of `--stop-grace`: how long a component that takes notices has to end after it is
/// told to stop.
pub const STOP_GRACE: Duration = Duration::from_secs(2);

/// A component to run, with its arguments and grants.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where the component comes from.
    pub source: Source,
    /// Its arguments, without its own name.
    pub arguments: Vec<String>,
    /// The operator's grants.
    pub grants: GrantSpec,
    /// Additional advice in the messages about denials.
    pub advice: Advice,
    /// Whether everything is granted, to record what is used.
    pub learns: bool,
    /// The resource limits of each instance.
    pub limits: Limits,
    /// The send and receive rates of each instance.
    pub rates: Rates,
    /// How its sockets are driven.
    pub tuning: Tuning,
    /// The options set on its sockets.
    pub socket_options: SocketOptions,
    /// When an instance is restarted.
    pub restart: Option<Restart>,
    /// The keys that it shares with its peers.
    pub keys: Option<Keys>,
    /// The file from which keys are read again.
    pub key_file: Option<PathBuf>,
    /// Whether this process's environment has a key that the component does not get.
    pub withholds_key: bool,
    /// The other variables in its environment.
    pub variables: Vec<(String, String)>,
    /// Where its metrics are served.
    #[cfg(feature = "exporter")]
    pub metrics: Option<SocketAddr>,
    /// What happens to its datagrams on purpose.
    #[cfg(feature = "simulation")]
    pub impairments: Option<udping_simulation::Impairments>,
    /// Where its datagrams are captured.
    #[cfg(feature = "simulation")]
    pub pcap: Option<PathBuf>,
    /// Whether the process is hardened.
    pub harden: bool,
    /// Whether the component gets this process's standard input.
    pub stdin: bool,
    /// How long it has to end after it is told to stop.
    pub stop_grace: Duration,
    /// How often names in the grants are resolved again; `None` resolves them once.
    pub resolve_every: Option<Duration>,
    /// The number of instances, one thread each.
    pub workers: NonZeroUsize,
}

/// Why a command line cannot be run as asked.
#[derive(Debug, Error)]
pub enum PlanError {
    /// An argument is not Unicode, as WASI requires.
    #[error("the component's argument {0:?} is not valid Unicode")]
    NotUnicode(OsString),
    /// The arguments are not valid for a built-in component.
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    /// The policy cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The list of targets cannot be used.
    #[error(transparent)]
    Targets(#[from] TargetsError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A variable cannot be set.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// Port 0 would give each worker a different port.
    #[error(
        "several workers share one port, and port 0 is another one for each: name a port, or leave --workers out"
    )]
    WorkersWithoutPort,
    /// The prefix lengths have no effect without a limit.
    #[error(
        "--limit-source-prefix says what one source is, and --limit-source how much may come from it: give both"
    )]
    SourcePrefixAlone,
    /// With grants or a policy, `learn` would not record what is missing.
    #[error("`learn` grants everything, to find out what is used: leave grants and --policy out")]
    GrantsWhileLearning,
    /// Only Linux's `SO_REUSEPORT` distributes flows among sockets.
    #[error("--workers needs Linux, which splits the flows of one port among them")]
    WorkersElsewhere,
}

impl Plan {
    /// Resolves the command line. The component's arguments are its grants unless flags grant
    /// something.
    pub fn new(
        flags: &RunFlags,
        source: Source,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, PlanError> {
        let arguments =
            arguments.into_iter().map(OsString::into_string).collect::<Result<Vec<_>, _>>();
        let mut arguments = arguments.map_err(PlanError::NotUnicode)?;
        let typed = arguments.len();
        let service = &flags.service;
        let keys = keys(service, &source)?;
        let mut variables = Vec::new();
        for variable in service.env.iter().filter(|variable| !variable.is_key()) {
            let (name, value) = variable.resolved()?;
            variables.retain(|(other, _)| *other != name);
            variables.push((name, value));
        }
        let withholds_key = keys.is_none() && env::var_os(key::VARIABLE).is_some();
        let policy = service.policy.as_deref().map_or(Ok(Policy::default()), Policy::read)?;
        let (mut allowed, limited) =
            (flags.grants.clone().or(policy.grants), flags.limits.clone().or(policy.limits));
        // The built-in client's options that the host applies.
        let client = ClientOptions::of(&source, &arguments);
        let asks_alone = allowed.spec().is_none();
        let default_port =
            client.port.and_then(|port| Ports::new(port..=port)).unwrap_or(Ports::STAMP);
        let targets = flags
            .targets
            .as_deref()
            .map_or(Ok(Vec::new()), |path| targets::read(path, default_port))?;
        let mut socket_options = allowed.socket_options();
        socket_options.bind_device = socket_options.bind_device.or(client.device);
        let mut listed = Vec::new();
        for target in targets {
            arguments.extend(["--target".to_owned(), target.text]);
            listed.push(target.endpoint);
        }
        // Without arguments, a component itself reports what it lacks, and `grants` shows what
        // flags grant.
        let (peers, from_arguments) = if let Source::BuiltIn(component) = &source
            && !arguments.is_empty()
        {
            let spec = built_in::grants(*component, &arguments, &Cli::command())?;
            (spec.to.clone(), Some(spec))
        } else {
            (Advice::peers_in(&arguments[..typed]), None)
        };
        // A built-in component's command line already includes the list; for another component, the
        // list counts as a flag.
        if allowed.spec().is_some() || from_arguments.is_none() {
            allowed.allow_to.extend(listed);
        }
        let is_by_flags = allowed.spec().is_some();
        let granted = allowed
            .spec()
            .or(from_arguments)
            .unwrap_or_else(|| GrantSpec::from_arguments(&arguments));
        let mut grants = allowed.restrict(granted);
        grants.source.extend(client.source.filter(|_| asks_alone));
        let is_file = matches!(source, Source::File(_));
        let has_option_first = arguments.first().is_some_and(|first| first.starts_with('-'));
        let command =
            (is_file && has_option_first && !is_by_flags).then(|| command(typed)).flatten();
        variables.extend(zones::variable(&arguments));
        let advice = Advice { peers, command };
        let speed = &flags.speed;
        let workers = count(speed.workers);
        let share_port = workers > NonZeroUsize::MIN;
        if share_port && !cfg!(target_os = "linux") {
            return Err(PlanError::WorkersElsewhere);
        }
        if share_port && grants.listen.iter().any(|listen| listen.port == 0) {
            return Err(PlanError::WorkersWithoutPort);
        }
        let tuning = Tuning { share_port, ..speed.tuning() };
        let (mut limits, rates) = (limited.limits(), limited.rates());
        if limited.source_prefix.is_some() && limited.source.is_none() {
            return Err(PlanError::SourcePrefixAlone);
        }
        // A ping may run for months, with the built-in client.
        if !matches!(source, Source::BuiltIn(_)) {
            limits.output_total = limits.output_total.or(Some(OUTPUT_TOTAL));
        }
        let (restart, harden) = (service.restart, !service.no_harden);
        Ok(Self {
            source,
            arguments,
            grants,
            advice,
            learns: false,
            limits,
            rates,
            tuning,
            socket_options,
            restart,
            keys,
            key_file: service.key_file.clone(),
            withholds_key,
            variables,
            #[cfg(feature = "exporter")]
            metrics: service.metrics,
            #[cfg(feature = "simulation")]
            impairments: flags.impair.clone(),
            #[cfg(feature = "simulation")]
            pcap: flags.pcap.clone(),
            harden,
            stdin: service.stdin,
            stop_grace: service.stop_grace.unwrap_or(STOP_GRACE),
            resolve_every: service.resolve_every.or(client.resolve_every),
            workers,
        })
    }

    /// The privileges that the process still needs while guest code runs.
    pub fn needs(&self) -> Needs {
        Needs {
            bind_capability: self.grants.binds_low_ports(),
            mark: self.socket_options.mark.is_some(),
            bind_device: self.socket_options.bind_device.is_some(),
        }
    }

    /// Whether a name may have to be resolved while the component runs.
    pub fn resolves_at_any_time(&self) -> bool {
        self.grants.looks_up_at_any_time()
            || (self.resolve_every.is_some() && self.grants.names().next().is_some())
    }

    /// Like [`Self::new`], but with everything granted and all use recorded.
    ///
    /// # Errors
    ///
    /// If anything is explicitly granted or denied.
    pub fn to_learn(
        flags: &RunFlags,
        source: Source,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, PlanError> {
        if flags.grants != GrantFlags::default() || flags.service.policy.is_some() {
            return Err(PlanError::GrantsWhileLearning);
        }
        let plan = Self::new(flags, source, arguments)?;
        // More than any protocol's answers, so that answers can be told from other datagrams.
        let answer = AnswerRule { amplification: 1e6, ..AnswerRule::default() };
        let grants = GrantSpec { inherit_network: true, any_name: true, answer, ..plan.grants };
        Ok(Self { grants, learns: true, ..plan })
    }

    /// The arguments as the component gets them: its own name first, as with `wasmtime run`.
    pub fn argv(&self) -> Vec<String> {
        [self.source.name()].into_iter().chain(self.arguments.iter().cloned()).collect()
    }
}

/// The number of instances.
fn count(workers: Option<Workers>) -> NonZeroUsize {
    match workers {
        None => NonZeroUsize::MIN,
        Some(Workers::Exactly(count)) => count,
        Some(Workers::Auto) => thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    }
}

/// This process's own command line; its last `arguments` words are the component's.
fn command(arguments: usize) -> Option<Command> {
    let words: Vec<_> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let (before, component) = words.split_at_checked(words.len().checked_sub(arguments + 1)?)?;
    (!before.is_empty()).then(|| Command { before: before.to_vec(), component: component.to_vec() })
}

/// Returns the keys for the component from `source`: from the key file if one is named, else from
/// this process's environment, which built-in components get by default and others on request.
fn keys(service: &ServiceFlags, source: &Source) -> Result<Option<Keys>, PlanError> {
    let asked_for: Vec<_> = service.env.iter().filter(|variable| variable.is_key()).collect();
    // A key that is asked for must exist, and is given nowhere else.
    asked_for.iter().try_for_each(|variable| variable.resolved().map(|_| ()))?;
    match (&service.key_file, source) {
        (Some(_), _) if !asked_for.is_empty() => Err(VariableError::TwoKeys(key::VARIABLE).into()),
        (Some(path), _) => Ok(Some(Keys::read(path)?)),
        (None, Source::File(_)) if asked_for.is_empty() => Ok(None),
        (None, _) => Ok(Keys::from_environment()?),
    }
}
