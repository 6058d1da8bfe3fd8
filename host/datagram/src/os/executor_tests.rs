use std::future::poll_fn;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::thread;

use super::*;

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    block_on(runtime.handle(), future).unwrap()
}

fn pair() -> (Arc<OwnedFd>, UnixStream) {
    let (one, other) = UnixStream::pair().unwrap();
    (Arc::new(one.into()), other)
}

#[test]
fn waits_for_descriptors_and_for_other_threads() {
    let (descriptor, mut other) = pair();
    let (told, tells) = tokio::sync::oneshot::channel();
    let start = Instant::now();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        other.write_all(b"x").unwrap();
        thread::sleep(Duration::from_millis(20));
        told.send(()).unwrap();
        other
    });
    run(async {
        let ready = Readiness::new(&descriptor, PollFlags::IN).await;
        assert!(ready.contains(PollFlags::IN));
        assert!(start.elapsed() >= Duration::from_millis(20));
        tells.await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(40));
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(start.elapsed() >= Duration::from_millis(60));
        assert_eq!(tokio::spawn(async { 7 }).await.unwrap(), 7);
    });
    assert!(!is_current());
    drop(thread.join().unwrap());
}

#[test]
fn sleeps_without_processor_time() {
    let spent = run(async {
        let (descriptor, _other) = pair();
        let before = crate::processor_time();
        let wait = Readiness::new(&descriptor, PollFlags::IN);
        let waited = tokio::time::timeout(Duration::from_millis(200), wait).await;
        assert!(waited.is_err());
        crate::processor_time().saturating_sub(before)
    });
    assert!(spent < Duration::from_millis(50), "{spent:?}");
}

#[test]
fn future_that_wakes_itself_leaves_descriptors_their_turn() {
    let (descriptor, mut other) = pair();
    other.write_all(b"x").unwrap();
    let turns = run(async {
        let spins = async {
            loop {
                let mut yielded = false;
                poll_fn(|context| {
                    context.waker().wake_by_ref();
                    if mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }
        };
        tokio::select! {
            ready = Readiness::new(&descriptor, PollFlags::IN) => ready,
            () = spins => unreachable!("it has no end"),
        }
    });
    assert!(turns.contains(PollFlags::IN));
}

#[test]
fn wait_that_is_given_up_is_forgotten() {
    let (descriptor, mut other) = pair();
    other.write_all(b"x").unwrap();
    run(async {
        let mut wait = Box::pin(Readiness::new(&descriptor, PollFlags::IN));
        poll_fn(|context| Poll::Ready(wait.as_mut().poll(context).is_pending())).await;
        let waits = || {
            REACTOR.with_borrow(|reactor| reactor.as_ref().unwrap().waits.iter().flatten().count())
        };
        assert_eq!(waits(), 1);
        drop(wait);
        assert_eq!(waits(), 0);
    });
    assert_eq!(Arc::strong_count(&descriptor), 1);
}

#[test]
fn hangup_ends_a_wait() {
    let (descriptor, other) = pair();
    drop(other);
    let ready = run(async { Readiness::new(&descriptor, PollFlags::IN).await });
    assert!(ready.contains(PollFlags::HUP));
}
