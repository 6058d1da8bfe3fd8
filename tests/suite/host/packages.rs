//! What is installed, and what it says of itself: the OCI artifact by another reader, the Debian
//! package against `make install`, versions and digests.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use udping_tests::{CLIENT, Process, SERVER, SERVER_P3, foreign, host_program, run, udping_host};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The SHA-256 of `bytes`, by sha256sum(1).
fn sha256(bytes: &[u8]) -> String {
    let mut sum =
        Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    sum.stdin.take().unwrap().write_all(bytes).unwrap();
    let line = String::from_utf8(sum.wait_with_output().unwrap().stdout).unwrap();
    line.split(' ').next().unwrap().to_owned()
}

/// Emits the component into the layout `folder`, and returns the printed digest.
fn emit(component: &str, folder: &Path) -> String {
    let outcome = run(udping_host().args(["emit", component, "--oci"]).arg(folder));
    assert_eq!((outcome.code(), &*outcome.stderr), (0, ""), "{outcome:?}");
    outcome.stdout.trim_end().to_owned()
}

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

/// The blob that `descriptor` refers to, which has that digest and size.
fn blob(folder: &Path, descriptor: &Value) -> Vec<u8> {
    let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let bytes = fs::read(folder.join("blobs/sha256").join(digest)).unwrap();
    assert_eq!(
        (&*sha256(&bytes), bytes.len() as u64),
        (digest, descriptor["size"].as_u64().unwrap())
    );
    bytes
}

#[test]
fn oci_layout_holds_both_components_and_what_they_import() {
    let folder = TempDir::new().unwrap();
    let printed = [CLIENT, SERVER].map(|component| emit(component.name, folder.path()));
    // Again: it takes the place of its former self, with the same bytes.
    assert_eq!(emit("client", folder.path()), printed[0]);

    assert_eq!(
        json(&fs::read(folder.path().join("oci-layout")).unwrap())["imageLayoutVersion"],
        "1.0.0"
    );
    let index = json(&fs::read(folder.path().join("index.json")).unwrap());
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    let images = index["manifests"].as_array().unwrap();
    assert_eq!(images.len(), 2, "{index}");
    for (component, digest) in [CLIENT, SERVER].into_iter().zip(printed) {
        let name = "org.opencontainers.image.ref.name";
        let image =
            images.iter().find(|image| image["annotations"][name] == component.name).unwrap();
        assert_eq!(image["digest"], digest);
        let manifest = json(&blob(folder.path(), image));
        assert_eq!(manifest["mediaType"], image["mediaType"]);
        let [layer] = manifest["layers"].as_array().unwrap().as_slice() else {
            panic!("{manifest}")
        };
        assert_eq!(layer["mediaType"], "application/wasm");
        assert!(blob(folder.path(), layer) == component.bytes);

        assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
        let config = json(&blob(folder.path(), &manifest["config"]));
        assert_eq!((&config["architecture"], &config["os"]), (&"wasm".into(), &"wasip2".into()));
        assert_eq!(config["layerDigests"], serde_json::json!([layer["digest"]]));
        let inspected = run(udping_host().args(["inspect", component.name])).stdout;
        for (title, list) in [("imports:", "imports"), ("exports:", "exports")] {
            let names = inspected.lines().skip_while(|line| *line != title).skip(1);
            let names: Vec<_> = names.map_while(|line| line.strip_prefix("  ")).collect();
            assert_eq!(config["component"][list], serde_json::json!(names));
        }
    }
}

#[test]
fn oci_layout_holds_those_for_wasi_0_3_beside_the_others() {
    let folder = TempDir::new().unwrap();
    emit("server", folder.path());
    let emitted = || {
        let outcome = run(udping_host()
            .args(["emit", "server", "--wasi", "0.3", "--oci"])
            .arg(folder.path()));
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        outcome.stdout
    };
    assert_eq!(emitted(), emitted());
    let index = json(&fs::read(folder.path().join("index.json")).unwrap());
    let names: Vec<_> = index["manifests"].as_array().unwrap().iter().map(name_of).collect();
    assert_eq!(names, ["server", "server-p3"]);
    let manifest = json(&blob(folder.path(), &index["manifests"][1]));
    assert!(blob(folder.path(), &manifest["layers"][0]) == SERVER_P3.bytes);
    let config = json(&blob(folder.path(), &manifest["config"]));
    assert_eq!(config["os"], "wasip3");
    let imports = config["component"]["imports"].as_array().unwrap();
    assert!(imports.contains(&"wasi:sockets/types@0.3.0".into()), "{config}");
}

