//! The two components, built from the guests when this crate is built.

/// A component that is part of this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// The name: `client` or `server`.
    pub name: &'static str,
    /// The component binary, as in `client.wasm`.
    pub bytes: &'static [u8],
}

/// The pinger.
pub const CLIENT: Component = Component {
    name: "client",
    bytes: include_bytes!(concat!(env!("OUT_DIR"), "/udping_client.wasm")),
};

/// The echo server.
pub const SERVER: Component = Component {
    name: "server",
    bytes: include_bytes!(concat!(env!("OUT_DIR"), "/udping_server.wasm")),
};

/// All components.
pub const ALL: [Component; 2] = [CLIENT, SERVER];

/// What built them: compiler, target and standard library. Where these and the sources are the same,
/// so are the bytes.
pub const TOOLCHAIN: &str = include_str!(concat!(env!("OUT_DIR"), "/toolchain.txt"));
