//! Tests of the account of processor time.

use std::hint;

use super::*;

const MS: Duration = Duration::from_millis(1);
const STRUCK: Result<(), LimitExceeded> = Err(LimitExceeded::Compute(Duration::from_millis(500)));

fn account() -> (Compute, Activity) {
    let activity = Activity::default();
    (Compute::starting_at(Duration::ZERO, MS * 500, activity.clone()), activity)
}

fn compute_for(time: Duration) {
    let start = processor_time();
    while processor_time().saturating_sub(start) < time {
        hint::spin_loop();
    }
}

async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

/// How long this thread has not run since then. On a busy machine that is more than it slept,
/// and within a wait the two cannot be distinguished.
fn away(since: (Instant, Duration)) -> Duration {
    since.0.elapsed().saturating_sub(processor_time().saturating_sub(since.1))
}

#[test]
fn computing_counts_from_the_last_datagram_that_passed() {
    let (mut account, activity) = account();
    assert_eq!(account.check_at(MS * 500), Ok(()));
    activity.passed();
    assert_eq!(account.check_at(MS * 700), Ok(()));
    assert_eq!(account.check_at(MS * 1_200), Ok(()));
    activity.passed();
    assert_eq!(account.check_at(MS * 1_300), Ok(()));
    assert_eq!(account.check_at(MS * 1_800), Ok(()));
    assert_eq!(account.check_at(MS * 1_801), STRUCK);
}

#[test]
fn instance_without_datagrams_is_charged_from_its_start() {
    let (mut account, _) = account();
    assert_eq!(account.check_at(MS * 501), STRUCK);
}

#[test]
fn a_thread_that_computes_beyond_the_limit_is_stopped() {
    let mut account = Compute::new(MS * 10, Activity::default());
    assert_eq!(account.check(), Ok(()));
    compute_for(MS * 20);
    assert_eq!(account.check(), Err(LimitExceeded::Compute(MS * 10)));
}

#[test]
fn what_went_into_dropping_datagrams_is_not_charged() {
    let (mut account, activity) = account();
    activity.dropped(MS * 400);
    assert_eq!(account.check_at(MS * 900), Ok(()));
    assert_eq!(account.check_at(MS * 901), STRUCK);
}

#[tokio::test]
async fn sleep_gives_back_what_was_slept_and_no_more() {
    let mut account = Compute::new(MS * 500, Activity::default());
    compute_for(MS * 40);
    let start = (Instant::now(), processor_time());
    account.wait(sleep(MS * 15)).await;
    assert!(account.charged + away(start) > MS * 35 && account.charged < MS * 30, "{account:?}");
    account.wait(sleep(MS * 100)).await;
    assert!(account.charged < MS, "nothing is saved for later: {account:?}");
}

#[tokio::test]
async fn yielding_and_what_is_ready_at_once_is_no_sleep() {
    let mut account = Compute::new(MS * 500, Activity::default());
    let start = (Instant::now(), processor_time());
    while processor_time().saturating_sub(start.1) < MS * 50 {
        account.wait(tokio::task::yield_now()).await;
        account.wait(std::future::ready(())).await;
    }
    account.charge(processor_time(), Duration::ZERO);
    assert!(account.charged + away(start) > MS * 35, "{account:?}");
}

#[tokio::test]
async fn a_wait_in_which_datagrams_are_dropped_costs_nothing() {
    let activity = Activity::default();
    let mut account = Compute::new(MS * 500, activity.clone());
    let flooded = async {
        for _ in 0..20 {
            compute_for(MS);
            activity.dropped(MS);
            tokio::task::yield_now().await;
        }
    };
    account.wait(flooded).await;
    assert!(account.charged < MS, "{account:?}");
}

#[tokio::test]
async fn what_is_computed_in_a_wait_beside_dropping_is_charged() {
    let activity = Activity::default();
    let mut account = Compute::new(MS * 500, activity.clone());
    let greedy = async {
        for _ in 0..20 {
            compute_for(MS);
            activity.dropped(MS / 100);
            tokio::task::yield_now().await;
        }
    };
    let start = (Instant::now(), processor_time());
    account.wait(greedy).await;
    assert!(account.charged + away(start) > MS * 15, "{account:?}");
}

#[tokio::test]
async fn what_the_host_busy_polls_is_not_charged() {
    let activity = Activity::default();
    let mut account = Compute::new(MS * 500, activity.clone());
    let busy = async {
        tokio::task::yield_now().await;
        activity.spins();
        compute_for(MS * 20);
    };
    account.wait(busy).await;
    assert!(account.charged < MS, "{account:?}");
}

#[tokio::test]
async fn while_datagrams_pass_waits_are_not_measured() {
    let activity = Activity::default();
    let mut account = Compute::new(MS * 500, activity.clone());
    activity.passed();
    assert!(account.starts_to_wait().is_none());
    account.check_at(processor_time()).unwrap();
    assert!(account.starts_to_wait().is_some());
}

#[test]
fn woken_thread_is_charged_after_drops_minus_dropping_time() {
    let (mut account, activity) = account();
    account.was_woken(|| MS * 10);
    assert_eq!((account.charged, account.until), (Duration::ZERO, Duration::ZERO));
    activity.dropped(MS * 4);
    account.was_woken(|| MS * 10);
    assert_eq!((account.charged, account.until), ((MS * 6).saturating_sub(WAKE), MS * 10));
    account.was_woken(|| MS * 20);
    assert_eq!(account.until, MS * 10, "nothing was dropped since");
}

#[cfg(target_os = "linux")]
#[test]
fn slept_time_is_credited_and_short_waits_charged_at_once() {
    for (slept, spins, charged, until) in [
        // The processor time of a long sleep is charged at the next check.
        (MS * 3, 0, MS * 97, MS * 100),
        (LONG, 0, MS * 99, MS * 100),
        (LONG / 2, 0, (MS * 110).saturating_sub(LONG / 2), MS * 110),
        // Busy-polling is the host's.
        (LONG / 2, 1, (MS * 100).saturating_sub(LONG / 2), MS * 110),
        (MS * 3, 1, MS * 97, MS * 110),
    ] {
        let (mut account, activity) = account();
        account.check_at(MS * 100).unwrap();
        (0..spins).for_each(|_| activity.spins());
        account.has_waited(&Wait { paused: Instant::now(), slept, spins: 0 }, || MS * 110);
        assert_eq!((account.charged, account.until), (charged, until), "{slept:?}, {spins}");
    }
}

/// As one of WASI 0.3 that only yields, while strangers send.
#[tokio::test]
async fn who_wakes_itself_beside_dropped_datagrams_is_charged() {
    let activity = Activity::default();
    let mut account = Compute::new(MS * 500, activity.clone());
    let start = (Instant::now(), processor_time());
    let yields = async {
        while processor_time().saturating_sub(start.1) < MS * 50 {
            activity.dropped(Duration::from_nanos(1));
            tokio::task::yield_now().await;
        }
    };
    activity.of(yields).await;
    account.check().unwrap();
    assert!(account.charged + away(start) > MS * 35, "{account:?}");
}

#[tokio::test]
async fn what_an_instance_slept_in_its_own_calls_is_given_back() {
    let activity = Activity::default();
    let mut account = Compute::new(MS * 500, activity.clone());
    compute_for(MS * 40);
    activity.of(sleep(MS * 100)).await;
    account.check().unwrap();
    assert!(account.charged < MS, "{account:?}");
}
