//! The exporter: its configuration, and what runs for each of its modules.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::sync::{Notify, watch};

use crate::commands::Commands;
use crate::config::{Checks, Config, ConfigError, Module};
use crate::continuous::{self, Targets};
use crate::own::{OfModule, Own};
use crate::prober::Prober;
use crate::sandbox::Sandbox;
use crate::series::AllSeries;
use crate::target::Target;

/// Why a configuration is not in force.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong, in one line.
        error: String,
    },
    /// It is not a configuration.
    #[error("{}: {error}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        error: ConfigError,
    },
    /// The addresses of this machine, which no network covers, are not known.
    #[error("cannot read the addresses of this machine: {0}")]
    OwnAddresses(std::io::Error),
}

/// The exporter.
pub struct Exporter {
    pub(crate) commands: Commands,
    path: PathBuf,
    pub(crate) own: Arc<Own>,
    /// Those of targets, and the exporter's own.
    pub(crate) registries: Arc<Vec<Registry>>,
    pub(crate) series: Arc<AllSeries>,
    /// When it was started.
    pub(crate) started: SystemTime,
    state: Mutex<State>,
    /// Notified when the configuration was read again.
    pub(crate) reloaded: Notify,
}

struct State {
    config: Arc<Config>,
    modules: BTreeMap<String, Running>,
}

/// What runs for a module.
struct Running {
    module: Arc<Module>,
    prober: Arc<Prober>,
    /// Where the client of its targets, a task, gets them from. It ends when this is dropped.
    targets: watch::Sender<Targets>,
    sandbox: Sandbox,
}

/// All targets of a module, and what is wrong with the lines of its file that are none, or are not
/// allowed.
struct Listed {
    targets: Vec<Target>,
    refused: Vec<String>,
}

/// A configuration, with the targets of each of its modules.
struct Loaded {
    config: Config,
    listed: BTreeMap<String, Listed>,
}

/// Checks a configuration, and the files of targets that it names.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn check(path: &Path, commands: &Commands) -> Result<Config, LoadError> {
    load(path, commands).map(|loaded| loaded.config)
}

fn load(path: &Path, commands: &Commands) -> Result<Loaded, LoadError> {
    let unreadable = |error| LoadError::Unreadable { path: path.to_owned(), error };
    let text = (commands.read)(path).map_err(unreadable)?;
    let own = (commands.own_addresses)().map_err(LoadError::OwnAddresses)?;
    let checks = Checks { host_option: &commands.host_option, own };
    let mut config = Config::parse(&text, &checks)
        .map_err(|error| LoadError::Config { path: path.to_owned(), error })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut all = BTreeMap::new();
    for (name, module) in &mut config.modules {
        // As seen from the configuration.
        for file in [&mut module.targets_file, &mut module.component].into_iter().flatten() {
            *file = folder.join(&*file);
        }
        all.insert(name.clone(), listed(module, commands)?);
    }
    Ok(Loaded { config, listed: all })
}

/// Reads the file of targets of a module, if it has one.
fn listed(module: &Module, commands: &Commands) -> Result<Listed, LoadError> {
    let mut targets = module.targets.clone();
    let mut refused = Vec::new();
    let Some(path) = &module.targets_file else { return Ok(Listed { targets, refused }) };
    let unreadable = |error| LoadError::Unreadable { path: path.clone(), error };
    let text = (commands.read)(path).map_err(unreadable)?;
    let mut seen: HashSet<_> = targets.iter().cloned().collect();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let problem = match line.parse::<Target>() {
            _ if line.is_empty() => continue,
            Ok(target) if !module.allow.covers(&target) => {
                format!("{target} is not in the module's allow")
            }
            Ok(target) => {
                if seen.insert(target.clone()) {
                    targets.push(target);
                }
                continue;
            }
            Err(error) => error.to_string(),
        };
        refused.push(format!("{}: line {}: {problem}", path.display(), number + 1));
    }
    Ok(Listed { targets, refused })
}

impl Exporter {
    /// Reads the configuration at `path`, and starts what it says. Call this within a runtime.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration.
    pub fn start(path: PathBuf, commands: Commands) -> Result<Arc<Self>, LoadError> {
        let loaded = load(&path, &commands)?;
        let series = Arc::new(AllSeries::default());
        let mut registry = Registry::with_prefix("udping_exporter");
        let own = Arc::new(Own::new(&mut registry, commands.version));
        let mut registries = series.registries();
        registries.push(registry);
        let state = State { config: Arc::new(loaded.config.clone()), modules: BTreeMap::new() };
        let state = Mutex::new(state);
        let registries = Arc::new(registries);
        let reloaded = Notify::new();
        let started = SystemTime::now();
        let exporter =
            Arc::new(Self { commands, path, own, registries, series, started, state, reloaded });
        exporter.apply(loaded);
        exporter.own.loaded();
        Ok(exporter)
    }

