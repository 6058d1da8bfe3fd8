//! System calls that are permitted with some arguments only.

use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
use seccompiler::{BackendError, SeccompCondition, SeccompRule};

use super::Needs;

/// System calls, each with the alternatives for its arguments.
type ByArguments = Vec<(libc::c_long, Vec<SeccompRule>)>;

/// Requests of ioctl(2): whether a descriptor blocks, and whether it is a terminal. `TIOCSTI`,
/// which types into that terminal, is not among them.
const IOCTLS: &[libc::Ioctl] =
    &[libc::FIONBIO, libc::FIOCLEX, libc::FIONREAD, libc::TCGETS, libc::TIOCGWINSZ];

/// Commands of fcntl(2): whether a descriptor blocks or is inherited, and duplication. `F_SETFL` is
/// permitted separately; commands that send signals (`F_SETOWN`, `F_SETLEASE`, `F_NOTIFY`) are not.
const FCNTLS: &[libc::c_int] =
    &[libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_DUPFD_CLOEXEC];

/// Options of prctl(2): names of threads and of memory, and what the C library reads if there is no
/// `/proc`.
const PRCTLS: &[libc::c_int] = &[libc::PR_SET_NAME, libc::PR_SET_VMA, PR_GET_AUXV];

const PR_GET_AUXV: libc::c_int = 0x4155_5856;

