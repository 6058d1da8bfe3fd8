//! What a process that compiles can do: compute, within limits, and write to the pipes that it has.

use udping_permissions::limits::CompileLimits;

/// Takes everything else from this process. An error is a limit that does not hold; means that a
/// kernel lacks are gone without.
#[cfg(target_os = "linux")]
pub fn confine(limits: &CompileLimits, harden: bool) -> Result<(), String> {
    use rustix::process::Resource;

    use udping_harden::{self as harden, Needs};

    // Whole seconds; where that is more than was asked for, the process that waits has a timer of
    // its own.
    let seconds = limits.time.as_secs().saturating_add(u64::from(limits.time.subsec_nanos() > 0));
    // The kernel counts nanoseconds in 64 bits: 136 years do.
    let seconds = seconds.clamp(1, u32::MAX.into());
    for (resource, soft, hard) in [
        (Resource::As, limits.memory.as_u64(), limits.memory.as_u64()),
        // At the first there is a signal that tells what happened; the second cannot be ignored.
        (Resource::Cpu, seconds, seconds.saturating_add(1)),
        (Resource::Core, 0, 0),
        // Some for the hardening itself.
        (Resource::Nofile, 16, 16),
    ] {
        limit(resource, soft, hard).map_err(|error| format!("{resource:?}: {error}"))?;
    }
    if harden {
        // The process that asked says which means there are none of. The last one leaves no way to
        // shut anything else.
        let _ = (harden::drop_privileges(Needs::default()), harden::deny_network(), harden::shut());
    }
    Ok(())
}

/// Nothing: elsewhere there are no such limits, and the process that waits has a timer.
#[cfg(not(target_os = "linux"))]
pub fn confine(_: &CompileLimits, _: bool) -> Result<(), String> {
    Ok(())
}

/// Lowers a limit. One that is lower already stays.
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
