//! Platforms and sizes of the images that a run met, for the report on the commit. Nothing is asked of the registry for
//! it: what was not met is not known.

use super::{Run, SeenImage};
use crate::names::Digest;
use crate::names::platform::Platform;
use crate::registry::Manifest;
use crate::registry::manifest::{Content, platforms};

impl Run {
    /// The same run, which keeps what it sees of images; without this nothing is kept.
    #[must_use]
    pub(crate) fn keeping_seen_images(self) -> Self {
        *self.seen_images.borrow_mut() = Some(Vec::new());
        self
    }

    /// What was seen so far.
    pub(super) fn seen_images(&self) -> Vec<SeenImage> {
        self.seen_images.borrow().clone().unwrap_or_default()
    }

    /// Keeps what a manifest says of itself. `size` is that of all below it, where that was counted.
    pub(super) fn see(&self, manifest: &Manifest, size: Option<u64>) {
        let mut seen_images = self.seen_images.borrow_mut();
        let Some(seen_images) = seen_images.as_mut() else {
            return;
        };
        let (platforms, size) = match manifest.content() {
            Ok(Content::Index(entries)) => {
                // A daemon takes one of them.
                for entry in entries.iter().filter(|entry| entry.platform.is_some()) {
                    keep(seen_images, &entry.digest, platforms(std::slice::from_ref(entry)), None);
                }
                (platforms(&entries), size)
            }
            Ok(Content::Image { config, layers }) => {
                let sum = layers
                    .iter()
                    .fold(config.size, |sum, layer| sum.saturating_add(layer.size));
                (Vec::new(), Some(sum))
            }
            Ok(Content::Other(_)) | Err(_) => return,
        };
        keep(seen_images, &manifest.digest, platforms, size);
    }

    /// Keeps the platform of an image of the daemon.
    pub(super) fn see_local(&self, digest: &Digest, platform: &Platform) {
        self.see_as(digest, vec![platform.to_string()], None);
    }

    /// Keeps what was read elsewhere of an image.
    pub(super) fn see_as(&self, digest: &Digest, platforms: Vec<String>, size: Option<u64>) {
        let mut seen_images = self.seen_images.borrow_mut();
        if let Some(seen_images) = seen_images.as_mut() {
            keep(seen_images, digest, platforms, size);
        }
    }
}

/// Adds to what is known of an image; what is known already stays where nothing new is.
fn keep(seen_images: &mut Vec<SeenImage>, digest: &Digest, platforms: Vec<String>, size: Option<u64>) {
    match seen_images.iter_mut().find(|seen| seen.digest == *digest) {
        Some(seen) => {
            if !platforms.is_empty() {
                seen.platforms = platforms;
            }
            seen.size = size.or(seen.size);
        }
        None => seen_images.push(SeenImage {
            digest: digest.clone(),
            platforms,
            size,
        }),
    }
}