fn name_of(image: &Value) -> &str {
    image["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap()
}

#[test]
fn oci_layout_is_not_written_over_anything_else() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("notes"), "mine").unwrap();
    let path = folder.path().to_str().unwrap();
    let broken = TempDir::new().unwrap();
    emit("client", broken.path());
    fs::write(broken.path().join("index.json"), "[]").unwrap();
    let broken = broken.path().to_str().unwrap();
    let cases = [
        (path, "it is not empty, and no OCI image layout: name a new folder"),
        (broken, "index.json lists no manifests: name a new folder"),
        ("/proc/udping", "No such file or directory"),
    ];
    for (layout, reason) in cases {
        let outcome = run(udping_host().args(["emit", "client", "--oci", layout]));
        assert_eq!((outcome.code(), &*outcome.stdout), (2, ""), "{outcome:?}");
        let start = format!("udping-host: cannot write {layout}: {reason}");
        assert!(outcome.stderr.starts_with(&start), "{outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// skopeo pushes it, and a registry takes it, as they would what other tools write.
#[test]
fn oci_artifact_goes_through_a_registry() {
    let (Some(skopeo), Some(registry)) = (foreign("skopeo"), foreign("docker-registry")) else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let layout = folder.path().join("layout");
    let digests = [CLIENT, SERVER].map(|component| emit(component.name, &layout));

    let config = folder.path().join("registry.yml");
    let storage = folder.path().join("storage");
    fs::write(
        &config,
        format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\n",
            storage.display()
        ),
    )
    .unwrap();
    // Its log is on standard error.
    let mut registry = Process::start(
        Command::new("sh").args(["-c", "exec \"$0\" serve \"$1\" 2>&1"]).args([registry, config]),
    );
    let port = loop {
        let line = registry.line();
        if let Some((_, rest)) = line.split_once("listening on 127.0.0.1:") {
            break rest.split('"').next().unwrap().to_owned();
        }
    };
    for (component, digest) in [CLIENT, SERVER].into_iter().zip(digests) {
        let name = component.name;
        let to = format!("docker://127.0.0.1:{port}/udping/{name}:0.1.0");
        let pushed = run(Command::new(&skopeo).args(["--insecure-policy", "copy"]).args([
            "--dest-tls-verify=false",
            &format!("oci:{}:{name}", layout.display()),
            &to,
        ]));
        assert_eq!(pushed.code(), 0, "{pushed:?}");
        let inspected =
            run(Command::new(&skopeo).args(["inspect", "--raw", "--tls-verify=false", &to]));
        assert_eq!(inspected.code(), 0, "{inspected:?}");
        assert_eq!(format!("sha256:{}", sha256(inspected.stdout.as_bytes())), digest);
        // And back: what comes out is the component.
        let back = folder.path().join(name);
        let pulled = run(Command::new(&skopeo).args(["--insecure-policy", "copy"]).args([
            "--src-tls-verify=false",
            &to,
            &format!("dir:{}", back.display()),
        ]));
        assert_eq!(pulled.code(), 0, "{pulled:?}");
        assert!(fs::read(back.join(sha256(component.bytes))).unwrap() == component.bytes);
    }
}

/// The line of `--version --verbose` that starts with `name`.
fn fact<'a>(facts: &'a str, name: &str) -> &'a str {
    let line = facts.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {facts}"))
}

#[test]
fn verbose_version_says_what_it_is_built_from() {
    let [short, verbose] = [&["-V"][..], &["--version", "--verbose"]].map(|words| {
        let outcome = run(udping_host().args(words));
        assert_eq!((outcome.code(), &*outcome.stderr), (0, ""), "{outcome:?}");
        outcome.stdout
    });
    for words in [["-V", "--verbose"], ["--verbose", "--version"]] {
        assert_eq!(run(udping_host().args(words)).stdout, verbose);
    }
    assert!(verbose.starts_with(&short) && short.lines().count() == 1, "{short}{verbose}");
    for component in [CLIENT, SERVER] {
        let digest = fact(&verbose, &format!("{}.wasm: sha256:", component.name));
        assert_eq!(digest, sha256(component.bytes));
    }
    let rustc = String::from_utf8(
        Command::new("rustc").arg("-vV").current_dir(root()).output().unwrap().stdout,
    )
    .unwrap();
    let (compiler, target) = (rustc.lines().next().unwrap(), fact(&rustc, "host: "));
    assert_eq!(fact(&verbose, "host: "), format!("{compiler}, {target}"));
    // Debian's toolchain may have built them, where rustup has no standard library for them.
    let components = fact(&verbose, "components: ");
    assert!(
        components.starts_with("rustc 1.") && components.contains(", wasm32-unknown-unknown, std "),
        "{components}"
    );
}

