//! Every number that a client reports is what has happened, as the network knows it. The snapshots have
//! the fingerprint of all that has happened: they are the same on each machine, or a seed is worth
//! nothing.

use udping_tests::{own_file, run, udping_host};

/// The nodes of most scenarios: a server and two clients.
fn nodes(server: &str, client: &str) -> String {
    format!(
        "[[node]]\nname = \"server\"\nrun = \"server 12000 {server}\"\n\n[[node]]\nname = \"client\"\ncount = 2\nrun = \"client server 12000 {client}\"\n"
    )
}

/// Runs a scenario twice, the second time with as many other things going on as a test machine has.
/// Each report has to be what happened.
fn is_true(name: &str, head: &str, nodes: &str, faults: &str) {
    let path = own_file(&format!("{name}.toml"), format!("{head}\n{nodes}\n{faults}").as_bytes());
    let simulate = || run(udping_host().arg("simulate").arg(&path));
    let outcome = simulate();
    assert!(outcome.stdout.contains("\ndifferences: none\n"), "{name}: {outcome:?}");
    assert_eq!(simulate().stdout, outcome.stdout, "{name}: the same seed is the same run");
    insta::assert_snapshot!(name, outcome.stdout);
}

const DELAY: &str = "[link]\ndelay = \"20ms\"\njitter = \"4ms\"";

#[test]
fn without_faults() {
    is_true("calm", "[link]\ndelay = \"40ms\"", &nodes("", "--count 100 --interval 20ms"), "");
}

#[test]
fn loss_in_bursts() {
    let head = "[link]\ndelay = \"20ms\"\ngemodel = \"5%:30%\"";
    is_true("bursts", head, &nodes("", "--count 200 --interval 20ms -W 200ms"), "");
}

#[test]
fn duplicates() {
    let head = "[link]\ndelay = \"20ms\"\njitter = \"4ms\"\nduplicate = \"20%\"";
    is_true("duplicates", head, &nodes("", "--count 200 --interval 20ms -W 200ms"), "");
}

#[test]
fn reordering() {
    let head =
        "[link]\ndelay = \"50ms\"\njitter = \"30ms\"\ndistribution = \"normal\"\nreorder = \"10%\"";
    is_true("reordering", head, &nodes("", "--count 200 --interval 10ms"), "");
}

#[test]
fn late_replies() {
    let head = "[link]\ndelay = \"20ms\"\njitter = \"10ms\"\ndistribution = \"pareto\"\ncorrelation = \"50%\"";
    is_true("late", head, &nodes("", "--count 200 --interval 10ms -W 42ms"), "");
}

#[test]
fn corruption() {
    let head = "[link]\ndelay = \"20ms\"\ncorrupt = \"20%\"";
    is_true("corruption", head, &nodes("", "--count 200 --interval 10ms -W 100ms --size 64"), "");
}

#[test]
fn clocks_that_are_stepped_and_drift() {
    let faults = r#"
[[fault]]
at = "500ms"
wall-clock-step = { node = "client-1", by = "-1h" }
[[fault]]
at = "600ms"
wall-clock-step = { node = "server", by = "1h" }
[[fault]]
at = "700ms"
wall-clock-drift = { node = "client-2", ppm = 200 }
"#;
    is_true("clocks", DELAY, &nodes("", "--count 100 --interval 20ms"), faults);
    let nodes = nodes("--protocol stamp", "--protocol stamp --count 100 --interval 20ms");
    is_true("clocks-under-stamp", DELAY, &nodes, faults);
}

#[test]
fn suspended_nodes() {
    let faults = r#"
[[fault]]
at = "500ms"
suspend = "client-1"
[[fault]]
at = "900ms"
resume = "client-1"
[[fault]]
at = "1200ms"
suspend = "server"
[[fault]]
at = "1500ms"
resume = "server"
"#;
    let three = nodes("", "--count 150 --interval 20ms --source-ports 3");
    is_true("suspended", DELAY, &three, faults);
}

#[test]
fn partitions_restarts_and_addresses_that_change() {
    let faults = r#"
[[fault]]
at = "500ms"
partition = ["client-1", "client-2"]
[[fault]]
at = "800ms"
heal = true
[[fault]]
at = "1s"
kill = "server"
[[fault]]
at = "1200ms"
start = "server"
[[fault]]
at = "1500ms"
address = { node = "client-1", to = "10.9.9.9" }
"#;
    is_true("restarts", DELAY, &nodes("", "--count 100 --interval 20ms -W 200ms"), faults);
}

