//! Whether a run of a program is allowed.

use std::fmt::Debug;

use crate::network::Traffic;
use crate::{SKIPPED, p2, p3};

/// A version of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// WASI 0.2.
    P2,
    /// WASI 0.3.
    P3,
}

/// An implementation of `wasi:sockets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// One that does what the WIT says.
    Exact,
    /// The one of wasmtime-wasi, which deviates at some steps: a program is not judged from there on.
    Stock,
}

/// The states of sockets, and the outcomes that each step must or may have in them.
pub(crate) trait Model: Default {
    type Step: Copy + Debug;

    /// Whether wasmtime-wasi deviates at this step.
    fn is_beyond_stock(&self, step: Self::Step) -> bool;

    /// Whether a step must trap.
    fn traps(&self, step: Self::Step) -> bool;

    /// Applies a step that does not trap. The error is the outcome that it must have had.
    fn take(&mut self, step: Self::Step, word: &str) -> Result<(), String>;

    fn traffic(&self) -> Traffic;
}

/// Checks whether a run of a program is allowed: `words` are the outcomes of its steps, and
/// `trapped` is whether it ended in a trap.
///
/// # Errors
///
/// The first step that must have another outcome.
pub fn judge(
    version: Version,
    backend: Backend,
    program: &[u8],
    words: &[&str],
    trapped: bool,
) -> Result<Traffic, String> {
    match version {
        Version::P2 => judge_steps::<p2::Model>(backend, &p2::steps(program), words, trapped),
        Version::P3 => judge_steps::<p3::Model>(backend, &p3::steps(program), words, trapped),
    }
}

fn judge_steps<M: Model>(
    backend: Backend,
    steps: &(impl Iterator<Item = M::Step> + Clone),
    words: &[&str],
    trapped: bool,
) -> Result<Traffic, String> {
    let mut model = M::default();
    for (index, step) in steps.clone().enumerate() {
        if backend == Backend::Stock && model.is_beyond_stock(step) {
            return Ok(model.traffic());
        }
        let wrong = |must: &str, did: &str| {
            let taken = steps.clone().zip(words).take(index).filter(|(_, word)| **word != SKIPPED);
            let story: String = taken.map(|(step, word)| format!("\n  {step:?}: {word}")).collect();
            format!("step {index}, {step:?}: must {must}, but {did}; after{story}")
        };
        match words.get(index) {
            None if !trapped => return Err(wrong("be taken", "the program ended there")),
            None if model.traps(step) => return Ok(model.traffic()),
            None => return Err(wrong("not trap", "did")),
            Some(word) if model.traps(step) => return Err(wrong("trap", word)),
            Some(word) => model.take(step, word).map_err(|must| wrong(&must, word))?,
        }
    }
    if trapped { Err("it trapped after its last step".to_owned()) } else { Ok(model.traffic()) }
}
