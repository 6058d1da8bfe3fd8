//! Files, and what else Landlock keeps (landlock(7)): TCP, abstract Unix sockets, and signals to other processes.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use super::Needs;

/// The newest that is known here. On older kernels there is less to be kept.
const KNOWN: ABI = ABI::V7;

/// What the system's resolver reads: its configuration, and its libraries, which are loaded when they are first used.
const RESOLVER: [&str; 5] = ["/etc", "/usr/lib", "/lib", "/lib64", "/run/systemd/resolve"];

/// From now on this thread, and those that it starts, open no file.
pub fn shut(needs: Needs) -> Result<(), String> {
    let readable: &[&str] = if needs.lookups { &RESOLVER } else { &[] };
    match enforce(readable) {
        Ok(RulesetStatus::NotEnforced) => Err("this kernel has none".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// From now on this thread, and those that it starts, read files, and do nothing else with them, nor with TCP.
pub fn keep_reading() -> Result<(), String> {
    let restrict = || -> Result<RulesetStatus, RulesetError> {
        let rules = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(KNOWN))?
            .handle_access(AccessNet::from_all(KNOWN))?
            .scope(Scope::from_all(KNOWN))?
            .create()?;
        Ok(rules.add_rules(path_beneath_rules(["/"], AccessFs::ReadFile | AccessFs::ReadDir))?.restrict_self()?.ruleset)
    };
    match restrict() {
        Ok(RulesetStatus::NotEnforced) => Err("this kernel has none".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn enforce(readable: &[&str]) -> Result<RulesetStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?;
    if readable.is_empty() {
        // A resolver may have to ask by TCP (RFC 7766).
        rules = rules.handle_access(AccessNet::from_all(KNOWN))?;
    }
    let rules = rules.create()?.add_rules(path_beneath_rules(readable, AccessFs::from_read(KNOWN)))?;
    Ok(rules.restrict_self()?.ruleset)
}
