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
    node: NodeId,
    run: Option<Run<'a>>,
    waker: Waker,
    woken: Arc<Woken>,
    starts: u32,
    is_suspended: bool,
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
    /// Creates an executor for the nodes of `network`.
    pub fn new(network: Arc<Network>) -> Self {
        Self { network, ready: Arc::default(), tasks: Vec::new() }
    }

    /// Adds a node, whose component is started by [`crate::Fault::Start`].
    pub fn add(&mut self, node: NodeId) {
        let woken = Arc::new(Woken {
            task: self.tasks.len(),
            is_queued: AtomicBool::new(false),
            ready: self.ready.clone(),
        });
        let waker = Waker::from(woken.clone());
        let task = Task { node, run: None, waker, woken, starts: 0, is_suspended: false };
        self.tasks.push(task);
    }

    /// Runs components until those of the nodes `awaited` have ended, nothing is to happen any more,
    /// or virtual time has come to `end`.
    pub fn run(&mut self, awaited: &[NodeId], end: Time, start: &mut Start<'a>) -> Ended {
        let is_awaited: Vec<_> =
            self.tasks.iter().map(|task| awaited.contains(&task.node)).collect();
        let mut left = is_awaited.iter().filter(|awaited| **awaited).count();
        loop {
            let mut turns = 0;
            while let Some(index) = self.ready.pop() {
                turns += 1;
                if turns % (TURNS * self.tasks.len()) == 0 {
                    self.network.tick();
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
                    left -= usize::from(is_awaited[index]);
                }
            }
            if left == 0 && !awaited.is_empty() {
                return Ended::Done;
            }
            if !self.network.advance(end) {
                return if self.network.has_events() { Ended::OutOfTime } else { Ended::Idle };
            }
            while let Some(action) = self.network.take_action() {
                left = left.saturating_add_signed(self.act(action, start, &is_awaited));
            }
        }
    }

    /// Returns how many more components are waited for.
    fn act(&mut self, action: Action, start: &mut Start<'a>, is_awaited: &[bool]) -> isize {
        let (Action::Suspend(node)
        | Action::Resume(node)
        | Action::Kill(node)
        | Action::Start(node)) = action;
        let Some(index) = self.tasks.iter().position(|task| task.node == node) else { return 0 };
        let task = &mut self.tasks[index];
        match action {
            Action::Suspend(_) => task.is_suspended = true,
            Action::Resume(_) => {
                task.is_suspended = false;
                task.woken.is_queued.store(false, Ordering::Relaxed);
                task.waker.wake_by_ref();
            }
            Action::Kill(_) => {
                let ran = task.run.take().is_some();
                return -isize::from(ran && is_awaited[index]);
            }
            Action::Start(_) => {
                let has_ended = task.run.is_none() && task.starts > 0;
                self.start(index, start);
                return isize::from(has_ended && is_awaited[index]);
            }
        }
        0
    }

    fn start(&mut self, index: usize, start: &mut Start<'a>) {
        let task = &mut self.tasks[index];
        // The one before it ends first, and closes its sockets.
        task.run = None;
        task.run = Some(start(task.node, task.starts));
        task.starts += 1;
        task.waker.wake_by_ref();
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
