//! Being started by systemd, or another that speaks its protocols: sockets that are handed over
//! (`sd_listen_fds(3)`), and the message that the service is up (`sd_notify(3)`).

use std::net::UdpSocket;

use anyhow::Result;

/// The sockets that were handed over, if any were, in the state of new ones.
///
/// # Errors
///
/// Where one of them is of no use here.
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

/// Says that the service is up, where somebody waits for it: its component is about to run, and
/// datagrams to sockets that were handed over have been waiting all along.
#[cfg(target_os = "linux")]
pub fn ready() {
    // Nobody could be told that nobody can be told.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

/// None, where there is no systemd.
#[cfg(not(target_os = "linux"))]
pub fn sockets() -> Result<Vec<UdpSocket>> {
    Ok(Vec::new())
}

/// Nothing, where there is no systemd.
#[cfg(not(target_os = "linux"))]
pub fn ready() {}