/// A promise of SECURITY.md is about the version that is built, and that the packages name.
#[test]
fn security_md_promises_what_cargo_toml_pins() {
    let manifest = read("Cargo.toml");
    let pins: BTreeSet<_> = ["wasmtime", "wasmtime-environ", "wasmtime-wasi"]
        .map(|name| {
            let start = format!("\n{name} = {{ version = \"=");
            let (_, rest) = manifest.split_once(&start).expect("it is pinned to one version");
            rest.split('"').next().unwrap()
        })
        .into();
    assert_eq!(pins.len(), 1, "{pins:?} move together");
    let version = pins.first().unwrap();
    let line = version.split('.').next().unwrap();

    let security = read("SECURITY.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let promise = format!("pinned to the long-term support line ({line}, until ");
    assert!(security.contains(&promise), "SECURITY.md is about another line than {line}");
    let verbose = run(udping_host().args(["-V", "--verbose"])).stdout;
    assert_eq!(fact(&verbose, "wasmtime: "), *version);
}

/// The version of the workspace, which all packages share.
fn version() -> String {
    run(udping_host().arg("-V")).stdout.trim().replace("udping-host ", "")
}

#[test]
fn changelogs_have_this_version() {
    let version = version();
    let heading = format!("\n## {version}");
    assert!(read("CHANGELOG.md").contains(&heading), "CHANGELOG.md has no {version}");
    let first = format!("udping ({version}-1) ");
    assert!(read("dist/debian/changelog").starts_with(&first), "dist/debian/changelog: {version}");
}

/// The packages of the workspace, as cargo describes them.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    json(&output.stdout)["packages"].as_array().unwrap().clone()
}

/// The files below `folder`, relative to it.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn debian_package_has_what_make_install_installs() {
    let folder = TempDir::new().unwrap();
    let install = |options: &[&str]| {
        let outcome = run(Command::new(root().join("scripts/install-udping"))
            .arg(host_program())
            .args(options)
            .env("PREFIX", "/usr")
            .env("DESTDIR", folder.path()));
        assert_eq!(outcome.code(), 0, "{outcome:?}");
    };
    install(&[]);
    let installed = files(folder.path());
    assert!(installed.len() > 10, "{installed:?}");

    let packages = packages();
    let host = packages.iter().find(|package| package["name"] == "udping-host").unwrap();
    let assets = &host["metadata"]["deb"]["assets"];
    let mut packaged = BTreeSet::new();
    for asset in assets.as_array().unwrap() {
        let [from, to, mode] = [0, 1, 2].map(|index| asset[index].as_str().unwrap());
        assert_eq!(mode, if to == "usr/bin/" { "755" } else { "644" }, "{from}");
        if from == "target/release/udping-host" {
            packaged.insert("usr/bin/udping-host".to_owned());
        } else if let Some(path) = from.strip_prefix("target/release/deb/usr/") {
            // Debian's manual pages are compressed.
            packaged.insert(format!("usr/{}", path.trim_end_matches(".gz")));
            let (_, name) = path.rsplit_once('/').unwrap();
            let place = to.replace("zsh/vendor-completions", "zsh/site-functions");
            assert_eq!(format!("{place}{name}"), format!("usr/{path}"));
        }
    }
    assert_eq!(packaged, installed);
    for unit in ["udping.service", "udping-exporter.service"] {
        let text = fs::read_to_string(folder.path().join("usr/lib/systemd/system").join(unit));
        assert!(text.unwrap().contains("\nExecStart=/usr/bin/udping-host "), "{unit}");
    }
    install(&["--remove"]);
    assert_eq!(files(folder.path()), BTreeSet::new());
}

/// crates.io takes no package without these, and none that depends on one that is not published.
#[test]
fn published_crates_have_what_crates_io_asks_for() {
    let packages = packages();
    let is_published = |package: &&Value| package["publish"].is_null();
    let published: Vec<_> = packages.iter().filter(is_published).collect();
    let names: Vec<_> = published.iter().map(|package| &package["name"]).collect();
    for name in ["udping-core", "wasi-datagram", "udping-host"] {
        assert!(names.contains(&&Value::from(name)), "{name}");
    }
    for package in &published {
        let name = &package["name"];
        for field in ["description", "license"] {
            assert!(
                package[field].as_str().is_some_and(|text| !text.is_empty()),
                "{name}: {field}"
            );
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            let is_ours = !dependency["path"].is_null() && dependency["kind"] != "dev";
            assert!(
                !is_ours || names.contains(&&dependency["name"]) && dependency["req"] != "*",
                "{name} needs {}, which is not published",
                dependency["name"]
            );
        }
    }
}
