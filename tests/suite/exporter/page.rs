//! The page at `/`, and the JSON that it shows: over HTTP, and in a browser.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use udping_tests::browser::Browser;
use udping_tests::exporter::Exporter;
use udping_tests::http::{Client, Response, request, stalled};
use udping_tests::{Runtime, Server, free_port, host_program, own_file, peer, until};

/// The name of a module that is markup, and would end a script or a comment.
const HOSTILE: &str = "<img src=x onerror=alert(1)></script>-->\\u0007\\\"'&amp;";

/// The same, as the configuration's reader has it.
fn hostile() -> String {
    HOSTILE.replace("\\u0007", "\u{7}").replace("\\\"", "\"")
}

fn json(response: &Response) -> Value {
    assert_eq!(
        (response.status, &*response.content_type),
        (200, "application/json"),
        "{response:?}"
    );
    serde_json::from_slice(&response.body).unwrap()
}

/// The row of the target at `address`.
fn row(exporter: &Exporter, address: SocketAddr) -> Value {
    let listed = json(&exporter.get("/api/targets"));
    let rows = listed["targets"].as_array().unwrap();
    rows.iter().find(|row| row["port"] == address.port()).unwrap().clone()
}

#[test]
fn every_response_has_a_strict_policy() {
    let exporter = Exporter::start("[modules.a]\n");
    let html = exporter.get("/");
    let scripts: Vec<_> = ["main", "table", "graph", "facts", "format"]
        .map(|name| exporter.get(&format!("/page/{name}.js")))
        .into();
    let style = exporter.get("/page/style.css");
    let others = ["/metrics", "/api/targets", "/-/healthy", "/nowhere", "/api/pings"];
    let others: Vec<_> = others.iter().map(|path| exporter.get(path)).collect();
    for response in [&html, &style].into_iter().chain(&scripts).chain(&others) {
        let policy = response.header("content-security-policy");
        let parts: Vec<_> = policy.split("; ").collect();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(parts.contains(&part), "{part}: {response:?}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(response.header("x-content-type-options"), "nosniff");
        assert_eq!(response.header("access-control-allow-origin"), "");
    }
    assert_eq!(html.content_type, "text/html; charset=utf-8");
    assert_eq!(style.content_type, "text/css; charset=utf-8");
    for script in &scripts {
        assert_eq!(script.content_type, "text/javascript; charset=utf-8");
        // Text alone is put into the page.
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!script.text().contains(way), "{way}");
        }
    }
    // Nothing that the policy would block, and nothing from elsewhere.
    for inline in ["style=", "<style", "javascript:", "http:", "https:", "\"//"] {
        assert!(!html.text().contains(inline), "{inline}");
    }
    let is_handler = |word: &str| word.starts_with("on") && word.contains('=');
    assert!(!html.text().split_whitespace().any(is_handler));
}

#[test]
fn page_has_the_guards_of_the_other_paths() {
    let exporter = Exporter::start("[modules.a]\n");
    for path in ["/", "/page/main.js", "/api/targets", "/api/pings?module=a&target=b:7"] {
        let foreign = request("GET", exporter.address(), path, &[("Host", "evil.example")]);
        assert_eq!(foreign.status, 421, "{path}");
        assert!(!foreign.text().contains("html"), "{path}");
        assert_eq!(request("POST", exporter.address(), path, &[]).status, 405, "{path}");
    }
    for (path, status) in [
        ("/api/pings", 400),
        ("/api/pings?module=a", 400),
        ("/api/pings?module=a&target=b:7", 404),
        ("/api/pings?module=a&target=%00", 404),
        ("/page/../main.js", 404),
    ] {
        let response = exporter.get(path);
        assert_eq!(response.status, status, "{path}");
        // What was asked for is not repeated.
        assert!(!response.text().contains("b:7"), "{path}");
    }
}

