//! An image as the daemon knows it.

use crate::names::platform::Platform;
use crate::names::{Digest, Repository, Tag};
use serde::Deserialize;

/// An image that the daemon has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalImage {
    /// The image ID: the digest of its configuration; of its manifest or index where the daemon uses containerd's store.
    pub id: String,
    /// Its tagged names as the daemon has them (`name:tag`; Docker Hub's without host).
    pub repo_tags: Vec<String>,
    /// Its names by manifest digest (`name@sha256:…`), for each repository that it was pulled from or pushed to.
    pub repo_digests: Vec<String>,
    /// What it runs on.
    pub platform: Platform,
}

impl LocalImage {
    /// Whether the daemon knows this image as `repository@digest`, by a pull or a push.
    #[must_use]
    pub fn is(&self, repository: &Repository, digest: &Digest) -> bool {
        let name = format!("{}@{digest}", familiar(repository));
        self.repo_digests.contains(&name)
    }

    /// Whether the daemon knows this image as `repository:tag`.
    #[must_use]
    pub fn is_tagged(&self, repository: &Repository, tag: &Tag) -> bool {
        self.repo_tags.contains(&format!("{}:{tag}", familiar(repository)))
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
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

impl From<Inspected> for LocalImage {
    fn from(inspected: Inspected) -> Self {
        Self {
            id: inspected.id,
            repo_tags: inspected.repo_tags.unwrap_or_default(),
            repo_digests: inspected.repo_digests.unwrap_or_default(),
            platform: Platform::new(&inspected.os, &inspected.architecture, inspected.variant.as_deref()),
        }
    }
}

/// The name that the daemon itself uses: Docker Hub's images are without host and `library/`.
pub(super) fn familiar(repository: &Repository) -> String {
    if repository.host().as_str() != "docker.io" {
        return repository.to_string();
    }
    let path = repository.path();
    path.strip_prefix("library/")
        .filter(|name| !name.contains('/'))
        .unwrap_or(path)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Host;

    #[test]
    fn an_image_is_known_by_the_daemons_own_name_for_it() {
        let digest = Digest::of(b"manifest");
        let hub = |path| Repository::new(Host::parse("docker.io").unwrap(), path).unwrap();
        for (repository, known) in [
            (
                Repository::new(Host::parse("crg.apkg.io").unwrap(), "shop/base").unwrap(),
                "crg.apkg.io/shop/base",
            ),
            (hub("library/node"), "node"),
            (hub("bitnami/redis"), "bitnami/redis"),
        ] {
            let image = LocalImage {
                id: String::new(),
                repo_tags: vec![format!("{known}:1")],
                repo_digests: vec![format!("{known}@{digest}")],
                platform: Platform::new("linux", "amd64", None),
            };
            assert!(image.is(&repository, &digest), "{repository}");
            let tagged = |tag| image.is_tagged(&repository, &Tag::parse(tag).unwrap());
            assert!(tagged("1") && !tagged("2"), "{repository}");
            assert!(!image.is(&hub("library/other"), &digest));
        }
    }
}
