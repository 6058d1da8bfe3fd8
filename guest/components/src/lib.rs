//! The two components, built from the guests when this crate is built: for WASI 0.2, and for 0.3.

/// A component that is part of this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// The name: `client` or `server`.
    pub name: &'static str,
    /// The version of WASI that it is for.
    pub wasi: Wasi,
    /// The component binary, as in `client.wasm`.
    pub bytes: &'static [u8],
}

/// A version of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wasi {
    /// WASI 0.2.
    P2,
    /// WASI 0.3.
    P3,
}

impl Component {
    /// The name of the component's file, without `.wasm`, and of its image: `client` or, for WASI 0.3,
    /// `client-p3`.
    pub fn file_stem(self) -> String {
        match self.wasi {
            Wasi::P2 => self.name.to_owned(),
            Wasi::P3 => format!("{}-p3", self.name),
        }
    }
}

/// The pinger.
pub const CLIENT: Component = Component {
    name: "client",
    wasi: Wasi::P2,
    bytes: include_bytes!(concat!(env!("OUT_DIR"), "/udping_client.wasm")),
};

/// The echo server.
pub const SERVER: Component = Component {
    name: "server",
    wasi: Wasi::P2,
    bytes: include_bytes!(concat!(env!("OUT_DIR"), "/udping_server.wasm")),
};

/// The pinger, for WASI 0.3.
pub const CLIENT_P3: Component = Component {
    name: "client",
    wasi: Wasi::P3,
    bytes: include_bytes!(concat!(env!("OUT_DIR"), "/udping_client_p3.wasm")),
};

/// The echo server, for WASI 0.3.
pub const SERVER_P3: Component = Component {
    name: "server",
    wasi: Wasi::P3,
    bytes: include_bytes!(concat!(env!("OUT_DIR"), "/udping_server_p3.wasm")),
};

/// The components that run by their names.
pub const ALL: [Component; 2] = [CLIENT, SERVER];

/// Those for WASI 0.3.
pub const ALL_P3: [Component; 2] = [CLIENT_P3, SERVER_P3];

/// What built them: compiler, target and standard library. Where these and the sources are the same,
/// so are the bytes.
pub const TOOLCHAIN: &str = include_str!(concat!(env!("OUT_DIR"), "/toolchain.txt"));
