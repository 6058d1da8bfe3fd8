//! The helper's side of compilation: its request and its answer.

use std::io::{self, Read, Write as _};
use std::process::ExitCode;
use std::slice;
use std::time::Duration;

use bytesize::ByteSize;
use udping_components::Wasi;
use wasmtime::Engine;
use wasmtime_environ::wasmparser::{Parser, Payload};

use super::confine::confine;
use super::footprint;
use crate::sandbox::instance::first_line;
use crate::sandbox::load_error::LoadError;
use udping_permissions::limits::CompileLimits;
use udping_permissions::limits::is_out_of_memory;

/// The header before a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The limits of its compilation.
    pub limits: CompileLimits,
    /// Whether the process is hardened.
    pub harden: bool,
}

impl Request {
    const LENGTH: usize = 17;

    pub(super) fn header(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..8].copy_from_slice(&self.limits.memory.as_u64().to_le_bytes());
        // More than any limit.
        let time = u64::try_from(self.limits.time.as_nanos()).unwrap_or(u64::MAX);
        bytes[8..16].copy_from_slice(&time.to_le_bytes());
        bytes[16] = self.harden.into();
        bytes
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let (mut memory, mut time, mut harden) = ([0; 8], [0; 8], [0]);
        from.read_exact(&mut memory)?;
        from.read_exact(&mut time)?;
        from.read_exact(&mut harden)?;
        let memory = ByteSize(u64::from_le_bytes(memory));
        let time = Duration::from_nanos(u64::from_le_bytes(time));
        Ok(Self { limits: CompileLimits { memory, time }, harden: harden != [0] })
    }
}

/// The result of a compilation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Machine code.
    Code(Vec<u8>),
    /// It is not a valid component, for this reason.
    Invalid(String),
    /// It cannot be compiled here, and has a name of another version of WASI.
    OtherWasi(String),
    /// Memory ran out.
    OutOfMemory,
}

impl Outcome {
    fn write(&self, to: &mut impl io::Write) -> io::Result<()> {
        let (kind, bytes): (_, &[u8]) = match self {
            Self::Code(code) => (b'c', code),
            Self::Invalid(why) => (b'i', why.as_bytes()),
            Self::OtherWasi(name) => (b'w', name.as_bytes()),
            Self::OutOfMemory => (b'm', &[]),
        };
        to.write_all(bytes)?;
        // Last, so that the code need not be moved.
        to.write_all(&[kind])?;
        to.flush()
    }

    /// Decodes the bytes of an answer.
    pub(super) fn decode(mut bytes: Vec<u8>) -> Option<Self> {
        match bytes.pop()? {
            b'c' => Some(Self::Code(bytes)),
            b'i' => Some(Self::Invalid(String::from_utf8_lossy(&bytes).into_owned())),
            b'w' => Some(Self::OtherWasi(String::from_utf8_lossy(&bytes).into_owned())),
            b'm' => Some(Self::OutOfMemory),
            _ => None,
        }
    }
}

