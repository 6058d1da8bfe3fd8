//! What a file may hold where a component should be: it is run, or refused in one line.
//!
//! Machine code is not loaded: it runs as it is, so only whom the file belongs to decides about it.

#![no_main]

use std::fmt::Display;
use std::io::Write as _;
use std::process;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::NamedTempFile;
use udping_host::process::helper::Role;
use udping_host::sandbox::artifact::{Artifact, Source};
use udping_host::sandbox::compile;
use udping_host::sandbox::instance::Sandbox;
use udping_permissions::limits::CompileLimits;

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new().expect("a sandbox"));

fuzz_target!(init: serve(), |data: &[u8]| {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(data).expect("room for it");
    let artifact = match Source::File(file.path().to_owned()).read() {
        Ok(artifact) => artifact,
        Err(error) => return assert_one_line(error),
    };
    match &artifact {
        Artifact::Compiled(code) => {
            assert!(data.starts_with(b"\x7fELF"), "machine code is told by its start");
            return assert_eq!(code.bytes(), data);
        }
        Artifact::Component(bytes) => {
            assert!(data.starts_with(b"\0asm\x0d\0\x01\0"), "a component is told by its start");
            assert_eq!(bytes, data);
        }
    }
    let compiled = compile::machine_code(data, &CompileLimits::default(), true);
    match compiled.and_then(|code| SANDBOX.link(&SANDBOX.load(&code)?)) {
        Ok(_) => {}
        Err(error) => assert_one_line(error),
    }
});

/// This program is its own helper, as udping-host is.
fn serve() {
    if let Some(role) = Role::of_this_process() {
        let _ = udping_host::commands::helper::serve(role);
        process::exit(0);
    }
}

fn assert_one_line(error: impl Display) {
    let error = error.to_string();
    assert_eq!(error.lines().count(), 1, "{error:?}");
}
