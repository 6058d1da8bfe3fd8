//! `udping-host tui` on a real terminal, which it leaves as it was found.

use std::fmt::Write as _;
use std::net::UdpSocket;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use udping_tests::terminal::{Terminal, state};
use udping_tests::{Runtime, Server, children, own_file, run, udping_host, until};

fn server() -> (Server, String) {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let target = server.addresses[0].to_string();
    (server, target)
}

/// The command, which pings often.
fn tui(arguments: &[&str]) -> Command {
    let mut command = udping_host();
    command.args(["tui", "-i", "50ms", "-W", "200ms"]).args(arguments);
    command
}

/// Whether a graph has the last RTT above it.
fn has_rtt(screen: &str) -> bool {
    screen.lines().any(|line| line.trim_end().ends_with(" ms"))
}

/// Starts it, and waits until it has drawn a reply.
#[track_caller]
fn started(arguments: &[&str]) -> Terminal {
    let terminal = Terminal::start(&tui(arguments), 80, 24);
    terminal.until(|screen| has_rtt(screen) && screen.contains("q quit"));
    terminal
}

/// The number of pings that the first line tells.
fn sent(screen: &str) -> u32 {
    let before = screen.split_once(" sent").map_or("", |(before, _)| before);
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

const TAKE: &str = "\x1b[?1049h";
const GIVE_BACK: &str = "\x1b[?1049l";

/// What is written after the terminal was given back for the last time.
#[track_caller]
fn after(terminal: &Terminal) -> String {
    let given_back = || {
        let output = terminal.output();
        let (before, after) = output.rsplit_once(GIVE_BACK)?;
        assert!(before.contains("\x1b[?1000l"), "the mouse is given back: {output:?}");
        Some(after.to_owned()).filter(|after| !after.contains(TAKE) && after.contains("\x1b[?25h"))
    };
    until(given_back)
}

#[test]
fn a_target_is_shown_and_its_summary_stays() {
    let (_server, target) = server();
    let mut terminal = started(&[&target]);
    let screen = terminal.screen();
    for part in [target.as_str(), "1 target", "lost%", "p99", "jitter", "█", "now"] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    terminal.type_in("q");
    assert_eq!(terminal.wait(), 0);
    let summary = after(&terminal);
    for part in [
        format!("--- {target} ping statistics ---").as_str(),
        " received, 0 lost (0.0 %)",
        "rtt min/avg/max/mdev = ",
        "rtt p50/p95/p99 = ",
    ] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
}

#[test]
fn however_it_ends_the_terminal_is_as_before() {
    let (_server, target) = server();
    let unused = Terminal::start(Command::new("sleep").arg("60"), 80, 24).settings();
    let end = |how: &dyn Fn(&mut Terminal)| {
        let mut terminal = started(&[&target]);
        assert_ne!(terminal.settings(), unused, "it is raw");
        let client = children(terminal.pid());
        assert_eq!(client.len(), 1);
        how(&mut terminal);
        assert_eq!(terminal.wait(), 0, "{}", terminal.output());
        assert_eq!(terminal.settings(), unused);
        assert!(after(&terminal).contains("ping statistics"));
        assert_eq!(state(client[0]), None, "the client has ended");
    };
    for keys in ["q", "\x1b", "\x03"] {
        end(&|terminal| terminal.type_in(keys));
    }
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        end(&|terminal| terminal.signal(signal));
    }
    // By itself, when the client has.
    let mut terminal = Terminal::start(&tui(&[&target, "-c", "3"]), 80, 24);
    assert_eq!(terminal.wait(), 0);
    assert_eq!(terminal.settings(), unused);
    assert!(after(&terminal).contains("3 sent, 3 received"), "{}", terminal.output());
}

#[test]
fn ctrl_z_gives_the_terminal_back_until_it_continues() {
    let (_server, target) = server();
    let unused = Terminal::start(Command::new("sleep").arg("60"), 80, 24).settings();
    let mut terminal = started(&[&target]);
    let client = children(terminal.pid())[0];
    for round in 0..2 {
        if round == 0 {
            terminal.type_in("\x1a");
        } else {
            terminal.signal(Signal::TSTP);
        }
        until(|| (state(terminal.pid()) == Some('T')).then_some(()));
        assert_eq!(state(client), Some('T'));
        assert_eq!(terminal.settings(), unused);
        after(&terminal);
        terminal.signal(Signal::CONT);
        terminal.until(|screen| screen.contains("q quit") && screen.contains(&target));
        assert_ne!(terminal.settings(), unused, "it is raw again");
        until(|| (state(client) != Some('T')).then_some(()));
    }
    terminal.type_in("q");
    assert_eq!(terminal.wait(), 0);
    assert_eq!(terminal.settings(), unused);
}

#[test]
fn if_it_is_killed_its_client_ends() {
    let (_server, target) = server();
    let terminal = started(&[&target]);
    let client = children(terminal.pid())[0];
    terminal.signal(Signal::KILL);
    until(|| state(client).is_none().then_some(()));
}

#[test]
fn without_a_terminal_that_is_said() {
    let outcome = run(udping_host().args(["tui", "127.0.0.1:9"]));
    assert_eq!(outcome.code(), 8, "{outcome:?}");
    let said = "udping-host: tui draws on a terminal, and standard output is none; without one: udping-host client, or exporter";
    assert_eq!((outcome.only_error(), outcome.stdout.as_str()), (said, ""));
    let mut dumb = Terminal::start(tui(&["127.0.0.1:9"]).env("TERM", "dumb"), 80, 24);
    assert_eq!(dumb.wait(), 8);
    assert!(!dumb.output().contains('\x1b'), "{:?}", dumb.output());
}

