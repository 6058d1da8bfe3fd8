//! A thread that watches the others: a guest that spins, or a call that blocks, occupies its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use wasmtime::Engine;

use crate::sandbox::enforcer::Enforcer;

/// The interval between checks of guests and deadlines.
const TICK: Duration = Duration::from_millis(100);

/// Interrupts every guest of an engine regularly, so that its host can check it and other tasks
/// run; and ends the process when a deadline of the enforcer has passed.
#[derive(Debug)]
pub struct Watchdog {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts the thread. It ends when the watchdog is dropped.
    pub fn start(engine: &Engine, enforcer: Enforcer) -> io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let (seen, engine) = (over.clone(), engine.clone());
        let work = move || {
            while !seen.load(Ordering::Relaxed) {
                thread::park_timeout(TICK);
                engine.increment_epoch();
                enforcer.check(Instant::now());
            }
        };
        let thread =
            thread::Builder::new().name("watchdog".to_owned()).stack_size(64 << 10).spawn(work)?;
        Ok(Self { over, thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It does not panic, and if it did there would be nothing to do.
            let _ = thread.join();
        }
    }
}