    /// Reads the configuration again. What it leaves as it was goes on undisturbed, and targets that
    /// stay keep their counters.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration: the one before stays in force.
    pub fn reload(&self) -> Result<(), LoadError> {
        let loaded = load(&self.path, &self.commands);
        self.own.reloaded(loaded.is_ok());
        self.apply(loaded?);
        self.reloaded.notify_one();
        tracing::info!("{} is read again", self.path.display());
        Ok(())
    }

    /// Reads the files of targets again, which have changed.
    pub fn reread_targets(&self) {
        let config = self.config();
        for module in config.modules.values().filter(|module| module.targets_file.is_some()) {
            // Not under the lock, which every request takes: a file system may be slow.
            match listed(module, &self.commands) {
                Ok(listed) => {
                    let state = self.state();
                    // Unless it was reloaded meanwhile.
                    let running = state.modules.get(&module.name);
                    if let Some(running) = running.filter(|running| *running.module == *module) {
                        self.list(running, &listed);
                    }
                }
                Err(error) => tracing::warn!("{error}; its targets stay as they are"),
            }
        }
    }

    /// The files of targets.
    pub(crate) fn targets_files(&self) -> Vec<PathBuf> {
        self.config().modules.values().filter_map(|module| module.targets_file.clone()).collect()
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.state().config.clone()
    }

    /// The version of the host.
    pub(crate) fn version(&self) -> &'static str {
        self.commands.version
    }

    /// The modules, and the sandbox of the client of each.
    pub(crate) fn sandboxes(&self) -> Vec<(Arc<Module>, Sandbox)> {
        let state = self.state();
        state
            .modules
            .values()
            .map(|running| (running.module.clone(), running.sandbox.clone()))
            .collect()
    }

    /// A module, and its prober.
    pub(crate) fn module(&self, name: &str) -> Option<(Arc<Module>, Arc<Prober>)> {
        let state = self.state();
        let running = state.modules.get(name)?;
        Some((running.module.clone(), running.prober.clone()))
    }

    fn apply(&self, Loaded { config, listed }: Loaded) {
        let mut state = self.state();
        let max_changed = state.config.max_probes != config.max_probes;
        let gone: Vec<_> = state
            .modules
            .keys()
            .filter(|name| !config.modules.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            state.modules.remove(&name);
            self.series.replace(&name.as_str().into(), &[], false);
            self.own.no_module(&name);
        }
        for (name, module) in &config.modules {
            let before = state.modules.remove(name);
            // Its probes may take another key, which only a process that has just started reads.
            let keeps = |running: &Running| {
                let (old, new) = (&running.module, module);
                !max_changed
                    && !new.host.has("key-file")
                    && (&old.client, &old.host, &old.component)
                        == (&new.client, &new.host, &new.component)
                    && old.has_names() == new.has_names()
            };
            let module = Arc::new(module.clone());
            let running = match before {
                Some(running) if keeps(&running) => Running { module, ..running },
                _ => {
                    self.own.module(name);
                    let (targets, receiver) = watch::channel(Targets::default());
                    let (commands, own) = (self.commands, self.own.clone());
                    let sandbox = Sandbox::default();
                    let pinging =
                        continuous::ping(module.clone(), commands, own, sandbox.clone(), receiver);
                    tokio::spawn(pinging);
                    let prober =
                        Prober::start(&module, config.max_probes, &self.commands, &self.own);
                    Running { module, prober, targets, sandbox }
                }
            };
            if let Some(listed) = listed.get(name) {
                self.list(&running, listed);
            }
            state.modules.insert(name.clone(), running);
        }
        state.config = Arc::new(config);
    }

    /// Gives a module's client the targets that it is to ping.
    fn list(&self, running: &Running, Listed { targets, refused }: &Listed) {
        let module = &running.module;
        let of = OfModule { module: module.name.clone() };
        let count = i64::try_from(refused.len()).unwrap_or(i64::MAX);
        let before = self.own.refused_targets.get_or_create(&of).set(count);
        if before != count {
            for line in refused {
                tracing::warn!("{line}");
            }
        }
        let is_same = {
            let current = running.targets.borrow();
            current.iter().map(|series| &series.labels.target).eq(targets)
        };
        if !is_same {
            let is_directed = module.client.has("stateful");
            let series = self.series.replace(&module.name.as_str().into(), targets, is_directed);
            running.targets.send_replace(series.into());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in between leaves modules that run as they did.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