#[test]
fn one_that_is_silent_and_one_without_address_leave_the_others() {
    let (_server, target) = server();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    let mut terminal = started(&["none.invalid:7", &silent, &target]);
    let row = |screen: &str, name: &str| {
        let line = screen.lines().rev().find(|line| line.contains(name)).unwrap_or_default();
        line.to_owned()
    };
    let screen = terminal.until(|screen| row(screen, &silent).contains(" 100 "));
    assert!(row(&screen, "none.invalid:7").contains("cannot resolve"), "{screen}");
    assert!(screen.contains("no reply") && screen.contains('×'), "{screen}");
    terminal.until(|screen| row(screen, &target).contains(" 0 "));
    // The worst first.
    terminal.type_in("l");
    terminal.until(|screen| {
        let table = screen.split_once("lost%").map_or("", |(_, table)| table);
        screen.contains("by loss") && table.find(&silent) < table.find(&target)
    });
    terminal.type_in("q");
    assert_eq!(terminal.wait(), 1, "not all have replied");
    let summary = after(&terminal);
    assert!(summary.contains("not pinged: cannot resolve none.invalid"), "{summary}");
}

#[test]
fn while_it_is_paused_it_goes_on_pinging() {
    let (_server, target) = server();
    let mut terminal = started(&[&target]);
    terminal.type_in(" ");
    let paused = terminal.until(|screen| screen.contains("PAUSED"));
    thread::sleep(Duration::from_millis(1_500));
    assert_eq!(sent(&terminal.screen()), sent(&paused));
    terminal.type_in(" ");
    terminal.until(|screen| !screen.contains("PAUSED") && sent(screen) > sent(&paused) + 20);
}

#[test]
fn without_colours_and_utf_8_it_has_neither() {
    let (_server, target) = server();
    let output = |command: &Command| {
        let mut terminal = Terminal::start(command, 80, 24);
        terminal.until(has_rtt);
        terminal.type_in("q");
        assert_eq!(terminal.wait(), 0);
        terminal.output()
    };
    let is_coloured = |output: &str| output.contains("\x1b[38;5;");
    let coloured = output(&tui(&[&target]));
    assert!(is_coloured(&coloured) && !coloured.is_ascii());
    for command in [tui(&[&target]).env("NO_COLOR", "1"), &mut tui(&[&target, "--color", "never"])]
    {
        assert!(!is_coloured(&output(command)), "{command:?}");
    }
    let forced = output(tui(&[&target, "--color", "always"]).env("NO_COLOR", "1"));
    assert!(is_coloured(&forced));
    let ascii = output(tui(&[&target]).env("LC_ALL", "C"));
    assert!(ascii.is_ascii(), "{ascii:?}");
}

#[test]
fn it_follows_the_size_of_the_terminal() {
    let (_server, target) = server();
    let mut terminal = started(&[&target]);
    for (columns, rows) in [(20, 10), (1, 1), (200, 50), (7, 40), (80, 3), (40, 12)] {
        terminal.resize(columns, rows);
        thread::sleep(Duration::from_millis(300));
    }
    terminal.until(|screen| screen.contains("lost%"));
    terminal.resize(20, 10);
    terminal.until(|screen| screen.contains("lost%") && !screen.contains("p99"));
    terminal.type_in("q");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn a_thousand_targets_are_listed() {
    let server = Server::start(Runtime::UdpingHost, "0.0.0.0", &[]);
    let port = server.addresses[0].port();
    let mut list = String::new();
    for n in 0..1_000 {
        writeln!(list, "127.0.{}.{}:{port}", n / 250, n % 250 + 1).unwrap();
    }
    let list = own_file("thousand.txt", list.as_bytes());
    let mut command = udping_host();
    command.args(["tui", "--targets"]).arg(list);
    let mut terminal = Terminal::start(&command, 80, 24);
    terminal.until(|screen| screen.contains("1000 targets") && has_rtt(screen));
    // End.
    terminal.type_in("\x1b[F");
    let last = format!("> 127.0.3.250:{port}");
    terminal.until(|screen| screen.contains(&last) && sent(screen) > 3_000);
    terminal.type_in("q");
    let code = terminal.wait();
    assert!(code == 0 || code == 1, "some may not have replied yet: {code}");
    assert!(after(&terminal).contains(&format!("127.0.0.1:{port} ")));
}

#[test]
fn a_target_that_is_none_is_refused_before_anything_is_drawn() {
    for (arguments, complaint) in [
        (&["a\x1b[2Jb:7"][..], "neither an address nor a host name"),
        (&["a:7\nb:8"], "is not HOST:PORT"),
        (&["a"], "tui: which port of a? write HOST:PORT"),
        (&["a:7", "-i", "1us"], "must be at least 10us"),
        (&["a:7", "--format", "json"], "--format is an option of client"),
        (&[], "required arguments were not provided"),
    ] {
        let outcome = run(udping_host().arg("tui").args(arguments));
        assert_eq!(outcome.code(), 2, "{outcome:?}");
        let said = outcome.only_error();
        assert!(said.contains(complaint) && !said.contains('\x1b'), "{said:?}");
    }
}

/// Options before the command are the client's host's.
#[test]
fn the_client_gets_the_options_of_its_host() {
    let (_server, target) = server();
    let mut command = udping_host();
    command.args(["--deny-to", "127.0.0.0/8", "tui", "-i", "50ms", &target]);
    let mut terminal = Terminal::start(&command, 80, 24);
    // It is refused, and ends.
    assert_eq!(terminal.wait(), 3, "{}", terminal.output());
    assert!(after(&terminal).contains("refused: "), "{}", terminal.output());
}
