//! Where content comes from: a repository of a registry, or an archive.

use crate::access::{Access, Served};
use crate::failure::Failure;
use crate::image::{Digest, Selector};
use crate::registry::Manifest;

/// A source of manifests and blobs.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A repository, with the credential that serves it.
    Registry(Served),
}

impl Origin {
    /// Reads a manifest by digest.
    ///
    /// # Errors
    /// The refusal, or wrong bytes.
    pub async fn manifest(&self, digest: &Digest, access: &Access) -> Result<Manifest, Failure> {
        match self {
            Self::Registry(served) => {
                let read = served
                    .registry
                    .manifest(&served.repository, &Selector::Digest(digest.clone()), &served.scopes)
                    .await;
                read.map_err(|error| access.explain(&error, served, false))
            }
        }
    }
}
