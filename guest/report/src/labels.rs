//! The labels of metrics: those of each target and flow are the same in each run.

use std::fmt;

use prometheus_client::encoding::{EncodeLabel as _, EncodeLabelSet, LabelSetEncoder};
use udping_core::client::{Results, Summary};

use crate::{Run, Target};

/// The labels of a flow, which are the same in each run: neither the address that a name currently
/// resolves to, nor a port chosen by the system. If there are several ports, their index is a
/// label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) source_port: Option<u16>,
    pub(crate) port_index: Option<usize>,
}

impl EncodeLabelSet for Flow {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        ("host", self.host.as_str()).encode(encoder.encode_label())?;
        ("port", self.port).encode(encoder.encode_label())?;
        if let Some(port) = self.source_port {
            ("source_port", port).encode(encoder.encode_label())?;
        }
        if let Some(index) = self.port_index {
            ("port_index", index).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}

/// The labels of a target's info metric.
#[derive(Clone, Debug, EncodeLabelSet)]
pub(crate) struct Info {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) address: String,
}

/// A target that is not pinged, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct NotPinged {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) reason: String,
}

/// Returns the named targets without duplicates.
pub(crate) fn targets(run: &Run) -> Vec<(Info, bool)> {
    let mut all: Vec<(Info, bool)> = Vec::new();
    for target in &run.targets {
        let (host, address) =
            (target.host.clone(), target.address.as_ref().map(ToString::to_string));
        let pinged = address.is_ok();
        let info = Info { host, port: target.port, address: address.unwrap_or_default() };
        match all.iter_mut().find(|(other, _)| (&other.host, other.port) == (&info.host, info.port))
        {
            Some(other) if pinged => *other = (info, true),
            Some(_) => {}
            None => all.push((info, pinged)),
        }
    }
    all
}

/// Returns the targets that were not pinged, without duplicates.
pub(crate) fn not_pinged(run: &Run) -> Vec<NotPinged> {
    let mut all = Vec::new();
    for target in &run.targets {
        if let Err(reason) = &target.address {
            let one =
                NotPinged { host: target.host.clone(), port: target.port, reason: reason.clone() };
            if !all.contains(&one) {
                all.push(one);
            }
        }
    }
    all
}

/// Returns the flows and their summaries. A target that was not pinged has an empty summary, so
/// that its series exist before it is pinged.
pub(crate) fn flows(run: &Run, results: &Results) -> Vec<(Flow, Summary)> {
    let labels = |target: &Target, id: usize, source_port| Flow {
        host: target.host.clone(),
        port: target.port,
        source_port: run.settings.fixed_source_port.then_some(source_port),
        // Flows are numbered by port and then by target.
        port_index: (run.config.source_ports.get() > 1)
            .then(|| id / run.config.targets.len().max(1)),
    };
    let pinged = run.flows.iter().zip(&results.flows).enumerate();
    let pinged = pinged.map(|(id, (flow, summary))| {
        (labels(&run.targets[flow.target], id, flow.source_port), summary.clone())
    });
    let mut all: Vec<_> = pinged.collect();
    for target in run.targets.iter().filter(|target| target.address.is_err()) {
        let host = target.host.clone();
        if !all.iter().any(|(flow, _)| (&flow.host, flow.port) == (&host, target.port)) {
            let flow = Flow { host, port: target.port, source_port: None, port_index: None };
            all.push((flow, Summary::default()));
        }
    }
    all
}
