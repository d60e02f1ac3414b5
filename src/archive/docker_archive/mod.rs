//! Archives as `docker save` writes them: of old engines (a folder a layer, links from one to another), of new ones
//! (25 and later: an OCI layout with Docker's `manifest.json` beside it), and of skopeo and buildx.
//! Docker's "Image Specification v1.2", "Combined Image JSON + Filesystem Changeset Format".

use super::compression::Compression;
use super::error::{ArchiveError, ArchiveErrorKind};
use super::gzip::{Compressors, Gzip};
use super::layout::{self, LayoutImage, blob_digest, check_digest};
use super::location::{Location, Transport};
use super::proof::Proof;
use super::source::{BlobSource, Store as _};
use super::tar::TarFile;
use crate::names::Digest;
use crate::registry::manifest::{Content, Descriptor, LARGEST};
use crate::registry::{Manifest, any_case};
use crate::text::order::sort_by_key;
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use std::collections::HashSet;
use std::io::Read;

/// Docker's own list of images.
const LIST: &str = "manifest.json";
/// An index in an index in an index is as deep as it gets.
const DEEPEST: usize = 3;

/// An opened docker-archive: its list of images is read, and every entry has its place.
#[derive(Debug)]
pub struct DockerArchive {
    tar: TarFile,
    entries: Vec<ListedImage>,
    /// What an `index.json` lists that may lie beside Docker's own list.
    index: Vec<LayoutImage>,
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
    /// The entry's name, as Docker's list has it.
    pub entry: String,
    /// Digest of the tar, uncompressed, as the configuration states it.
    pub diff_id: Digest,
    /// Digest of the bytes as they are stored, where the entry's name states it. Not checked yet.
    pub digest: Option<Digest>,
    /// How the bytes are compressed.
    pub compression: Compression,
    pub content: BlobSource,
}

impl Layer {
    /// The bytes as they are published: a plain layer is compressed on the way, all else stays as it is stored. They end only
    /// if the layer is the one that the configuration names.
    #[must_use]
    pub fn published(&self, compressors: &Compressors) -> Box<dyn Read + Send> {
        let stored = self.content.reader();
        match self.compression {
            Compression::None => Box::new(Gzip::new(stored, self.diff_id.clone(), compressors)),
            Compression::Gzip | Compression::Zstd => Box::new(Proof::new(stored, self.diff_id.clone())),
        }
    }

    /// How the bytes are compressed as they are published.
    #[must_use]
    pub fn published_as(&self) -> Compression {
        match self.compression {
            Compression::None => Compression::Gzip,
            stored => stored,
        }
    }

    /// The digest of the published bytes as the entry's name states it, if it does: `blobs/sha256/<hex>`, or as
    /// go-containerregistry names entries, `<hex>.tar.gz`. Not checked.
    #[must_use]
    pub fn stated(&self) -> Option<Digest> {
        let hex = self.entry.strip_suffix(".tar.gz");
        match self.compression {
            Compression::None => None,
            _ => self
                .digest
                .clone()
                .or_else(|| Digest::parse(&format!("sha256:{}", hex?)).ok()),
        }
    }
}

impl DockerArchive {
    /// Opens the archive. A gzip-compressed one is read once for it.
    ///
    /// # Errors
    /// [`ArchiveError`]
    pub fn open(location: &Location) -> Result<Self, ArchiveError> {
        let tar = TarFile::open(&location.path, Transport::DockerArchive).map_err(|error| error.at_colon(location))?;
        let Some(list) = tar.document(LIST, LARGEST)? else {
            return Err(tar.lacks(Transport::DockerArchive, LIST, "it has no `manifest.json`"));
        };
        let entries: Option<Vec<ListedImage>> = serde_json::from_slice(&list)
            .map_err(|error| ArchiveErrorKind::damaged(LIST, error.to_string()).of(&location.path))?;
        // It gives a manifest where it can, and no more: Docker's list says all that an image needs.
        let index = layout::images(&tar).unwrap_or_else(|error| {
            tracing::debug!("{error}");
            None
        });
        Ok(Self {
            tar,
            entries: entries.unwrap_or_default(),
            index: index.unwrap_or_default(),
        })
    }

    /// The `name:tag`s of each image, in order.
    pub fn images(&self) -> impl Iterator<Item = &[String]> {
        self.entries.iter().map(|entry| entry.names.as_slice())
    }

    /// The image of a name (`NAME[:TAG]`, or `@N` for the Nth). Without a name, the only one. Names mean what they mean
    /// to Docker: `api` is `docker.io/library/api:latest`.
    ///
    /// # Errors
    /// [`ArchiveErrorKind::NoSuchImage`], [`ArchiveErrorKind::Ambiguous`], or what is wrong with the archive.
    pub fn choose(&self, name: Option<&str>) -> Result<DockerImage, ArchiveError> {
        let fitting = self.fitting(name);
        let kind = match fitting[..] {
            [first, ref others @ ..] if others.iter().all(|other| self.is_same(first, other)) => {
                return self.image(first, name);
            }
            [] if self.entries.is_empty() => ArchiveErrorKind::NoImages { instead: None },
            [] => ArchiveErrorKind::NoSuchImage {
                wanted: name.unwrap_or_default().to_owned(),
                images: self
                    .entries
                    .iter()
                    .flat_map(|entry| entry.names.iter().cloned())
                    .collect(),
            },
            _ => {
                let place = |entry: &ListedImage| self.entries.iter().position(|other| std::ptr::eq(other, entry));
                let names = fitting.iter().map(|entry| (place(entry), entry.names.iter().collect()));
                ArchiveErrorKind::Ambiguous {
                    images: layout::told_apart(&names.collect::<Vec<_>>()),
                }
            }
        };
        Err(kind.of(self.tar.path()))
    }

