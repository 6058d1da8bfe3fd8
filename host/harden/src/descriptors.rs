//! Descriptors that were open before this program started.

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::OnceLock;

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// The first that is not a standard stream.
const FIRST: RawFd = 3;

/// The highest that is looked for where the system has no list: what a process may have without
/// asking for more.
const LAST: RawFd = 1_023;

static INHERITED: OnceLock<Vec<RawFd>> = OnceLock::new();

/// Notes which descriptors are open, the standard streams apart, and has none of them passed on to
/// processes that this one starts. To be called before any is opened.
pub fn note_inherited() {
    INHERITED.get_or_init(|| {
        let mut open = listed().unwrap_or_else(|| (FIRST..=LAST).collect());
        // That by which they were listed is closed again.
        open.retain(|number| *number >= FIRST && close_on_exec(*number));
        open
    });
}

/// Closes all descriptors that were [noted](note_inherited), but for `kept`.
pub fn close_inherited<'a>(kept: impl IntoIterator<Item = BorrowedFd<'a>>) {
    let kept: Vec<_> = kept.into_iter().map(|descriptor| descriptor.as_raw_fd()).collect();
    for number in INHERITED.get().into_iter().flatten().filter(|number| !kept.contains(number)) {
        // SAFETY: the descriptor was opened by whoever started this program. Nothing in this
        // process took it over: sockets that were handed over are kept, and files are opened anew
        // by their names under /dev/fd.
        #[expect(unsafe_code, reason = "there is no owner to drop")]
        unsafe {
            libc::close(*number);
        }
    }
}

fn listed() -> Option<Vec<RawFd>> {
    let entries = fs::read_dir("/proc/self/fd").ok()?;
    Some(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

/// Whether there is such a descriptor, which from now on ends with this program.
fn close_on_exec(number: RawFd) -> bool {
    // SAFETY: it is asked for and not used where it is not open, and nothing closes it meanwhile:
    // there is one thread.
    #[expect(unsafe_code, reason = "it has no owner here")]
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_getfd(descriptor)
        .is_ok_and(|flags| fcntl_setfd(descriptor, flags | FdFlags::CLOEXEC).is_ok())
}
