//! What one source gets while another floods the server: pings answered, in percent.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::goals;
use crate::load;
use crate::measures::{Effort, alternate};
use crate::peers::Peer;
use crate::report::{Measure, Row};

/// Datagrams a second of the flood.
const RATE: f64 = 200_000.0;

/// Bytes of each datagram.
const SIZE: usize = 64;

/// Datagrams of one system call. They travel apart: what comes from a network card seldom travels together.
const BATCH: usize = 64;

/// How long before the first ping the flood starts: queues are full then.
const BEFORE: Duration = Duration::from_millis(300);

/// From one ping to the next, and how long a reply may take. With one a second it would take ten times as long to see as
/// much.
const INTERVAL: Duration = Duration::from_millis(100);

/// The share of pings that each of `peers` answers beside a flood, and how large that was.
pub fn beside(peers: &[Peer], effort: Effort) -> Result<[Measure; 2]> {
    let mut floods: Vec<Row> = peers.iter().map(|peer| Row::new(peer.name(), peer.missing())).collect();
    let pings = (effort.pings / 10).max(1);
    let answered = alternate(goals::FLOOD[0], "% of pings, one every 100 ms", peers, effort.rounds, |peer, row| {
        let server = peer.start()?;
        let over = AtomicBool::new(false);
        let (answered, rate) = thread::scope(|scope| -> Result<(usize, f64)> {
            let flood = scope.spawn(|| flood(server.address, &over));
            thread::sleep(BEFORE);
            let answered = ping(server.address, pings);
            over.store(true, Ordering::Relaxed);
            Ok((answered?, flood.join().map_err(|_| anyhow!("the flood panicked"))??))
        })?;
        row.values.push(100.0 * answered as f64 / pings as f64);
        floods.iter_mut().filter(|flood| flood.peer == row.peer).for_each(|flood| flood.values.push(rate));
        Ok(())
    })?;
    Ok([answered, Measure { name: goals::FLOOD[1], unit: "datagrams/s sent", rows: floods }])
}

/// Sends distinct datagrams from one socket until it is `over`, whatever comes back, and says how many a second.
fn flood(server: SocketAddr, over: &AtomicBool) -> io::Result<f64> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    let mut datagrams = vec![0; BATCH * SIZE];
    let (start, mut sent) = (Instant::now(), 0);
    while !over.load(Ordering::Relaxed) {
        let due = start.elapsed().as_secs_f64() * RATE;
        if (sent as f64) < due {
            for (number, datagram) in (sent..).zip(datagrams.chunks_mut(SIZE)) {
                load::write(datagram, number);
            }
            match load::send_batch(&socket, &datagrams, SIZE) {
                Ok(count) => sent += count as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        } else {
            thread::sleep(Duration::from_micros(200));
        }
    }
    Ok(sent as f64 / start.elapsed().as_secs_f64())
}

/// How many of `count` pings are answered before the next is due.
fn ping(server: SocketAddr, count: usize) -> io::Result<usize> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    let (mut due, mut answered) = (Instant::now(), 0);
    for number in 0..count as u64 {
        socket.send(&number.to_le_bytes())?;
        due += INTERVAL;
        let mut awaited = true;
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            let mut reply = [0; 8];
            socket.set_read_timeout(Some(left))?;
            match socket.recv(&mut reply) {
                Ok(_) if awaited && reply == number.to_le_bytes() => {
                    answered += 1;
                    awaited = false;
                }
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(answered)
}
