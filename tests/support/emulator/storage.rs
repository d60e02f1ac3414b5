//! What the registry holds: blobs once, and per package its manifests, tags and open uploads.

use super::super::image::{Image, digest};
use super::super::sha512::digest_512;
use bytes::{Bytes, BytesMut};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A manifest or index as it was put.
pub(super) struct Stored {
    pub media_type: String,
    pub bytes: Bytes,
}

#[derive(Default)]
struct Package {
    manifests: BTreeMap<String, Stored>,
    tags: BTreeMap<String, String>,
    blobs: BTreeSet<String>,
}

/// An upload that is open.
#[derive(Default)]
pub(super) struct Upload {
    pub package: String,
    pub bytes: BytesMut,
    /// Steps so far: `Location` carries it, and only the newest one is taken.
    pub step: usize,
}

/// Everything stored.
#[derive(Default)]
pub(super) struct Storage {
    blobs: HashMap<String, Bytes>,
    packages: BTreeMap<String, Package>,
    pub uploads: HashMap<String, Upload>,
    opened: usize,
}

impl Storage {
    pub(super) fn put_image(&mut self, package: &str, tag: Option<&str>, image: &Image) {
        for part in image.walk() {
            for blob in part.blobs() {
                self.put_blob(package, blob.bytes.clone());
            }
            self.put_manifest(package, part.media_type(), part.bytes().clone());
        }
        if let Some(tag) = tag {
            self.put_tag(package, tag, &image.digest());
        }
    }

    pub(super) fn put_blob(&mut self, package: &str, bytes: Bytes) -> String {
        let name = digest(&bytes);
        self.put_blob_as(package, &name, bytes);
        name
    }

    /// Under a digest of whichever function.
    pub(super) fn put_blob_as(&mut self, package: &str, name: &str, bytes: Bytes) {
        self.blobs.insert(name.to_owned(), bytes);
        self.package(package).blobs.insert(name.to_owned());
    }

    /// Makes a blob of one package a blob of another too. False if `from` does not have it.
    pub(super) fn mount(&mut self, from: &str, package: &str, digest: &str) -> bool {
        let there = self.blob(from, digest).is_some();
        if there {
            self.package(package).blobs.insert(digest.to_owned());
        }
        there
    }

    pub(super) fn blob(&self, package: &str, digest: &str) -> Option<&Bytes> {
        let known = self.packages.get(package)?.blobs.contains(digest);
        known.then(|| self.blobs.get(digest)).flatten()
    }

    pub(super) fn lose_blob(&mut self, package: &str, digest: &str) {
        self.package(package).blobs.remove(digest);
    }

    pub(super) fn put_manifest(&mut self, package: &str, media_type: &str, bytes: Bytes) -> String {
        let name = digest(&bytes);
        let stored = Stored {
            media_type: media_type.to_owned(),
            bytes,
        };
        self.package(package).manifests.insert(name.clone(), stored);
        name
    }

    pub(super) fn put_tag(&mut self, package: &str, tag: &str, digest: &str) {
        self.package(package).tags.insert(tag.to_owned(), digest.to_owned());
    }

    pub(super) fn delete_tag(&mut self, package: &str, tag: &str) -> bool {
        self.package(package).tags.remove(tag).is_some()
    }

    /// Removes a manifest with all its tags.
    pub(super) fn delete_manifest(&mut self, package: &str, digest: &str) -> bool {
        let package = self.package(package);
        package.tags.retain(|_, held| held != digest);
        package.manifests.remove(digest).is_some()
    }

    pub(super) fn has_package(&self, package: &str) -> bool {
        self.packages.contains_key(package)
    }

    pub(super) fn tag(&self, package: &str, tag: &str) -> Option<&str> {
        let tags = &self.packages.get(package)?.tags;
        tags.get(tag).map(String::as_str)
    }

    pub(super) fn tags(&self, package: &str) -> Vec<String> {
        let package = self.packages.get(package);
        package
            .map(|package| package.tags.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// A manifest by tag or digest, with its digest.
    pub(super) fn manifest<'a>(&'a self, package: &str, reference: &'a str) -> Option<(&'a str, &'a Stored)> {
        let package = self.packages.get(package)?;
        if reference.starts_with("sha512:") {
            let mut all = package.manifests.iter();
            let found = all.find(|(_, stored)| digest_512(&stored.bytes) == reference)?;
            return Some((found.0, found.1));
        }
        let digest = package.tags.get(reference).map_or(reference, String::as_str);
        package.manifests.get(digest).map(|stored| (digest, stored))
    }

    /// The first manifest or blob that a manifest names and that the package does not hold.
    pub(super) fn missing_child(&self, package: &str, manifest: &Value) -> Option<String> {
        let digests = |field: &str| {
            let list = manifest[field].as_array().cloned().unwrap_or_default();
            list.into_iter()
                .filter(|entry| entry["urls"].as_array().is_none_or(Vec::is_empty))
                .filter_map(|entry| entry["digest"].as_str().map(str::to_owned))
                .collect::<Vec<_>>()
        };
        let children = digests("manifests");
        let mut blobs = digests("layers");
        blobs.extend(manifest["config"]["digest"].as_str().map(str::to_owned));
        // As docker-registry has it, an index may name blobs too: BuildKit's cache does.
        let no_child = children
            .into_iter()
            .find(|child| self.manifest(package, child).is_none() && self.blob(package, child).is_none());
        no_child.or_else(|| blobs.into_iter().find(|blob| self.blob(package, blob).is_none()))
    }

    /// Manifests of a package whose `subject` is this digest.
    pub(super) fn referrers(&self, package: &str, subject: &str) -> Vec<(&str, &Stored, Value)> {
        let manifests = self.packages.get(package).map(|package| &package.manifests);
        manifests
            .into_iter()
            .flatten()
            .filter_map(|(digest, stored)| {
                let parsed: Value = serde_json::from_slice(&stored.bytes).ok()?;
                (parsed["subject"]["digest"] == subject).then_some((digest.as_str(), stored, parsed))
            })
            .collect()
    }

    /// Opens an upload and names it.
    pub(super) fn open(&mut self, package: &str) -> String {
        self.opened += 1;
        let id = digest(format!("{package} {}", self.opened).as_bytes())[7..39].to_owned();
        let upload = Upload {
            package: package.to_owned(),
            ..Upload::default()
        };
        self.uploads.insert(id.clone(), upload);
        id
    }

    pub(super) fn open_uploads(&self) -> usize {
        self.uploads.len()
    }

    fn package(&mut self, name: &str) -> &mut Package {
        self.packages.entry(name.to_owned()).or_default()
    }
}
