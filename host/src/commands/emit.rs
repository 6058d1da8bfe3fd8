//! `udping-host emit`: writes a built-in component to standard output, or as an OCI artifact.
//!
//! The artifact is that of the WebAssembly OCI specification, which `wkg oci push` writes too, in an
//! OCI image layout. The types of oci-spec would not do: its annotations are in a hash map, whose
//! order, and thus the digest of the manifest, is another one each time.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read as _, Write};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};
use udping_components::{Component, Wasi};

use crate::commands::context::{self, Loading};
use crate::commands::inspect::Interface;
use crate::process::digest::sha256;
use crate::sandbox::artifact::Source;

const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The annotation by which the tools name an image of a layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The index of a layout is smaller than this.
const MAX_INDEX: u64 = 1 << 20;

/// Writes the component to `out`, which must not be a terminal.
pub fn to_output(component: Component, out: &mut (impl Write + IsTerminal)) -> Result<()> {
    let (name, stem) = (component.name, component.file_stem());
    let version = if component.wasi == Wasi::P3 { " --wasi 0.3" } else { "" };
    ensure!(
        !out.is_terminal(),
        "a component is no text for a terminal: udping-host emit{version} {name} > {stem}.wasm"
    );
    Ok(out.write_all(component.bytes)?)
}

/// Writes the component into the OCI image layout `layout`, as the image of its name, and the digest
/// of its manifest to `out`. Other images of an existing layout stay.
///
/// The same component always has the same digest: no time is in it.
pub fn to_layout(component: Component, layout: &Path, out: &mut impl Write) -> Result<()> {
    let manifest = write_layout(component, layout)
        .with_context(|| format!("cannot write {}", layout.display()))?;
    Ok(writeln!(out, "{}", manifest.digest)?)
}

fn write_layout(component: Component, layout: &Path) -> Result<Descriptor> {
    let index_file = layout.join("index.json");
    let mut index = read_index(layout, &index_file)?;
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let store = |media_type, bytes: &[u8]| -> io::Result<Descriptor> {
        let descriptor = Descriptor::of(media_type, bytes);
        fs::write(blobs.join(descriptor.hex()), bytes)?;
        Ok(descriptor)
    };

    let layer = store(LAYER, component.bytes)?;
    let config = store(CONFIG, &serde_json::to_vec(&config(component, &layer)?)?)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": [layer],
        "annotations": annotations(component),
    });
    let mut manifest = store(MANIFEST, &serde_json::to_vec(&manifest)?)?;
    let name = component.file_stem();
    manifest.annotations.insert(REF_NAME, name.clone());

    let images = index.get_mut("manifests").and_then(Value::as_array_mut);
    let images = images.context("index.json lists no manifests: name a new folder")?;
    images.retain(|image| image["annotations"][REF_NAME] != *name);
    images.push(serde_json::to_value(&manifest)?);
    fs::write(layout.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    // Last, and at once: a reader finds all that it names.
    let new = layout.join("index.json.new");
    fs::write(&new, serde_json::to_vec(&index)?)?;
    fs::rename(new, index_file)?;
    Ok(manifest)
}

/// Reads the index of an existing layout, or starts that of a new one in an empty folder.
fn read_index(layout: &Path, index: &Path) -> Result<Value> {
    if index.exists() && layout.join("oci-layout").exists() {
        let mut text = String::new();
        File::open(index)?.take(MAX_INDEX).read_to_string(&mut text)?;
        return serde_json::from_str(&text).context("index.json is invalid: name a new folder");
    }
    let is_empty = match fs::read_dir(layout) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(error.into()),
    };
    ensure!(is_empty, "it is not empty, and no OCI image layout: name a new folder");
    Ok(json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] }))
}

/// The configuration of the image. By the specification it has a time of creation: as other tools
/// whose results are reproducible, this one writes the first.
fn config(component: Component, layer: &Descriptor) -> Result<Value> {
    let (_, loaded) = match component.wasi {
        Wasi::P2 => context::read(&Source::BuiltIn(component), Loading::default())?,
        Wasi::P3 => context::compile_now(component.bytes)?,
    };
    let interface = Interface::of(&loaded.component);
    Ok(json!({
        "created": "1970-01-01T00:00:00Z",
        "author": null,
        "architecture": "wasm",
        "os": if component.wasi == Wasi::P3 { "wasip3" } else { "wasip2" },
        "layerDigests": [layer.digest],
        "component": {
            "exports": interface.exports(),
            "imports": interface.imports(),
            "target": null,
        },
    }))
}

fn annotations(component: Component) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("org.opencontainers.image.title", format!("udping-{}", component.file_stem())),
        ("org.opencontainers.image.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("org.opencontainers.image.licenses", env!("CARGO_PKG_LICENSE").to_owned()),
    ])
}

/// A reference to a blob.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: String,
    size: usize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

impl Descriptor {
    fn of(media_type: &'static str, bytes: &[u8]) -> Self {
        Self {
            media_type,
            digest: format!("sha256:{}", sha256(bytes)),
            size: bytes.len(),
            annotations: BTreeMap::new(),
        }
    }

    fn hex(&self) -> &str {
        self.digest.trim_start_matches("sha256:")
    }
}
