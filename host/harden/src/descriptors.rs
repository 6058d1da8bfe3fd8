//! Descriptors inherited from the process that started this program.

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::OnceLock;

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// The first descriptor that is not a standard stream.
const FIRST: RawFd = 3;

/// The last descriptor that is tried if the system provides no list: the default limit of a
/// process.
const LAST: RawFd = 1_023;

static INHERITED: OnceLock<Vec<RawFd>> = OnceLock::new();

/// Records the open descriptors, except the standard streams, and marks them close-on-exec. Must be
/// called before any other is opened.
pub fn note_inherited() {
    INHERITED.get_or_init(|| {
        let mut open = listed().unwrap_or_else(|| (FIRST..=LAST).collect());
        // The descriptor of the listing itself is closed already.
        open.retain(|number| *number >= FIRST && close_on_exec(*number));
        open
    });
}

/// Closes all [recorded](note_inherited) descriptors except `kept`.
pub fn close_inherited<'a>(kept: impl IntoIterator<Item = BorrowedFd<'a>>) {
    let kept: Vec<_> = kept.into_iter().map(|descriptor| descriptor.as_raw_fd()).collect();
    for number in INHERITED.get().into_iter().flatten().filter(|number| !kept.contains(number)) {
        // SAFETY: the descriptor was opened by the process that started this program. Nothing in
        // this process owns it: inherited sockets are kept, and files are reopened by their names
        // under /dev/fd.
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

/// Marks a descriptor close-on-exec; returns whether it is open.
fn close_on_exec(number: RawFd) -> bool {
    // SAFETY: if the descriptor is not open, it is queried and not used; and nothing closes it
    // meanwhile, since there is only one thread.
    #[expect(unsafe_code, reason = "it has no owner here")]
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_getfd(descriptor)
        .is_ok_and(|flags| fcntl_setfd(descriptor, flags | FdFlags::CLOEXEC).is_ok())
}
