//! The `index.json` of a layout: written anew, or added to with all that others wrote into it kept.

use super::docker_archive::familiar;
use super::layout::{CONTAINERD_NAME, REF_NAME};
use super::location::Transport;
use super::writer::OutputImage;
use crate::names::Digest;
use serde_json::{Map, Value, json};

/// The content of the file `oci-layout` (OCI image specification, "oci-layout file").
pub(super) const MARKER: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// An `index.json` that can be added to.
#[derive(Debug)]
pub(super) struct LayoutIndex(Map<String, Value>);

impl LayoutIndex {
    /// One without images.
    pub(super) fn new() -> Self {
        let mut object = Map::new();
        object.insert("schemaVersion".to_owned(), json!(2));
        object.insert("mediaType".to_owned(), json!("application/vnd.oci.image.index.v1+json"));
        object.insert("manifests".to_owned(), json!([]));
        Self(object)
    }

    /// What somebody else wrote.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut object: Map<String, Value> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let manifests = object.entry("manifests").or_insert_with(|| json!([]));
        if manifests.is_null() {
            *manifests = json!([]);
        }
        if manifests.is_array() {
            Ok(Self(object))
        } else {
            Err("its `manifests` are no list".to_owned())
        }
    }

    /// Adds an image under its names. What had one of the names loses it; an image without name is there once. Gives the
    /// other images that lost one, each with the name.
    pub(super) fn add(&mut self, image: &OutputImage, transport: Transport) -> Vec<(Digest, String)> {
        let digest = image.root.digest.as_str();
        let mut without = Vec::new();
        // `new` and `parse` leave a list there.
        let Some(Value::Array(manifests)) = self.0.get_mut("manifests") else {
            return without;
        };
        let annotations: Vec<Value> = image.names.iter().map(|name| annotations(name, transport)).collect();
        let is_named = |entry: &Value| entry["annotations"][REF_NAME].is_string();
        manifests.retain(|entry| {
            let replaced = annotations.iter().position(|new| same_name(&entry["annotations"], new));
            if let Some(name) = replaced.and_then(|at| image.names.get(at))
                && let Some(Ok(other)) = entry["digest"].as_str().map(Digest::parse)
                && other != image.root.digest
            {
                without.push((other, name.clone()));
            }
            replaced.is_none() && (is_named(entry) || entry["digest"] != digest)
        });
        let descriptor = json!({
            "mediaType": image.root.media_type,
            "digest": digest,
            "size": image.root.bytes.len(),
        });
        for annotations in annotations {
            let mut descriptor = descriptor.clone();
            descriptor["annotations"] = annotations;
            manifests.push(descriptor);
        }
        if image.names.is_empty() && !manifests.iter().any(|entry| entry["digest"] == digest) {
            manifests.push(descriptor);
        }
        without
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        Value::Object(self.0.clone()).to_string().into_bytes()
    }
}

/// containerd, which reads a docker-archive as a layout where it is one, takes the full reference from its own
/// annotation.
fn annotations(name: &str, transport: Transport) -> Value {
    if transport != Transport::DockerArchive {
        return json!({ REF_NAME: name });
    }
    let reference = familiar(name);
    let tag = reference.rsplit_once(':').map_or("latest", |(_, tag)| tag);
    json!({ CONTAINERD_NAME: reference, REF_NAME: tag })
}

fn same_name(old: &Value, new: &Value) -> bool {
    old[REF_NAME] == new[REF_NAME] && (new[CONTAINERD_NAME].is_null() || old[CONTAINERD_NAME] == new[CONTAINERD_NAME])
}
