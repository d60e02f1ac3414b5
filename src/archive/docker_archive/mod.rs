//! Archives as `docker save` writes them: of old engines (a folder a layer, links from one to another), of new ones
//! (25 and later: an OCI layout with Docker's `manifest.json` beside it), and of skopeo and buildx.
//! Docker's "Image Specification v1.2", "Combined Image JSON + Filesystem Changeset Format".

use super::error::{ArchiveError, Problem};
use super::layout::{self, check_digest};
use super::location::{Location, Transport};
use super::source::{BlobSource, Store as _};
use super::tar_file::TarFile;
use crate::names::Digest;
use crate::registry::Manifest;
use crate::registry::manifest::{Content, Descriptor, LARGEST};
use bytes::Bytes;
use serde::Deserialize;
use std::collections::HashSet;

/// Docker's own list of images.
const LIST: &str = "manifest.json";
/// An index in an index in an index is as deep as it gets.
const DEEPEST: usize = 3;

/// An opened docker-archive.
#[derive(Debug)]
pub struct DockerArchive {
    tar: TarFile,
    entries: Vec<Entry>,
}

/// One image of a docker-archive.
#[derive(Debug, Clone)]
pub struct DockerImage {
    /// `name:tag`s as the archive has them.
    pub names: Vec<String>,
    /// The configuration, unchanged: its digest is the image's ID.
    pub config: Bytes,
    /// Digest of the configuration.
    pub config_digest: Digest,
    /// The layers, lowest first.
    pub layers: Vec<Layer>,
    /// The manifest that the image had in a registry, where the archive has it and the layers are stored as it says:
    /// then the image keeps its digest.
    pub manifest: Option<Manifest>,
}

/// One layer of a docker-archive.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Digest of the tar, uncompressed, as the configuration states it.
    pub diff_id: Digest,
    /// Digest of the bytes as they are stored, where the entry's name states it. Not checked yet.
    pub digest: Option<Digest>,
    /// How the bytes are compressed.
    pub compression: Compression,
    /// The bytes.
    pub content: BlobSource,
}

