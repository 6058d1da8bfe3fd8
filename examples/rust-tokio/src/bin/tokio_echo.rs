//! A UDP echo server by tokio: `tokio_echo PORT`.

use std::{env, io};

use tokio::net::UdpSocket;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let port = env::args().nth(1).and_then(|port| port.parse().ok());
    let port: u16 = port.ok_or_else(|| io::Error::other("usage: tokio_echo PORT"))?;
    let socket = UdpSocket::bind(("0.0.0.0", port)).await?;
    println!("listening on {}", socket.local_addr()?);
    let mut datagram = vec![0; 1 << 16];
    loop {
        match socket.recv_from(&mut datagram).await {
            Ok((length, from)) => {
                if let Err(error) = socket.send_to(&datagram[..length], from).await {
                    eprintln!("cannot answer {from}: {error}");
                }
            }
            // An ICMP error for an earlier answer.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error),
        }
    }
}
