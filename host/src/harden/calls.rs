//! System calls (seccomp(2)): those that a run uses pass, all others fail with "operation not permitted".

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule, apply_filter_all_threads,
};

use super::Needs;

/// Those that pass whatever their arguments are: memory, threads, time, descriptors that are open, and datagrams.
const USED: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_ioctl,
    libc::SYS_lseek,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Where wasmtime keeps what a memory starts with.
    libc::SYS_memfd_create,
    libc::SYS_ftruncate,
    libc::SYS_futex,
    libc::SYS_membarrier,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    // Where the key file is read again at SIGHUP.
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_prctl,
    libc::SYS_capget,
    libc::SYS_capset,
    libc::SYS_getrandom,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    // The older forms of the above.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
];

/// What the system's resolver uses besides: files, which Landlock keeps to those that it needs, and sockets of other kinds.
const RESOLVER: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_pread64,
    libc::SYS_getdents64,
    libc::SYS_faccessat,
    libc::SYS_uname,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_socket,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
];

/// The type of a socket without its flags.
const SOCKET_TYPE: u64 = 0xf;

/// From now on, all threads of this process make no other system calls.
pub fn shut(needs: Needs) -> Result<(), String> {
    let install = || {
        // What is newest is looked at first, and the strictest answer counts.
        apply_filter_all_threads(&no_processes()?)?;
        apply_filter_all_threads(&only_used(needs)?)
    };
    install().map_err(|error: Error| error.to_string())
}

/// `clone3` hides its flags from a filter: where it is said not to exist, libraries use `clone`.
fn no_processes() -> Result<BpfProgram, Error> {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    filter(rules, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))
}

fn only_used(needs: Needs) -> Result<BpfProgram, Error> {
    let mut rules: BTreeMap<libc::c_long, Vec<SeccompRule>> = USED.iter().map(|call| (*call, Vec::new())).collect();
    // Threads, and no processes.
    rules.insert(libc::SYS_clone, vec![argument(0, MaskedEq(libc::CLONE_THREAD as u64), libc::CLONE_THREAD as u64)?]);
    if needs.lookups {
        rules.extend(RESOLVER.iter().map(|call| (*call, Vec::new())));
    } else {
        // Guests are machine code by now: nothing more becomes executable.
        let not_executable = || Ok::<_, Error>(vec![argument(2, MaskedEq(libc::PROT_EXEC as u64), 0)?]);
        rules.insert(libc::SYS_mmap, not_executable()?);
        rules.insert(libc::SYS_mprotect, not_executable()?);
        let udp = |family: libc::c_int| {
            let of_type = condition(1, MaskedEq(SOCKET_TYPE), libc::SOCK_DGRAM as u64)?;
            Ok::<_, Error>(SeccompRule::new(vec![condition(0, Eq, family as u64)?, of_type])?)
        };
        rules.insert(libc::SYS_socket, vec![udp(libc::AF_INET)?, udp(libc::AF_INET6)?]);
    }
    filter(rules, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow)
}

fn argument(index: u8, operator: seccompiler::SeccompCmpOp, value: u64) -> Result<SeccompRule, Error> {
    Ok(SeccompRule::new(vec![condition(index, operator, value)?])?)
}

fn condition(index: u8, operator: seccompiler::SeccompCmpOp, value: u64) -> Result<SeccompCondition, Error> {
    Ok(SeccompCondition::new(index, Dword, operator, value)?)
}

fn filter(
    rules: BTreeMap<libc::c_long, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> Result<BpfProgram, Error> {
    Ok(SeccompFilter::new(rules, otherwise, listed, ARCH.try_into()?)?.try_into()?)
}
