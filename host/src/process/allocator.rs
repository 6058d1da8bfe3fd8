//! How the C library's heap behaves.

/// What the heap may keep: a batch of the largest datagrams on its way in, and another on its way
/// out.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: libc::c_int = 16 << 20;

/// Has glibc keep memory between batches. By default it gives the heap's end back to the system as
/// soon as 128 KiB are free there: after each batch of large datagrams, to fetch it anew for the
/// next. Without this, an echo of 60,000-byte datagrams was 1.9 times slower, and one of 8,000
/// bytes 1.1 times.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_memory() {
    // SAFETY: mallopt(3) takes two numbers and no pointer, and may be called at any time; this is
    // before any other thread.
    #[expect(unsafe_code, reason = "a call into the C library")]
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

/// Other heaps are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_memory() {}
