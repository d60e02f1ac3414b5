//! Manifests: bytes as they were read, and the few fields that are looked at.
//!
//! OCI image specification ("Image Manifest", "Image Index"), Docker "Image Manifest Version 2, Schema 2".
//! The bytes are never written anew: a digest is of bytes, not of meaning.

use crate::names::Digest;
use crate::names::platform::Platform;
use crate::text::Quoted;
use bytes::Bytes;
use serde::Deserialize;

/// Largest manifest that is read, in bytes (the specification's suggested limit).
pub const LARGEST: usize = 4 * 1024 * 1024;

/// Media types that are asked for, most wanted first.
pub const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
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
        /// The configuration.
        config: Descriptor,
        /// The layers.
        layers: Vec<Descriptor>,
    },
    /// Something else that a registry keeps as a manifest, with the blobs that it points to.
    Other(Vec<Descriptor>),
}

/// A pointer to content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its platform, in an index.
    pub platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "mediaType")]
    media_type: Option<String>,
    manifests: Option<Vec<RawDescriptor>>,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
    blobs: Option<Vec<RawDescriptor>>,
}

#[derive(Deserialize)]
struct RawDescriptor {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<RawPlatform>,
}

#[derive(Deserialize)]
struct RawPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

impl Manifest {
    /// Takes bytes and the `Content-Type` they came with; where that says nothing, their own `mediaType` counts.
    ///
    /// # Errors
    /// The bytes are no JSON object of a manifest's form.
    pub fn new(bytes: Bytes, content_type: Option<&str>) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(&bytes)
            .map_err(|error| format!("the manifest is no JSON of its form ({})", said(&error)))?;
        let named = content_type
            .map(|text| text.split(';').next().unwrap_or(text).trim())
            .filter(|text| {
                !matches!(
                    *text,
                    "" | "application/json" | "text/plain" | "application/octet-stream"
                )
            });
        let media_type = match (named, document.media_type) {
            (Some(named), _) => named.to_owned(),
            (None, Some(own)) => own,
            (None, None) if document.manifests.is_some() => "application/vnd.oci.image.index.v1+json".to_owned(),
            (None, None) => "application/vnd.oci.image.manifest.v1+json".to_owned(),
        };
        if media_type.len() > 255 || media_type.bytes().any(|b| !(0x21..0x7f).contains(&b)) {
            return Err("its media type is no media type".to_owned());
        }
        let digest = Digest::of(&bytes);
        Ok(Self {
            bytes,
            media_type,
            digest,
        })
    }

    /// Whether it is of Docker's schema 1, which has neither config nor stable digest.
    #[must_use]
    pub fn is_schema_1(&self) -> bool {
        self.media_type
            .starts_with("application/vnd.docker.distribution.manifest.v1+")
    }

    /// What it points to.
    ///
    /// # Errors
    /// It claims to be both an index and an image, or a descriptor in it is malformed.
    pub fn content(&self) -> Result<Content, String> {
        let document: Document = serde_json::from_slice(&self.bytes).map_err(|error| said(&error))?;
        match (document.manifests, document.config) {
            (Some(manifests), None) => Ok(Content::Index(
                manifests
                    .into_iter()
                    .map(Descriptor::checked)
                    .collect::<Result<_, _>>()?,
            )),
            (None, Some(config)) => Ok(Content::Image {
                config: Descriptor::checked(config)?,
                layers: document
                    .layers
                    .unwrap_or_default()
                    .into_iter()
                    .map(Descriptor::checked)
                    .collect::<Result<_, _>>()?,
            }),
            (Some(_), Some(_)) => Err("the manifest claims to be both an index and an image".to_owned()),
            (None, None) => Ok(Content::Other(
                document
                    .blobs
                    .unwrap_or_default()
                    .into_iter()
                    .map(Descriptor::checked)
                    .collect::<Result<_, _>>()?,
            )),
        }
    }
}

impl RawPlatform {
    /// `None` where nothing is stated, or `unknown`, as attestations and artifacts do.
    fn stated(self) -> Option<Platform> {
        let known = |part: &str| !part.is_empty() && part != "unknown";
        (known(&self.os) && known(&self.architecture))
            .then(|| Platform::new(&self.os, &self.architecture, self.variant.as_deref()))
    }
}

impl Descriptor {
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

    fn checked(raw: RawDescriptor) -> Result<Self, String> {
        let digest = Digest::parse(&raw.digest).map_err(|bad| said(&bad))?;
        // The image specification's sizes are of 63 bits ("Content Descriptors"); no file is larger either.
        if i64::try_from(raw.size).is_err() {
            return Err(format!("{} is no size of a blob", raw.size));
        }
        let platform = raw.platform.and_then(RawPlatform::stated);
        Ok(Self {
            media_type: raw.media_type,
            digest,
            size: raw.size,
            platform,
        })
    }
}

/// What is wrong, which may repeat the manifest's own text.
fn said(error: &dyn std::error::Error) -> String {
    Quoted::new(&error.to_string()).to_string()
}

/// The entry of an index that serves `wanted`: the first whose platform satisfies it.
#[must_use]
pub fn entry_for<'a>(entries: &'a [Descriptor], wanted: &Platform) -> Option<&'a Descriptor> {
    entries.iter().find(|entry| {
        entry
            .platform
            .as_ref()
            .is_some_and(|platform| platform.satisfies(wanted))
    })
}

/// The platforms of an index in its order, for a message. Attestations have none.
#[must_use]
pub fn platforms(entries: &[Descriptor]) -> Vec<String> {
    entries
        .iter()
        .filter_map(|entry| entry.platform.as_ref())
        .map(ToString::to_string)
        .collect()
}

/// Reads the platform out of an image's configuration (OCI image specification, "Image Configuration").
#[must_use]
pub fn config_platform(config: &[u8]) -> Option<Platform> {
    serde_json::from_slice::<RawPlatform>(config).ok()?.stated()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_forges_no_line_and_fills_no_log() {
        let long = "x".repeat(1_000_000);
        for json in [
            r#"{"config": {"digest": "sha256:\u001b[31m\nERROR: forged", "size": 1}}"#.to_owned(),
            format!(r#"{{"layers": [], "config": {{"digest": "{long}", "size": 1}}}}"#),
            format!(r#"{{"manifests": "{long}"}}"#),
        ] {
            let what = Manifest::new(Bytes::from(json), None).and_then(|manifest| manifest.content());
            let what = what.expect_err("no manifest");
            assert!(what.len() < 1000 && !what.contains(char::is_control), "{what}");
        }
    }
}
