//! The graph below a manifest: every manifest and every blob that belongs to an image, each once.

use super::error::TransferError;
use super::source::ContentSource;
use crate::names::Digest;
use crate::registry::manifest::{Content, Descriptor};
use crate::registry::{Charge, Manifest, Remote};
use crate::text::order::sort_by_key;
use futures_util::stream::{self, StreamExt as _};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Deepest nesting of indexes that is followed. Real ones have two levels.
const DEEPEST: usize = 16;
/// Most manifests of one image. The largest public indexes have some hundred.
const MOST_MANIFESTS: usize = 10_000;
/// Most bytes of all manifests of one image, which are held in memory.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// What a descriptor costs, with all the places that it is known at.
const DESCRIPTOR: usize = 400;
/// Most blobs of one image.
const MOST_BLOBS: usize = 100_000;

/// Everything below one manifest, and it itself.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    /// The manifest that the tag names.
    pub root: Manifest,
    /// All others, children before their parents.
    pub children: Vec<Manifest>,
    /// The blobs, small ones first: what is small is not kept waiting behind what is large.
    pub blobs: Vec<Descriptor>,
    /// Layers that may not be distributed; they stay where their publisher has them.
    pub foreign: Vec<Descriptor>,
    /// What all of this costs the run.
    _held: Option<Arc<Charge>>,
}

impl Graph {
    /// Reads every manifest below `root`.
    ///
    /// # Errors
    /// A manifest that is missing, malformed, or one of too many.
    pub(crate) async fn of(source: &ContentSource, root: Manifest, concurrency: usize) -> Result<Self, TransferError> {
        let mut known: HashMap<Digest, (Manifest, Vec<Descriptor>)> = HashMap::new();
        let mut blobs = Blobs::default();
        let mut bytes = root.bytes.len();
        let mut held = Holding::of(source);
        let mut level = vec![root.clone()];
        for _ in 0..DEEPEST {
            let mut wanted = Vec::new();
            for manifest in std::mem::take(&mut level) {
                let before = blobs.count();
                let below = blobs.take(&manifest)?;
                held.take(blobs.count() - before + below.len())?;
                wanted.extend(below.iter().cloned());
                known.insert(manifest.digest.clone(), (manifest, below));
            }
            let mut seen = HashSet::new();
            wanted.retain(|entry: &Descriptor| !known.contains_key(&entry.digest) && seen.insert(entry.digest.clone()));
            if wanted.is_empty() {
                let children = children_first(&root.digest, &known);
                return Ok(blobs.graph(root, children, held.charge));
            }
            if known.len() + wanted.len() > MOST_MANIFESTS {
                return Err(too_much(&root, &format!("more than {MOST_MANIFESTS} manifests")));
            }
            let reads = wanted.iter().map(|entry| source.manifest(entry));
            let mut reads = stream::iter(reads).buffered(concurrency);
            while let Some(manifest) = reads.next().await {
                let manifest = manifest?;
                // Under another name than it was asked by it would be left out of what is put.
                if !seen.contains(&manifest.digest) {
                    let digest = manifest.digest.clone();
                    return Err(TransferError::Misnamed { digest });
                }
                bytes += manifest.bytes.len();
                if bytes > MOST_BYTES {
                    return Err(too_much(&root, &format!("more than {MOST_BYTES} bytes of manifests")));
                }
                level.push(manifest);
            }
        }
        Err(too_much(&root, &format!("indexes nested deeper than {DEEPEST}")))
    }

    /// Tells of the layers that stay where they are.
    pub(crate) fn tell_of_foreign(&self) {
        for layer in &self.foreign {
            tracing::warn!(
                "the layer {} may not be distributed ({}) and is left where its publisher has it",
                layer.digest.short(),
                crate::text::Quoted::new(&layer.media_type)
            );
        }
    }

    /// Of a manifest that the target has already, with all below it.
    #[must_use]
    pub(crate) fn bare(root: Manifest) -> Self {
        Self {
            root,
            children: Vec::new(),
            blobs: Vec::new(),
            foreign: Vec::new(),
            _held: None,
        }
    }

    /// Bytes of all blobs.
    #[must_use]
    pub(crate) fn size(&self) -> u64 {
        self.blobs.iter().fold(0, |sum, blob| sum.saturating_add(blob.size))
    }
}

/// What a graph of a registry costs the run; archives are the user's own.
struct Holding<'a> {
    remote: Option<&'a Remote>,
    charge: Option<Charge>,
}

impl<'a> Holding<'a> {
    fn of(source: &'a ContentSource) -> Self {
        let remote = match source {
            ContentSource::Registry(remote) => Some(remote),
            ContentSource::Layout(_) | ContentSource::Blobs(..) => None,
        };
        let charge = remote.map(Remote::charge);
        Self { remote, charge }
    }

    fn take(&mut self, descriptors: usize) -> Result<(), TransferError> {
        match (self.remote, &mut self.charge) {
            (Some(remote), Some(charge)) => Ok(remote.hold(charge, descriptors * DESCRIPTOR)?),
            _ => Ok(()),
        }
    }
}

/// Blobs found so far, each once. One that is foreign here and a layer as all others there may be distributed.
#[derive(Default)]
struct Blobs {
    seen: HashSet<Digest>,
    ours: Vec<Descriptor>,
    seen_as_foreign: HashSet<Digest>,
    foreign: Vec<Descriptor>,
}

