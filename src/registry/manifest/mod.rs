//! Manifests: bytes as they were read, and the few fields that are looked at.
//!
//! OCI image specification ("Image Manifest", "Image Index"), Docker "Image Manifest Version 2, Schema 2".
//! The bytes are never written anew: a digest is of bytes, not of meaning.

mod created;
mod document;

pub(crate) use created::config_created;

use super::any_case;
use crate::names::Digest;
use crate::names::platform::Platform;
use crate::text::Quoted;
use bytes::Bytes;
use document::{Document, DocumentKind, Few, PlatformFields, RawDescriptor, Spelled};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use std::fmt;

/// Largest manifest that is read, in bytes (the specification's suggested limit).
pub(crate) const LARGEST: usize = 4 * 1024 * 1024;

/// Media types that are asked for, most wanted first.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     */*;q=0.1";

/// A manifest or index as a registry holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The bytes, unchanged.
    pub bytes: Bytes,
    /// The media type as the registry gave it.
    pub media_type: String,
    /// Digest of the bytes.
    pub digest: Digest,
}

/// What a manifest says, as far as it concerns us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Points to manifests, one a platform or otherwise.
    Index(Vec<Descriptor>),
    /// One image (or an artifact of the same form).
    Image {
        /// What the image is run with.
        config: Descriptor,
        /// Its files, from the lowest layer on.
        layers: Vec<Descriptor>,
    },
    /// Something else that a registry keeps as a manifest, with the blobs that it points to.
    Other(Vec<Descriptor>),
}

/// A pointer to content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What the content is, as its sender says.
    pub media_type: String,
    /// What the content must hash to.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its platform, in an index.
    pub platform: Option<Platform>,
}

/// Why bytes are not a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAManifest {
    /// They are one of Docker's schema 1, which has neither a configuration nor a stable digest.
    Schema1,
    /// They are none, or one that readers may understand differently.
    Other(String),
}