#[test]
fn json_has_what_metrics_have_and_the_last_pings() {
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let lossy = Server::start(Runtime::UdpingHost, "127.0.0.1", &["--drop-rate", "100"]);
    let exporter = Exporter::start(&format!(
        "[modules.\"{HOSTILE}\"]\ntargets = ['{}', '{}', 'nowhere.invalid:7']\n\
         client = {{ interval = '10ms', timeout = '100ms' }}\n\
         host.limit-memory = '32MiB'\n",
        server.addresses[0], lossy.addresses[0]
    ));
    let [answers, drops] = [server.addresses[0], lossy.addresses[0]];
    // More than are kept.
    until(|| (row(&exporter, answers)["sent"].as_u64() > Some(300)).then_some(()));
    until(|| (row(&exporter, drops)["lost"].as_u64() > Some(300)).then_some(()));
    let response = exporter.get("/api/targets");
    assert!(!response.text().contains('\u{7}'), "a control character");
    let listed = json(&response);
    assert_eq!(listed["version"], env!("CARGO_PKG_VERSION"));
    let kept = listed["kept"].as_u64().unwrap();
    let [module] = listed["modules"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!(module["name"], hostile());
    let sandbox = &module["sandbox"];
    let grants = sandbox["started"]["grants"].as_str().unwrap();
    assert!(grants.contains(&format!("send to {answers}")), "{grants}");
    let limits = sandbox["started"]["limits"].as_str().unwrap();
    assert!(limits.starts_with("32.0 MiB of memory"), "{limits}");
    let process = &sandbox["process"];
    assert_eq!((&process["seccomp"], &process["no_new_privs"]), (&true.into(), &true.into()));
    assert_eq!(process["capabilities"], "0000000000000000");

    let good = row(&exporter, answers);
    assert_eq!((&good["module"], &good["host"]), (&hostile().into(), &"127.0.0.1".into()));
    assert_eq!((&good["address"], &good["lost"]), (&answers.to_string().into(), &0.into()));
    let [p50, p99] = ["p50_ns", "p99_ns"].map(|name| good["last"][name].as_u64().unwrap());
    assert!(0 < p50 && p50 <= p99 && p99 < 100_000_000, "{good}");
    let bad = row(&exporter, drops);
    assert_eq!((&bad["received"], &bad["last"]["p50_ns"]), (&0.into(), &Value::Null));
    assert_eq!((&bad["last"]["pings"], &bad["last"]["lost"]), (&kept.into(), &kept.into()));
    let unknown = listed["targets"].as_array().unwrap().last().unwrap();
    assert_eq!((&unknown["host"], &unknown["address"]), (&"nowhere.invalid".into(), &Value::Null));

    // The name in a query, as a browser writes it.
    let name: String = hostile().bytes().map(|byte| format!("%{byte:02X}")).collect();
    let pings =
        |address| json(&exporter.get(&format!("/api/pings?module={name}&target={address}")));
    for (address, is_lost) in [(answers, false), (drops, true)] {
        let pings = pings(address);
        let now = pings["now_ms"].as_u64().unwrap();
        let all = pings["pings"].as_array().unwrap();
        assert_eq!(all.len() as u64, kept, "{pings}");
        let mut before = 0;
        for ping in all {
            let sent = ping[0].as_u64().unwrap();
            // At 10 ms each, 120 of them are within some seconds.
            assert!(before <= sent && sent <= now && now < sent + 60_000, "{sent} {now}");
            assert_eq!(ping[1].is_null(), is_lost, "{ping}");
            before = sent;
        }
    }
}

#[test]
fn where_a_key_is_kept_is_not_told() {
    let path = own_file("of-a-page.key", "b8".repeat(32).as_bytes());
    let exporter = Exporter::start(&format!(
        "[modules.a]\ntargets = ['127.0.0.1:7']\nclient.interval = '1s'\nhost.key-file = '{}'\n",
        path.display()
    ));
    let listed = until(|| {
        let response = exporter.get("/api/targets");
        let listed = json(&response);
        assert!(!response.text().contains("of-a-page") && !response.text().contains("b8b8"));
        (listed["modules"][0]["sandbox"]["started"]["keys"] == 1).then_some(listed)
    });
    assert_eq!(listed["modules"][0]["host"], Value::from(vec!["--key-file"]));
}

/// What a test does in the browser fails if the page has caused any error.
#[track_caller]
fn assert_no_errors(browser: &mut Browser) {
    let errors = browser.errors();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// The texts of a target's cells.
fn cells(browser: &mut Browser, target: &str) -> Vec<String> {
    let expression = format!(
        "[...document.querySelectorAll('#targets tbody tr')]
            .filter((row) => row.cells[0].textContent === {target:?})
            .flatMap((row) => [...row.cells].map((cell) => cell.textContent))"
    );
    serde_json::from_value(browser.value(&expression)).unwrap()
}

#[test]
fn page_shows_targets_in_a_browser_and_outlives_the_exporter() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let lossy = ["--drop-rate", "50", "--seed", "7"];
    let lossy = Server::start(Runtime::UdpingHost, "127.0.0.1", &lossy);
    let [answers, drops] = [&server, &lossy].map(|server| server.addresses[0].to_string());
    let config = format!(
        "[modules.\"{HOSTILE}\"]\ntargets = ['{answers}', '{drops}', 'nowhere.invalid:7']\n\
         client = {{ interval = '20ms', timeout = '200ms' }}\n"
    );
    let exporter = Exporter::start(&config);
    let address = exporter.address();
    browser.look((1280, 900), "light");
    browser.open(&format!("http://{address}/"));
    browser.until("document.querySelectorAll('#targets tbody tr').length === 3");
    browser.until("document.getElementById('status').textContent === 'live'");
    browser.until("document.querySelectorAll('#targets tbody .lossy').length === 1");

    // The table, with names as text.
    let good = cells(&mut browser, &answers);
    assert_eq!((&good[1], &good[2]), (&hostile(), &answers));
    assert_eq!((&*good[4], &*good[5]), ("0", "0.0 %"));
    assert!(good[6..].iter().all(|rtt| rtt.parse::<f64>().unwrap() > 0.0), "{good:?}");
    let bad = cells(&mut browser, &drops);
    let loss: f64 = bad[5].strip_suffix(" %").unwrap().parse().unwrap();
    assert!((10.0..90.0).contains(&loss), "{bad:?}");
    assert_eq!(cells(&mut browser, "nowhere.invalid:7")[2], "no address");
    assert_eq!(browser.value("document.querySelectorAll('img, main script').length"), 0);

    // The keyboard alone: to the target that loses, then along its graph.
    let is_at = |browser: &mut Browser, text: &str| {
        browser.value("document.activeElement.textContent") == text
    };
    for _ in 0..40 {
        if is_at(&mut browser, &answers) {
            break;
        }
        browser.press("Tab");
    }
    let outline = "getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.value(outline), "solid", "the focus is seen");
    browser.press("ArrowDown");
    assert!(is_at(&mut browser, &drops));
    browser.press("Enter");
    browser
        .until(&format!("document.querySelector('[aria-pressed=true]').textContent === {drops:?}"));
    assert!(is_at(&mut browser, &drops), "the focus stays");
    assert_eq!(browser.text("#chosen-name"), format!("{drops} ({})", hostile()));
    browser.until("document.querySelectorAll('#graph .losses path').length > 0");
    browser.until("document.querySelectorAll('#graph .dots circle').length > 0");
    let label = browser.value("document.getElementById('graph').getAttribute('aria-label')");
    assert!(label.as_str().unwrap().contains(" of them lost"), "{label}");
    browser.value("document.getElementById('graph').focus()");
    browser.press("ArrowLeft");
    browser.until("/^\\d\\d:\\d\\d:\\d\\d: (lost|[0-9.]+ ms)$/.test(readout.textContent)");

    // By loss, the most first.
    browser.value("[...document.querySelectorAll('thead button')].find((b) => b.textContent === 'Loss').click()");
    browser.until(&format!("targets.tBodies[0].rows[0].cells[0].textContent === {drops:?}"));
    assert_eq!(browser.text("[aria-sort=descending]"), "Loss");

    // The sandbox.
    browser.until("facts.textContent.includes('seccomp')");
    let facts = browser.text("#facts");
    assert!(
        facts.contains(&format!("send to {answers}")) && facts.contains("MiB of memory"),
        "{facts}"
    );
    assert_no_errors(&mut browser);

    // The exporter goes, and comes again.
    let sent = |browser: &mut Browser| -> u64 {
        cells(browser, &answers)[3].replace(',', "").parse().unwrap()
    };
    // Far more than can be sent until the page has noticed a restart.
    until(|| (sent(&mut browser) > 600).then_some(()));
    let before = sent(&mut browser);
    exporter.server.stop();
    browser.until("document.getElementById('status').textContent.startsWith('reconnecting…')");
    assert_eq!(cells(&mut browser, &answers).len(), 9, "what was known stays");
    let mut command = Command::new(host_program());
    let exporter = Exporter::start_by(&mut command, &config, &address.to_string());
    browser.until("document.getElementById('status').textContent.startsWith('live; the exporter was started again at ')");
    let after = sent(&mut browser);
    assert!(after < before, "{before} {after}");
    assert_eq!(browser.text("[aria-pressed=true]"), drops, "what was chosen stays");
    browser.until("document.querySelectorAll('#graph .losses path').length > 0");
    let others: Vec<_> = browser
        .errors()
        .into_iter()
        .filter(|error| !error.contains("net::ERR_CONNECTION_REFUSED"))
        .filter(|error| {
            !error.contains("net::ERR_EMPTY_RESPONSE")
                && !error.contains("net::ERR_CONNECTION_RESET")
        })
        .collect();
    assert!(others.is_empty(), "{others:#?}");

    // Without targets, it says so.
    exporter.configure("[modules.a]\n");
    assert_eq!(request("POST", address, "/-/reload", &[]).status, 200);
    browser.until("!document.getElementById('empty').hidden");
    browser
        .until("document.getElementById('all').hidden && document.getElementById('chosen').hidden");
    assert!(browser.text("#empty").contains("No targets are pinged."));
}

/// Where pictures for the documentation go, if they are wanted: `scripts/pictures` sets it.
fn pictures() -> Option<PathBuf> {
    std::env::var_os("UDPING_PICTURES").map(PathBuf::from)
}

#[test]
fn page_fits_a_small_screen_and_follows_the_colour_scheme() {
    let Some(mut browser) = Browser::start() else { return };
    let near = Server::start(Runtime::UdpingHost, "127.0.0.1", &[]);
    let lossy = ["--drop-rate", "4", "--seed", "11"];
    let lossy = Server::start(Runtime::UdpingHost, "127.0.0.1", &lossy);
    let port = free_port().to_string();
    let far = Server::listening(&mut peer("slow_echo.py", &["127.0.0.1", &port]));
    let dead = free_port();
    let [near, lossy] = [&near, &lossy].map(|server| server.addresses[0]);
    let exporter = Exporter::start(&format!(
        "[modules.site]\ntargets = ['{near}', '{lossy}', 'localhost:{dead}']\n\
         client = {{ interval = '250ms', timeout = '1s' }}\n\
         [modules.wan]\ntargets = ['{}', 'nowhere.invalid:12000']\n\
         client = {{ interval = '250ms', timeout = '1s' }}\n",
        far.addresses[0]
    ));
    let base = format!("http://{}/", exporter.address());
    browser.look((1280, 960), "light");
    browser.open(&format!("{base}#site/{lossy}"));
    browser.until("document.querySelectorAll('#graph .dots circle').length > 4");
    browser.until("document.querySelectorAll('#graph .losses path').length > 0");
    if pictures().is_some() {
        std::thread::sleep(Duration::from_secs(50));
    }
    let background = "getComputedStyle(document.body).backgroundColor";
    let mut backgrounds = Vec::new();
    for (name, size, colours) in [
        ("page-light", (1180, 960), "light"),
        ("page-dark", (1180, 960), "dark"),
        ("page-narrow-light", (400, 1400), "light"),
        ("page-narrow-dark", (400, 1400), "dark"),
    ] {
        browser.look(size, colours);
        // The graph is drawn anew at its size.
        browser.until("Math.abs(graph.viewBox.baseVal.width - graph.clientWidth) < 2");
        let width = browser.value("document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(width <= u64::from(size.0), "{name}: {width}");
        // Nothing is cut off, or lies under something else.
        let outside = browser.value(
            "[...document.querySelectorAll('main *')]
                .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
                .map((e) => e.outerHTML.slice(0, 80))",
        );
        assert_eq!(outside, Value::Array(Vec::new()), "{name}");
        backgrounds.push(browser.value(background));
        let picture = browser.picture();
        let length = picture.len();
        assert!(picture.starts_with(b"\x89PNG") && length < 250_000, "{name}: {length}");
        if let Some(folder) = pictures() {
            fs::write(folder.join(format!("{name}.png")), picture).unwrap();
        }
    }
    assert_eq!(backgrounds[0], backgrounds[2]);
    assert_ne!(backgrounds[0], backgrounds[1]);
    assert_no_errors(&mut browser);
}

#[test]
fn readers_of_lists_that_take_nothing_hold_none_in_memory() {
    // Rows that are longer in total than the kernel's buffers.
    let module = "m".repeat(1500);
    let targets: Vec<_> = (1..=4000).map(|port| format!("'127.0.0.1:{port}'")).collect();
    let exporter = Exporter::start(&format!(
        "[modules.{module}]\ntargets = [{}]\nclient.interval = '1h'\n",
        targets.join(",")
    ));
    // The record that lists all grants is read, too, and shown in part.
    until(|| {
        let listed = json(&exporter.get("/api/targets"));
        let grants = listed["modules"][0]["sandbox"]["started"]["grants"].as_str()?;
        (grants.len() < 450 && grants.ends_with(" more")).then_some(())
    });
    let length = exporter.get("/api/targets").body.len() as u64;
    assert!(length > 4 << 20, "{length}");
    let before = exporter.server.process.resident().unwrap();
    let (mut readers, client) = (Vec::new(), Client::new());
    // As many as may be: one more is shed. The rest goes on. A response that has just ended, or is the
    // client's own, may still have the place of one.
    until(|| {
        readers.push(stalled(exporter.address(), "/api/targets"));
        (client.get(exporter.address(), "/api/targets").status == 503).then_some(())
    });
    assert_eq!(exporter.get("/").status, 200);
    let grown = exporter.server.process.resident().unwrap().saturating_sub(before);
    assert!(grown < 2 * length + (8 << 20), "{grown} bytes more for 8 lists of {length}");
    drop(readers);
    until(|| (exporter.get("/api/targets").status == 200).then_some(()));
    // Without the targets, whose names make metrics long.
    exporter.configure("");
    assert_eq!(request("POST", exporter.address(), "/-/reload", &[]).status, 200);
    assert!(exporter.get("/metrics").sample("udping_exporter_lists_shed_total") >= 1.0);
}
