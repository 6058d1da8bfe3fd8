//! Network namespaces for tests.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Process;

/// A network namespace, which exists as long as the process that holds it.
#[derive(Debug)]
pub struct Namespace(Process);

impl Namespace {
    /// Creates a namespace whose loopback interface is up.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it starts a process")]
    pub fn new() -> Self {
        let mut holder = Process::start(Command::new("unshare").args([
            "--net",
            "sh",
            "-c",
            "echo ready; exec sleep 120",
        ]));
        assert_eq!(holder.line(), "ready");
        let namespace = Self(holder);
        namespace.ip("link set lo up");
        namespace
    }

    /// Creates two of them, 10.9.0.1 and 10.9.0.2, connected by a wire.
    #[track_caller]
    pub fn pair() -> [Self; 2] {
        let (one, two) = (Self::new(), Self::new());
        one.ip(&format!("link add wire type veth peer name wire netns {}", two.pid()));
        for (namespace, address) in [(&one, "10.9.0.1/24"), (&two, "10.9.0.2/24")] {
            namespace.ip(&format!("addr add {address} dev wire"));
            namespace.ip("link set wire up");
        }
        [one, two]
    }

    /// Creates `count` of them, from 10.9.0.1 on, connected by a switch, which is 10.9.0.254.
    ///
    /// # Panics
    ///
    /// If there can be none.
    #[track_caller]
    pub fn mesh(count: usize) -> (Self, Vec<Self>) {
        let switch = Self::new();
        switch.ip("link add switch type bridge");
        switch.ip("addr add 10.9.0.254/24 dev switch");
        switch.ip("link set switch up");
        let hosts = (1..=count)
            .map(|number| {
                let host = Self::new();
                let pid = host.pid();
                switch.ip(&format!("link add wire{number} type veth peer name wire netns {pid}"));
                switch.ip(&format!("link set wire{number} master switch up"));
                host.ip(&format!("addr add 10.9.0.{number}/24 dev wire"));
                host.ip("link set wire up");
                host
            })
            .collect();
        (switch, hosts)
    }

    /// Runs `work` on a thread in it.
    ///
    /// # Panics
    ///
    /// If the thread cannot enter it, or panics.
    #[track_caller]
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/proc/{}/ns/net", self.pid())).expect("a namespace");
        thread::scope(|scope| {
            let work = || {
                let network = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(namespace.as_fd(), network).expect("root's capability");
                work()
            };
            scope.spawn(work).join().expect("a thread that does not panic")
        })
    }

    fn pid(&self) -> String {
        self.0.pid().as_raw_nonzero().to_string()
    }

    /// Returns a command that runs in it.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &self.pid(), "--"]).arg(program);
        command
    }

    /// Runs `ip` with these arguments, separated by spaces.
    #[track_caller]
    pub fn ip(&self, arguments: &str) {
        self.tool("ip", arguments);
    }

    /// Like [`Self::ip`], with another tool.
    #[track_caller]
    pub fn tool(&self, tool: &str, arguments: &str) {
        let output =
            self.command(tool).args(arguments.split(' ')).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{tool} {arguments}: {output:?}");
    }
}
