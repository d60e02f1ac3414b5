//! How far the transfers of a run are: bytes as they cross the wire, in either direction, each once however often it is
//! sent, and each layer once however many images share it. What is to move follows from manifests.

use crate::engine::layer_name;
use crate::registry::manifest::Descriptor;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What has moved in a run, and what is to move as far as that is known.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    moved: Arc<AtomicU64>,
    expected: Cell<u64>,
    /// So many parts of the run have a size that is not known.
    unknown: Cell<usize>,
    /// What a daemon moves, by the names that it has for it.
    layers: RefCell<HashMap<String, DaemonLayer>>,
}

/// A layer that a daemon moves.
#[derive(Debug, Default, Clone, Copy)]
struct DaemonLayer {
    moved: u64,
    total: u64,
    /// The daemon has it, or the registry that it pushes to.
    is_there: bool,
}

impl Progress {
    /// Bytes that have crossed the wire.
    #[must_use]
    pub(crate) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Bytes that will have when all is done; `None` while that is not known of everything.
    #[must_use]
    pub(crate) fn total(&self) -> Option<u64> {
        let layers = self.layers.borrow();
        let of_daemon = layers.values().map(|layer| {
            if layer.is_there {
                layer.moved
            } else {
                layer.total.max(layer.moved)
            }
        });
        let total = of_daemon.fold(self.expected.get(), u64::saturating_add);
        (self.unknown.get() == 0).then_some(total.max(self.moved()))
    }

    /// Notes a part of the run whose size is not known, until what this gives is dropped.
    #[must_use]
    pub(crate) fn unknown(&self) -> Unknown<'_> {
        self.unknown.set(self.unknown.get() + 1);
        Unknown(self)
    }

    /// Notes bytes that are to move.
    pub(super) fn expect(&self, bytes: u64) {
        self.expected.set(self.expected.get().saturating_add(bytes));
    }

    /// Notes bytes that need not move after all.
    pub(super) fn spare(&self, bytes: u64) {
        self.expected.set(self.expected.get().saturating_sub(bytes));
    }

    /// Notes that nothing more of what is expected moves.
    pub(crate) fn give_up(&self) {
        self.expected.set(self.moved());
    }

    /// Notes bytes that have moved.
    pub(super) fn count(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// For one blob on its way out, which may take more than one try.
    pub(super) fn counter(&self) -> Counter {
        Counter(Arc::new(Counted {
            moved: Arc::clone(&self.moved),
            reached: AtomicU64::new(0),
        }))
    }

    /// Notes the layers of an image that a daemon pulls, until what this gives is dropped: then it has them.
    #[must_use]
    pub(crate) fn expect_layers(&self, layers: &[Descriptor]) -> ExpectedLayers<'_> {
        let names: Vec<String> = layers.iter().map(|layer| layer_name(&layer.digest)).collect();
        let mut known = self.layers.borrow_mut();
        for (name, layer) in names.iter().zip(layers) {
            known.entry(name.clone()).or_default().total = layer.size;
        }
        ExpectedLayers(self, names)
    }

    /// Notes how far a daemon is with a layer; gives the bytes that are new. Images that share it tell the same.
    pub(crate) fn layer(&self, name: &str, moved: u64, total: u64) -> u64 {
        let mut layers = self.layers.borrow_mut();
        let layer = layers.entry(name.to_owned()).or_default();
        let new = moved.saturating_sub(layer.moved);
        layer.moved += new;
        if layer.total == 0 {
            layer.total = total;
        }
        self.count(new);
        new
    }

    /// Notes that a layer need not move.
    pub(crate) fn layer_is_there(&self, name: &str) {
        self.layers.borrow_mut().entry(name.to_owned()).or_default().is_there = true;
    }
}

/// A part of a run whose size is not known; dropped when it is.
#[derive(Debug)]
pub(crate) struct Unknown<'a>(&'a Progress);

impl Drop for Unknown<'_> {
    fn drop(&mut self) {
        self.0.unknown.set(self.0.unknown.get().saturating_sub(1));
    }
}

/// Layers that a daemon pulls. What it did not tell of when they are dropped did not move.
#[derive(Debug)]
pub(crate) struct ExpectedLayers<'a>(&'a Progress, Vec<String>);

impl Drop for ExpectedLayers<'_> {
    fn drop(&mut self) {
        for name in &self.1 {
            self.0.layer_is_there(name);
        }
    }
}

