//! The thread that looks at everything else: a guest that spins, or a call that blocks, leaves no
//! other.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use wasmtime::Engine;

use crate::sandbox::enforcer::Enforcer;

/// How often guests and deadlines are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Interrupts every guest of an engine from time to time, so that its host can look at it, and
/// others get their turn; and ends the process where a deadline of the enforcer's has passed.
#[derive(Debug)]
pub struct Watchdog {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts it. It ends when it is dropped.
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
            // It cannot panic, and if it did there would be nothing to do.
            let _ = thread.join();
        }
    }
}
