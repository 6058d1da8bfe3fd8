//! A pinger by tokio, whose pings leave every 100 ms, whatever becomes of those before:
//! `tokio_pinger HOST:PORT`.

use std::time::Duration;
use std::{env, io};

use tokio::net::UdpSocket;
use tokio::time::{Instant, interval, sleep_until};

const PINGS: u8 = 10;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let server =
        env::args().nth(1).ok_or_else(|| io::Error::other("usage: tokio_pinger HOST:PORT"))?;
    let socket = UdpSocket::bind("0.0.0.0:0").await?;
    socket.connect(&server).await?;
    let mut turns = interval(Duration::from_millis(100));
    let mut sent: Vec<Instant> = Vec::new();
    let mut rtts = Vec::new();
    let mut end = Instant::now() + Duration::from_mins(1);
    let mut reply = [0; 1500];
    while rtts.len() < usize::from(PINGS) {
        tokio::select! {
            _ = turns.tick(), if sent.len() < usize::from(PINGS) => {
                let ping = format!("Ping {}", sent.len() + 1);
                sent.push(Instant::now());
                socket.send(ping.as_bytes()).await?;
                end = Instant::now() + Duration::from_secs(1);
            }
            received = socket.recv(&mut reply) => {
                let seq = received.ok().and_then(|length| seq(&reply[..length]));
                if let Some(at) = seq.and_then(|seq| sent.get(seq.checked_sub(1)?)) {
                    let rtt = at.elapsed();
                    println!("{server}: seq={} rtt={:.3} ms", seq.unwrap_or_default(), rtt.as_secs_f64() * 1e3);
                    rtts.push(rtt);
                }
            }
            () = sleep_until(end) => break,
        }
    }
    println!("{} sent, {} received", sent.len(), rtts.len());
    Ok(())
}

/// The sequence number of a reply.
fn seq(reply: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(reply).ok()?;
    text.get(..5).filter(|word| word.eq_ignore_ascii_case("ping "))?;
    text.get(5..)?.parse().ok()
}