/// Socket options that this host sets, and those for ancillary data of a datagram: destination,
/// time, header bits, and returned errors. Not among them are options that reach more hosts or
/// receive more (`SO_BROADCAST`, memberships), choose a route or an interface (`SO_MARK` and
/// `SO_BINDTODEVICE`, unless the operator sets them; `IP_OPTIONS`), forge a source
/// (`IP_TRANSPARENT`) or attach code (`SO_ATTACH_FILTER`).
const SOCKET_OPTIONS: &[(libc::c_int, libc::c_int)] = &[
    (libc::SOL_SOCKET, libc::SO_RCVBUF),
    (libc::SOL_SOCKET, libc::SO_SNDBUF),
    (libc::SOL_SOCKET, libc::SO_REUSEPORT),
    (libc::SOL_SOCKET, libc::SO_RXQ_OVFL),
    (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS),
    (libc::IPPROTO_IP, libc::IP_TTL),
    (libc::IPPROTO_IP, libc::IP_TOS),
    (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
    (libc::IPPROTO_IP, libc::IP_PKTINFO),
    (libc::IPPROTO_IP, libc::IP_RECVERR),
    (libc::IPPROTO_IP, libc::IP_RECVTTL),
    (libc::IPPROTO_IP, libc::IP_RECVTOS),
    (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
    (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS),
    (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
    (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS),
    (libc::SOL_UDP, libc::UDP_GRO),
    (libc::SOL_UDP, libc::UDP_SEGMENT),
];

/// Socket options that the resolver sets: for returned errors, for leaving a TCP connection, and
/// for the size of the routing table's messages.
const RESOLVER_SOCKET_OPTIONS: &[(libc::c_int, libc::c_int)] = &[
    (libc::IPPROTO_IP, libc::IP_RECVERR),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
    (libc::SOL_SOCKET, libc::SO_RCVBUF),
    (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
    (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
];

/// The mask for the type of a socket, without its flags.
const SOCKET_TYPE: u64 = 0xf;

/// The mask and value of clone(2)'s flags for a thread of this process: no process, no namespace,
/// no tracer.
const NEW_THREAD: (u64, u64) = {
    let other = libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_PTRACE
        | libc::CLONE_VFORK
        | libc::CLONE_PARENT
        | libc::CLONE_PIDFD;
    ((libc::CLONE_THREAD | other).cast_unsigned() as u64, libc::CLONE_THREAD as u64)
};

/// The system calls of a process that runs guests. These are machine code already, so that no
/// memory becomes executable.
pub(crate) fn of_guests(needs: Needs) -> Result<ByArguments, BackendError> {
    let udp = [libc::AF_INET, libc::AF_INET6].map(|family| socket(family, libc::SOCK_DGRAM));
    let mut calls = common()?;
    calls.extend([
        (libc::SYS_mmap, not_executable()?),
        (libc::SYS_mprotect, not_executable()?),
        (libc::SYS_socket, udp.into_iter().collect::<Result<_, _>>()?),
        (libc::SYS_setsockopt, options(&socket_options(needs))?),
    ]);
    Ok(calls)
}

/// The system calls of a process that resolves names. Libraries are loaded when a name first needs
/// them: contents of a file can become executable, but not writable.
pub(crate) fn of_resolver() -> Result<ByArguments, BackendError> {
    let execute = libc::PROT_EXEC as u64;
    let execute_and_write = execute | libc::PROT_WRITE as u64;
    let of_a_file = condition(3, MaskedEq(libc::MAP_ANONYMOUS as u64), 0)?;
    let mmap = vec![
        rule([condition(2, MaskedEq(execute), 0)?])?,
        rule([condition(2, MaskedEq(execute_and_write), execute)?, of_a_file])?,
    ];
    let sockets = [
        socket(libc::AF_INET, libc::SOCK_DGRAM),
        socket(libc::AF_INET6, libc::SOCK_DGRAM),
        // Replies that are too long for a datagram (RFC 7766).
        socket(libc::AF_INET, libc::SOCK_STREAM),
        socket(libc::AF_INET6, libc::SOCK_STREAM),
        // The resolver reads the addresses of this machine: a family without any cannot reach a
        // host.
        routing_table(),
    ];
    let mut calls = common()?;
    calls.extend([
        (libc::SYS_mmap, mmap),
        (libc::SYS_mprotect, not_executable()?),
        (libc::SYS_socket, sockets.into_iter().collect::<Result<_, _>>()?),
        (libc::SYS_setsockopt, options(RESOLVER_SOCKET_OPTIONS)?),
    ]);
    Ok(calls)
}

/// The system calls of a process that serves HTTP: it opens no sockets.
pub(crate) fn of_http() -> Result<ByArguments, BackendError> {
    let mut calls = common()?;
    calls.extend([
        (libc::SYS_mmap, not_executable()?),
        (libc::SYS_mprotect, not_executable()?),
        (libc::SYS_setsockopt, options(&[(libc::IPPROTO_TCP, libc::TCP_NODELAY)])?),
    ]);
    Ok(calls)
}

/// The system calls of a process that reads a file.
pub(crate) fn of_reader() -> Result<ByArguments, BackendError> {
    let mut calls = common()?;
    calls.extend([(libc::SYS_mmap, not_executable()?), (libc::SYS_mprotect, not_executable()?)]);
    Ok(calls)
}

/// The socket options of guests, including those set by the operator.
fn socket_options(needs: Needs) -> Vec<(libc::c_int, libc::c_int)> {
    let asked_for = [(needs.mark, libc::SO_MARK), (needs.bind_device, libc::SO_BINDTODEVICE)];
    let asked_for = asked_for
        .into_iter()
        .filter(|(needed, _)| *needed)
        .map(|(_, name)| (libc::SOL_SOCKET, name));
    SOCKET_OPTIONS.iter().copied().chain(asked_for).collect()
}

fn common() -> Result<ByArguments, BackendError> {
    let (mask, thread) = NEW_THREAD;
    #[allow(clippy::cast_possible_truncation, reason = "wider than 32 bits only for some libcs")]
    let ioctls = IOCTLS.iter().map(|request| *request as u32).collect::<Vec<_>>();
    let fcntls = FCNTLS.iter().map(|command| command.cast_unsigned()).collect::<Vec<_>>();
    let prctls = PRCTLS.iter().map(|option| option.cast_unsigned()).collect::<Vec<_>>();
    let mut fcntl = any_of(1, &fcntls)?;
    // A terminal in asynchronous mode sends signals to its owner.
    let set_flags = condition(1, Eq, libc::F_SETFL as u64)?;
    fcntl.push(rule([set_flags, condition(2, MaskedEq(libc::O_ASYNC as u64), 0)?])?);
    Ok(vec![
        (libc::SYS_clone, vec![rule([condition(0, MaskedEq(mask), thread)?])?]),
        (libc::SYS_ioctl, any_of(1, &ioctls)?),
        (libc::SYS_fcntl, fcntl),
        (libc::SYS_prctl, any_of(0, &prctls)?),
        // Threads of this process only: a process that aborts signals itself.
        (libc::SYS_tgkill, any_of(0, &[std::process::id()])?),
    ])
}

fn not_executable() -> Result<Vec<SeccompRule>, BackendError> {
    Ok(vec![rule([condition(2, MaskedEq(libc::PROT_EXEC as u64), 0)?])?])
}

fn socket(family: libc::c_int, kind: libc::c_int) -> Result<SeccompRule, BackendError> {
    rule([
        condition(0, Eq, family.cast_unsigned().into())?,
        condition(1, MaskedEq(SOCKET_TYPE), kind.cast_unsigned().into())?,
    ])
}

fn routing_table() -> Result<SeccompRule, BackendError> {
    rule([
        condition(0, Eq, libc::AF_NETLINK as u64)?,
        condition(2, Eq, libc::NETLINK_ROUTE as u64)?,
    ])
}

fn options(options: &[(libc::c_int, libc::c_int)]) -> Result<Vec<SeccompRule>, BackendError> {
    let option = |(level, name): &(libc::c_int, libc::c_int)| {
        rule([
            condition(1, Eq, level.cast_unsigned().into())?,
            condition(2, Eq, name.cast_unsigned().into())?,
        ])
    };
    options.iter().map(option).collect()
}

fn any_of(index: u8, values: &[u32]) -> Result<Vec<SeccompRule>, BackendError> {
    values.iter().map(|value| rule([condition(index, Eq, (*value).into())?])).collect()
}

fn rule<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into())
}

/// A condition on the low 32 bits: the kernel uses no more of the arguments checked here, or fails
/// if there are more.
fn condition(
    index: u8,
    operator: seccompiler::SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, Dword, operator, value)
}
