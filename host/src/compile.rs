//! Compiling components, where this host is built with a compiler (feature `compiler`).

#[cfg(feature = "compiler")]
mod with_compiler {
    use wasmtime::component::Component;
    use wasmtime::{Cache, CacheConfig, Config, Engine};

    use crate::sandbox::{Compiler, LoadError, first_line};

    /// Where something is to be compiled, has it kept in wasmtime's own cache, in this user's cache folder. Without such a
    /// folder, each start compiles anew.
    pub fn prepare(config: &mut Config, compiler: Compiler) {
        match compiler {
            Compiler::Needed => config.cache(Cache::new(CacheConfig::new()).ok()),
            Compiler::Unneeded => config.enable_compiler(false),
        };
    }

    /// Compiles a component, to be run now.
    pub fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadError> {
        Component::from_binary(engine, bytes).map_err(|error| LoadError::Invalid(first_line(&error)))
    }

    /// Compiles a component for later: what a `.cwasm` file holds.
    pub fn machine_code(engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
        engine.precompile_component(bytes).map_err(|error| LoadError::Invalid(first_line(&error)))
    }
}

#[cfg(not(feature = "compiler"))]
mod without_compiler {
    use wasmtime::component::Component;
    use wasmtime::{Config, Engine};

    use crate::sandbox::{Compiler, LoadError};

    /// There is nothing to prepare.
    pub fn prepare(_: &mut Config, _: Compiler) {}

    /// Fails.
    pub fn compile(_: &Engine, _: &[u8]) -> Result<Component, LoadError> {
        Err(LoadError::NoCompiler)
    }

    /// Fails.
    pub fn machine_code(_: &Engine, _: &[u8]) -> Result<Vec<u8>, LoadError> {
        Err(LoadError::NoCompiler)
    }
}

#[cfg(feature = "compiler")]
pub use with_compiler::*;
#[cfg(not(feature = "compiler"))]
pub use without_compiler::*;
