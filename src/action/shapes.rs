//! Platforms and sizes of the images that a run met, for the report on the commit. Nothing is asked of the registry for
//! it: what was not met is not known.

use super::{Run, SeenImage};
use crate::names::Digest;
use crate::names::platform::Platform;
use crate::registry::Manifest;
use crate::registry::manifest::{Content, platforms};

impl Run {
    /// The same run, which keeps shapes; without this none is kept.
    #[must_use]
    pub(crate) fn keeping_shapes(self) -> Self {
        *self.shapes.borrow_mut() = Some(Vec::new());
        self
    }

    /// The shapes of what was met so far.
    pub(super) fn shapes(&self) -> Vec<SeenImage> {
        self.shapes.borrow().clone().unwrap_or_default()
    }

    /// Keeps what a manifest says of itself. `size` is that of all below it, where that was counted.
    pub(super) fn met(&self, manifest: &Manifest, size: Option<u64>) {
        let mut shapes = self.shapes.borrow_mut();
        let Some(shapes) = shapes.as_mut() else { return };
        let (platforms, size) = match manifest.content() {
            Ok(Content::Index(entries)) => {
                // A daemon takes one of them.
                for entry in entries.iter().filter(|entry| entry.platform.is_some()) {
                    keep(shapes, &entry.digest, platforms(std::slice::from_ref(entry)), None);
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
        keep(shapes, &manifest.digest, platforms, size);
    }

    /// Keeps the platform of an image of the daemon.
    pub(super) fn met_local(&self, digest: &Digest, platform: &Platform) {
        self.met_as(digest, vec![platform.to_string()], None);
    }

    /// Keeps what was read elsewhere of an image.
    pub(super) fn met_as(&self, digest: &Digest, platforms: Vec<String>, size: Option<u64>) {
        let mut shapes = self.shapes.borrow_mut();
        if let Some(shapes) = shapes.as_mut() {
            keep(shapes, digest, platforms, size);
        }
    }
}

/// Adds to what is known of an image; what is known already stays where nothing new is.
fn keep(shapes: &mut Vec<SeenImage>, digest: &Digest, platforms: Vec<String>, size: Option<u64>) {
    match shapes.iter_mut().find(|shape| shape.digest == *digest) {
        Some(shape) => {
            if !platforms.is_empty() {
                shape.platforms = platforms;
            }
            shape.size = size.or(shape.size);
        }
        None => shapes.push(SeenImage {
            digest: digest.clone(),
            platforms,
            size,
        }),
    }
}
