//! Confines a compiling process to computing, within limits, and to writing to its pipes.

use udping_permissions::limits::CompileLimits;

/// Confines this process. An error is a limit that cannot be set; hardening that the kernel lacks
/// is skipped.
#[cfg(target_os = "linux")]
pub fn confine(limits: &CompileLimits, harden: bool) -> Result<(), String> {
    use rustix::process::Resource;

    use udping_harden::{self as harden, Needs};

    // RLIMIT_CPU has whole seconds; if that is longer than requested, the timer of the parent
    // decides.
    let seconds = limits.time.as_secs().saturating_add(u64::from(limits.time.subsec_nanos() > 0));
    // The kernel counts nanoseconds in 64 bits; 136 years fit.
    let seconds = seconds.clamp(1, u32::MAX.into());
    for (resource, soft, hard) in [
        (Resource::As, limits.memory.as_u64(), limits.memory.as_u64()),
        // The soft limit sends a signal that reveals the cause; the hard limit's cannot be ignored.
        (Resource::Cpu, seconds, seconds.saturating_add(1)),
        (Resource::Core, 0, 0),
        // A few, for the hardening itself.
        (Resource::Nofile, 16, 16),
    ] {
        limit(resource, soft, hard).map_err(|error| format!("{resource:?}: {error}"))?;
    }
    if harden {
        // The parent reports which hardening is missing. The last call prevents any further
        // hardening.
        let _ = (harden::drop_privileges(Needs::default()), harden::deny_network(), harden::shut());
    }
    Ok(())
}

/// Does nothing: other systems lack such limits, and the parent has a timer.
#[cfg(not(target_os = "linux"))]
pub fn confine(_: &CompileLimits, _: bool) -> Result<(), String> {
    Ok(())
}

/// Lowers a limit. One that is already lower stays.
#[cfg(target_os = "linux")]
fn limit(resource: rustix::process::Resource, soft: u64, hard: u64) -> rustix::io::Result<()> {
    use rustix::process::{Rlimit, getrlimit, setrlimit};

    let now = getrlimit(resource);
    let lower = |now: Option<u64>, new: u64| Some(now.map_or(new, |now| now.min(new)));
    setrlimit(
        resource,
        Rlimit { current: lower(now.current, soft), maximum: lower(now.maximum, hard) },
    )
}
