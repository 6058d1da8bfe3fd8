//! Capabilities (capabilities(7)) and `no_new_privs`.

use std::sync::Once;

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use super::Needs;

/// Neither this process nor what it starts gains privileges by executing a file.
pub(crate) fn gain_none() -> Result<(), String> {
    set_no_new_privs(true).map_err(|error| error.to_string())
}

/// The capabilities by which the system lets this process do what it needs. Since Linux 5.17 the
/// lesser one suffices for marks; before 5.7, an interface takes one.
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

/// This thread's capabilities go, and with it those of all threads that it starts. Where low ports
/// are needed, and the capability to bind them is there, it stays until they are bound: see
/// [`BindCapability`].
pub(crate) fn drop_all(needs: Needs) -> Result<(), String> {
    let dropped = || -> Result<(), Errno> {
        let kept = capabilities(None)?.permitted & needed(needs);
        for capability in CapabilitySet::all().iter() {
            match remove_capability_from_bounding_set(capability) {
                // Only who has the capability to (CAP_SETPCAP) can shrink the set that nothing can
                // be gained from any more.
                Err(Errno::PERM) => break,
                // Older kernels know fewer.
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

/// Gives the last capability up, too, when an instance has bound its ports: at its first datagram.
/// It is the thread's.
#[derive(Debug)]
pub struct BindCapability {
    kept: bool,
    bound: Once,
}

impl BindCapability {
    /// Whether the capability was `kept`: else there is nothing to give up.
    pub fn new(kept: bool) -> Self {
        Self { kept, bound: Once::new() }
    }

    /// To be called on the thread that the instance runs on. It costs a look at a flag from the
    /// second time on.
    pub fn release(&self) {
        if !self.kept {
            return;
        }
        self.bound.call_once(|| {
            let none = CapabilitySet::empty();
            // To give something up that one does not have fails nowhere.
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
