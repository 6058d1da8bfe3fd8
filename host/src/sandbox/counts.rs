//! A component's own counts: what it writes to standard error when it is asked for them
//! (`udping_cli::contract`).

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use udping_cli::contract;

/// The maximum number of counts of an instance, and the maximum length of a name.
const MOST: usize = 64;
const LONGEST: usize = 32;

/// How long instances have to answer. One that computes for longer has its last counts told.
const PATIENCE: Duration = Duration::from_millis(200);

/// A number of datagrams, by what became of them, and why.
pub type Tally = BTreeMap<(String, String), u64>;

/// The counts of the instances of a run.
#[derive(Debug, Default)]
pub struct Counts {
    asked: watch::Sender<u64>,
    instances: Mutex<Instances>,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct Instances {
    next: u64,
    running: BTreeMap<u64, Running>,
    /// Of instances that have ended.
    ended: Tally,
}

#[derive(Debug, Default)]
struct Running {
    /// The number of the last question that was answered.
    answered: u64,
    tally: Tally,
}

impl Counts {
    /// Asks all instances, and returns the sum of their last counts, with those of instances that
    /// have ended. Waits for a fraction of a second.
    pub fn collect(&self) -> Tally {
        let mut asked = 0;
        self.asked.send_modify(|count| {
            *count += 1;
            asked = *count;
        });
        let waits = |instances: &mut Instances| {
            instances.running.values().any(|running| running.answered < asked)
        };
        let waited = self.answered.wait_timeout_while(self.instances(), PATIENCE, waits);
        let (instances, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let mut sum = instances.ended.clone();
        instances.running.values().for_each(|running| add(&mut sum, &running.tally));
        sum
    }

    /// Registers an instance that takes notices.
    pub fn of_instance(self: &Arc<Self>) -> InstanceCounts {
        let mut instances = self.instances();
        let id = instances.next;
        instances.next += 1;
        instances.running.insert(id, Running::default());
        InstanceCounts { counts: self.clone(), id }
    }

    fn instances(&self) -> MutexGuard<'_, Instances> {
        // No panic while the lock is held leaves the map inconsistent.
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(sum: &mut Tally, tally: &Tally) {
    for (key, count) in tally {
        let entry = sum.entry(key.clone()).or_default();
        *entry = entry.saturating_add(*count);
    }
}

/// The counts of one instance. When it is dropped, they are those of an instance that has ended.
#[derive(Debug)]
pub struct InstanceCounts {
    counts: Arc<Counts>,
    id: u64,
}

impl InstanceCounts {
    /// Subscribes to questions.
    pub fn questions(&self) -> Questions {
        Questions(self.counts.asked.subscribe())
    }

    /// Takes the answer to a question out of what the instance writes to standard error. Returns
    /// whether `written` is one.
    pub fn take(&self, written: &[u8]) -> bool {
        let Some(line) = written.strip_suffix(b"\n") else { return false };
        let Some(words) =
            str::from_utf8(line).ok().and_then(|line| line.strip_prefix(contract::COUNTS))
        else {
            return false;
        };
        let asked = *self.counts.asked.borrow();
        let mut instances = self.counts.instances();
        let Some(running) = instances.running.get_mut(&self.id) else { return false };
        // What nobody asked for is output like any other.
        if running.answered >= asked {
            return false;
        }
        let Some(tally) = parse(words) else { return false };
        *running = Running { answered: asked, tally };
        drop(instances);
        self.counts.answered.notify_all();
        true
    }
}

impl Drop for InstanceCounts {
    fn drop(&mut self) {
        let mut instances = self.counts.instances();
        if let Some(running) = instances.running.remove(&self.id) {
            add(&mut instances.ended, &running.tally);
        }
        drop(instances);
        self.counts.answered.notify_all();
    }
}

/// Questions for an instance's counts.
#[derive(Clone, Debug)]
pub struct Questions(watch::Receiver<u64>);

impl Questions {
    /// Questions that nobody asks.
    pub fn none() -> Self {
        Self(watch::channel(0).1)
    }

    /// Resolves at the next question; never, if there can be none any more.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Parses ` OUTCOME[/REASON]=COUNT...`.
fn parse(words: &str) -> Option<Tally> {
    let is_name = |name: &str| {
        (1..=LONGEST).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let mut tally = Tally::new();
    for word in words.split_whitespace() {
        let (name, count) = word.split_once('=')?;
        let (outcome, reason) = name.split_once('/').unwrap_or((name, ""));
        if !is_name(outcome) || !(reason.is_empty() || is_name(reason)) || tally.len() == MOST {
            return None;
        }
        tally.insert((outcome.to_owned(), reason.to_owned()), count.parse().ok()?);
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(words: &[(&str, &str, u64)]) -> Tally {
        words
            .iter()
            .map(|(outcome, reason, count)| {
                ((String::from(*outcome), String::from(*reason)), *count)
            })
            .collect()
    }

    #[test]
    fn counts_of_running_and_ended_instances_add_up() {
        let counts = Arc::new(Counts::default());
        let (one, two) = (counts.of_instance(), counts.of_instance());
        assert!(!one.take(b"counts answered=1\n"), "nobody asked");
        let asking = counts.clone();
        let asked = std::thread::spawn(move || asking.collect());
        let questions = two.questions();
        while *counts.asked.borrow() == 0 {
            std::thread::yield_now();
        }
        assert!(one.take(b"counts answered=1 refused/repeated=2\n"));
        assert!(!one.take(b"counts answered=9\n"), "it was answered");
        assert!(two.take(b"counts answered=10\n"));
        let both = tally(&[("answered", "", 11), ("refused", "repeated", 2)]);
        assert_eq!(asked.join().unwrap(), both);
        drop(one);
        // The other does not answer in time: its last counts stand.
        assert_eq!(counts.collect(), both);
        assert!(questions.0.has_changed().unwrap());
    }

    #[test]
    fn what_is_no_answer_is_output_like_any_other() {
        let counts = Arc::new(Counts::default());
        let instance = counts.of_instance();
        counts.asked.send_modify(|asked| *asked += 1);
        let long = format!("counts {}=1\n", "a".repeat(LONGEST + 1));
        let many: String = (0..=MOST).map(|_| "a=1 ").collect();
        for written in [
            "counts answered=1",
            "count answered=1\n",
            "counts answered\n",
            "counts answered=-1\n",
            "counts an\u{e9}=1\n",
            "counts a/b/c=1\n",
            "counts /b=1\n",
            &long,
        ] {
            assert!(!instance.take(written.as_bytes()), "{written:?}");
        }
        assert!(instance.take(format!("counts {many}\n").as_bytes()), "one name, many times");
    }
}
