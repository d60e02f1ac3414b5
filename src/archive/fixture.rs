//! Images and tars made in memory, for the tests of this room.

use super::layout::blob_name;
use super::{Location, OutputImage};
use crate::names::Digest;
use crate::registry::Manifest;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;

/// An image with its blobs: the configuration first.
pub(super) struct Image {
    pub(super) manifest: Manifest,
    pub(super) blobs: Vec<Bytes>,
    pub(super) layer_tars: Vec<Vec<u8>>,
}

impl Image {
    pub(super) fn new(seed: &str, layers: usize) -> Self {
        let layer_tars: Vec<Vec<u8>> = (0..layers)
            .map(|number| tar(&[("file", format!("{seed} {number} ").repeat(500).as_bytes())]))
            .collect();
        let diff_ids: Vec<Digest> = layer_tars.iter().map(|tar| Digest::of(tar)).collect();
        let diff_ids: Vec<&str> = diff_ids.iter().map(Digest::as_str).collect();
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": { "Labels": { "seed": seed } },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let mut blobs = vec![Bytes::from(config.to_string())];
        blobs.extend(layer_tars.iter().map(|tar| Bytes::from(gzip(tar))));
        let descriptors: Vec<Value> = blobs
            .iter()
            .enumerate()
            .map(|(at, blob)| {
                let kind = if at == 0 { "config.v1+json" } else { "layer.v1.tar+gzip" };
                descriptor(&format!("application/vnd.oci.image.{kind}"), blob)
            })
            .collect();
        let manifest = json!({ "schemaVersion": 2, "config": descriptors[0], "layers": descriptors[1..] });
        let manifest = Bytes::from(format!("{manifest:#}\n"));
        let manifest = Manifest::new(manifest, Some("application/vnd.oci.image.manifest.v1+json")).unwrap();
        Self {
            manifest,
            blobs,
            layer_tars,
        }
    }

    pub(super) fn output(&self, names: &[&str]) -> OutputImage {
        OutputImage {
            root: self.manifest.clone(),
            below: Vec::new(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            repository: None,
        }
    }

    /// Digest and size of each blob.
    pub(super) fn sizes(&self) -> Vec<(Digest, u64)> {
        self.blobs
            .iter()
            .map(|blob| (Digest::of(blob), blob.len() as u64))
            .collect()
    }

    pub(super) fn config_digest(&self) -> Digest {
        Digest::of(&self.blobs[0])
    }

    /// The files of a layout that holds it, without `index.json`.
    pub(super) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let contents = self.blobs.iter().chain([&self.manifest.bytes]);
        contents
            .map(|bytes| (blob_name(&Digest::of(bytes)), bytes.to_vec()))
            .collect()
    }
}

/// An OCI index over manifests.
pub(super) fn index(manifests: &[&Manifest]) -> Manifest {
    let descriptors: Vec<Value> = manifests
        .iter()
        .map(|manifest| descriptor(&manifest.media_type, &manifest.bytes))
        .collect();
    let index = json!({ "schemaVersion": 2, "manifests": descriptors });
    let media_type = Some("application/vnd.oci.image.index.v1+json");
    Manifest::new(Bytes::from(index.to_string()), media_type).unwrap()
}

pub(super) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(bytes).as_str(), "size": bytes.len() })
}

/// An `index.json` over manifests with their annotations.
pub(super) fn index_json(manifests: &[(&Manifest, Value)]) -> Vec<u8> {
    let descriptors = manifests.iter().map(|(manifest, annotations)| {
        let mut descriptor = descriptor(&manifest.media_type, &manifest.bytes);
        descriptor["annotations"] = annotations.clone();
        descriptor
    });
    let index = json!({ "schemaVersion": 2, "manifests": descriptors.collect::<Vec<_>>() });
    index.to_string().into_bytes()
}

pub(super) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Writes files below a folder.
pub(super) fn write(folder: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

pub(super) fn location(transport: &str, path: &Path) -> Location {
    let text = format!("{transport}:{}", path.display());
    Location::parse(&text).unwrap().unwrap()
}
