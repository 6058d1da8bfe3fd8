//! Runs the components of all nodes on one thread, and lets virtual time pass when all of them wait.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::fault::Action;
use crate::network::Network;
use crate::time::Time;
use crate::trace::NodeId;

/// The run of a component.
pub type Run<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Starts the component of a node: the number tells how often that was done before.
pub type Start<'a> = dyn FnMut(NodeId, u32) -> Run<'a> + 'a;

/// How often each component runs on average at one instant, without waiting for a later one, before
/// time passes all the same.
const TURNS: usize = 1000;

/// Runs the components of all nodes.
pub struct Executor<'a> {
    network: Arc<Network>,
    ready: Arc<Ready>,
    tasks: Vec<Task<'a>>,
}

struct Task<'a> {
    run: Option<Run<'a>>,
    waker: Waker,
    woken: Arc<Woken>,
    starts: u32,
    is_suspended: bool,
    is_awaited: bool,
}

/// Why [`Executor::run`] has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All that were waited for have ended.
    Done,
    /// Nothing will ever happen again.
    Idle,
    /// Virtual time is over.
    OutOfTime,
}

impl<'a> Executor<'a> {
    /// Creates an executor for the first `count` nodes of `network`, each of whose components is started
    /// by [`crate::Fault::Start`].
    pub fn new(network: Arc<Network>, count: usize) -> Self {
        let ready = Arc::<Ready>::default();
        let task = |task| {
            let is_queued = AtomicBool::new(false);
            let woken = Arc::new(Woken { task, is_queued, ready: ready.clone() });
            let waker = Waker::from(woken.clone());
            Task { run: None, waker, woken, starts: 0, is_suspended: false, is_awaited: false }
        };
        let tasks = (0..count).map(task).collect();
        Self { network, ready, tasks }
    }

    /// Runs components until those of the nodes `awaited` have ended, nothing is to happen any more,
    /// or virtual time has come to `end`.
    pub fn run(&mut self, awaited: &[NodeId], end: Time, start: &mut Start<'a>) -> Ended {
        for node in awaited {
            self.tasks[node.index()].is_awaited = true;
        }
        let mut left = awaited.len();
        loop {
            let mut turns = 0;
            while let Some(index) = self.ready.pop() {
                turns += 1;
                if turns % (TURNS * self.tasks.len()) == 0 {
                    self.network.tick();
                    if self.network.now() > end {
                        return Ended::OutOfTime;
                    }
                }
                self.network.count_turn();
                let task = &mut self.tasks[index];
                if task.is_suspended {
                    // It is queued again when it is resumed.
                    continue;
                }
                task.woken.is_queued.store(false, Ordering::Relaxed);
                let Some(run) = &mut task.run else { continue };
                let polled = run.as_mut().poll(&mut Context::from_waker(&task.waker));
                if polled == Poll::Ready(()) {
                    task.run = None;
                    left -= usize::from(task.is_awaited);
                }
            }
            if left == 0 && !awaited.is_empty() {
                return Ended::Done;
            }
            if !self.network.advance(end) {
                return if self.network.has_events() { Ended::OutOfTime } else { Ended::Idle };
            }
            while let Some(action) = self.network.take_action() {
                left = left.saturating_add_signed(self.act(action, start));
            }
        }
    }

    /// Returns how many more components are waited for.
    fn act(&mut self, action: Action, start: &mut Start<'a>) -> isize {
        let (Action::Suspend(node)
        | Action::Resume(node)
        | Action::Kill(node)
        | Action::Start(node)) = action;
        let task = &mut self.tasks[node.index()];
        match action {
            Action::Suspend(_) => task.is_suspended = true,
            Action::Resume(_) => {
                task.is_suspended = false;
                task.woken.is_queued.store(false, Ordering::Relaxed);
                task.waker.wake_by_ref();
            }
            Action::Kill(_) => {
                let ran = task.run.take().is_some();
                return -isize::from(ran && task.is_awaited);
            }
            Action::Start(_) => {
                let has_ended = task.run.is_none() && task.starts > 0;
                // The one before it ends first, and closes its sockets.
                task.run = None;
                task.run = Some(start(node, task.starts));
                task.starts += 1;
                task.waker.wake_by_ref();
                return isize::from(has_ended && task.is_awaited);
            }
        }
        0
    }
}

/// The tasks to be polled, in the order in which they were woken.
#[derive(Default)]
struct Ready(Mutex<VecDeque<usize>>);

impl Ready {
    fn queue(&self) -> MutexGuard<'_, VecDeque<usize>> {
        // No panic while the lock is held leaves the queue inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pop(&self) -> Option<usize> {
        self.queue().pop_front()
    }
}

struct Woken {
    task: usize,
    /// Whether it is among those to be polled already.
    is_queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::Relaxed) {
            self.ready.queue().push_back(self.task);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::fault::Fault;
    use crate::link::Link;

    const END: Time = Time::from_nanos(50_000);

    fn ended(make: impl Fn(NodeId) -> Run<'static>, starts: &[(u64, Fault)]) -> Ended {
        let network = Network::new(1, Link::default());
        let node = network.add_node("a", &[]);
        for (time, fault) in starts {
            network.schedule(Time::from_nanos(*time), fault.clone());
        }
        Executor::new(network, 1).run(&[node], END, &mut |node, _| make(node))
    }

    /// A component that never waits for anything that is to come.
    fn restless() -> Run<'static> {
        Box::pin(poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::Pending
        }))
    }

    #[test]
    fn time_passes_for_a_component_that_never_waits() {
        let node = NodeId(0);
        assert_eq!(ended(|_| restless(), &[(0, Fault::Start(node))]), Ended::OutOfTime);
    }

    #[test]
    fn a_component_that_waits_for_nothing_is_idle() {
        let waits = |_| Box::pin(std::future::pending()) as Run<'static>;
        assert_eq!(ended(waits, &[(0, Fault::Start(NodeId(0)))]), Ended::Idle);
    }

    #[test]
    fn one_that_was_killed_is_awaited_once_it_is_started_again() {
        let node = NodeId(0);
        let at_once = |_| Box::pin(async {}) as Run<'static>;
        let faults = [(0, Fault::Start(node)), (5, Fault::Kill(node)), (9, Fault::Start(node))];
        assert_eq!(ended(at_once, &faults), Ended::Done);
        // A suspended one does not run, and ends when it is resumed.
        let faults = [(0, Fault::Suspend(node)), (1, Fault::Start(node)), (9, Fault::Resume(node))];
        assert_eq!(ended(at_once, &faults), Ended::Done);
        assert_eq!(ended(at_once, &faults[..2]), Ended::Idle);
    }
}
