//! This process's memory: who sees it while it runs, and what is left of it when it crashes.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Other processes of this user cannot trace this one, nor read its memory or its environment
/// (`PR_SET_DUMPABLE`, prctl(2)).
pub(crate) fn hide() -> Result<(), String> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| error.to_string())
}

/// No core dump has it: into a file there is no room, and a program that collects them is not
/// started for that value (core(5)).
pub(crate) fn never_dump() -> Result<(), String> {
    const NONE: u64 = 1;
    let lowered = |now: Option<u64>| Some(now.map_or(NONE, |now| now.min(NONE)));
    let now = getrlimit(Resource::Core);
    let limit = Rlimit { current: lowered(now.current), maximum: lowered(now.maximum) };
    setrlimit(Resource::Core, limit).map_err(|error| error.to_string())
}
