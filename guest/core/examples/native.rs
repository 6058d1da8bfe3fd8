//! A pinger over `std::net::UdpSocket`: `cargo run -p udping-core --example native --
//! 127.0.0.1:12000`.

use std::error::Error;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime};

use udping_core::client::{Arrival, Config, Event, Pinger};
use udping_core::{Instant, UnixTime};

/// A socket, and the time at which the run began.
struct Native {
    socket: UdpSocket,
    start: std::time::Instant,
}

impl Native {
    fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn wall() -> UnixTime {
        let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        UnixTime { seconds: since_epoch.as_secs(), nanoseconds: since_epoch.subsec_nanos() }
    }

    /// Waits for a datagram until `deadline`.
    fn receive(
        &self,
        deadline: Instant,
        buffer: &mut [u8],
    ) -> std::io::Result<Option<(usize, SocketAddr)>> {
        let timeout = deadline.since(self.now()).max(Duration::from_micros(1));
        self.socket.set_read_timeout(Some(timeout))?;
        match self.socket.recv_from(buffer) {
            Ok(received) => Ok(Some(received)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let server: SocketAddr =
        std::env::args().nth(1).ok_or("usage: native ADDRESS:PORT")?.parse()?;
    let native = Native { socket: UdpSocket::bind("0.0.0.0:0")?, start: std::time::Instant::now() };
    let mut pinger = Pinger::new(Config::new(vec![server]), native.now());
    let mut buffer = vec![0; 65_536];
    while !pinger.is_over() {
        pinger.handle_timeout(native.now());
        while let Some(transmit) = pinger.poll_transmit(native.now(), Native::wall()) {
            native.socket.send_to(transmit.datagram, transmit.to)?;
        }
        let Some(deadline) = pinger.poll_timeout() else { break };
        if let Some((length, from)) = native.receive(deadline, &mut buffer)? {
            let arrival = Arrival {
                now: native.now(),
                wall: Native::wall(),
                waited: None,
                source_port: 0,
                from,
            };
            pinger.handle_input(arrival, &buffer[..length]);
        }
        while let Some(happened) = pinger.poll_event() {
            match happened.event {
                Event::Reply { seq, rtt, .. } => println!("seq={seq} rtt={rtt:?}"),
                Event::Lost(_, seq, _) => println!("seq={seq} lost"),
                _ => {}
            }
        }
    }
    let total = pinger.results().total;
    println!("{} sent, {} received, {} lost", total.sent, total.received, total.lost);
    Ok(())
}
