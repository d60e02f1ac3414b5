//! Where content comes from: a repository of a registry, or an archive.

use super::error::TransferError;
use crate::archive::{BlobSource, Layout, Location};
use crate::files::shown;
use crate::names::{Digest, Selector};
use crate::registry::manifest::{self, Descriptor};
use crate::registry::{Manifest, Remote};
use bytes::Bytes;
use std::collections::HashMap;
use std::io::Read as _;
use std::sync::Arc;

/// A source of manifests and blobs.
#[derive(Debug, Clone)]
pub(crate) enum ContentSource {
    /// A repository, with the credential that serves it.
    Registry(Remote),
    /// An OCI layout, in a folder or a tar.
    Layout(Arc<Layout>),
    /// Blobs at hand, for an image whose manifest is at hand too; and how to name where they are.
    Blobs(Arc<HashMap<Digest, BlobSource>>, String),
}

impl ContentSource {
    /// Nothing at hand, where nothing is needed.
    #[must_use]
    pub(crate) fn nothing(name: &Location) -> Self {
        Self::Blobs(Arc::default(), format!("`{name}`"))
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// The refusal, or wrong bytes.
    pub(crate) async fn manifest(&self, entry: &Descriptor) -> Result<Manifest, TransferError> {
        match self {
            Self::Registry(remote) => {
                let read = remote.manifest(&Selector::Digest(entry.digest.clone())).await;
                read.map_err(TransferError::Part)
            }
            // Engines with containerd's store save only the platforms that they have.
            Self::Layout(layout) => layout.manifest(entry).map_err(|error| {
                if error.is_lacking() && entry.platform.is_some() {
                    TransferError::LacksPlatform(error)
                } else {
                    TransferError::Archive(error)
                }
            }),
            Self::Blobs(..) => Err(lacks(&entry.digest, self)),
        }
    }

    /// Reads a small blob whole, a configuration, and checks its digest.
    ///
    /// # Errors
    /// The refusal, wrong bytes, or more than is read whole.
    pub(crate) async fn document(&self, blob: &Descriptor) -> Result<Bytes, TransferError> {
        if let Self::Registry(remote) = self {
            return remote.small_blob(&blob.digest).await.map_err(TransferError::Part);
        }
        let unread = |why: &str| TransferError::Document {
            digest: blob.digest.clone(),
            place: self.name(),
            why: why.to_owned(),
        };
        if blob.size > manifest::LARGEST as u64 {
            return Err(unread("it is larger than any configuration"));
        }
        let mut bytes = Vec::new();
        self.file(blob)?
            .reader()
            .read_to_end(&mut bytes)
            .map_err(|error| unread(&error.to_string()))?;
        if blob.digest.of_same_kind(&bytes) != blob.digest {
            return Err(unread("its bytes have another digest"));
        }
        Ok(bytes.into())
    }

    /// Where a blob lies in an archive.
    ///
    /// # Errors
    /// It is not there, or with another size.
    pub(crate) fn file(&self, blob: &Descriptor) -> Result<BlobSource, TransferError> {
        match self {
            Self::Registry(_) => Err(lacks(&blob.digest, self)),
            Self::Layout(layout) => Ok(layout.blob(blob)?),
            Self::Blobs(blobs, _) => blobs
                .get(&blob.digest)
                .cloned()
                .ok_or_else(|| lacks(&blob.digest, self)),
        }
    }

    /// Its name for a message.
    #[must_use]
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Registry(remote) => format!("`{}`", remote.repository()),
            Self::Layout(layout) => format!("`{}`", shown(layout.path())),
            Self::Blobs(_, name) => name.clone(),
        }
    }
}

fn lacks(digest: &Digest, source: &ContentSource) -> TransferError {
    TransferError::Lacks {
        digest: digest.clone(),
        place: source.name(),
    }
}
