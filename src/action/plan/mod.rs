//! What must move, decided before anything does. Pure: the reads that it decides on have been made.

use crate::engine::LocalImage;
use crate::names::platform::Platform;
use crate::names::{Digest, Repository};
use crate::registry::Manifest;
use crate::registry::manifest::{Content, Descriptor, entry_for, platforms};
use crate::text::Quoted;
use std::fmt;

/// What a daemon pulls for an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pulled {
    /// The manifest, or the index out of which the daemon takes its own platform.
    pub(super) digest: Digest,
    /// What is to come with it.
    pub(super) parts: Parts,
    /// For which platform the daemon must have it; any where none is stated.
    pub(super) platform: Option<Platform>,
    /// The configuration that says whether it is of the platform that is wanted.
    pub(super) config: Option<Digest>,
}

impl Pulled {
    /// One image of an index, which is for this platform.
    pub(super) fn of_entry(digest: &Digest, platform: &Platform) -> Self {
        Self {
            digest: digest.clone(),
            parts: Parts::Of(digest.clone()),
            platform: Some(platform.clone()),
            config: None,
        }
    }

    /// An index that says nothing of platforms, out of which the daemon takes what it likes.
    pub(super) fn of_any(index: &Manifest, first: &Descriptor) -> Self {
        Self {
            digest: index.digest.clone(),
            parts: Parts::Of(first.digest.clone()),
            platform: None,
            config: None,
        }
    }
}

/// What comes with a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parts {
    Layers(Vec<Descriptor>),
    /// What this manifest names, which is yet to be read.
    Of(Digest),
}

/// Why an image cannot be pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotPulled {
    /// It has no manifest for the platform.
    NoPlatform {
        /// The platforms that it has.
        available: Vec<String>,
    },
    /// It is something else than an image for containers.
    NoImage(NoImage),
}

/// What is kept as an image is, and is none: a chart, a signature, an attestation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoImage {
    /// The media type that says so.
    media_type: Quoted,
}

impl fmt::Display for NoImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.media_type.is_empty() {
            return f.write_str("it is not a container image");
        }
        write!(f, "it is not a container image, but of the type `{}`", self.media_type)
    }
}

/// Chooses the manifest to pull by digest. The daemon takes its own platform out of an index; another one is pulled as
/// its own manifest, so that the daemon's `platform` parameter is not needed (Pipelines' daemon refuses it).
///
/// # Errors
/// [`NotPulled`].
pub(super) fn pulled(
    manifest: &Manifest,
    content: &Content,
    wanted: Option<&Platform>,
    daemon: &Platform,
) -> Result<Pulled, NotPulled> {
    let other = wanted.filter(|wanted| !daemon.satisfies(wanted));
    let of = |digest: &Digest, entry: &Digest, platform: Option<&Platform>| Pulled {
        digest: digest.clone(),
        parts: Parts::Of(entry.clone()),
        platform: platform.cloned(),
        config: None,
    };
    match content {
        // BuildKit's cache (`image-manifest=false`): layers, and a configuration that says what it is.
        Content::Index(entries) if !entries.is_empty() && entries.iter().all(Descriptor::is_blob) => {
            let named = entries.iter().find(|entry| !entry.media_type.contains(".layer."));
            let media_type = named.map(|entry| Quoted::new(&entry.media_type)).unwrap_or_default();
            Err(NotPulled::NoImage(NoImage { media_type }))
        }
        Content::Index(entries) => {
            let available = platforms(entries);
            match (other, entry_for(entries, other.unwrap_or(daemon)), entries.first()) {
                (Some(other), Some(entry), _) => Ok(Pulled::of_entry(&entry.digest, other)),
                (None, Some(entry), _) => Ok(of(&manifest.digest, &entry.digest, wanted.or(Some(daemon)))),
                // The only one there is, for whatever it is.
                (None, None, Some(only)) if available.is_empty() && entries.len() == 1 => {
                    Ok(Pulled::of_any(manifest, only))
                }
                (None, None, None) => Err(NotPulled::NoImage(NoImage {
                    media_type: Quoted::default(),
                })),
                (_, None, _) => Err(NotPulled::NoPlatform { available }),
            }
        }
        Content::Other(_) => Err(NotPulled::NoImage(NoImage {
            media_type: Quoted::new(&manifest.media_type),
        })),
        Content::Image { config, layers } => {
            is_image(config, layers).map_err(NotPulled::NoImage)?;
            Ok(Pulled {
                digest: manifest.digest.clone(),
                parts: Parts::Layers(layers.clone()),
                platform: wanted.cloned(),
                config: wanted.map(|_| config.digest.clone()),
            })
        }
    }
}

/// Whether configuration and layers are those of an image for containers. Docker with containerd's image store takes
/// whatever has this form: charts, signatures, attestations.
///
/// # Errors
/// [`NoImage`].
pub(super) fn is_image(config: &Descriptor, layers: &[Descriptor]) -> Result<(), NoImage> {
    let no_image = |media_type: &str| {
        Err(NoImage {
            media_type: Quoted::new(media_type),
        })
    };
    let config = config.media_type.as_str();
    // Docker takes the last three too: old registries changed the type (docker/distribution#1621).
    let is_config = matches!(
        config,
        "application/vnd.oci.image.config.v1+json"
            | "application/vnd.docker.container.image.v1+json"
            | "application/octet-stream"
            | "application/json"
            | "text/html"
            | ""
    );
    if !is_config {
        return no_image(config);
    }
    let is_layer = |layer: &&Descriptor| {
        let media_type = layer.media_type.as_str();
        media_type.contains("image.layer.") || media_type.contains("image.rootfs.") || !media_type.contains("/vnd.")
    };
    match layers.iter().find(|layer| !is_layer(layer)) {
        Some(other) if !layers.iter().any(|layer| is_layer(&layer)) => no_image(&other.media_type),
        _ => Ok(()),
    }
}

/// Whether a manifest of `target` is the daemon's image: the daemon knows it by that digest (it pushed or pulled it), or
/// the manifest's configuration is the image, whose ID is its configuration's digest, and it has as many layers: what a
/// registry took without them would be told as unchanged, and set under more tags. With containerd's store the ID is
/// the manifest's digest itself, and one manifest of an index is published where one platform is wanted, or there.
#[must_use]
pub(super) fn is_same_image(
    manifest: &Manifest,
    target: &Repository,
    local: &LocalImage,
    wanted: Option<&Platform>,
    daemon: &Platform,
) -> bool {
    match local.published(wanted, daemon) {
        Some(published) if published.digest == manifest.digest => return true,
        Some(_) if wanted.is_some() => return false,
        _ => {}
    }
    if local.is(target, &manifest.digest) || manifest.digest.as_str() == local.id {
        return true;
    }
    let Ok(Content::Image { config, layers }) = manifest.content() else {
        return false;
    };
    config.digest.as_str() == local.id && local.layers == Some(layers.len())
}

#[cfg(test)]
mod tests;
