//! Nothing: what counts is what this crate depends on, and with which features.
//!
//! The host needs wasmtime, and so does the build script of `udping-compiled`, which compiles the
//! built-in components; cargo builds a crate once for both where its features and profile are the
//! same. That is a third of all there is to build.