#[test]
fn losses_by_direction_under_stamp() {
    let head = "[link]\ndelay = \"20ms\"";
    let links = r#"
[[links]]
from = "client"
to = "server"
loss = "20%"
[[links]]
from = "server"
to = "client"
loss = "5%"
"#;
    let client = "--protocol stamp --count 300 --interval 10ms -W 100ms";
    is_true("stateless", head, &nodes("--protocol stamp", client), links);
    is_true("stateful", head, &nodes("--protocol stamp --stateful", client), links);
}

#[test]
fn authenticated() {
    let head = "[link]\ndelay = \"20ms\"\nloss = \"5%\"\ncorrupt = \"5%\"";
    let env = "env = { UDPING_KEY = \"000102030405060708090a0b0c0d0e0f\" }";
    let keyed = |nodes: String| nodes.replace("run =", &format!("{env}\nrun ="));
    let options = "--count 100 --interval 10ms -W 100ms";
    is_true("keyed", head, &keyed(nodes("", options)), "");
    let stamp = nodes("--protocol stamp", &format!("--protocol stamp {options}"));
    is_true("keyed-stamp", head, &keyed(stamp), "");
}

#[test]
fn three_source_ports() {
    let options = "--count 300 --interval 5ms --source-ports 3 -W 100ms";
    let head = "[link]\ndelay = \"20ms\"\njitter = \"4ms\"\nloss = \"5%\"\nduplicate = \"5%\"";
    is_true("ports", head, &nodes("", options), "");
}

#[test]
fn a_hundred_targets() {
    let targets: Vec<_> = (1..=100).map(|n| format!("--target server-{n}:12000")).collect();
    let nodes = format!(
        "[[node]]\nname = \"server\"\ncount = 100\nrun = \"server 12000\"\n\n[[node]]\nname = \"client\"\nrun = \"client {} --count 5 --interval 100ms\"\n",
        targets.join(" ")
    );
    is_true("targets", "[link]\ndelay = \"20ms\"\nloss = \"3%\"", &nodes, "");
}

#[test]
fn other_schedules() {
    let head = "[link]\ndelay = \"5ms\"\njitter = \"1ms\"\nloss = \"2%\"";
    is_true("flood", head, &nodes("", "--flood --count 300 -W 50ms"), "");
    is_true(
        "poisson",
        head,
        &nodes("", "--schedule poisson --interval 10ms --count 200 --seed 3"),
        "",
    );
    is_true("burst", head, &nodes("", "--burst 10 --interval 100ms --count 200"), "");
}

#[test]
fn a_link_with_a_rate_and_a_short_queue() {
    let head = "[link]\ndelay = \"10ms\"\nrate = \"100kbit\"\nlimit = 5";
    is_true("rate", head, &nodes("", "--size 500 --count 200 --interval 20ms -W 500ms"), "");
    let head = "[link]\ndelay = \"10ms\"\nmtu = 500";
    is_true("mtu", head, &nodes("", "--size 600 --count 5 --interval 20ms -W 100ms"), "");
}

/// The example of docs/simulation.md.
#[test]
fn the_documented_scenario() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scenario.toml");
    let outcome = run(udping_host().args(["simulate", path]));
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    let document = std::fs::read_to_string(path.replace("scenario.toml", "simulation.md")).unwrap();
    let indented = |text: &str| {
        let line = |line: &str| if line.is_empty() { String::new() } else { format!("    {line}") };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    };
    assert!(document.contains(&indented(&outcome.stdout)), "{}", outcome.stdout);
    let scenario = std::fs::read_to_string(path).unwrap();
    let (_, scenario) = scenario.split_once("\n\n").unwrap();
    assert!(document.contains(&indented(scenario)));
}

/// What documents show of simulations by command lines, with the ports that they show.
#[test]
fn the_documented_simulations() {
    for name in ["README.md", "docs/simulation.md"] {
        let path = format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"));
        let document = std::fs::read_to_string(path).unwrap();
        let (_, rest) = document.split_once("    $ udping-host simulate --seed").unwrap();
        let (words, shown) = rest.split_once('\n').unwrap();
        let outcome =
            run(udping_host().args(["simulate", "--seed"]).args(words.split_whitespace()));
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        let shown = shown.lines().map(|line| line.strip_prefix("    ").unwrap_or(line));
        assert!(shown.take(outcome.stdout.lines().count()).eq(outcome.stdout.lines()), "{name}");
    }
}