/// How a layer is compressed, told from its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// A plain tar.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl DockerArchive {
    /// Opens the archive. A gzip-compressed one is read once for it.
    ///
    /// # Errors
    /// [`ArchiveError`]
    pub fn open(location: &Location) -> Result<Self, ArchiveError> {
        let tar = TarFile::open(&location.path, Transport::DockerArchive)?;
        let Some(list) = tar.document(LIST, LARGEST)? else {
            return Err(tar.lacks(Transport::DockerArchive, LIST, "it has no `manifest.json`"));
        };
        let entries: Vec<Entry> = serde_json::from_slice(&list)
            .map_err(|error| Problem::damaged(LIST, error.to_string()).of(&location.path))?;
        Ok(Self { tar, entries })
    }

    /// The `name:tag`s of each image, in order.
    pub fn images(&self) -> impl Iterator<Item = &[String]> {
        self.entries
            .iter()
            .map(|entry| entry.names.as_deref().unwrap_or_default())
    }

    /// The image of a name (`NAME[:TAG]`, or `@N` for the Nth). Without a name, the only one. Names mean what they mean
    /// to Docker: `api` is `docker.io/library/api:latest`.
    ///
    /// # Errors
    /// [`Problem::NoSuchImage`], [`Problem::Ambiguous`], or what is wrong with the archive.
    pub fn choose(&self, name: Option<&str>) -> Result<DockerImage, ArchiveError> {
        let fitting = self.fitting(name);
        let problem = match fitting[..] {
            [first, ref others @ ..] if others.iter().all(|other| other.config == first.config) => {
                return self.image(first);
            }
            [] if self.entries.is_empty() => Problem::damaged(LIST, "it lists no image"),
            [] => Problem::NoSuchImage {
                wanted: name.unwrap_or_default().to_owned(),
                images: self
                    .entries
                    .iter()
                    .flat_map(|entry| entry.names.iter().flatten().cloned())
                    .collect(),
            },
            _ => Problem::Ambiguous {
                images: fitting
                    .iter()
                    .enumerate()
                    .map(|(at, entry)| entry.names.iter().flatten().next().cloned().unwrap_or(format!("@{at}")))
                    .collect(),
            },
        };
        Err(problem.of(self.tar.path()))
    }

    fn fitting(&self, name: Option<&str>) -> Vec<&Entry> {
        let Some(name) = name else {
            return self.entries.iter().collect();
        };
        if let Some(position) = layout::position(name) {
            return self.entries.get(position).into_iter().collect();
        }
        let wanted = familiar(name);
        let is_called = |entry: &&Entry| entry.names.iter().flatten().any(|own| familiar(own) == wanted);
        self.entries.iter().filter(is_called).collect()
    }

    fn image(&self, entry: &Entry) -> Result<DockerImage, ArchiveError> {
        let path = self.tar.path();
        let damaged = |name: &str, why: String| Problem::damaged(name, why).of(path);
        let config = self
            .tar
            .document(&entry.config, LARGEST)?
            .ok_or_else(|| self.tar.missing(&entry.config))?;
        if let Some(digest) = stated_digest(&entry.config) {
            check_digest(path, &digest, &config)?;
        }
        let rootfs: Config =
            serde_json::from_slice(&config).map_err(|error| damaged(&entry.config, error.to_string()))?;
        let diff_ids = rootfs.rootfs.diff_ids.unwrap_or_default();
        let names = entry.layers.as_deref().unwrap_or_default();
        if diff_ids.len() != names.len() {
            let why = format!(
                "it has {} layers where the configuration has {}",
                names.len(),
                diff_ids.len()
            );
            return Err(damaged(LIST, why));
        }
        let layers = names.iter().zip(&diff_ids).map(|(name, diff_id)| {
            let diff_id = Digest::parse(diff_id).map_err(|bad| damaged(&entry.config, bad.to_string()))?;
            let compression = Compression::of(self.tar.magic(name)?)
                .ok_or_else(|| damaged(name, "it is compressed neither with gzip nor with zstd".to_owned()))?;
            Ok(Layer {
                diff_id,
                digest: blob_digest(name),
                compression,
                content: self.tar.find(name)?.ok_or_else(|| self.tar.missing(name))?,
            })
        });
        let layers: Vec<Layer> = layers.collect::<Result<_, ArchiveError>>()?;
        let config_digest = Digest::of(&config);
        let manifest = self.original_manifest(&config_digest, &layers)?;
        Ok(DockerImage {
            names: entry.names.clone().unwrap_or_default(),
            config,
            config_digest,
            layers,
            manifest,
        })
    }

    /// The manifest from which an engine with containerd's store saved the image. An engine without saves uncompressed
    /// layers, and the manifest that it writes was never in a registry.
    fn original_manifest(&self, config: &Digest, layers: &[Layer]) -> Result<Option<Manifest>, ArchiveError> {
        if layers
            .iter()
            .any(|layer| layer.digest.is_none() || layer.compression == Compression::None)
        {
            return Ok(None);
        }
        let Some(images) = layout::images(&self.tar)? else {
            return Ok(None);
        };
        let is_it = |found_config: &Descriptor, found: &[Descriptor]| {
            found_config.digest == *config
                && found.len() == layers.len()
                && found.iter().zip(layers).all(|(found, layer)| {
                    Some(&found.digest) == layer.digest.as_ref() && found.size == layer.content.size()
                })
        };
        let mut found: Vec<Descriptor> = images.into_iter().map(|image| image.descriptor).collect();
        let mut seen = HashSet::new();
        for _ in 0..=DEEPEST {
            let mut below = Vec::new();
            for descriptor in &found {
                if !seen.insert(descriptor.digest.clone()) {
                    continue;
                }
                // Other platforms may have been left out.
                let Some(manifest) = layout::manifest(&self.tar, descriptor)? else {
                    continue;
                };
                match manifest.content() {
                    Ok(Content::Image { config, layers }) if is_it(&config, &layers) => return Ok(Some(manifest)),
                    Ok(Content::Index(entries)) => below.extend(entries),
                    _ => {}
                }
            }
            found = below;
        }
        Ok(None)
    }
}

impl Compression {
    /// What the first bytes of a layer say; `None` for a compression that no image may have.
    fn of(magic: [u8; 6]) -> Option<Self> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] | [0xfd, b'7', b'z', b'X', b'Z', 0] => None,
            _ => Some(Self::None),
        }
    }
}

/// A name as Docker means it: with host, `library/` and tag.
pub(super) fn familiar(name: &str) -> String {
    let (host, rest) = crate::names::split_host(name);
    let host = host.unwrap_or("docker.io");
    let library = if host == "docker.io" && !rest.contains('/') {
        "library/"
    } else {
        ""
    };
    let last = rest.rsplit('/').next().unwrap_or(rest);
    let tag = if last.contains([':', '@']) { "" } else { ":latest" };
    format!("{host}/{library}{rest}{tag}")
}

/// The digest that the name of a configuration states: `<hex>.json`, `blobs/sha256/<hex>`, or, from kaniko and others that
/// use go-containerregistry, `sha256:<hex>`.
fn stated_digest(name: &str) -> Option<Digest> {
    let hex = name.strip_suffix(".json").map(|hex| format!("sha256:{hex}"));
    let digest = Digest::parse(hex.as_deref().unwrap_or(name)).ok();
    digest.or_else(|| blob_digest(name))
}

/// The digest that the name of a blob states: `blobs/sha256/<hex>`.
fn blob_digest(name: &str) -> Option<Digest> {
    let (algorithm, hex) = name.strip_prefix("blobs/")?.split_once('/')?;
    Digest::parse(&format!("{algorithm}:{hex}")).ok()
}

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(rename = "Config")]
    config: String,
    #[serde(rename = "RepoTags")]
    names: Option<Vec<String>>,
    #[serde(rename = "Layers")]
    layers: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Option<Vec<String>>,
}

#[cfg(test)]
mod tests;
