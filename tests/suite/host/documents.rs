//! What documents, help and messages say about tests and flags is true.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use udping_tests::{run, udping_host};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// All files of the repository below `folder` with that suffix, by their path from its root, except
/// build output.
fn files(folder: &str, suffix: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, suffix: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                walk(&path, suffix, found);
            } else if path.is_file() && name.ends_with(suffix) {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), suffix, &mut found);
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The tests of the workspace: the file, and the function's name. A case in a list for both
/// runtimes counts as a test, and so does a guest that the conformance and hostile suites run,
/// under its file's name.
fn tests() -> Vec<(PathBuf, String)> {
    let mut tests = Vec::new();
    for path in ["guest", "host", "tests"].iter().flat_map(|folder| files(folder, ".rs")) {
        let text = read(&path);
        let (mut is_test, mut is_case) = (false, false);
        for line in text.lines().map(str::trim) {
            match line
                .trim_start_matches("async ")
                .strip_prefix("fn ")
                .and_then(|rest| rest.split_once('('))
            {
                Some((name, _)) if is_test => tests.push((path.clone(), name.to_owned())),
                _ => {}
            }
            is_case =
                (is_case || line.starts_with("under_both_runtimes!")) && !line.starts_with(']');
            if let Some(case) = line.strip_suffix(',').filter(|_| is_case) {
                tests.push((path.clone(), case.to_owned()));
            }
            is_test = line == "#[test]"
                || line.starts_with("#[tokio::test")
                || (is_test && line.starts_with("#["));
        }
        let of_guests = ["tests/guests", "tests/guests-p3"].map(Path::new);
        let mut suites = of_guests
            .iter()
            .flat_map(|guests| [guests.join("conformance"), guests.join("hostile")]);
        if suites.any(|suite| path.starts_with(suite)) {
            tests.push((path.clone(), path.file_stem().unwrap().to_string_lossy().into_owned()));
        }
    }
    assert!(tests.len() > 400, "{} tests found", tests.len());
    tests
}

/// Whether SECURITY.md's `a::b::name` means this test: each module is a file or folder on its path,
/// `*` is any name, and `…` the modules of the previous test.
fn is_called(name: &str, (path, function): &(PathBuf, String)) -> bool {
    let mut parts: Vec<_> = name.trim_start_matches('…').split("::").collect();
    let last = parts.pop().unwrap_or_default();
    let places: Vec<_> =
        path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    let is_on_path = |module: &&str| {
        let is_module =
            |place: &str| place == *module || place.strip_suffix("_tests") == Some(module);
        *module == "tests"
            || places.iter().any(|place| is_module(place.strip_suffix(".rs").unwrap_or(place)))
    };
    (last == "*" || last == function) && parts.iter().all(is_on_path)
}

#[test]
fn every_test_that_security_md_names_exists() {
    let tests = tests();
    let text = read(Path::new("SECURITY.md"));
    let mut named = 0;
    for row in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| threat")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').collect();
        let cell = cells.last().unwrap();
        let names: Vec<_> = cell.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "a row without a test: {row}");
        for name in names {
            named += 1;
            assert!(
                tests.iter().any(|test| is_called(name, test)),
                "SECURITY.md names a test that is none: {name}"
            );
        }
    }
    assert!(named > 50, "{named} tests named");
}

/// The flags in `text`: two hyphens and a word, anywhere.
fn flags(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("--") {
        let before = text[..at].chars().next_back();
        let word: String = text[at + 2..]
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')
            .collect();
        let starts_word =
            before.is_none_or(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '='));
        if starts_word && word.starts_with(|c: char| c.is_ascii_lowercase()) {
            found.insert(format!("--{}", word.trim_end_matches('-')));
        }
    }
    found
}

fn help(arguments: &[&str]) -> String {
    let outcome = run(udping_host().args(arguments));
    assert_eq!(outcome.code(), 0, "{arguments:?}: {outcome:?}");
    outcome.stdout
}

const HELP: &[&[&str]] = &[
    &["--help"],
    &["-h"],
    &["client", "--help"],
    &["server", "--help"],
    &["run", "--help"],
    &["grants", "--help"],
    &["demo", "--help"],
    &["emit", "--help"],
    &["compile", "--help"],
    &["plot", "--help"],
    &["merge", "--help"],
    &["diff", "--help"],
    &["exporter", "--help"],
    &["simulate", "--help"],
    &["tui", "--help"],
    &["inspect", "--help"],
    &["completions", "--help"],
    &["man", "--help"],
];

