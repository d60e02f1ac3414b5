//! An image as the daemon knows it.

use crate::names::platform::Platform;
use crate::names::{Digest, Repository, Tag};
use crate::registry::Manifest;
use crate::registry::manifest::Content;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// An image that the daemon has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalImage {
    /// The image ID: the digest of its configuration; of its manifest or index where the daemon uses containerd's store.
    pub id: String,
    /// Its tagged names as the daemon has them (`name:tag`; Docker Hub's without host, but for podman).
    pub repo_tags: Vec<String>,
    /// Its names by manifest digest (`name@sha256:…`), for each repository that it was pulled from or pushed to.
    pub repo_digests: Vec<String>,
    /// Bytes that it takes in the daemon, as `docker image ls` shows them; 0 where the daemon does not tell.
    pub size: u64,
    /// How many layers it has; `None` where the daemon does not tell.
    pub layers: Option<usize>,
    /// What it runs on: of several platforms one that the daemon has.
    pub platform: Platform,
    /// The manifests of an index; none of what is no index, and where the daemon does not tell (before Docker 28, but for
    /// [`Engine::with_manifests`](super::Engine::with_manifests)).
    pub manifests: Vec<LocalManifest>,
    /// Whether it is an index of several images, of which at least one has no platform there, and the daemon does not tell it
    /// either (before Docker 28).
    pub is_unnamed: bool,
}

/// One image of an index. Attestations are not among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalManifest {
    pub digest: Digest,
    /// What it runs on.
    pub platform: Platform,
    /// Whether the daemon has all of it.
    pub is_there: bool,
}

impl LocalImage {
    /// Whether the daemon knows this image as `repository@digest`, by a pull or a push.
    #[must_use]
    pub fn is(&self, repository: &Repository, digest: &Digest) -> bool {
        known_as(repository).any(|name| self.repo_digests.contains(&format!("{name}@{digest}")))
    }

    /// Whether the daemon knows this image as `repository:tag`.
    #[must_use]
    pub fn is_tagged(&self, repository: &Repository, tag: &Tag) -> bool {
        known_as(repository).any(|name| self.repo_tags.contains(&format!("{name}:{tag}")))
    }

    /// Whether the daemon has it for `wanted`.
    #[must_use]
    pub fn serves(&self, wanted: &Platform) -> bool {
        self.platforms().iter().any(|platform| platform.satisfies(wanted))
    }

    /// The platforms that the daemon has of it.
    #[must_use]
    pub fn platforms(&self) -> Vec<&Platform> {
        if self.manifests.is_empty() {
            return vec![&self.platform];
        }
        self.there().map(|manifest| &manifest.platform).collect()
    }

    /// Whether it is an index that has other images than the one for `wanted`.
    #[must_use]
    pub fn has_others(&self, wanted: &Platform) -> bool {
        let chosen = self.there_for(wanted).map(|chosen| &chosen.digest);
        self.manifests.iter().any(|manifest| Some(&manifest.digest) != chosen)
    }

    /// Whether it is an index of which the daemon lacks a platform.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.manifests.iter().any(|manifest| !manifest.is_there)
    }

    /// The manifest that a push publishes for a platform; for none, where the daemon has a part of an index, the one that the
    /// daemon chooses: its own platform's, or the only one. `None` where it publishes the image as a whole.
    #[must_use]
    pub fn published(&self, wanted: Option<&Platform>, daemon: &Platform) -> Option<&LocalManifest> {
        match wanted {
            Some(wanted) => self.there_for(wanted),
            None if !self.is_partial() => None,
            None => {
                let mut there = self.there();
                self.there_for(daemon)
                    .or_else(|| there.next().filter(|_| there.next().is_none()))
            }
        }
    }

    /// Whether the daemon's image store is containerd's: there the ID is what a registry knows the image by.
    #[must_use]
    pub fn is_of_containerd(&self) -> bool {
        let names_id = |known: &String| known.rsplit_once('@').is_some_and(|(_, digest)| digest == self.id);
        !self.manifests.is_empty() || self.repo_digests.iter().any(names_id)
    }

    /// The same with what its manifest, if it is an index, says of its platforms.
    pub(super) fn with_manifests(self, manifest: &[u8]) -> Self {
        let content = Manifest::new(manifest.to_vec().into(), None).map(|manifest| manifest.content());
        let Ok(Ok(Content::Index(entries))) = content else {
            return self;
        };
        let manifests = entries.into_iter().filter_map(|entry| {
            Some(LocalManifest {
                digest: entry.digest,
                platform: entry.platform?,
                is_there: true,
            })
        });
        let manifests: Vec<LocalManifest> = manifests.collect();
        let unnamed = serde_json::from_slice::<Unnamed>(manifest).map_or(0, |index| index.count());
        Self {
            is_unnamed: unnamed > 0 && unnamed + manifests.len() > 1,
            manifests,
            ..self
        }
    }

    fn there(&self) -> impl Iterator<Item = &LocalManifest> {
        self.manifests.iter().filter(|manifest| manifest.is_there)
    }

    fn there_for(&self, wanted: &Platform) -> Option<&LocalManifest> {
        Platform::choose(wanted, self.there(), |manifest| Some(&manifest.platform))
    }
}

