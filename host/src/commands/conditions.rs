//! What stands between a component and the network of the system: impairments, and a capture.

use std::io;
use std::sync::Arc;

use anyhow::Result;
#[cfg(feature = "simulation")]
use udping_simulation as simulation;
use wasi_datagram::World;

use crate::config::plan::Plan;

/// The capture of a run, if there is one.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    #[cfg(feature = "simulation")]
    file: Option<(Arc<simulation::Capture>, simulation::Interface)>,
}

impl Captured {
    /// Opens the file of the plan. Call this while the process can still open files.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn start(plan: &Plan) -> Result<Self> {
        #[cfg(feature = "simulation")]
        if let Some(path) = &plan.pcap {
            let capture = capture(path)?;
            let interface = capture.interface(&plan.source.name());
            return Ok(Self { file: Some((capture, interface)) });
        }
        let _ = plan;
        Ok(Self::default())
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// If not all could be written.
    pub fn finish(&self) -> io::Result<()> {
        #[cfg(feature = "simulation")]
        if let Some((capture, _)) = &self.file {
            return capture.finish();
        }
        Ok(())
    }
}

/// Starts a capture in the file at `path`.
#[cfg(feature = "simulation")]
pub fn capture(path: &std::path::Path) -> Result<Arc<simulation::Capture>> {
    use anyhow::Context as _;

    let create =
        || simulation::Capture::new(Box::new(io::BufWriter::new(std::fs::File::create(path)?)));
    create().with_context(|| format!("cannot write {}", path.display()))
}

/// The world of a component: `world`, with the impairments and the capture of the plan.
///
/// # Errors
///
/// If a thread cannot be started.
pub fn apply(
    plan: &Plan,
    captured: &Captured,
    world: Arc<dyn World>,
) -> io::Result<Arc<dyn World>> {
    #[cfg(feature = "simulation")]
    let world = {
        let world = match &plan.impairments {
            Some(impairments) => simulation::impaired(world, impairments)?,
            None => world,
        };
        // Outermost: what the component has sent and received.
        match &captured.file {
            Some((capture, interface)) => simulation::captured(world, capture.clone(), *interface),
            None => world,
        }
    };
    let _ = (plan, captured);
    Ok(world)
}
