//! Builds the guests of the tests, and lists those in the folders whose guests must all have a
//! test.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "it is for tests alone")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use udping_guest_build::{Guests, Target};

/// Folders of guests, each with a suite of the same name.
const FOLDERS: [&str; 2] = ["conformance", "hostile"];

/// Guests for single tests.
const OTHERS: [&str; 8] =
    ["arrives", "echoes", "fills", "heeds", "obeys", "panics", "waits", "writes"];

/// Those for WASI 0.3.
const OTHERS_P3: [&str; 1] = ["obeys"];

fn main() {
    let folders = FOLDERS.map(|folder| (folder, guests_in("guests", folder)));
    let in_folders = folders.iter().flat_map(|(_, names)| names.iter().map(String::as_str));
    let names = OTHERS.into_iter().chain(in_folders);
    let modules: Vec<_> = names.map(|name| format!("examples/{name}.wasm")).collect();
    let guests = Guests {
        target: Target::Unknown,
        sources: &["tests/guests", "tests/model"],
        profile: "test-guest",
        selection: &["-p", "udping-test-guests", "--examples"],
        modules: &modules.iter().map(String::as_str).collect::<Vec<_>>(),
        suffix: "",
    };
    udping_guest_build::exit_on_error(guests.build());
    let examples = Guests {
        target: Target::Wasip2,
        sources: &["examples"],
        profile: "test-guest",
        selection: &["-p", "udping-example-std", "-p", "udping-example-tokio"],
        modules: &["std_echo.wasm", "std_pinger.wasm", "tokio_echo.wasm", "tokio_pinger.wasm"],
        suffix: "",
    };
    udping_guest_build::exit_on_error(examples.build());
    let folders_p3 = FOLDERS.map(|folder| (folder, guests_in("guests-p3", folder)));
    let in_folders = folders_p3.iter().flat_map(|(_, names)| names.iter().map(String::as_str));
    let names = OTHERS_P3.into_iter().chain(in_folders);
    let modules: Vec<_> = names.map(|name| format!("examples/{name}.wasm")).collect();
    let guests_p3 = Guests {
        sources: &["tests/guests-p3", "tests/model"],
        selection: &["-p", "udping-test-guests-p3", "--features", "p3", "--examples"],
        modules: &modules.iter().map(String::as_str).collect::<Vec<_>>(),
        suffix: "_p3",
        ..guests
    };
    udping_guest_build::exit_on_error(guests_p3.build());
    // The client with bugs that the simulation's search has to find.
    let planted = Guests {
        target: Target::Unknown,
        sources: &[],
        profile: "test-guest",
        selection: &["-p", "udping-client", "--features", "udping-client/planted"],
        modules: &["udping_client.wasm"],
        suffix: "",
    };
    udping_guest_build::exit_on_error(planted.build());

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for (folders, suffix) in [(&folders, ""), (&folders_p3, "_p3")] {
        for (folder, names) in folders {
            let mut list =
                format!("macro_rules! for_each_guest{suffix} {{ ($make:ident) => {{ $make! {{\n");
            for name in names {
                writeln!(
                    list,
                    "{name} = include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}{suffix}.wasm\"));"
                )
                .expect("a string takes it");
            }
            list.push_str("} } }\n");
            fs::write(out.join(format!("{folder}{suffix}.rs")), list)
                .expect("OUT_DIR can be written");
        }
    }
}

fn guests_in(package: &str, folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(package).join(folder);
    let files = fs::read_dir(folder)
        .expect("the guests' folder")
        .map(|file| file.expect("a file in it").path());
    let mut names: Vec<_> =
        files.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}
