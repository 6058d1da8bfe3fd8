//! What to run: the command line, resolved.

use std::ffi::OsString;

use thiserror::Error;

use crate::artifact::Source;
use crate::cli::NetworkFlags;
use crate::grants::GrantSpec;

/// One component to run, with its arguments and what it is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The component.
    pub source: Source,
    /// Its arguments, without its own name.
    pub arguments: Vec<String>,
    /// What the operator granted.
    pub grants: GrantSpec,
}

/// WASI arguments are text.
#[derive(Debug, Error)]
#[error("the component's argument {0:?} is not valid Unicode")]
pub struct NotUnicode(OsString);

impl Plan {
    /// What the operator typed after the component is the grant, unless flags say what is.
    pub fn new(
        flags: &NetworkFlags,
        source: Source,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, NotUnicode> {
        let arguments =
            arguments.into_iter().map(OsString::into_string).collect::<Result<Vec<_>, _>>().map_err(NotUnicode)?;
        let grants = flags.grants().unwrap_or_else(|| GrantSpec::from_arguments(&arguments));
        Ok(Self { source, arguments, grants })
    }

    /// The arguments as the component gets them: its own name first, as `wasmtime run` has it.
    pub fn argv(&self) -> Vec<String> {
        [self.source.name()].into_iter().chain(self.arguments.iter().cloned()).collect()
    }
}
