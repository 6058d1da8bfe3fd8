//! Socket options that WASI lacks, which the operator sets for any component.

use std::io;
use std::net::UdpSocket;

use thiserror::Error;

/// The options set on each socket before it is bound. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// The Differentiated Services Code Point (RFC 2474), 0 to 63.
    pub dscp: Option<u8>,
    /// The Explicit Congestion Notification bits (RFC 3168), 0 to 3.
    pub ecn: Option<u8>,
    /// Whether routers may not fragment datagrams (RFC 791; RFC 8899 for its use): a datagram
    /// larger than the path's MTU is an error.
    pub dont_fragment: bool,
    /// The network interface that sockets are bound to (`SO_BINDTODEVICE`, socket(7)).
    pub bind_device: Option<String>,
    /// The mark for routing and packet filters (`SO_MARK`, socket(7)).
    pub mark: Option<u32>,
}

/// Why an option cannot be set.
#[derive(Debug, Error)]
pub enum OptionError {
    /// The option is not supported on this system: others than Linux have different calls for it,
    /// or none.
    #[error("{0}: only Linux has what it takes")]
    NotHere(&'static str),
    /// The network interface does not exist (`ENODEV`).
    #[error("--bind-device {0}: there is no such network interface (ip link shows them)")]
    NoDevice(String),
    /// A capability is missing (`EPERM`, capabilities(7)).
    #[error("{option}: not permitted: it needs root or {capability}")]
    NotPermitted {
        /// The flag that sets the option.
        option: String,
        /// The required capability.
        capability: &'static str,
    },
    /// The system call failed for another reason.
    #[error("{option}: {error}")]
    Failed {
        /// The flag that sets the option.
        option: String,
        /// The error of setsockopt(2).
        error: io::Error,
    },
}

impl SocketOptions {
    /// Whether no option is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The options as command-line flags.
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

    /// The environment variable that tells a component its interface, if there is one: the client's
    /// `-I` names one, too.
    pub fn variable(&self) -> Option<(String, String)> {
        Some(("UDPING_BIND_DEVICE".to_owned(), self.bind_device.clone()?))
    }

    /// DSCP and ECN combined into one byte of the IP header (RFC 3168, section 5).
    #[cfg(target_os = "linux")]
    fn traffic_class(&self) -> Option<u8> {
        (self.dscp.is_some() || self.ecn.is_some())
            .then(|| self.dscp.unwrap_or(0) << 2 | self.ecn.unwrap_or(0))
    }

    /// Sets the options on an IPv4 or an IPv6 socket.
    ///
    /// # Errors
    ///
    /// The errors of setsockopt(2).
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
                // IPv6 is fragmented only by the sender: this disables that.
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

        /// Tries the options on a socket of this thread, with its capabilities.
        ///
        /// # Errors
        ///
        /// The option that cannot be set, and what helps.
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
            // Without IPv6, no such sockets will be opened either.
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

    /// Fails if any option is set.
    pub fn check(&self) -> Result<(), OptionError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(OptionError::NotHere("--dscp, --ecn, --dont-fragment, --bind-device, --mark"))
        }
    }
}