/// An index, as far as its entries say nothing of platforms. An attestation's is `unknown`.
#[derive(Deserialize)]
struct Unnamed {
    manifests: Vec<HasPlatform>,
}

#[derive(Deserialize)]
struct HasPlatform {
    platform: Option<IgnoredAny>,
}

impl Unnamed {
    fn count(&self) -> usize {
        let unnamed = self.manifests.iter().filter(|entry| entry.platform.is_none());
        unnamed.count()
    }
}

/// What the daemon answers (Engine API, "Inspect an image").
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Inspected {
    id: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    repo_digests: Option<Vec<String>>,
    #[serde(default)]
    size: Option<i64>,
    #[serde(default, rename = "RootFS")]
    root_fs: Option<RootFs>,
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    descriptor: Option<StoredDescriptor>,
    #[serde(default)]
    manifests: Option<Vec<Summary>>,
}

/// Without `Layers` it has none.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RootFs {
    #[serde(default)]
    layers: Option<Vec<IgnoredAny>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredDescriptor {
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    platform: Option<StatedPlatform>,
}

#[derive(Deserialize)]
struct StatedPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

/// Engine API 1.48, `ImageManifestSummary`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    available: bool,
    #[serde(default)]
    descriptor: StoredDescriptor,
    #[serde(default)]
    image_data: Option<ImageData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ImageData {
    #[serde(default)]
    platform: Option<StatedPlatform>,
}

impl Summary {
    fn image(self) -> Option<LocalManifest> {
        let stated = self
            .image_data
            .and_then(|data| data.platform)
            .or(self.descriptor.platform)?;
        (self.kind == "image").then_some(())?;
        Some(LocalManifest {
            digest: Digest::parse(&self.descriptor.digest).ok()?,
            platform: Platform::new(&stated.os, &stated.architecture, stated.variant.as_deref()),
            is_there: self.available,
        })
    }
}

impl From<Inspected> for LocalImage {
    fn from(inspected: Inspected) -> Self {
        let mut repo_tags = inspected.repo_tags.unwrap_or_default();
        // Docker 28 names the digests among the tags, in containerd's image store.
        repo_tags.retain(|name| !name.contains('@'));
        let is_index = inspected.descriptor.is_some_and(|descriptor| {
            descriptor.media_type.contains("index") || descriptor.media_type.contains("list")
        });
        let manifests = inspected.manifests.filter(|_| is_index).unwrap_or_default();
        Self {
            id: inspected.id,
            repo_tags,
            repo_digests: inspected.repo_digests.unwrap_or_default(),
            size: inspected.size.and_then(|size| size.try_into().ok()).unwrap_or(0),
            layers: inspected
                .root_fs
                .map(|root| root.layers.map_or(0, |layers| layers.len())),
            platform: Platform::new(&inspected.os, &inspected.architecture, inspected.variant.as_deref()),
            manifests: manifests.into_iter().filter_map(Summary::image).collect(),
            is_unnamed: false,
        }
    }
}

/// The names that a daemon may have for a repository: Docker leaves out the host and `library/` of Docker Hub's images,
/// podman does not.
pub(super) fn known_as(repository: &Repository) -> impl Iterator<Item = String> {
    let familiar = (repository.host().as_str() == "docker.io").then(|| {
        let path = repository.path();
        let name = path.strip_prefix("library/").filter(|name| !name.contains('/'));
        name.unwrap_or(path).to_owned()
    });
    familiar.into_iter().chain([repository.to_string()])
}

#[cfg(test)]
mod tests;
