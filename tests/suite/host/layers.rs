//! The sources follow the architecture in the documents: modules import only from those below, and
//! there are no circular imports between files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Modules by their path within a crate, and the modules that each of them names.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The modules below `folder`, without their unit tests.
fn sources(folder: &Path, above: &str, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name.ends_with("tests") || name == "main" || name == "lib" {
            continue;
        }
        let module = if above.is_empty() { name.clone() } else { format!("{above}::{name}") };
        if path.is_dir() {
            sources(&path, &module, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text
                .split("#[cfg(test)]\nmod tests")
                .next()
                .unwrap()
                .split("#[cfg(test)]\n#[path")
                .next()
                .unwrap();
            let code: String = code
                .lines()
                .map(|line| line.split("//").next().unwrap())
                .collect::<Vec<_>>()
                .join("\n");
            found.insert(if name == "mod" { above.to_owned() } else { module }, code);
        }
    }
}

/// Every path that starts with `crate::` or `super::` in `code`, with lists in braces expanded.
fn paths(module: &str, code: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (start, _) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        let before = code[..start].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let (mut rest, mut base) = (&code[start..], Vec::new());
        if let Some(after) = rest.strip_prefix("crate::") {
            rest = after;
        } else {
            base = module.split("::").collect();

            while let Some(after) = rest.strip_prefix("super::") {
                base.pop();
                rest = after;
            }
        }
        expand(&base.join("::"), rest, &mut all);
    }
    all
}

fn expand(base: &str, rest: &str, all: &mut Vec<String>) {
    let join =
        |part: &str| if base.is_empty() { part.to_owned() } else { format!("{base}::{part}") };
    if let Some(list) = rest.strip_prefix('{') {
        let (mut depth, mut from) = (1, 0);
        for (at, c) in list.char_indices() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if depth == 0 || (depth == 1 && c == ',') {
                expand(base, list[from..at].trim(), all);
                from = at + 1;
            }
            if depth == 0 {
                return;
            }
        }
        return;
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let part = join(&rest[..end]);
    match rest[end..].strip_prefix("::") {
        Some(after) => expand(&part, after, all),
        None => all.push(part),
    }
}

/// The modules that each module imports. The re-exports of a folder's `mod.rs` do not count.
fn imports(folder: &str) -> Imports {
    let mut found = BTreeMap::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(folder), "", &mut found);
    let module_of = |path: &str| {
        let parts: Vec<_> = path.split("::").collect();
        (1..=parts.len())
            .rev()
            .map(|n| parts[..n].join("::"))
            .find(|module| found.contains_key(module))
    };
    let of = |(module, code): (&String, &String)| {
        let named =
            paths(module, code).iter().filter_map(|path| module_of(path)).collect::<BTreeSet<_>>();
        let others = named
            .into_iter()
            .filter(|other| other != module && !other.starts_with(&format!("{module}::")));
        (module.clone(), others.collect())
    };
    found.iter().map(of).collect()
}

/// All modules that `module` imports, directly or indirectly.
fn reached<'a>(imports: &'a Imports, module: &'a str) -> BTreeSet<&'a str> {
    let (mut reached, mut left) = (BTreeSet::new(), vec![module]);
    while let Some(module) = left.pop() {
        left.extend(
            imports[module].iter().map(String::as_str).filter(|other| reached.insert(*other)),
        );
    }
    reached
}

#[track_caller]
fn check(folder: &str, places: &[&str]) {
    let imports = imports(folder);
    let place = |module: &str| {
        let first = module.split("::").next().unwrap();
        places
            .iter()
            .position(|place| *place == first)
            .unwrap_or_else(|| panic!("{folder}/{module} has no place"))
    };
    let mut count = 0;
    for (module, others) in &imports {
        count += others.len();
        for other in others {
            assert!(
                place(other) <= place(module),
                "{folder}: {module} imports {other}, from a place above it"
            );
        }
        assert!(
            !reached(&imports, module).contains(module.as_str()),
            "{folder}: {module} imports what imports it"
        );
    }
    assert!(count > 30, "{count} imports found in {folder}");
}

#[test]
fn the_host_imports_downwards() {
    check("host/src", &["process", "sandbox", "config", "commands"]);
}

#[test]
fn the_permissions_import_downwards() {
    check(
        "host/permissions/src",
        &["rate", "zones", "host_name", "names", "grants", "guard", "limits"],
    );
}

#[test]
fn the_datagram_crate_imports_downwards() {
    check(
        "host/datagram/src",
        &[
            "family",
            "permissions",
            "policies",
            "addresses",
            "buffers",
            "reports",
            "tuning",
            "world",
            "os",
            "datagram_times",
            "gathering",
            "clock",
            "udp",
            "view",
            "clocks",
            "random",
            "poll",
            "sockets",
            "lookup",
            "tcp",
            "wit",
            "p3",
        ],
    );
}

#[test]
fn the_core_imports_downwards() {
    check(
        "guest/core/src",
        &["planted", "duration", "seq", "time", "wire", "stats", "server", "client"],
    );
}

#[test]
fn paths_are_taken_apart() {
    let code = "use crate::{a, b::{c, d}}; use super::e; use super::super::f::G; crate::h::i()";
    let expected = ["a", "b::c", "b::d", "h::i", "x::e", "f::G"];
    assert_eq!(paths("x::y", code), expected);
}
