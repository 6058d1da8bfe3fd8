//! What one instance may do, as [`udping_permissions`] has it: the grants, asked through the guard,
//! and the limits that sockets and names fall under.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use udping_cli::address::Address;

use crate::process::resolver::Resolver;
use udping_harden::BindCapability;
use udping_permissions::guard::{Gate, Guard, Turn};
use udping_permissions::limits::{Activity, LimitExceeded, Limits, Lookups};
use udping_permissions::names::Names;
use wasi_datagram::{
    Batch, Operation, Permissions, Resolution, ResolveError, SendDecision, SocketId,
    SocketPermissions,
};

/// The permissions of one instance.
pub struct InstancePermissions {
    /// Decides about every address and name.
    pub guard: Arc<Guard>,
    /// Where is noted what passed.
    pub activity: Activity,
    /// What the system may be asked to resolve.
    pub lookups: Lookups,
    /// What names stand for.
    pub names: Arc<Names>,
    /// Asks for those that are not known.
    pub resolver: Arc<Resolver>,
    /// Given up when the first datagrams are about to pass.
    pub bind_capability: Arc<BindCapability>,
    /// How many sockets may be open at a time.
    pub most_sockets: usize,
    /// How many are.
    pub sockets: AtomicUsize,
}

impl InstancePermissions {
    /// Those of an instance by itself, which has no names, and no capability to give up.
    pub fn new(guard: Arc<Guard>, limits: &Limits) -> Self {
        Self {
            guard,
            activity: Activity::default(),
            lookups: Lookups::new(limits.lookups),
            names: Arc::default(),
            resolver: Arc::default(),
            bind_capability: Arc::new(BindCapability::new(false)),
            most_sockets: limits.sockets,
            sockets: AtomicUsize::default(),
        }
    }
}

impl Permissions for InstancePermissions {
    fn open(&self) -> wasmtime::Result<()> {
        let open = self.sockets.fetch_add(1, Ordering::Relaxed) + 1;
        if open > self.most_sockets {
            Err(LimitExceeded::Sockets(self.most_sockets).into())
        } else {
            Ok(())
        }
    }

    fn close(&self) {
        self.sockets.fetch_sub(1, Ordering::Relaxed);
    }

    fn permit_bind(
        &self,
        local: SocketAddr,
        socket: SocketId,
    ) -> Option<Box<dyn SocketPermissions>> {
        self.guard.permit_bind(local).then(|| {
            let gate = Gate::new(self.guard.clone(), local, socket);
            let (activity, bind_capability) = (self.activity.clone(), self.bind_capability.clone());
            Box::new(Bound { gate, activity, bind_capability }) as Box<dyn SocketPermissions>
        })
    }

    fn resolve(&self, name: &str) -> Resolution {
        // An address is no question to anybody. Its zone has no place in the answer.
        if let Ok(Address { ip, .. }) = name.parse() {
            return Resolution::Known(Ok(vec![ip]));
        }
        let Ok(name) = name.parse() else { return Resolution::Invalid };
        if !self.guard.permit_resolve(&name) {
            return Resolution::Denied;
        }
        if let Some(known) = self.names.known(&name) {
            return Resolution::Known(known);
        }
        if !self.names.is_granted(&name) && !self.lookups.take(Instant::now()) {
            self.guard.over_lookups(&name, self.lookups.most());
            return Resolution::Known(Err(ResolveError::Temporary));
        }
        let (names, resolver, guard) =
            (self.names.clone(), self.resolver.clone(), self.guard.clone());
        Resolution::Asked(Box::pin(async move {
            let (resolved, has_changed) = names.note(&name, resolver.resolve(name.as_str()).await);
            if has_changed {
                guard.follow(&names);
            }
            resolved
        }))
    }

    fn failed(&self, operation: Operation, error: &io::Error) {
        self.guard.failed(operation, error);
    }

    fn refuse_tcp(&self) {
        self.guard.refuse_tcp();
    }

    fn passed(&self) {
        self.activity.passed();
    }

    fn spins(&self) {
        self.activity.spins();
    }
}

/// Those of a bound socket.
struct Bound {
    gate: Gate,
    activity: Activity,
    bind_capability: Arc<BindCapability>,
}

impl SocketPermissions for Bound {
    fn permit_connect(&self, peer: SocketAddr) -> bool {
        self.gate.permit_connect(peer)
    }

    fn batch(&self, now: Instant, pass: &mut dyn FnMut(&mut dyn Batch)) {
        self.bind_capability.release();
        pass(&mut Passing { turn: self.gate.turn(now), activity: &self.activity });
    }
}

/// A turn at the gate.
struct Passing<'a> {
    turn: Turn<'a>,
    activity: &'a Activity,
}

impl Batch for Passing<'_> {
    fn permit_receive(&mut self, from: SocketAddr, bytes: usize) -> bool {
        self.turn.permit_receive(from, bytes)
    }

    fn permit_send(&mut self, to: SocketAddr, bytes: usize) -> SendDecision {
        self.turn.permit_send(to, bytes)
    }

    fn not_sent(&mut self, to: SocketAddr, bytes: usize) {
        self.turn.not_sent(to, bytes);
    }

    fn dropped(&mut self, spent: Duration, peer: SocketAddr) -> Option<Instant> {
        self.activity.dropped(spent);
        self.turn.dropped(spent, peer)
    }
}
