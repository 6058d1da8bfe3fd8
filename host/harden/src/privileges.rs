//! Capabilities (capabilities(7)) and `no_new_privs`.

use std::sync::Once;

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use super::Needs;

/// Prevents this process, and those that it starts, from gaining privileges by executing a file
/// (`no_new_privs`, prctl(2)).
pub(crate) fn gain_none() -> Result<(), String> {
    set_no_new_privs(true).map_err(|error| error.to_string())
}

/// The capabilities for what the process needs. Since Linux 5.17 the lesser one, `CAP_NET_RAW`,
/// suffices for marks; before 5.7, binding to an interface needs one.
fn needed(needs: Needs) -> CapabilitySet {
    let sets = [
        (needs.bind_capability, CapabilitySet::NET_BIND_SERVICE),
        (needs.mark, CapabilitySet::NET_RAW | CapabilitySet::NET_ADMIN),
        (needs.bind_device, CapabilitySet::NET_RAW),
    ];
    sets.into_iter()
        .filter(|(needed, _)| *needed)
        .fold(CapabilitySet::empty(), |all, (_, set)| all | set)
}

/// Drops the capabilities of this thread, and of all threads that it starts, except those in
/// `needs`, which are kept until sockets are bound: see [`BindCapability`].
pub(crate) fn drop_all(needs: Needs) -> Result<(), String> {
    let dropped = || -> Result<(), Errno> {
        let kept = capabilities(None)?.permitted & needed(needs);
        for capability in CapabilitySet::all().iter() {
            match remove_capability_from_bounding_set(capability) {
                // The bounding set can be reduced only with CAP_SETPCAP. Without it, nothing can be
                // gained from that set any more.
                Err(Errno::PERM) => break,
                // Older kernels know fewer capabilities.
                Err(Errno::INVAL) => {}
                other => other?,
            }
        }
        match clear_ambient_capability_set() {
            Err(Errno::INVAL) => {}
            other => other?,
        }
        let none = CapabilitySet::empty();
        set_capabilities(
            None,
            CapabilitySets { effective: kept, permitted: kept, inheritable: none },
        )
    };
    dropped().map_err(|error| error.to_string())
}

/// The last capability, which is dropped once an instance has bound its ports: at its first
/// datagram. Capabilities are per thread.
#[derive(Debug)]
pub struct BindCapability {
    kept: bool,
    bound: Once,
}

impl BindCapability {
    /// Creates the state. If the capability was not `kept`, there is nothing to drop.
    pub fn new(kept: bool) -> Self {
        Self { kept, bound: Once::new() }
    }

    /// Drops the capability. Called on the thread that runs the instance; from the second call on
    /// it costs reading a flag.
    pub fn release(&self) {
        if !self.kept {
            return;
        }
        self.bound.call_once(|| {
            let none = CapabilitySet::empty();
            // Dropping capabilities that the thread lacks does not fail.
            let _ = set_capabilities(
                None,
                CapabilitySets { effective: none, permitted: none, inheritable: none },
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_need_has_its_capabilities_and_no_others() {
        let (bind, raw) = (CapabilitySet::NET_BIND_SERVICE, CapabilitySet::NET_RAW);
        let mark = raw | CapabilitySet::NET_ADMIN;
        for (needs, capabilities) in [
            ([false, false, false], CapabilitySet::empty()),
            ([true, false, false], bind),
            ([false, true, false], mark),
            ([false, false, true], raw),
            ([false, true, true], mark),
            ([true, true, true], bind | mark),
        ] {
            let [bind_capability, mark, bind_device] = needs;
            let of = Needs { bind_capability, mark, bind_device };
            assert_eq!(needed(of), capabilities, "{of:?}");
            assert_eq!(of.keep_a_capability(), needs.contains(&true), "{of:?}");
        }
    }
}
