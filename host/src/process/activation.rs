//! Activation by systemd, or another manager that speaks its protocols: sockets that are handed
//! over (`sd_listen_fds(3)`), and the readiness notification (`sd_notify(3)`).

use std::net::UdpSocket;

use anyhow::Result;

/// Returns the sockets that were handed over, if any, reset to the state of new ones.
///
/// # Errors
///
/// If one of them cannot be used.
#[cfg(target_os = "linux")]
pub fn sockets() -> Result<Vec<UdpSocket>> {
    use anyhow::{Context as _, ensure};
    use rustix::net::sockopt::ipv6_v6only;

    use crate::process::handed_over;

    let mut given = listenfd::ListenFd::from_env();
    (0..given.len())
        .map(|number| {
            let socket = given.take_udp_socket(number).ok().flatten();
            let socket =
                socket.with_context(|| format!("LISTEN_FDS: number {number} is no UDP socket (ListenDatagram=)"))?;
            let local = socket.local_addr()?;
            ensure!(
                local.is_ipv4() || ipv6_v6only(&socket)?,
                "LISTEN_FDS: {local} takes IPv4 too, which a component's socket never does: set BindIPv6Only=ipv6-only"
            );
            handed_over::reset(&socket).with_context(|| format!("LISTEN_FDS: {local}"))?;
            Ok(socket)
        })
        .collect()
}

/// Notifies the service manager that the service is ready: its component is about to run, and
/// datagrams to sockets that were handed over have been queued all along.
#[cfg(target_os = "linux")]
pub fn ready() {
    // A failure could not be reported to anyone.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

/// There is no systemd on this system.
#[cfg(not(target_os = "linux"))]
pub fn sockets() -> Result<Vec<UdpSocket>> {
    Ok(Vec::new())
}

/// There is no systemd on this system.
#[cfg(not(target_os = "linux"))]
pub fn ready() {}
