//! Options of sockets that WASI does not have: the operator sets them, for any component.

use std::io;
use std::net::UdpSocket;

use thiserror::Error;

/// What is set on each socket before it is bound. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// DSCP (RFC 2474), 0 to 63.
    pub dscp: Option<u8>,
    /// ECN (RFC 3168), 0 to 3.
    pub ecn: Option<u8>,
    /// Routers do not fragment what is sent (RFC 791; RFC 8899 for what that is for): a datagram
    /// above the path's MTU is an error.
    pub dont_fragment: bool,
    /// The interface that everything is sent and received through (`SO_BINDTODEVICE`).
    pub bind_device: Option<String>,
    /// The mark for routing and filters (`SO_MARK`).
    pub mark: Option<u32>,
}

/// One of them that cannot be set.
#[derive(Debug, Error)]
pub enum OptionError {
    /// Other systems have other calls for it, or none.
    #[error("{0}: only Linux has what it takes")]
    NotHere(&'static str),
    /// There is no such interface.
    #[error("--bind-device {0}: there is no such network interface (ip link shows them)")]
    NoDevice(String),
    /// A capability is missing.
    #[error("{option}: not permitted: it needs root or {capability}")]
    NotPermitted {
        /// The flag.
        option: String,
        /// What it takes.
        capability: &'static str,
    },
    /// The system says something else.
    #[error("{option}: {error}")]
    Failed {
        /// The flag.
        option: String,
        /// What the system says.
        error: io::Error,
    },
}

impl SocketOptions {
    /// Whether there is anything to set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// As they are typed.
    pub fn as_flags(&self) -> Vec<String> {
        const ECN: [&str; 4] = ["not-ect", "ect1", "ect0", "ce"];
        let ecn = self.ecn.map(|bits| ECN[usize::from(bits & 3)]);
        let flags = [
            self.dscp.map(|dscp| format!("--dscp {dscp}")),
            ecn.map(|name| format!("--ecn {name}")),
            self.dont_fragment.then(|| "--dont-fragment".to_owned()),
            self.bind_device.as_ref().map(|device| format!("--bind-device {device}")),
            self.mark.map(|mark| format!("--mark {mark}")),
        ];
        flags.into_iter().flatten().collect()
    }

    /// The variable that tells a component of its interface: the client's `-I` names one, too.
    pub fn variable(&self) -> Option<(String, String)> {
        Some(("UDPING_BIND_DEVICE".to_owned(), self.bind_device.clone()?))
    }

    /// DSCP and ECN as they share a byte of the header (RFC 3168, section 5).
    #[cfg(target_os = "linux")]
    fn traffic_class(&self) -> Option<u8> {
        (self.dscp.is_some() || self.ecn.is_some())
            .then(|| self.dscp.unwrap_or(0) << 2 | self.ecn.unwrap_or(0))
    }

    /// Sets them on a socket for IPv4, or else for IPv6.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn apply(&self, socket: &UdpSocket, is_ipv4: bool) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        for step in [Self::set_class, Self::set_fragmenting, Self::set_device, Self::set_mark] {
            step(self, socket, is_ipv4)?;
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::OsString;
    use std::io;
    use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};

    use nix::sys::socket::setsockopt;
    use nix::sys::socket::sockopt::{BindToDevice, Mark};
    use rustix::net::sockopt::{
        Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ip_tos,
        set_ipv6_mtu_discover, set_ipv6_tclass,
    };

    use super::{OptionError, SocketOptions};

    type Step = fn(&SocketOptions, &UdpSocket, bool) -> io::Result<()>;

    impl SocketOptions {
        pub(super) fn set_class(&self, socket: &UdpSocket, is_ipv4: bool) -> io::Result<()> {
            match self.traffic_class() {
                None => Ok(()),
                Some(class) if is_ipv4 => Ok(set_ip_tos(socket, class)?),
                Some(class) => Ok(set_ipv6_tclass(socket, class.into())?),
            }
        }

        pub(super) fn set_fragmenting(&self, socket: &UdpSocket, is_ipv4: bool) -> io::Result<()> {
            if !self.dont_fragment {
                Ok(())
            } else if is_ipv4 {
                Ok(set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DO)?)
            } else {
                // IPv6 is fragmented by senders alone: this one does not either.
                Ok(set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::DO)?)
            }
        }

        pub(super) fn set_device(&self, socket: &UdpSocket, _: bool) -> io::Result<()> {
            self.bind_device.as_ref().map_or(Ok(()), |device| {
                Ok(setsockopt(socket, BindToDevice, &OsString::from(device))?)
            })
        }

        pub(super) fn set_mark(&self, socket: &UdpSocket, _: bool) -> io::Result<()> {
            self.mark.map_or(Ok(()), |mark| Ok(setsockopt(socket, Mark, &mark)?))
        }

        /// Tries them on a socket of this thread's, with the capabilities that it has.
        ///
        /// # Errors
        ///
        /// Says which option cannot be set, and what to do.
        pub fn check(&self) -> Result<(), OptionError> {
            let steps: [(Step, String, &'static str); 4] = [
                (Self::set_class, "--dscp or --ecn".to_owned(), "CAP_NET_ADMIN"),
                (Self::set_fragmenting, "--dont-fragment".to_owned(), "CAP_NET_ADMIN"),
                (
                    Self::set_device,
                    format!("--bind-device {}", self.bind_device.as_deref().unwrap_or_default()),
                    "CAP_NET_RAW, before Linux 5.7",
                ),
                (
                    Self::set_mark,
                    format!("--mark {}", self.mark.unwrap_or_default()),
                    "CAP_NET_ADMIN",
                ),
            ];
            // Where there is no IPv6, there will be no such socket either.
            let sockets = [
                UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)),
                UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)),
            ];
            for (socket, is_ipv4) in sockets.into_iter().zip([true, false]) {
                let Ok(socket) = socket else { continue };
                for (step, option, capability) in &steps {
                    step(self, &socket, is_ipv4)
                        .map_err(|error| self.explained(option.clone(), capability, error))?;
                }
            }
            Ok(())
        }

        fn explained(
            &self,
            option: String,
            capability: &'static str,
            error: io::Error,
        ) -> OptionError {
            match (error.raw_os_error(), &self.bind_device) {
                (Some(libc::ENODEV), Some(device)) => OptionError::NoDevice(device.clone()),
                (Some(libc::EPERM), _) => OptionError::NotPermitted { option, capability },
                _ => OptionError::Failed { option, error },
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl SocketOptions {
    fn set_class(&self, _: &UdpSocket, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn set_fragmenting(&self, _: &UdpSocket, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn set_device(&self, _: &UdpSocket, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn set_mark(&self, _: &UdpSocket, _: bool) -> io::Result<()> {
        Ok(())
    }

    /// Says that none can be set.
    pub fn check(&self) -> Result<(), OptionError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(OptionError::NotHere("--dscp, --ecn, --dont-fragment, --bind-device, --mark"))
        }
    }
}