impl fmt::Display for NotAManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema1 => f.write_str("it is an image of Docker's schema 1, which has no stable digest"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl Manifest {
    /// Takes bytes and the `Content-Type` they came with. Their own `mediaType` counts where that is no manifest's.
    ///
    /// # Errors
    /// They are no manifest, or one that may be read in more than one way.
    pub fn new(bytes: Bytes, content_type: Option<&str>) -> Result<Self, NotAManifest> {
        let document = Document::<RawDescriptor>::read(&bytes).map_err(|error| {
            NotAManifest::Other(format!("the manifest is not JSON of the right form ({})", said(&error)))
        })?;
        let shape = document.shape().map_err(NotAManifest::Other)?;
        if shape == DocumentKind::Schema1 {
            return Err(NotAManifest::Schema1);
        }
        let media_type = document.agreed_type(content_type, shape);
        let media_type = media_type.map_err(|what| NotAManifest::Other(said(&what)))?;
        if media_type.len() > 255 || media_type.bytes().any(|b| !(0x21..0x7f).contains(&b)) {
            return Err(NotAManifest::Other("its media type is not valid".to_owned()));
        }
        let digest = Digest::of(&bytes);
        Ok(Self {
            bytes,
            media_type,
            digest,
        })
    }

    /// Whether a digest is of these bytes, by whichever function it was made: one registry names a manifest by SHA-256, the
    /// other by SHA-512.
    #[must_use]
    pub(crate) fn has_digest(&self, digest: &Digest) -> bool {
        *digest == self.digest || *digest == digest.of_same_kind(&self.bytes)
    }

    /// What it points to.
    ///
    /// # Errors
    /// A descriptor in it is malformed.
    pub fn content(&self) -> Result<Content, String> {
        let document = self.document()?;
        let checked = |descriptors: Option<Few<RawDescriptor>>| {
            let descriptors = descriptors.map_or_else(Vec::new, |few| few.0).into_iter();
            descriptors.map(Descriptor::checked).collect::<Result<Vec<_>, _>>()
        };
        match (document.manifests, document.config) {
            (Some(manifests), _) => Ok(Content::Index(checked(Some(manifests))?)),
            (None, Some(config)) => Ok(Content::Image {
                config: Descriptor::checked(config)?,
                layers: checked(document.layers)?,
            }),
            (None, None) => Ok(Content::Other(checked(document.blobs)?)),
        }
    }

    /// The digest of the manifest that it refers to: of an image, if it is a signature of it.
    ///
    /// # Errors
    /// That is not a digest.
    pub fn subject(&self) -> Result<Option<Digest>, String> {
        let subject = self.document()?.subject.map(Descriptor::checked).transpose()?;
        Ok(subject.map(|subject| subject.digest))
    }

    fn document(&self) -> Result<Document<RawDescriptor>, String> {
        Document::read(&self.bytes).map_err(|error| said(&error))
    }
}

impl PlatformFields {
    /// `None` where nothing is stated, or `unknown`, as attestations and artifacts do.
    fn stated(self) -> Option<Platform> {
        let known = |part: &str| !part.is_empty() && part != "unknown";
        (known(&self.os) && known(&self.architecture))
            .then(|| Platform::new(&self.os, &self.architecture, self.variant.as_deref()))
    }
}

/// Whether a document can be a list of referrers: an OCI index, and nothing besides.
pub(super) fn is_index(bytes: &[u8]) -> bool {
    Document::<IgnoredAny>::read(bytes).is_ok_and(|document| document.is_oci_index())
}

impl Descriptor {
    /// Reads one that stands alone.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let raw: RawDescriptor = serde_json::from_str(text).map_err(|error| said(&error))?;
        Self::checked(raw)
    }

    /// Whether it points to an index.
    #[must_use]
    pub fn is_index(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            "application/vnd.oci.image.index.v1+json" | "application/vnd.docker.distribution.manifest.list.v2+json"
        )
    }

    /// Whether it points to the configuration of an image that can be run.
    #[must_use]
    pub fn is_image_config(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            "application/vnd.oci.image.config.v1+json" | "application/vnd.docker.container.image.v1+json"
        )
    }

    /// Whether it points to a blob, also where a manifest is expected: `BuildKit`'s cache (`image-manifest=false`) is an index
    /// of layers, which registries keep as blobs.
    #[must_use]
    pub fn is_blob(&self) -> bool {
        const BLOBS: [&str; 7] = [
            "application/vnd.oci.image.layer.",
            "application/vnd.oci.image.config.",
            "application/vnd.oci.empty.",
            "application/vnd.docker.image.rootfs.",
            "application/vnd.docker.container.image.",
            "application/vnd.buildkit.",
            "application/octet-stream",
        ];
        BLOBS.iter().any(|blob| self.media_type.starts_with(blob))
    }

    /// Whether it is a layer that may not be distributed: its publisher serves it, registries need not have it
    /// (OCI image specification, "Non-Distributable Layers"; Docker's `foreign` layers).
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.media_type
            .starts_with("application/vnd.oci.image.layer.nondistributable.")
            || self
                .media_type
                .starts_with("application/vnd.docker.image.rootfs.foreign.")
    }

    fn checked(Spelled(raw): RawDescriptor) -> Result<Self, String> {
        let digest = Digest::parse(&raw.digest).map_err(|bad| said(&bad))?;
        // The image specification's sizes are of 63 bits ("Content Descriptors"); no file is larger either.
        if i64::try_from(raw.size).is_err() {
            return Err(format!("{} is not the size of a blob", raw.size));
        }
        let platform = raw.platform.and_then(|Spelled(platform)| platform.stated());
        Ok(Self {
            media_type: raw.media_type,
            digest,
            size: raw.size,
            platform,
        })
    }
}

/// What is wrong, which may repeat the manifest's own text.
fn said(error: &impl fmt::Display) -> String {
    Quoted::new(&error.to_string()).to_string()
}

/// The entry of an index that serves `wanted` best.
#[must_use]
pub(crate) fn entry_for<'a>(entries: &'a [Descriptor], wanted: &Platform) -> Option<&'a Descriptor> {
    Platform::choose(wanted, entries, |entry| entry.platform.as_ref())
}

/// The platforms of an index in its order, for a message. Attestations have none.
#[must_use]
pub(crate) fn platforms(entries: &[Descriptor]) -> Vec<String> {
    entries
        .iter()
        .filter_map(|entry| entry.platform.as_ref())
        .map(ToString::to_string)
        .collect()
}

/// Reads the platform out of an image's configuration (OCI image specification, "Image Configuration").
#[must_use]
pub(crate) fn config_platform(config: &[u8]) -> Option<Platform> {
    serde_json::from_slice::<ConfigPlatform>(config).ok()?.0.stated()
}

/// The same fields in a configuration, which is Docker's own.
struct ConfigPlatform(PlatformFields);

impl<'de> Deserialize<'de> for ConfigPlatform {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [os, architecture, variant] = any_case::fields(deserializer, ["os", "architecture", "variant"])?;
        Ok(Self(PlatformFields {
            os: any_case::field::<Option<String>, _>("os", os)?.unwrap_or_default(),
            architecture: any_case::field::<Option<String>, _>("architecture", architecture)?.unwrap_or_default(),
            variant: any_case::field("variant", variant)?,
        }))
    }
}

#[cfg(test)]
mod tests;
