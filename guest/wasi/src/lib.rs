//! WASI for the guests: the only place where bindings are generated, and small helpers over them.
//!
//! Everything uses these bindings and not `std`: on `wasm32-unknown-unknown` the standard library's
//! arguments, clocks and output are stubs. So a component imports only what its world declares.
//!
//! What differs between WASI 0.2 and, with feature `p3`, 0.3 is in a module each, of the same content.
//! A program is written once: it waits by [`poll::wait`], and everything else returns at once or
//! blocks.

mod addresses;
pub mod cli;
pub mod console;
pub mod error;
pub mod host;
#[cfg(not(feature = "p3"))]
mod p2;
#[cfg(feature = "p3")]
mod p3;
pub mod program;
pub mod resolve;

#[cfg(not(feature = "p3"))]
use p2 as wasi;
#[cfg(feature = "p3")]
use p3 as wasi;
pub use wasi::{bindings, clock, input, output, poll, question, random, udp};

/// The declaration of udping-host's contract (`udping_cli::contract`), which a component that keeps
/// to it also exports.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod declaration {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "declares-notices",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "declare",
    });
}

/// The export of a component that measures against thresholds.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod thresholds {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "has-thresholds",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_thresholds",
    });
}

/// Exports, for a component's type, whether [`program::run`] has failed at a threshold.
#[macro_export]
macro_rules! tell_thresholds {
    ($component:ident) => {
        impl $crate::thresholds::exports::udping::guest::thresholds::Guest for $component {
            fn exceeded() -> bool {
                $crate::program::has_exceeded()
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::thresholds::export_thresholds!($component with_types_in $crate::thresholds);
    };
}

/// Exports, for a component's type, the declaration that it keeps to udping-host's contract.
#[macro_export]
macro_rules! declare_notices {
    ($component:ident) => {
        impl $crate::declaration::exports::udping::guest::notices::Guest for $component {
            fn version() -> u32 {
                1
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::declaration::declare!($component with_types_in $crate::declaration);
    };
}
