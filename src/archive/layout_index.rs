//! The `index.json` of a layout: written anew, or added to with all that others wrote into it kept.

use super::docker_archive::familiar;
use super::layout::{CONTAINERD_NAME, REF_NAME};
use super::location::Transport;
use super::writer::OutputImage;
use crate::names::{Digest, Host, Repository, Tag, split, split_host};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

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
            Err("its `manifests` are not a list".to_owned())
        }
    }

    /// Adds an image under its names. What had one of the names loses it and stays, so that no blob of it is without an
    /// owner (as skopeo and oras do); an image without name is there once. Gives the other images that lost one, each with the
    /// name.
    pub(super) fn add(&mut self, image: &OutputImage, transport: Transport) -> Vec<(Digest, String)> {
        let digest = image.root.digest.as_str();
        let mut without = Vec::new();
        // `new` and `parse` leave a list there.
        let Some(Value::Array(manifests)) = self.0.get_mut("manifests") else {
            return without;
        };
        let annotations: Vec<Value> = image
            .names
            .iter()
            .map(|name| annotations(name, image.repository.as_deref(), transport))
            .collect();
        manifests.retain_mut(|entry| {
            let replaced = annotations.iter().position(|new| same_name(&entry["annotations"], new));
            if entry["digest"] == digest {
                return replaced.is_none() && is_named(entry);
            }
            if let Some(name) = replaced.and_then(|at| image.names.get(at)) {
                if let Some(Ok(other)) = entry["digest"].as_str().map(Digest::parse) {
                    without.push((other, name.clone()));
                }
                unname(entry);
            }
            true
        });
        drop_second_nameless(manifests);
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

    pub(super) fn bytes(&self) -> Vec<u8> {
        Value::Object(self.0.clone()).to_string().into_bytes()
    }
}

/// containerd, which reads an archive as a layout where it is one, and podman take the full reference from an annotation of
/// their own. Nothing reads it in a folder.
fn annotations(name: &str, repository: Option<&str>, transport: Transport) -> Value {
    let is_full = name.contains(['/', ':']);
    match (transport, repository) {
        (Transport::DockerArchive, _) => {
            let reference = familiar(name);
            let tag = reference.rsplit_once(':').map_or("latest", |(_, tag)| tag);
            json!({ CONTAINERD_NAME: reference, REF_NAME: tag })
        }
        (Transport::OciArchive, Some(repository)) if !is_full && Tag::parse(name).is_ok() => {
            json!({ CONTAINERD_NAME: format!("{repository}:{name}"), REF_NAME: name })
        }
        (Transport::OciArchive, _) if is_full && is_reference(name) => {
            json!({ CONTAINERD_NAME: familiar(name), REF_NAME: name })
        }
        _ => json!({ REF_NAME: name }),
    }
}

/// Whether engines take it for a reference: one that they do not take makes them refuse the archive.
fn is_reference(name: &str) -> bool {
    let Ok((repository, tag, digest)) = split(name) else {
        return false;
    };
    let (host, path) = split_host(repository);
    digest.is_none()
        && tag.is_none_or(|tag| Tag::parse(tag).is_ok())
        && host.is_none_or(|host| Host::parse(host).is_ok())
        && Repository::new(Host::bitbucket(), path).is_ok()
}

fn same_name(old: &Value, new: &Value) -> bool {
    old[REF_NAME] == new[REF_NAME] && (new[CONTAINERD_NAME].is_null() || old[CONTAINERD_NAME] == new[CONTAINERD_NAME])
}

fn is_named(entry: &Value) -> bool {
    let annotations = &entry["annotations"];
    annotations[REF_NAME].is_string() || annotations[CONTAINERD_NAME].is_string()
}

/// Takes the name by which it is chosen; a full reference by which containerd knows it stays.
fn unname(entry: &mut Value) {
    let Some(Value::Object(annotations)) = entry.get_mut("annotations") else {
        return;
    };
    annotations.shift_remove(REF_NAME);
    if annotations.is_empty()
        && let Some(entry) = entry.as_object_mut()
    {
        entry.shift_remove("annotations");
    }
}

