//! This process's memory: hidden while it runs, and not dumped when it crashes.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Denies other processes of this user to trace this one, and to read its memory or environment
/// (`PR_SET_DUMPABLE`, prctl(2)).
pub(crate) fn hide() -> Result<(), String> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| error.to_string())
}

/// Prevents core dumps: a file has no room for one, and a program that collects them is not started
/// for this value of the limit (core(5)).
pub(crate) fn never_dump() -> Result<(), String> {
    const NONE: u64 = 1;
    let lowered = |now: Option<u64>| Some(now.map_or(NONE, |now| now.min(NONE)));
    let now = getrlimit(Resource::Core);
    let limit = Rlimit { current: lowered(now.current), maximum: lowered(now.maximum) };
    setrlimit(Resource::Core, limit).map_err(|error| error.to_string())
}
