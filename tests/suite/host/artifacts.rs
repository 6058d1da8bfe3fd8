//! The components as files: their imports, and the WIT that they were built from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use udping_tests::{CLIENT, CLIENT_P3, SERVER, SERVER_P3, file, run, udping_host};

const BOTH: [&str; 12] = [
    "wasi:cli/environment@0.2.0",
    "wasi:cli/exit@0.2.0",
    "wasi:cli/stderr@0.2.0",
    "wasi:cli/stdin@0.2.0",
    "wasi:cli/stdout@0.2.0",
    "wasi:io/error@0.2.0",
    "wasi:io/poll@0.2.0",
    "wasi:io/streams@0.2.0",
    "wasi:sockets/instance-network@0.2.0",
    "wasi:sockets/network@0.2.0",
    "wasi:sockets/udp-create-socket@0.2.0",
    "wasi:sockets/udp@0.2.0",
];

/// The second is the entry point; the first declares that they take udping-host's notices.
const EXPORTS: [&str; 2] = ["udping:guest/notices@0.1.0", "wasi:cli/run@0.2.0"];

/// The names under `title` in the output of `inspect`.
fn inspected(component: &str, title: &str) -> Vec<String> {
    let outcome = run(udping_host().args(["inspect", component]));
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    let under = outcome.stdout.lines().skip_while(|line| *line != title).skip(1);
    let mut names: Vec<_> =
        under.map_while(|line| line.strip_prefix("  ")).map(str::to_owned).collect();
    names.sort();
    names
}

fn with_both(more: &[&str]) -> Vec<String> {
    let mut names: Vec<_> = BOTH.iter().chain(more).map(ToString::to_string).collect();
    names.sort();
    names
}

#[test]
fn the_client_imports_what_its_world_names_and_nothing_else() {
    let own = [
        "wasi:cli/terminal-output@0.2.0",
        "wasi:cli/terminal-stdout@0.2.0",
        "wasi:clocks/monotonic-clock@0.2.0",
        "wasi:clocks/wall-clock@0.2.0",
        "wasi:random/insecure-seed@0.2.0",
        "wasi:sockets/ip-name-lookup@0.2.0",
    ];
    assert_eq!(inspected("client", "imports:"), with_both(&own));
    let mut exports = [&EXPORTS[..], &["udping:guest/thresholds@0.1.0"]].concat();
    exports.sort_unstable();
    assert_eq!(inspected("client", "exports:"), exports);
}

#[test]
fn the_server_imports_what_its_world_names_and_nothing_else() {
    let own = [
        "wasi:clocks/monotonic-clock@0.2.0",
        "wasi:clocks/wall-clock@0.2.0",
        "wasi:random/insecure-seed@0.2.0",
    ];
    assert_eq!(inspected("server", "imports:"), with_both(&own));
    assert_eq!(inspected("server", "exports:"), EXPORTS);
}

#[test]
fn emit_writes_the_component_that_is_built_in() {
    for component in [CLIENT, SERVER] {
        let output = udping_host().args(["emit", component.name]).output().unwrap();
        assert!(output.status.success() && output.stdout == component.bytes, "{}", component.name);
    }
    for component in [CLIENT_P3, SERVER_P3] {
        let output =
            udping_host().args(["emit", "--wasi", "0.3", component.name]).output().unwrap();
        assert!(output.status.success() && output.stdout == component.bytes, "{}", component.name);
    }
}

#[test]
fn components_for_wasi_0_3_import_what_their_worlds_name_and_nothing_else() {
    let common = [
        "wasi:cli/environment@0.3.0",
        "wasi:cli/exit@0.3.0",
        "wasi:cli/stderr@0.3.0",
        "wasi:cli/stdin@0.3.0",
        "wasi:cli/stdout@0.3.0",
        "wasi:cli/types@0.3.0",
        "wasi:clocks/monotonic-clock@0.3.0",
        "wasi:clocks/system-clock@0.3.0",
        "wasi:random/insecure-seed@0.3.0",
        "wasi:sockets/types@0.3.0",
    ];
    let of_client = [
        "wasi:clocks/types@0.3.0",
        "wasi:cli/terminal-output@0.3.0",
        "wasi:cli/terminal-stdout@0.3.0",
        "wasi:sockets/ip-name-lookup@0.3.0",
    ];
    for (component, own) in [(CLIENT_P3, &of_client[..]), (SERVER_P3, &[])] {
        let path = file("p3.wasm", component.bytes);
        let mut imports = inspected(path.to_str().unwrap(), "imports:");
        imports.sort();
        let mut expected: Vec<_> = common.iter().chain(own).map(ToString::to_string).collect();
        expected.sort();
        assert_eq!(imports, expected, "{}", component.name);
        let exports = inspected(path.to_str().unwrap(), "exports:");
        assert!(exports.contains(&"wasi:cli/run@0.3.0".to_owned()), "{exports:?}");
        let granted = inspected(path.to_str().unwrap(), "to be granted:");
        assert!(granted.iter().any(|need| need.contains("--allow-to")), "{granted:?}");
    }
}

/// The files below `root`, by relative path.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// The folder of a package that these tests are built with.
fn package(name: &str) -> PathBuf {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1", "--manifest-path", manifest])
        .output()
        .unwrap();
    let metadata = String::from_utf8(metadata.stdout).unwrap();
    let folder = format!("/{name}/");
    let found = metadata
        .split('"')
        .find(|text| text.ends_with("/Cargo.toml") && text.contains(&folder))
        .unwrap_or_else(|| panic!("{name} is a dependency of these tests"));
    Path::new(found).parent().unwrap().to_owned()
}

/// Of WASI 0.3, the one who publishes them as files is wasmtime-wasi.
#[test]
fn the_vendored_wit_of_wasi_0_3_is_the_published_packages() {
    let published = package("wasmtime-wasi-48.0.8");
    let vendored = tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/p3/deps"));
    assert_eq!(vendored.len(), 6, "five packages and their licence");
    for (path, content) in vendored {
        let of = if path.ends_with("LICENSE") {
            published.clone()
        } else {
            published.join("src/p3/wit/deps")
        };
        assert!(fs::read(of.join(&path)).unwrap() == content, "{} differs", path.display());
    }
}

#[test]
fn the_vendored_wit_is_the_published_packages() {
    let published = package("wasi-0.12.1+wasi-0.2.0");
    let vendored = tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/deps"));
    let mut compared = 0;
    for (path, content) in &vendored {
        let original = if path.ends_with("LICENSE") {
            published.join("LICENSE-Apache-2.0_WITH_LLVM-exception")
        } else {
            published.join("wit/deps").join(path)
        };
        assert!(
            fs::read(&original).unwrap() == *content,
            "{} differs from {}",
            path.display(),
            original.display()
        );
        compared += 1;
    }
    for package in ["cli", "clocks", "filesystem", "io", "random", "sockets"] {
        for path in tree(&published.join("wit/deps").join(package)).keys() {
            assert!(
                vendored.contains_key(&Path::new(package).join(path)),
                "{package}/{} is missing",
                path.display()
            );
        }
    }
    assert!(compared > 20, "only {compared} files were compared");
}
