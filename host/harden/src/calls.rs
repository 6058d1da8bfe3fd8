//! Filters of system calls (seccomp(2)): those that a process uses are permitted, all others fail
//! with "operation not permitted".

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompFilter, SeccompRule, apply_filter_all_threads,
};

use crate::{Needs, arguments};

/// The system calls permitted with any arguments, in every process: for memory, signals, and open
/// files. Some have an older form on x86-64.
const EVERY: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

/// For threads, sockets and time: in processes that run guests, resolve names, or serve HTTP.
const THREADS_AND_SOCKETS: &[libc::c_long] = &[
    libc::SYS_clone3,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
];

/// For processes that run guests: batches, timers, events, and dropping the capability once low
/// ports are bound.
const GUESTS: &[libc::c_long] = &[
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_dup,
    libc::SYS_ftruncate,
    libc::SYS_membarrier,
    // For rereading the key file at SIGHUP.
    libc::SYS_rt_sigtimedwait,
    libc::SYS_capget,
    libc::SYS_capset,
    libc::SYS_clock_getres,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    libc::SYS_recvmmsg,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
];

/// For processes that serve HTTP: connections, events and timers.
const HTTP: &[libc::c_long] = &[
    libc::SYS_accept4,
    libc::SYS_shutdown,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
];

/// For reading files: in processes that resolve names or reread a file.
const FILES: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_geteuid,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
];

/// For processes that resolve names.
const RESOLVER: &[libc::c_long] = &[
    libc::SYS_pread64,
    libc::SYS_faccessat,
    libc::SYS_uname,
    libc::SYS_getuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
];

/// For processes that reread one file.
const READER: &[libc::c_long] = &[
    libc::SYS_writev,
    libc::SYS_statfs,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
];

/// Permits all threads of this process only the system calls that guests need.
pub(crate) fn shut(needs: Needs) -> Result<(), String> {
    install(|| Ok((&[EVERY, THREADS_AND_SOCKETS, GUESTS], arguments::of_guests(needs)?)))
}

/// Permits all threads of this process only the system calls that the system's resolver needs.
pub(crate) fn shut_resolver() -> Result<(), String> {
    install(|| Ok((&[EVERY, THREADS_AND_SOCKETS, FILES, RESOLVER], arguments::of_resolver()?)))
}

/// Permits all threads of this process only the system calls for serving HTTP on a socket that
/// listens already.
pub(crate) fn shut_http() -> Result<(), String> {
    install(|| Ok((&[EVERY, THREADS_AND_SOCKETS, HTTP], arguments::of_http()?)))
}

/// Permits all threads of this process only the system calls for reading a file.
pub(crate) fn shut_reader() -> Result<(), String> {
    install(|| Ok((&[EVERY, FILES, READER], arguments::of_reader()?)))
}

/// Denies sockets: to a compiler, which needs none, and may run code of a guest's.
pub(crate) fn deny_network() -> Result<(), String> {
    let calls = [libc::SYS_socket, libc::SYS_socketpair, libc::SYS_connect, libc::SYS_bind];
    let rules = calls.into_iter().map(|call| (call, Vec::new())).collect();
    let denied = || {
        apply_filter_all_threads(&filter(
            rules,
            SeccompAction::Allow,
            SeccompAction::Errno(libc::EPERM as u32),
        )?)
    };
    denied().map_err(|error: Error| error.to_string())
}

type Rules = Vec<(libc::c_long, Vec<SeccompRule>)>;

fn install<const N: usize>(
    allowed: impl Fn() -> Result<(&'static [&'static [libc::c_long]; N], Rules), Error>,
) -> Result<(), String> {
    let install = || {
        let (any, by_arguments) = allowed()?;
        let rules = any
            .iter()
            .copied()
            .flatten()
            .map(|call| (*call, Vec::new()))
            .chain(by_arguments)
            .collect();
        // The newest filter is evaluated first, and the strictest result counts.
        apply_filter_all_threads(&no_processes()?)?;
        apply_filter_all_threads(&filter(
            rules,
            SeccompAction::Errno(libc::EPERM as u32),
            SeccompAction::Allow,
        )?)
    };
    install().map_err(|error: Error| error.to_string())
}

/// A filter cannot read the flags of `clone3`: if it fails with ENOSYS, libraries use `clone`.
fn no_processes() -> Result<BpfProgram, Error> {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    filter(rules, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))
}

fn filter(
    rules: BTreeMap<libc::c_long, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> Result<BpfProgram, Error> {
    Ok(SeccompFilter::new(rules, otherwise, listed, ARCH.try_into()?)?.try_into()?)
}