/// Compiles the component on standard input, and writes the outcome to standard output.
pub fn serve() -> ExitCode {
    let mut stdin = io::stdin().lock();
    let answered = Request::read(&mut stdin).and_then(|request| {
        confine(&request.limits, request.harden).map_err(io::Error::other)?;
        let mut component = Vec::new();
        let outcome = match stdin.read_to_end(&mut component) {
            Ok(_) => compile(&component),
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => Outcome::OutOfMemory,
            Err(error) => return Err(error),
        };
        outcome.write(&mut io::stdout().lock())
    });
    match answered {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn compile(component: &[u8]) -> Outcome {
    // A program for WASI 0.3 is not valid without what only that has: it exports an async function.
    let compiled = compile_for(Wasi::P2, component).or_else(|error| {
        if is_out_of_memory(&error) { Err(error) } else { compile_for(Wasi::P3, component) }
    });
    match compiled {
        // The parent reads the same description of the code, and has memory for it if there was
        // enough here.
        Ok(code) if footprint::read(&code).is_some() => Outcome::Code(code),
        Ok(_) => Outcome::Invalid("the compiler wrote what cannot be read".to_owned()),
        Err(error) if is_out_of_memory(&error) => Outcome::OutOfMemory,
        Err(error) => match other_wasi(component) {
            Some(name) => Outcome::OtherWasi(name),
            None => Outcome::Invalid(first_line(&error)),
        },
    }
}

fn compile_for(wasi: Wasi, component: &[u8]) -> wasmtime::Result<Vec<u8>> {
    Engine::new(&udping_compiled::config(wasi))?.precompile_component(component)
}

/// Finds the name of an import or export that is of a version of WASI that this host does not
/// serve.
fn other_wasi(component: &[u8]) -> Option<String> {
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(component) {
        let mut names = Vec::new();
        match payload.ok()? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 0 => {
                names.extend(
                    imports.into_iter().map_while(|import| Some(import.ok()?.name.name.to_owned())),
                );
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                names.extend(
                    exports.into_iter().map_while(|export| Some(export.ok()?.name.name.to_owned())),
                );
            }
            _ => {}
        }
        let is_other = |name: &String| {
            let reason = LoadError::of_interfaces(slice::from_ref(name), &[]);
            matches!(reason, Some(LoadError::OtherWasi { .. }))
        };
        if let Some(name) = names.into_iter().find(is_other) {
            return Some(name);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_outcomes_are_read_as_they_were_written() {
        let limits = CompileLimits { memory: ByteSize::mib(3), time: Duration::from_millis(1_500) };
        for harden in [false, true] {
            let request = Request { limits, harden };
            assert_eq!(Request::read(&mut &request.header()[..]).unwrap(), request);
        }
        for outcome in [
            Outcome::Code(b"\x7fELF".to_vec()),
            Outcome::Invalid("why".to_owned()),
            Outcome::OutOfMemory,
        ] {
            let mut bytes = Vec::new();
            outcome.write(&mut bytes).unwrap();
            assert_eq!(Outcome::decode(bytes), Some(outcome));
        }
        assert_eq!(Outcome::decode(Vec::new()), None);
        assert_eq!(Outcome::decode(b"?".to_vec()), None);
    }

    /// A component that contains an empty one, with `count` instances of it (component model,
    /// Binary.md).
    fn component_instances(count: u8) -> udping_permissions::limits::Footprint {
        let preamble = b"\0asm\x0d\0\x01\0";
        let instance = [0, 0, 0];
        let instances = [&[count][..], &instance.repeat(count.into())].concat();
        let length = u16::try_from(instances.len()).unwrap();
        let length = [(length & 0x7f) as u8 | 0x80, ((length >> 7) & 0x7f) as u8];
        let component = [preamble, &[4, 8][..], preamble, &[5], &length, &instances].concat();
        let Outcome::Code(code) = compile(&component) else { panic!("no code") };
        footprint::read(&code).unwrap()
    }

    #[test]
    fn instances_of_components_count_with_what_holds_them() {
        let (none, many) = (component_instances(0), component_instances(100));
        assert!(many.instances - none.instances > 100 * 512, "{none:?} {many:?}");
    }

    #[test]
    fn a_component_becomes_code_and_anything_else_a_reason() {
        let Outcome::Code(code) = compile(udping_components::CLIENT.bytes) else {
            panic!("no code")
        };
        assert!(code.starts_with(b"\x7fELF"));
        let footprint = footprint::read(&code).unwrap();
        // A pinger has at least two pages of memory, and fewer than ten instances.
        assert!((128 << 10..4 << 20).contains(&footprint.initial), "{footprint:?}");
        assert!((1 << 10..1 << 20).contains(&footprint.instances), "{footprint:?}");
        assert!(
            matches!(compile(b"\0asm\x0d\0\x01\0\xff"), Outcome::Invalid(why) if why.lines().count() == 1)
        );
    }
}
