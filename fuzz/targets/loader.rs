//! What a file may hold where a component should be: it is run, or refused in one line.
//!
//! Machine code is not loaded: it runs as it is, so only whom the file belongs to decides about it.

#![no_main]

use std::fmt::Display;
use std::io::Write as _;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::NamedTempFile;
use udping_host::artifact::{Artifact, Source};
use udping_host::sandbox::{Compiler, Sandbox};

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new(Compiler::Needed).expect("a sandbox"));

fuzz_target!(|data: &[u8]| {
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
    match SANDBOX.load(&artifact).and_then(|component| SANDBOX.link(&component)) {
        Ok(_) => {}
        Err(error) => assert_one_line(error),
    }
});

fn assert_one_line(error: impl Display) {
    let error = error.to_string();
    assert_eq!(error.lines().count(), 1, "{error:?}");
}