/// Flags of other programs, by the text that names the program.
const OTHERS: &[(&str, &[&str])] = &[
    (
        "cargo",
        &[
            "--test",
            "--release",
            "--locked",
            "--package",
            "--sanitizer",
            "--no-default-features",
            "--features",
            "--target",
            "--print",
            "--cfg",
        ],
    ),
    ("wasmtime run", &["--env", "--allow-precompiled"]),
    ("jco componentize", &["--backend", "--backend-qjs-disable-async"]),
    (
        "make bench, make soak, make compare and make mutants",
        &["--since", "--only", "--busy", "--flood", "--minutes", "--quick", "--json", "--pairs"],
    ),
    ("apt-get", &["--no-install-recommends"]),
    ("systemctl", &["--now"]),
    ("scripts/docs", &["--check"]),
];

/// The options in the help come from the parsers themselves, so these are accepted.
#[test]
fn every_flag_that_any_text_names_is_parsed() {
    let offered: BTreeSet<_> = HELP
        .iter()
        .flat_map(|arguments| help(arguments).lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.trim_start().starts_with('-'))
        .flat_map(|line| flags(line.split("  ").find(|part| !part.is_empty()).unwrap_or_default()))
        .collect();
    assert!(offered.len() > 60, "{offered:?}");

    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for arguments in HELP {
        texts.insert(format!("udping-host {}", arguments.join(" ")), help(arguments));
    }
    for path in [".md", ".toml", ".json"].iter().flat_map(|suffix| files("docs", suffix)) {
        texts.insert(path.display().to_string(), read(&path));
    }
    for path in
        ["README.md", "SECURITY.md", "CONTRIBUTING.md", "dist/udping.service", "dist/udping.socket"]
    {
        texts.insert(path.to_owned(), read(Path::new(path)));
    }
    // Messages, and what they are composed of, are in the sources.
    for path in ["guest", "host"].iter().flat_map(|folder| files(folder, ".rs")) {
        let is_of_messages =
            path.iter().any(|part| part == "src") && !path.starts_with("guest/build");
        let name = path.display().to_string();
        // What looks like flags in a style sheet are CSS variables.
        if is_of_messages && !name.contains("tests") && name != "host/plot/src/html.rs" {
            texts.insert(name, without_tests(&read(&path)));
        }
    }
    let others: BTreeSet<_> =
        OTHERS.iter().flat_map(|(_, flags)| flags.iter().map(|flag| (*flag).to_owned())).collect();
    let mut wrong = Vec::new();
    for (place, text) in &texts {
        for flag in flags(text) {
            if !offered.contains(&flag) && !others.contains(&flag) {
                wrong.push(format!("{place}: {flag}"));
            }
        }
    }
    assert!(wrong.is_empty(), "flags that no program here has:\n{}", wrong.join("\n"));
}

/// Private terms for which the field has others: forward and backward, a reply, events, the UDP
/// Pinger lab.
const NOT_OURS: [&str; 12] = [
    "way there",
    "way back",
    "either way",
    "no single host",
    "itself an answer",
    "denied in all",
    "untold",
    "mishap",
    "classic lab",
    "so much",
    "whoever",
    "of each way",
];

#[test]
fn help_and_output_have_the_words_of_the_field() {
    let mut texts: Vec<_> =
        HELP.iter().map(|arguments| (arguments.join(" "), help(arguments))).collect();
    for path in files("guest/report/tests/snapshots", ".snap").iter().chain(&files("docs", ".json"))
    {
        texts.push((path.display().to_string(), read(path)));
    }
    assert!(texts.len() > 25, "{} texts", texts.len());
    for (place, text) in &texts {
        let found: Vec<_> = NOT_OURS.iter().filter(|words| text.contains(**words)).collect();
        assert!(found.is_empty(), "{place}: {found:?}");
    }
}

/// A source without its unit tests, whose command lines may be invalid.
fn without_tests(text: &str) -> String {
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

#[test]
fn a_flag_is_found_wherever_it_stands() {
    let text = "`--a-b`, (--c) --d=3 x--y a---b --E --f- \"--g\"";
    assert_eq!(flags(text), ["--a-b", "--c", "--d", "--f", "--g"].map(str::to_owned).into());
}
