//! Helper processes: further instances of this program, with nothing but three pipes, for work that
//! this process must not do itself.
//!
//! A helper is identified by its only argument ([`Role::of_this_process`]). Its environment is only
//! what its [`command`] is given, its descriptors are only the standard streams ([`isolate`]), and
//! it ends when the process that started it ends, or, if that is hardened, which denies it signals,
//! when it closes the helper's standard input.

mod exchange;

use std::env;
use std::ffi::OsStr;
use std::io;
use std::process::{Command, Stdio};

pub use exchange::{Answer, Bounds, ask};

/// The prefix of a helper's only argument.
const ARGUMENT: &str = "@helper=";

/// What a helper does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Compiles a component.
    #[cfg(feature = "compiler")]
    Compile,
    /// Serves the metrics of a run.
    #[cfg(feature = "exporter")]
    Metrics,
    /// Runs probes for the exporter.
    #[cfg(feature = "exporter")]
    Probe,
    /// Reads the key file again.
    #[cfg(target_os = "linux")]
    ReadKeys,
    /// Resolves names, for a process that runs guests.
    #[cfg(target_os = "linux")]
    Resolve,
}

impl Role {
    /// All roles on this system.
    pub const ALL: &[Self] = &[
        #[cfg(feature = "compiler")]
        Self::Compile,
        #[cfg(feature = "exporter")]
        Self::Metrics,
        #[cfg(feature = "exporter")]
        Self::Probe,
        #[cfg(target_os = "linux")]
        Self::ReadKeys,
        #[cfg(target_os = "linux")]
        Self::Resolve,
    ];

    const fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "compiler")]
            Self::Compile => "compile",
            #[cfg(feature = "exporter")]
            Self::Metrics => "metrics",
            #[cfg(feature = "exporter")]
            Self::Probe => "probe",
            #[cfg(target_os = "linux")]
            Self::ReadKeys => "read-keys",
            #[cfg(target_os = "linux")]
            Self::Resolve => "resolve",
        }
    }

    /// Returns the role that this process was started in; `None` if a user started it.
    pub fn of_this_process() -> Option<Self> {
        let mut arguments = env::args_os().skip(1);
        let (argument, None) = (arguments.next()?, arguments.next()) else { return None };
        Self::of_argument(&argument)
    }

    fn of_argument(argument: &OsStr) -> Option<Self> {
        let name = argument.to_str()?.strip_prefix(ARGUMENT)?;
        Self::ALL.iter().copied().find(|role| role.name() == name)
    }
}

/// Returns a command that runs this program in that role, with pipes for its standard streams and
/// no environment. Start it on the main thread: on Linux, a helper ends with the thread that
/// started it.
///
/// # Errors
///
/// If the path of this program's own file is not known.
pub fn command(role: Role) -> io::Result<Command> {
    let mut command = own_program()?;
    command.arg(format!("{ARGUMENT}{}", role.name()));
    // Without it, Windows loads no libraries.
    #[cfg(windows)]
    command.envs(env::var_os("SystemRoot").map(|folder| ("SystemRoot", folder)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// Returns a command that runs this program, with no environment.
///
/// # Errors
///
/// If the path of this program's own file is not known.
pub fn own_program() -> io::Result<Command> {
    // The running file, even if it was replaced since.
    #[cfg(target_os = "linux")]
    let mut command = Command::new("/proc/self/exe");
    #[cfg(not(target_os = "linux"))]
    let mut command = Command::new(env::current_exe()?);
    // The name in process listings.
    #[cfg(target_os = "linux")]
    std::os::unix::process::CommandExt::arg0(&mut command, env!("CARGO_PKG_NAME"));
    command.env_clear();
    Ok(command)
}

/// Closes all descriptors but the standard streams, and has this helper end with the thread that
/// started it.
#[cfg(target_os = "linux")]
pub fn isolate() {
    use rustix::process::{Signal, set_parent_process_death_signal};

    // Descriptors that were passed on purpose by others (`LISTEN_FDS`), or by mistake.
    const FIRST_BEYOND_STANDARD_STREAMS: libc::c_uint = 3;
    // SAFETY: no descriptor is open yet but those that were inherited, which nothing in this
    // process knows.
    #[expect(unsafe_code, reason = "close_range(2), for which there is no wrapper")]
    unsafe {
        // The C library has the function only since glibc 2.34. Before Linux 5.9 the kernel lacks
        // the call: descriptors stay open.
        libc::syscall(libc::SYS_close_range, FIRST_BEYOND_STANDARD_STREAMS, libc::c_uint::MAX, 0);
    }
    // It fails only for a signal that does not exist.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
}

/// Does nothing: on other systems only the standard streams are inherited.
#[cfg(not(target_os = "linux"))]
pub fn isolate() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_arguments_round_trip_and_others_are_rejected() {
        for role in Role::ALL {
            let command = command(*role).unwrap();
            let arguments: Vec<_> = command.get_args().collect();
            assert_eq!(arguments.len(), 1, "{arguments:?}");
            assert_eq!(Role::of_argument(arguments[0]), Some(*role));
        }
        for other in ["", "compile", "@helper", "@helper=", "@helper=none", "client"] {
            assert_eq!(Role::of_argument(OsStr::new(other)), None, "{other}");
        }
    }
}