impl Blobs {
    fn count(&self) -> usize {
        self.seen.len() + self.seen_as_foreign.len()
    }

    /// Notes a manifest's blobs and gives the manifests below it.
    fn take(&mut self, manifest: &Manifest) -> Result<Vec<Descriptor>, TransferError> {
        let damaged = |what| TransferError::Damaged {
            digest: manifest.digest.clone(),
            what,
        };
        let mut below = Vec::new();
        let blobs = match manifest.content().map_err(damaged)? {
            Content::Index(entries) => {
                let (blobs, manifests) = entries.into_iter().partition(Descriptor::is_blob);
                below = manifests;
                blobs
            }
            Content::Image { config, mut layers } => {
                layers.insert(0, config);
                layers
            }
            Content::Other(blobs) => blobs,
        };
        for blob in blobs {
            let (seen, found) = if blob.is_foreign() {
                (&mut self.seen_as_foreign, &mut self.foreign)
            } else {
                (&mut self.seen, &mut self.ours)
            };
            if seen.insert(blob.digest.clone()) {
                found.push(blob);
            }
        }
        if self.count() > MOST_BLOBS {
            return Err(too_much(manifest, &format!("more than {MOST_BLOBS} blobs")));
        }
        Ok(below)
    }

    fn graph(mut self, root: Manifest, children: Vec<Manifest>, charge: Option<Charge>) -> Graph {
        sort_by_key(&mut self.ours, |blob| blob.size);
        self.foreign.retain(|blob| !self.seen.contains(&blob.digest));
        Graph {
            root,
            children,
            blobs: self.ours,
            foreign: self.foreign,
            _held: charge.map(Arc::new),
        }
    }
}

/// The manifests below `root` in an order in which each comes after all it points to.
fn children_first(root: &Digest, known: &HashMap<Digest, (Manifest, Vec<Descriptor>)>) -> Vec<Manifest> {
    let mut order = Vec::new();
    let mut done: HashSet<&Digest> = HashSet::new();
    let mut open: Vec<(&Digest, usize)> = vec![(root, 0)];
    while let Some((digest, next)) = open.pop() {
        let Some((manifest, below)) = known.get(digest) else {
            continue;
        };
        if let Some(child) = below.get(next) {
            open.push((digest, next + 1));
            if !done.contains(&child.digest) {
                open.push((&child.digest, 0));
            }
        } else if done.insert(digest) && digest != root {
            order.push(manifest.clone());
        }
    }
    order
}

pub(super) fn too_much(manifest: &Manifest, what: &str) -> TransferError {
    TransferError::TooMuch {
        digest: manifest.digest.clone(),
        what: what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use serde_json::json;

    const PLAIN: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    const FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    const DOCKER_FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

    fn manifest(layers: &[(&str, &str)]) -> Manifest {
        let descriptor = |kind: &str, of: &str| json!({ "mediaType": kind, "size": 1, "digest": Digest::of(of.as_bytes()).as_str() });
        let layers: Vec<_> = layers.iter().map(|(kind, of)| descriptor(kind, of)).collect();
        let config = descriptor("application/vnd.oci.image.config.v1+json", "config");
        let text = json!({ "schemaVersion": 2, "config": config, "layers": layers });
        Manifest::new(Bytes::from(text.to_string()), None).unwrap()
    }

    #[test]
    fn a_layer_is_foreign_only_where_nothing_calls_it_otherwise() {
        let all = [(FOREIGN, "a"), (PLAIN, "a")];
        for (manifests, ours, foreign) in [
            (&[&[(PLAIN, "a")][..]][..], &["a"][..], &[][..]),
            (&[&[(FOREIGN, "a")]], &[], &["a"]),
            (&[&[(DOCKER_FOREIGN, "a")]], &[], &["a"]),
            (&[&[(FOREIGN, "a"), (DOCKER_FOREIGN, "a")]], &[], &["a"]),
            (&[&[(FOREIGN, "a")], &[(PLAIN, "a")]], &["a"], &[]),
            (&[&[(DOCKER_FOREIGN, "a")], &[(PLAIN, "a")]], &["a"], &[]),
            (&[&[(PLAIN, "a")], &[(FOREIGN, "a")]], &["a"], &[]),
            (&[&all], &["a"], &[]),
            (&[&all, &all], &["a"], &[]),
            (
                &[&[(FOREIGN, "a"), (FOREIGN, "b")], &[(PLAIN, "c")], &[(PLAIN, "b")]],
                &["c", "b"],
                &["a"],
            ),
        ] {
            let mut blobs = Blobs::default();
            for layers in manifests {
                blobs.take(&manifest(layers)).unwrap();
            }
            let graph = blobs.graph(manifest(&[]), Vec::new(), None);
            let digests = |of: &[&str]| -> Vec<Digest> { of.iter().map(|of| Digest::of(of.as_bytes())).collect() };
            let found =
                |blobs: &[Descriptor]| -> Vec<Digest> { blobs.iter().map(|blob| blob.digest.clone()).collect() };
            assert_eq!(found(&graph.blobs)[1..], digests(ours), "{manifests:?}");
            assert_eq!(found(&graph.foreign), digests(foreign), "{manifests:?}");
        }
    }
}
