//! The configuration of the C library's heap.

/// How much free memory the heap may keep, in bytes: a batch of the largest datagrams received, and
/// another sent.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: libc::c_int = 16 << 20;

/// Makes glibc keep memory between batches. By default it returns the end of the heap to the system
/// as soon as 128 KiB are free there: after each batch of large datagrams, only to allocate it
/// again for the next. Without this, an echo of 60,000-byte datagrams was 1.9 times slower, and one
/// of 8,000 bytes 1.1 times.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_memory() {
    // SAFETY: mallopt(3) takes two numbers and no pointer, and may be called at any time; no other
    // thread has been started yet.
    #[expect(unsafe_code, reason = "a call into the C library")]
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

/// Makes glibc use one heap for all threads. Each would have its own, and keep what it freed: with
/// 10,000 targets, after scrapes on several threads, the exporter took 58 MB rather than 31.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn share_memory() {
    // SAFETY: as above.
    #[expect(unsafe_code, reason = "a call into the C library")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Returns what is free in the heap to the system, wherever it is: between what is in use, glibc keeps
/// it. Of 10,000 targets, a scrape with native histograms leaves 40 MB of that.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn release_memory() {
    // SAFETY: malloc_trim(3) takes a number, and may be called by any thread at any time.
    #[expect(unsafe_code, reason = "a call into the C library")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other heaps keep their defaults.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn release_memory() {}

/// Other heaps keep their defaults.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_memory() {}

/// Other heaps keep their defaults.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn share_memory() {}
