//! Files, and what else Landlock restricts (landlock(7)): TCP, abstract Unix sockets, and signals
//! to other processes.

use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, NetPort, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
    path_beneath_rules,
};

/// The newest Landlock ABI known here. Older kernels restrict less.
const KNOWN: ABI = ABI::V7;

/// The files that the system's resolver reads: its configuration, file by file, and libraries,
/// which are loaded when they are first used.
const RESOLVER: [&str; 14] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ld.so.cache",
    // Where resolv.conf may be located, and is replaced.
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/nix/store",
];

/// The port of DNS.
const DNS: u16 = 53;

/// Denies opening files to this thread, and those that it starts.
pub(crate) fn shut() -> Result<(), String> {
    told(nothing().and_then(restrict))
}

/// Permits this thread, and those that it starts, to read only what the system's resolver reads,
/// and to connect to DNS servers by TCP.
pub(crate) fn shut_resolver() -> Result<(), String> {
    let rules = || {
        let files = path_beneath_rules(RESOLVER, AccessFs::ReadFile);
        restrict(nothing()?.add_rules(files)?.add_rule(NetPort::new(DNS, AccessNet::ConnectTcp))?)
    };
    told(rules())
}

/// Permits this thread, and those that it starts, to read the files in these folders, and no other
/// use of files.
pub(crate) fn shut_reader(folders: &[PathBuf]) -> Result<(), String> {
    told(nothing().and_then(|rules| {
        restrict(rules.add_rules(path_beneath_rules(folders, AccessFs::ReadFile))?)
    }))
}

/// A ruleset that denies this thread, and those that it starts, everything that Landlock can
/// restrict.
fn nothing() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()
}

fn restrict(rules: RulesetCreated) -> Result<RulesetStatus, RulesetError> {
    Ok(rules.restrict_self()?.ruleset)
}

fn told(enforced: Result<RulesetStatus, RulesetError>) -> Result<(), String> {
    match enforced {
        Ok(RulesetStatus::NotEnforced) => Err("this kernel has none".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_keeps_nothing_is_told_of() {
        let none = Err("this kernel has none".to_owned());
        for (status, expected) in [
            (RulesetStatus::NotEnforced, none),
            (RulesetStatus::PartiallyEnforced, Ok(())),
            (RulesetStatus::FullyEnforced, Ok(())),
        ] {
            assert_eq!(told(Ok(status)), expected);
        }
    }
}
