//! The command `udping-host`: parse, resolve, run.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;
use clap::error::ErrorKind as UsageError;
use udping_harden as harden;
use udping_host::commands::context::Loading;
use udping_host::commands::{self, demo, grants, inspect, run, version};
use udping_host::config::built_in::ArgumentsError;
use udping_host::config::cli::{self, Cli, Command, CompileFlags, RunFlags};
use udping_host::config::plan::{Plan, PlanError};
use udping_host::process::allocator;
use udping_host::process::exit::Exit;
use udping_host::process::helper::Role;
use udping_host::process::log;
use udping_host::sandbox::artifact::Source;

fn main() -> ExitCode {
    if let Some(role) = Role::of_this_process() {
        return commands::helper::serve(role);
    }
    harden::note_inherited();
    let result = match Cli::try_parse() {
        _ if version::is_verbose(std::env::args_os().skip(1)) => version::show(&mut io::stdout()),
        Ok(cli) => {
            if cli.command.keeps_memory() {
                allocator::keep_memory();
            } else {
                allocator::share_memory();
            }
            log::start(cli.log());
            execute(cli)
        }
        Err(error)
            if !error.use_stderr()
                || error.kind() == UsageError::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            error.exit()
        }
        Err(error) => Err(anyhow::Error::msg(cli::complaint(&error))),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) if is_broken_pipe(&error) => Exit::Success.into(),
        Err(error) => {
            if let Some(help) = asks_for_help(&error) {
                help.exit();
            }
            // If the command line was parsed, the log was already started in the format it names.
            log::start(None);
            log::say(format_args!("{error:#}"));
            Exit::Usage.into()
        }
    }
}

fn execute(Cli { flags, command, .. }: Cli) -> Result<Exit> {
    match command {
        Command::Client(given) => run::run(&plan(&flags, "client".into(), given.arguments)?),
        Command::Server(given) => run::run(&plan(&flags, "server".into(), given.arguments)?),
        Command::Run(run) => {
            run::run(&plan(&run.flags.or(flags), run.component, run.arguments.arguments)?)
        }
        Command::Path(words) => {
            let mut words = words.into_iter();
            run::run(&plan(&flags, words.next().unwrap_or_default().into(), words.collect())?)
        }
        Command::Learn(run) => {
            let flags = run.flags.or(flags);
            run::run(&Plan::to_learn(&flags, Source::new(run.component), run.arguments.arguments)?)
        }
        Command::Grants(run) => {
            let plan = plan(&run.flags.or(flags), run.component, run.arguments.arguments)?;
            grants::show(&plan, &mut io::stdout().lock())
        }
        Command::Inspect { component, limits } => {
            let loading = loading(flags, limits)?;
            inspect::inspect(&Source::new(component), loading, &mut io::stdout().lock())
        }
        #[cfg(feature = "compiler")]
        Command::Compile { component, output, limits } => {
            let loading = loading(flags, limits)?;
            commands::context::compile(&Source::new(component), &output, loading)
        }
        #[cfg(feature = "simulation")]
        Command::Simulate(mut arguments) => {
            let RunFlags { pcap, .. } = &flags;
            arguments.pcap = arguments.pcap.or(pcap.clone());
            runs_none(&RunFlags { pcap: None, ..flags })?;
            commands::simulate::simulate(&arguments, &mut io::stdout().lock())
        }
        #[cfg(feature = "tui")]
        Command::Tui(arguments) => commands::tui::show(&flags, &arguments),
        other => {
            runs_none(&flags)?;
            without_component(other)
        }
    }
}

/// Combines the flags that bear on compiling a component that is not run.
fn loading(mut before: RunFlags, after: CompileFlags) -> Result<Loading> {
    let limits = after.or(before.limits.compile()).limits();
    let no_harden = std::mem::take(&mut before.service.no_harden);
    (before.limits.compile_memory, before.limits.compile_time) = (None, None);
    runs_none(&before)?;
    Ok(Loading { limits, no_harden })
}

fn runs_none(flags: &RunFlags) -> Result<()> {
    let asked = *flags != RunFlags::default();
    ensure!(
        !asked,
        "grants, limits and tuning are for a component that runs, and this command runs none"
    );
    Ok(())
}

fn plan(flags: &RunFlags, component: PathBuf, arguments: Vec<OsString>) -> Result<Plan> {
    Ok(Plan::new(flags, Source::new(component), arguments)?)
}

fn without_component(command: Command) -> Result<Exit> {
    let mut out = io::stdout().lock();
    match command {
        Command::Demo => return demo::demo(),
        #[cfg(feature = "exporter")]
        Command::Exporter { config, check: true, .. } => {
            return commands::exporter::check_config(&config);
        }
        #[cfg(feature = "exporter")]
        Command::Exporter { listen, config, check: false } => {
            return commands::exporter::export(listen, config);
        }
        #[cfg(feature = "plot")]
        Command::Plot { results, output, format } => {
            commands::plot::plot(&results, &output, format.map(Into::into))?;
        }
        #[cfg(feature = "analysis")]
        Command::Merge { results } => commands::merge::merge(&results)?,
        #[cfg(feature = "analysis")]
        Command::Diff { before, after, threshold } => {
            return commands::diff::diff(&before, &after, threshold);
        }
        Command::Emit { component, wasi, oci: None } => {
            commands::emit::to_output(component.component_for(wasi), &mut out)?;
        }
        Command::Emit { component, wasi, oci: Some(layout) } => {
            commands::emit::to_layout(component.component_for(wasi), &layout, &mut out)?;
        }
        Command::Completions { shell } => out.write_all(&cli::completions(shell))?,
        Command::Man { page } => out.write_all(&page.render()?)?,
        Command::Help { command } => {
            cli::explained(command.as_deref()).map_err(anyhow::Error::msg)?.print_long_help()?;
        }
        // Commands that run a component.
        _ => {}
    }
    out.flush()?;
    Ok(Exit::Success)
}

/// Returns the help or version output that the arguments of a built-in component ask for.
fn asks_for_help(error: &anyhow::Error) -> Option<&clap::Error> {
    match error.downcast_ref() {
        Some(PlanError::Arguments(ArgumentsError::Usage { error, .. })) => {
            Some(&**error).filter(|error| !error.use_stderr())
        }
        _ => None,
    }
}

/// Whether the reader of the output closed it early, which is not an error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
