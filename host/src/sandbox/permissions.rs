//! Implements the permissions that `wasi_datagram` asks for with [`udping_permissions`]: the
//! grants, through the guard, and the limits that apply to sockets and names.

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
    /// Records which datagrams passed.
    pub activity: Activity,
    /// The limit on names that the system is asked to resolve.
    pub lookups: Lookups,
    /// The addresses that names resolve to.
    pub names: Arc<Names>,
    /// Resolves the names that are not known yet.
    pub resolver: Arc<Resolver>,
    /// Released when the first datagrams are about to pass.
    pub bind_capability: Arc<BindCapability>,
    /// The maximum number of open sockets.
    pub most_sockets: usize,
    /// The number of open sockets.
    pub sockets: AtomicUsize,
}

impl InstancePermissions {
    /// Creates permissions for a single instance without names, and without a capability to
    /// release.
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
        // An address needs no resolution. Its zone is not part of the answer.
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

/// The permissions of a bound socket.
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

/// The permissions of one batch.
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