    fn fitting(&self, name: Option<&str>) -> Vec<&ListedImage> {
        let Some(name) = name else {
            return self.entries.iter().collect();
        };
        if let Some(position) = layout::position(name) {
            return self.entries.get(position).into_iter().collect();
        }
        let wanted = familiar(name);
        let is_called = |entry: &&ListedImage| entry.names.iter().any(|own| familiar(own) == wanted);
        self.entries.iter().filter(is_called).collect()
    }

    /// Whether two entries are one image: of one configuration, and where the archive has manifests by name, of one
    /// manifest.
    fn is_same(&self, one: &ListedImage, other: &ListedImage) -> bool {
        one.config == other.config
            && (self.index.is_empty() || self.manifest_named(&one.names) == self.manifest_named(&other.names))
    }

    /// The manifest or index that `index.json` has under one of these names.
    fn manifest_named(&self, names: &[String]) -> Option<&Digest> {
        let image = names.iter().find_map(|name| {
            let wanted = familiar(name);
            self.index.iter().find(|image| image.is_named(&wanted))
        });
        image.map(|image| &image.descriptor.digest)
    }

    fn image(&self, entry: &ListedImage, name: Option<&str>) -> Result<DockerImage, ArchiveError> {
        let path = self.tar.path();
        let damaged = |name: &str, why: String| ArchiveErrorKind::damaged(name, why).of(path);
        let config = self
            .tar
            .document(&entry.config, LARGEST)?
            .ok_or_else(|| self.tar.missing(&entry.config))?;
        if let Some(digest) = stated_digest(&entry.config) {
            check_digest(path, &digest, &config)?;
        }
        let Config(diff_ids) =
            serde_json::from_slice(&config).map_err(|error| damaged(&entry.config, error.to_string()))?;
        let names = &entry.layers;
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
            let compression = Compression::of(self.tar.magic(name)?).map_err(|with| {
                ArchiveErrorKind::LayerCompressed {
                    entry: name.clone(),
                    with,
                }
                .of(path)
            })?;
            Ok(Layer {
                entry: name.clone(),
                diff_id,
                digest: blob_digest(name),
                compression,
                content: self.tar.find(name)?.ok_or_else(|| self.tar.missing(name))?,
            })
        });
        let layers: Vec<Layer> = layers.collect::<Result<_, ArchiveError>>()?;
        let config_digest = Digest::of(&config);
        let wanted = name.map(str::to_owned).into_iter().chain(entry.names.iter().cloned());
        let manifest = self.original_manifest(&config, &layers, &wanted.collect::<Vec<_>>());
        Ok(DockerImage {
            names: entry.names.clone(),
            config,
            config_digest,
            layers,
            manifest,
        })
    }

    /// The manifest from which an engine with containerd's store saved the image; of several, the one that the archive has
    /// under the image's name. An engine without saves uncompressed layers, and the manifest that it writes was never in a
    /// registry.
    fn original_manifest(&self, config: &[u8], layers: &[Layer], names: &[String]) -> Option<Manifest> {
        if layers
            .iter()
            .any(|layer| layer.digest.is_none() || layer.compression == Compression::None)
        {
            return None;
        }
        let is_it = |found_config: &Descriptor, found: &[Descriptor]| {
            found_config.digest == found_config.digest.of_same_kind(config)
                && found.len() == layers.len()
                && found.iter().zip(layers).all(|(found, layer)| {
                    Some(&found.digest) == layer.digest.as_ref() && found.size == layer.content.size()
                })
        };
        let named = self.manifest_named(names);
        let mut found: Vec<&Descriptor> = self.index.iter().map(|image| &image.descriptor).collect();
        sort_by_key(&mut found, |descriptor| Some(&descriptor.digest) != named);
        let mut found: Vec<Descriptor> = found.into_iter().cloned().collect();
        let mut seen = HashSet::new();
        for _ in 0..=DEEPEST {
            let mut below = Vec::new();
            for descriptor in &found {
                if !seen.insert(descriptor.digest.clone()) {
                    continue;
                }
                // Other platforms may have been left out.
                let Ok(Some(manifest)) = layout::root(&self.tar, descriptor) else {
                    continue;
                };
                match manifest.content() {
                    Ok(Content::Image { config, layers }) if is_it(&config, &layers) => return Some(manifest),
                    Ok(Content::Index(entries)) => below.extend(entries),
                    _ => {}
                }
            }
            found = below;
        }
        None
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

/// An entry of Docker's list.
#[derive(Debug)]
struct ListedImage {
    config: String,
    names: Vec<String>,
    layers: Vec<String>,
}

impl<'de> Deserialize<'de> for ListedImage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [config, names, layers] = any_case::fields(deserializer, ["Config", "RepoTags", "Layers"])?;
        // Go writes an empty list as `null`.
        Ok(Self {
            config: any_case::field("Config", config)?,
            names: any_case::field::<Option<_>, _>("RepoTags", names)?.unwrap_or_default(),
            layers: any_case::field::<Option<_>, _>("Layers", layers)?.unwrap_or_default(),
        })
    }
}

/// The `diff_id`s of a configuration.
struct Config(Vec<String>);

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RootFs(Vec<String>);
        impl<'de> Deserialize<'de> for RootFs {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let [diff_ids] = any_case::fields(deserializer, ["diff_ids"])?;
                Ok(Self(
                    any_case::field::<Option<_>, _>("diff_ids", diff_ids)?.unwrap_or_default(),
                ))
            }
        }
        let [rootfs] = any_case::fields(deserializer, ["rootfs"])?;
        let RootFs(diff_ids) = any_case::field("rootfs", rootfs)?;
        Ok(Self(diff_ids))
    }
}

#[cfg(test)]
mod tests;
