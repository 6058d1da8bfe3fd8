//! Builds the guests of the tests, and lists those in `guests/conformance/`, so that none can be without a test.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use udping_guest_build::Guests;

/// Guests for one test each.
const OTHERS: [&str; 3] = ["fills", "panics", "spins"];

fn main() {
    let conforming = conforming();
    let names = OTHERS.into_iter().chain(conforming.iter().map(String::as_str));
    let modules: Vec<_> = names.map(|name| format!("examples/{name}.wasm")).collect();
    let guests = Guests {
        sources: &["tests/guests"],
        selection: &["-p", "udping-test-guests", "--examples"],
        modules: &modules.iter().map(String::as_str).collect::<Vec<_>>(),
    };
    udping_guest_build::exit_on_error(guests.build());

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut list = String::from("macro_rules! for_each_guest { ($make:ident) => { $make! {\n");
    for name in conforming {
        writeln!(list, "{name} = include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.wasm\"));").expect("a string takes it");
    }
    list.push_str("} } }\n");
    fs::write(out.join("for_each_guest.rs"), list).expect("OUT_DIR can be written");
}

fn conforming() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/conformance");
    let files = fs::read_dir(folder).expect("the guests' folder").map(|file| file.expect("a file in it").path());
    let mut names: Vec<_> = files.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}
