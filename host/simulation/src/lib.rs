//! A virtual network with virtual time for WASI components: the second [`wasi_datagram::World`].
//!
//! Everything that a component sees of the world, sockets and time, comes through its host. Here the
//! world is a [`Network`] of nodes, each of which runs one component in a [`NodeWorld`]: what is sent,
//! lost, delayed, duplicated, reordered or corrupted is drawn from a seed ([`Link`]), and known.
//! Virtual time passes only while all components wait, so that hours take seconds, and a run is
//! repeated by its seed, byte for byte, on each machine.
//!
//! - [`Network`] has the nodes, sockets, links and the events to come; it tells an observer each
//!   [`Record`] of what happens.
//! - [`Executor`] runs the components, one at a time, in an order that depends on nothing but the
//!   events.
//! - [`Truth`] computes from the records what a client should report, and [`compare`] tells the
//!   differences.
//! - [`Fault`] changes links, clocks and nodes at given times.
//! - [`Scenario`] describes all of that in TOML.
//! - [`ingredients`] draws faults from a seed, for searches.
//! - [`Link`] is the model of one direction of a link, with the names of tc-netem(8).
//! - [`impaired`] puts two such links between a component and the real network.
//! - [`Capture`] writes what passes in the pcapng format.

#![deny(unsafe_code)]

mod capture;
mod executor;
mod fault;
mod impaired;
mod link;
mod mix;
mod network;
mod permissions;
mod scenario;
mod time;
mod trace;
mod truth;
mod world;
mod wrapped;

pub use capture::{Capture, Interface, Way, captured};
pub use executor::{Ended, Executor, Run, Start};
pub use fault::Fault;
pub use impaired::{Impairments, ImpairmentsError, impaired};
pub use link::{
    Corruption, Distribution, Fate, GilbertElliott, Link, LinkError, Path, Probability,
    ProbabilityError, Queue, Rate, RateError,
};
pub use mix::{Ingredient, ingredients};
pub use network::{EPOCH, Network, WallClock};
pub use permissions::Anything;
pub use scenario::{Between, Change, DURATION, Node, Scenario, ScenarioError};
pub use time::Time;
pub use trace::{Cause, DatagramId, Event, Fingerprint, NodeId, Record};
pub use truth::{Difference, Direction, End, FlowKey, Numbers, Totals, Truth, Values, compare};
pub use world::NodeWorld;
