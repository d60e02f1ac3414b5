//! How much images hold, from their manifests, before the first byte moves. What had to be asked for is kept for the copy, so
//! that nothing is asked twice, and only so much of it that memory does not grow with the number of images.

use crate::names::Digest;
use crate::registry::{Manifest, Remote};
use crate::text::bytes;
use crate::transfer::{ContentSource, Graph, TransferError};
use futures_util::stream::{self, StreamExt as _};
use std::cell::Cell;
use std::collections::HashSet;

/// When the manifests that are kept have so many bytes, no more are read ahead.
const MOST_KEPT: usize = 1024 * 1024;

/// What was read below an image's manifest.
pub(super) type ReadAhead = Option<Result<Graph, TransferError>>;

/// What is known of all images of a run.
pub(super) struct Ahead {
    /// For each image, in its order; nothing where there was nothing to ask for.
    pub(super) graphs: Vec<ReadAhead>,
    size: u64,
    /// Every manifest was read.
    is_whole: bool,
}

impl Ahead {
    /// Reads what is below these manifests; those that nothing is to be done for are left out.
    pub(super) async fn of<'a>(
        images: impl Iterator<Item = Option<(&'a Remote, &'a Manifest)>>,
        concurrency: usize,
    ) -> Self {
        let (kept, is_whole) = (Cell::new(0), Cell::new(true));
        let graphs = images.map(async |image| {
            let (from, root) = image?;
            if kept.get() >= MOST_KEPT {
                is_whole.set(false);
                return None;
            }
            let content_source = ContentSource::Registry(from.clone());
            Some(Graph::of(&content_source, root.clone(), concurrency).await)
        });
        let mut graphs = stream::iter(graphs).buffered(concurrency);
        let (mut read, mut size, mut seen) = (Vec::new(), 0_u64, HashSet::<Digest>::new());
        while let Some(graph) = graphs.next().await {
            if let Some(Ok(graph)) = &graph {
                let blobs = graph.blobs.iter().filter(|blob| seen.insert(blob.digest.clone()));
                size = blobs.fold(size, |size, blob| size.saturating_add(blob.size));
                let below = graph.children.iter().map(|child| child.bytes.len());
                kept.set(kept.get() + below.sum::<usize>());
            }
            read.push(match graph {
                // The manifest alone tells it all again.
                Some(Ok(graph)) if graph.children.is_empty() => None,
                Some(Err(_)) => {
                    is_whole.set(false);
                    graph
                }
                graph => graph,
            });
        }
        Self {
            graphs: read,
            size,
            is_whole: is_whole.get(),
        }
    }

    /// The size of all blobs, shared ones once.
    pub(super) fn amount(&self) -> String {
        let size = bytes(self.size);
        if self.is_whole {
            size
        } else {
            format!("at least {size}")
        }
    }
}
