//! An exporter under all that configurations, scrapers and strangers do to it, at once.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use udping_tests::exporter::{Exporter, TRAP};
use udping_tests::http::{self, PROTOBUF};
use udping_tests::namespace::Namespace;
use udping_tests::{Runtime, Server, children, host_program, wat};

use crate::services::Resources;

/// How long strangers keep their connections.
const STALL: Duration = Duration::from_secs(3);

/// Connections with a head that does not end; the exporter permits 512.
const UNFINISHED: usize = 700;

/// Readers that take nothing, which is as many as there may be scrapes at a time.
const STALLED: usize = 8;

/// The pause between two requests of the same kind.
const PAUSE: Duration = Duration::from_millis(100);

/// How long everything is left alone before descriptors are counted.
const SETTLE: Duration = Duration::from_secs(6);

/// The exporter, and its processes.
struct Attacked {
    exporter: Exporter,
    config: String,
    server: Server,
    resources: Resources,
}

/// Does all of it until `over`, in a network of its own, where nothing is accounted for. Returns what
/// the exporter took.
pub(crate) fn run(over: &AtomicBool) -> Result<Resources> {
    Namespace::new().within(|| Attacked::start()?.run(over))
}

impl Attacked {
    /// Starts an exporter of a server, and of targets that never answer.
    fn start() -> Result<Self> {
        let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
        let target = server.addresses[0];
        let trap = wat("soak-trap.wasm", TRAP);
        let silent: Vec<_> = (1..=2000).map(|port| format!("'192.0.2.7:{port}'")).collect();
        let before = format!(
            "[modules.echo]\nallow = ['127.0.0.1:1-65535']\ntargets = ['{target}', 'nowhere.invalid:7']\n\
             client.interval = '100ms'\n\
             [modules.silent]\ntargets = [{}]\nclient.interval = '1h'\n\
             [modules.trap]\nallow = ['127.0.0.1:1-65535']\ncomponent = '{}'\n",
            silent.join(","),
            trap.display()
        );
        let mut host = Command::new("sh");
        // Nobody reads what it logs.
        host.args(["-c", "exec \"$@\" 2>/dev/null", "sh"]).arg(host_program());
        let exporter = Exporter::start_by(&mut host, &before, "127.0.0.1:0");
        exporter.write("targets", "192.0.2.1:7\n");
        let config = format!(
            "{before}[modules.files]\nallow = ['192.0.2.0/24:7']\ntargets-file = 'targets'\n"
        );
        exporter.configure(&config);
        sent(exporter.address(), "POST /-/reload", "")?;
        let mut exported =
            Self { exporter, config, server, resources: Resources::new("exporter, all processes") };
        // Each prober starts with its first probe.
        exported.probe("echo")?;
        exported.probe("trap")?;
        thread::sleep(SETTLE);
        exported.resources.first_descriptors = exported.descriptors();
        Ok(exported)
    }

    fn run(mut self, over: &AtomicBool) -> Result<Resources> {
        let address = self.exporter.address();
        thread::scope(|scope| {
            scope.spawn(|| repeat(over, || strangers(address)));
            scope.spawn(|| repeat(over, || gigabyte(address)));
            scope.spawn(|| {
                repeat(over, || {
                    // It may be shed, as long as strangers take all there is.
                    let _ = sent(address, "GET /metrics", &format!("Accept: {PROTOBUF}\r\n"));
                });
            });
            let mut round = 0_u32;
            let mut sampled = Instant::now();
            repeat(over, || {
                round += 1;
                for module in ["echo", "trap"] {
                    let _ = self.probe(module);
                }
                self.exporter.write("targets", &format!("192.0.2.{}:7\n", 1 + round % 200));
                let unknown = if round.is_multiple_of(2) { "" } else { "unknown = 1\n" };
                self.exporter.configure(&format!("{unknown}{}", self.config));
                let _ = sent(address, "POST /-/reload", "");
                if sampled.elapsed() > Duration::from_secs(1) {
                    sampled = Instant::now();
                    let sample = self.resident();
                    self.resources.sample(sample);
                }
            });
        });
        // What strangers left open is closed in time.
        thread::sleep(SETTLE);
        self.exporter.configure(&self.config);
        let reloaded = http::request("POST", address, "/-/reload", &[]);
        ensure!(reloaded.status == 200, "{reloaded:?}");
        let metrics = self.exporter.get("/metrics");
        for (sample, least) in [
            ("udping_exporter_connections_shed_total", 1.0),
            ("udping_exporter_scrapes_shed_total", 1.0),
            ("udping_exporter_reloads_total{result=\"failure\"}", 1.0),
            ("udping_exporter_reloads_total{result=\"success\"}", 1.0),
            ("udping_exporter_probes_total{module=\"echo\",result=\"success\"}", 1.0),
            ("udping_exporter_probes_total{module=\"trap\",result=\"error\"}", 1.0),
        ] {
            ensure!(metrics.sample(sample) >= least, "{sample} is {}", metrics.sample(sample));
        }
        thread::sleep(SETTLE);
        self.resources.last_descriptors = self.descriptors();
        Ok(self.resources)
    }

    fn probe(&self, module: &str) -> Result<()> {
        let path = format!("GET /probe?module={module}&target={}", self.server.addresses[0]);
        sent(self.exporter.address(), &path, "")
    }

    fn processes(&self) -> Vec<String> {
        let own = self.exporter.server.process.pid();
        let all = [own].into_iter().chain(children(own));
        all.map(|pid| format!("/proc/{}", pid.as_raw_nonzero())).collect()
    }

    /// The private memory of all processes, in bytes. One that ended meanwhile counts nothing.
    fn resident(&self) -> u64 {
        let of = |process: String| {
            let status = std::fs::read_to_string(format!("{process}/status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        self.processes().into_iter().filter_map(of).sum::<u64>() * 1024
    }

    fn descriptors(&self) -> usize {
        let of = |process: String| Some(std::fs::read_dir(format!("{process}/fd")).ok()?.count());
        self.processes().into_iter().filter_map(of).sum()
    }
}

/// Does it at least once, also in a short soak.
fn repeat(over: &AtomicBool, mut what: impl FnMut()) {
    loop {
        what();
        if over.load(Ordering::Relaxed) {
            return;
        }
        thread::sleep(PAUSE);
    }
}

/// Sends one request, and reads the response to its end.
fn sent(exporter: SocketAddr, request: &str, headers: &str) -> Result<()> {
    let mut stream = TcpStream::connect(exporter)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let head =
        format!("{request} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Readers that take nothing, and more connections than there may be.
fn strangers(exporter: SocketAddr) {
    let connect = |head: &str| {
        let mut stream = TcpStream::connect(exporter).ok()?;
        stream.write_all(head.as_bytes()).ok()?;
        Some(stream)
    };
    let stalled: Vec<_> = (0..STALLED)
        .filter_map(|_| connect("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        .collect();
    let unfinished: Vec<_> = (0..UNFINISHED).filter_map(|_| connect("GET / HTTP")).collect();
    thread::sleep(STALL);
    drop((stalled, unfinished));
    // Others have their turn.
    thread::sleep(STALL);
}

/// A request of a gigabyte, as far as it is taken.
fn gigabyte(exporter: SocketAddr) {
    let Ok(mut stream) = TcpStream::connect(exporter) else { return };
    let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
    let head = "POST /-/healthy HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1073741824\r\n\r\n";
    let chunk = vec![0; 1 << 20];
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| (0..1024).try_for_each(|_| stream.write_all(&chunk)));
}