/// Counts the bytes of one blob, those that are sent again once.
#[derive(Debug, Clone)]
pub(super) struct Counter(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    moved: Arc<AtomicU64>,
    /// So far the blob has come.
    reached: AtomicU64,
}

impl Counter {
    /// Counts what is taken of a body whose first byte is the blob's at `at`.
    pub(super) fn over(
        &self,
        mut at: u64,
        body: BoxStream<'static, Result<Bytes, io::Error>>,
    ) -> BoxStream<'static, Result<Bytes, io::Error>> {
        let counter = self.clone();
        let count = move |piece: &Result<Bytes, io::Error>| {
            if let Ok(bytes) = piece {
                at += bytes.len() as u64;
                counter.reached(at);
            }
        };
        body.inspect(count).boxed()
    }

    fn reached(&self, at: u64) {
        let before = self.0.reached.fetch_max(at, Ordering::Relaxed);
        self.0.moved.fetch_add(at.saturating_sub(before), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Digest;
    use futures_util::stream;

    fn body(sizes: &[usize]) -> BoxStream<'static, Result<Bytes, io::Error>> {
        let pieces: Vec<_> = sizes.iter().map(|size| Ok(Bytes::from(vec![0; *size]))).collect();
        stream::iter(pieces).boxed()
    }

    #[tokio::test]
    async fn bytes_count_when_they_are_taken_and_once() {
        let progress = Progress::default();
        progress.expect(100);
        let counter = progress.counter();
        let mut first = counter.over(0, body(&[10, 20, 30]));
        assert_eq!(progress.moved(), 0, "nobody has taken any");
        first.next().await;
        assert_eq!(progress.moved(), 10);
        first.next().await;
        assert_eq!(progress.moved(), 30);
        drop(first);
        // The registry had 15 of them, so that the next try sends the other 15 again.
        let mut second = counter.over(15, body(&[10, 10, 65]));
        second.next().await;
        assert_eq!(progress.moved(), 30, "up to 25");
        second.next().await;
        assert_eq!(progress.moved(), 35);
        second.next().await;
        assert_eq!((progress.moved(), progress.total()), (100, Some(100)));
        // Another blob has nothing to do with it.
        progress.expect(5);
        progress.counter().over(0, body(&[5])).next().await;
        assert_eq!((progress.moved(), progress.total()), (105, Some(105)));
    }

    #[test]
    fn what_is_there_is_not_to_move_and_what_is_not_known_gives_no_total() {
        let progress = Progress::default();
        progress.expect(70);
        progress.expect(30);
        assert_eq!(progress.total(), Some(100));
        progress.spare(30);
        assert_eq!(progress.total(), Some(70));
        let (one, other) = (progress.unknown(), progress.unknown());
        drop(one);
        assert_eq!(progress.total(), None);
        drop(other);
        progress.count(40);
        assert_eq!((progress.moved(), progress.total()), (40, Some(70)));
    }

    #[test]
    fn a_layer_that_a_daemon_moves_for_two_images_counts_once() {
        let progress = Progress::default();
        let layer = |bytes: &[u8], size| Descriptor {
            media_type: String::new(),
            digest: Digest::of(bytes),
            size,
            platform: None,
        };
        let name = |bytes: &[u8]| Digest::of(bytes).as_str()[7..19].to_owned();
        let (shared, own, there) = (layer(b"shared", 100), layer(b"own", 50), layer(b"there", 1000));
        let one = progress.expect_layers(&[shared.clone(), there]);
        let two = progress.expect_layers(&[shared, own, layer(b"not told of", 7)]);
        progress.layer_is_there(&name(b"there"));
        assert_eq!(progress.total(), Some(157));
        // What the daemon says of a size is no better than the manifest.
        assert_eq!(progress.layer(&name(b"shared"), 40, 90), 40);
        assert_eq!(progress.layer(&name(b"shared"), 60, 90), 20);
        assert_eq!(progress.layer(&name(b"shared"), 30, 90), 0, "it begins again");
        assert_eq!(progress.layer(&name(b"shared"), 100, 90), 40);
        assert_eq!(progress.layer(&name(b"own"), 50, 50), 50);
        assert_eq!((progress.moved(), progress.total()), (150, Some(157)));
        drop((one, two));
        assert_eq!(progress.total(), Some(150), "both images are there");
        // Of a push no manifest tells.
        assert_eq!(progress.layer("aaaaaaaaaaaa", 1, 10), 1);
        assert_eq!((progress.moved(), progress.total()), (151, Some(160)));
    }
}
