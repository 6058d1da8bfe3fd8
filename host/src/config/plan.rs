//! What to run: the command line, resolved.

use std::ffi::OsString;
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

/// How long a component that takes notices has to end after it is told to stop, unless
/// `--stop-grace` says otherwise.
pub const STOP_GRACE: Duration = Duration::from_secs(2);

/// One component to run, with its arguments and what it is granted.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The component.
    pub source: Source,
    /// Its arguments, without its own name.
    pub arguments: Vec<String>,
    /// What the operator granted.
    pub grants: GrantSpec,
    /// What refusals say besides.
    pub advice: Advice,
    /// Whether everything is granted, to learn what is used.
    pub learns: bool,
    /// What each instance may use.
    pub limits: Limits,
    /// What each instance may send and receive.
    pub rates: Rates,
    /// How its sockets are driven.
    pub tuning: Tuning,
    /// What is set on them.
    pub socket_options: SocketOptions,
    /// When an instance is followed by another.
    pub restart: Option<Restart>,
    /// What it is to share with others.
    pub keys: Option<Keys>,
    /// Where those are read again.
    pub key_file: Option<PathBuf>,
    /// Whether there is a key in this process's environment that the component does not get.
    pub withholds_key: bool,
    /// What else is in its environment.
    pub variables: Vec<(String, String)>,
    /// Whether the process gives up what a run does not need.
    pub harden: bool,
    /// Whether standard input is the component's.
    pub stdin: bool,
    /// How long it has to end after it is told to stop.
    pub stop_grace: Duration,
    /// How often names in the grants are resolved again; once where nothing is said.
    pub resolve_every: Option<Duration>,
    /// How many instances run, each on a thread of its own.
    pub workers: NonZeroUsize,
}

/// Why something cannot be run as asked.
#[derive(Debug, Error)]
pub enum PlanError {
    /// WASI arguments are text.
    #[error("the component's argument {0:?} is not valid Unicode")]
    NotUnicode(OsString),
    /// They are none of a built-in component's.
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    /// There is no such policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// There is no such list.
    #[error(transparent)]
    Targets(#[from] TargetsError),
    /// There is no such key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no such variable.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// The system would give each worker a port of its own.
    #[error(
        "several workers share one port, and port 0 is another one for each: name a port, or leave --workers out"
    )]
    WorkersWithoutPort,
    /// It would limit nothing.
    #[error(
        "--limit-source-prefix says what one source is, and --limit-source how much may come from it: give both"
    )]
    SourcePrefixAlone,
    /// It would not be told what is missing.
    #[error("`learn` grants everything, to find out what is used: leave grants and --policy out")]
    GrantsWhileLearning,
    /// There is no `SO_REUSEPORT` that splits flows.
    #[error("--workers needs Linux, which splits the flows of one port among them")]
    WorkersElsewhere,
}

impl Plan {
    /// What the operator typed after the component is the grant, unless flags say what is.
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
        // What the built-in client asks of the host.
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
        // Without any arguments a component says itself what it lacks, and `grants` shows what
        // flags grant.
        let (peers, from_arguments) = if let Source::BuiltIn(component) = &source
            && !arguments.is_empty()
        {
            let spec = built_in::grants(*component, &arguments, &Cli::command())?;
            (spec.to.clone(), Some(spec))
        } else {
            (Advice::peers_in(&arguments[..typed]), None)
        };
        // What the definition of a built-in component says includes the list; of another component,
        // the list is a flag.
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
        let workers = match speed.workers {
            None => NonZeroUsize::MIN,
            Some(Workers::Exactly(count)) => count,
            Some(Workers::Auto) => thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        };
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
        // A ping that runs for months is the built-in client's job.
        if !matches!(source, Source::BuiltIn(_)) {
            limits.output_total = limits.output_total.or(Some(OUTPUT_TOTAL));
        }
        let (restart, harden) = (service.restart, !service.no_harden);
        let key_file = service.key_file.clone();
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
            key_file,
            withholds_key,
            variables,
            harden,
            stdin: service.stdin,
            stop_grace: service.stop_grace.unwrap_or(STOP_GRACE),
            resolve_every: service.resolve_every.or(client.resolve_every),
            workers,
        })
    }

    /// What the process still needs when guest code runs.
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

    /// The same with everything granted, and what is used recorded.
    ///
    /// # Errors
    ///
    /// Where something is granted or denied already.
    pub fn to_learn(
        flags: &RunFlags,
        source: Source,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, PlanError> {
        if flags.grants != GrantFlags::default() || flags.service.policy.is_some() {
            return Err(PlanError::GrantsWhileLearning);
        }
        let plan = Self::new(flags, source, arguments)?;
        // More than any protocol answers, so that what is answered can be told from what is not.
        let answer = AnswerRule { amplification: 1e6, ..AnswerRule::default() };
        let grants = GrantSpec { inherit_network: true, any_name: true, answer, ..plan.grants };
        Ok(Self { grants, learns: true, ..plan })
    }

    /// The arguments as the component gets them: its own name first, as `wasmtime run` has it.
    pub fn argv(&self) -> Vec<String> {
        [self.source.name()].into_iter().chain(self.arguments.iter().cloned()).collect()
    }
}

/// This process's own command, whose last `arguments` words are the component's.
fn command(arguments: usize) -> Option<Command> {
    let words: Vec<_> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let (before, component) = words.split_at_checked(words.len().checked_sub(arguments + 1)?)?;
    (!before.is_empty()).then(|| Command { before: before.to_vec(), component: component.to_vec() })
}

/// The keys that the component from `source` gets: those of a file that was named, else those of
/// this process's environment, which the built-in components get, and others where that is asked
/// for.
fn keys(service: &ServiceFlags, source: &Source) -> Result<Option<Keys>, PlanError> {
    let asked_for: Vec<_> = service.env.iter().filter(|variable| variable.is_key()).collect();
    // Where one is asked for, there has to be one, and it stands nowhere but there.
    asked_for.iter().try_for_each(|variable| variable.resolved().map(|_| ()))?;
    match (&service.key_file, source) {
        (Some(_), _) if !asked_for.is_empty() => Err(VariableError::TwoKeys(key::VARIABLE).into()),
        (Some(path), _) => Ok(Some(Keys::read(path)?)),
        (None, Source::File(_)) if asked_for.is_empty() => Ok(None),
        (None, _) => Ok(Keys::from_environment()?),
    }
}
