//! The UDP Pinger of Kurose and Ross's textbook by `std::net`: `std_pinger HOST:PORT`.

use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, io, thread};

const PINGS: u32 = 10;
const TIMEOUT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_micros(50);

fn main() -> io::Result<()> {
    let server =
        env::args().nth(1).ok_or_else(|| io::Error::other("usage: std_pinger HOST:PORT"))?;
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(&server)?;
    let mut rtts = Vec::new();
    for seq in 1..=PINGS {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ping = format!("Ping {seq} {}.{:06}", time.as_secs(), time.subsec_micros());
        let sent = Instant::now();
        // wasi-libc has no SO_RCVTIMEO, by which `set_read_timeout` would wait. To send does wait, since
        // a new socket may have no space yet.
        socket.set_nonblocking(false)?;
        socket.send(ping.as_bytes())?;
        socket.set_nonblocking(true)?;
        if is_answered(&socket, ping.as_bytes(), sent + TIMEOUT) {
            let rtt = sent.elapsed();
            println!("{server}: seq={seq} rtt={:.3} ms", milliseconds(rtt));
            rtts.push(rtt);
        } else {
            println!("{server}: seq={seq} lost");
        }
    }
    let received = u32::try_from(rtts.len()).unwrap_or(PINGS);
    println!("{PINGS} sent, {received} received, {} lost", PINGS - received);
    if let (Some(min), Some(max)) = (rtts.iter().min(), rtts.iter().max()) {
        let average = rtts.iter().sum::<Duration>() / received;
        let [min, average, max] = [*min, average, *max].map(milliseconds);
        println!("rtt min/avg/max = {min:.3}/{average:.3}/{max:.3} ms");
    }
    Ok(())
}

/// Waits for the reply to `ping`: those to earlier pings, which were late, are not it.
fn is_answered(socket: &UdpSocket, ping: &[u8], timeout: Instant) -> bool {
    let mut reply = [0; 1500];
    while Instant::now() < timeout {
        match socket.recv(&mut reply) {
            Ok(length) if reply[..length].eq_ignore_ascii_case(ping) => return true,
            Ok(_) => {}
            // Nothing yet, or an ICMP error.
            Err(_) => thread::sleep(PAUSE),
        }
    }
    false
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