/// Drops what has no name and is there another time: one is enough to keep its blobs.
fn drop_second_nameless(manifests: &mut Vec<Value>) {
    let digest = |entry: &Value| entry["digest"].as_str().map(str::to_owned);
    let named = manifests.iter().filter(|entry| is_named(entry));
    let mut seen: HashSet<Option<String>> = named.map(digest).collect();
    manifests.retain(|entry| is_named(entry) || seen.insert(digest(entry)));
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Image;
    use super::*;

    fn index(entries: &[Value]) -> LayoutIndex {
        let bytes = json!({ "schemaVersion": 2, "manifests": entries }).to_string();
        LayoutIndex::parse(bytes.as_bytes()).unwrap()
    }

    fn listed(index: &LayoutIndex) -> Vec<Value> {
        let index: Value = serde_json::from_slice(&index.bytes()).unwrap();
        index["manifests"].as_array().unwrap().clone()
    }

    fn entry(image: &Image, annotations: &Value) -> Value {
        let manifest = &image.manifest;
        let mut entry = json!({
            "mediaType": manifest.media_type, "digest": manifest.digest.as_str(), "size": manifest.bytes.len(),
        });
        if !annotations.is_null() {
            entry["annotations"] = annotations.clone();
        }
        entry
    }

    /// As skopeo, buildah and oras leave it: the entry stays, so that nothing that cleans a layout removes its blobs.
    #[test]
    fn what_loses_its_name_stays() {
        let [old, new] = ["old", "new"].map(|seed| Image::new(seed, 1));
        let tag = json!({ REF_NAME: "1" });
        let full = |name: &str| json!({ CONTAINERD_NAME: name, REF_NAME: "1" });
        let known = |name: &str| json!({ CONTAINERD_NAME: name });
        for (before, after, lost) in [
            (vec![(&old, tag.clone())], vec![(&old, Value::Null)], 1),
            (
                vec![(&old, json!({ REF_NAME: "1", "a": "b" }))],
                vec![(&old, json!({ "a": "b" }))],
                1,
            ),
            // One entry is enough to keep it.
            (
                vec![(&old, Value::Null), (&old, tag.clone())],
                vec![(&old, Value::Null)],
                1,
            ),
            (
                vec![(&old, tag.clone()), (&old, Value::Null)],
                vec![(&old, Value::Null)],
                1,
            ),
            (
                vec![(&old, tag.clone()), (&old, json!({ REF_NAME: "2" }))],
                vec![(&old, json!({ REF_NAME: "2" }))],
                1,
            ),
            // buildx and containerd: the full names stay.
            (
                vec![(&old, full("docker.io/a:1")), (&old, full("docker.io/b:1"))],
                vec![(&old, known("docker.io/a:1")), (&old, known("docker.io/b:1"))],
                2,
            ),
            // The image itself, under the same name, another, or none.
            (vec![(&new, tag.clone())], vec![], 0),
            (
                vec![(&new, json!({ REF_NAME: "2" }))],
                vec![(&new, json!({ REF_NAME: "2" }))],
                0,
            ),
            (vec![(&new, Value::Null)], vec![], 0),
        ] {
            let entries =
                |of: &[(&Image, Value)]| of.iter().map(|(image, named)| entry(image, named)).collect::<Vec<_>>();
            let mut index = index(&entries(&before));
            let replaced = index.add(&new.output(&["1"]), Transport::Oci);
            let before = json!(entries(&before)).to_string();
            let expected = [entries(&after), vec![entry(&new, &tag)]].concat();
            assert_eq!(listed(&index), expected, "{before}");
            assert_eq!(
                replaced,
                vec![(old.manifest.digest.clone(), "1".to_owned()); lost],
                "{before}"
            );
        }
    }

    #[test]
    fn docker_load_and_podman_learn_the_full_name_from_an_archive() {
        let image = Image::new("named", 1);
        let repository = Some("crg.apkg.io/shop/api".to_owned());
        for (transport, name, full) in [
            (Transport::OciArchive, "1", Some("crg.apkg.io/shop/api:1")),
            (
                Transport::OciArchive,
                "crg.apkg.io/shop/api:1",
                Some("crg.apkg.io/shop/api:1"),
            ),
            (Transport::OciArchive, "web:2", Some("docker.io/library/web:2")),
            // Of another grammar than that of references.
            (Transport::OciArchive, "1+2", None),
            (Transport::OciArchive, "a/B:1:2", None),
            (Transport::Oci, "1", None),
            (Transport::DockerArchive, "web:2", Some("docker.io/library/web:2")),
        ] {
            let mut index = LayoutIndex::new();
            let output = OutputImage {
                repository: repository.clone(),
                ..image.output(&[name])
            };
            index.add(&output, transport);
            let annotations = &listed(&index)[0]["annotations"];
            assert_eq!(annotations[CONTAINERD_NAME].as_str(), full, "{transport} {name}");
        }
    }
}
