//! Which images a daemon pulls side by side. containerd lets one pull at a time fetch a layer; another one that needs it asks
//! again after ever longer pauses (Docker 26 and 28: eight images that share layers took 5.5 s, one after the other 1.0 s). So
//! there images that share a layer wait for each other, until it has come.

use crate::names::Digest;
use crate::registry::manifest::Descriptor;
use std::cell::RefCell;
use std::collections::HashSet;
use tokio::sync::Notify;

/// The layers that are on their way.
#[derive(Debug, Default)]
pub(in crate::action) struct SideBySide {
    layers: RefCell<Layers>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Layers {
    on_their_way: HashSet<Digest>,
    there: HashSet<Digest>,
}

/// Held while an image is pulled.
#[derive(Debug)]
pub(in crate::action) struct Pulling<'a> {
    all: &'a SideBySide,
    layers: &'a [Descriptor],
    is_done: bool,
}

impl SideBySide {
    /// Whether any two of these images share a layer, so that it matters.
    pub(in crate::action) fn matters<'a>(images: impl Iterator<Item = &'a [Descriptor]>) -> bool {
        let mut seen = HashSet::new();
        for layers in images {
            // An image may have the same layer twice.
            let own: HashSet<&Digest> = layers.iter().map(|layer| &layer.digest).collect();
            if own.iter().any(|digest| seen.contains(digest)) {
                return true;
            }
            seen.extend(own);
        }
        false
    }

    /// Waits until none of these layers is on its way for another image.
    pub(in crate::action) async fn pull<'a>(&'a self, layers: &'a [Descriptor]) -> Pulling<'a> {
        loop {
            let changed = self.changed.notified();
            {
                let mut known = self.layers.borrow_mut();
                if !layers.iter().any(|layer| known.on_their_way.contains(&layer.digest)) {
                    let missing = layers.iter().filter(|layer| !known.there.contains(&layer.digest));
                    let missing: Vec<Digest> = missing.map(|layer| layer.digest.clone()).collect();
                    known.on_their_way.extend(missing);
                    return Pulling {
                        all: self,
                        layers,
                        is_done: false,
                    };
                }
            }
            changed.await;
        }
    }
}

impl Pulling<'_> {
    /// The daemon has the image, and so its layers.
    pub(in crate::action) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Pulling<'_> {
    fn drop(&mut self) {
        let mut known = self.all.layers.borrow_mut();
        for layer in self.layers {
            known.on_their_way.remove(&layer.digest);
            if self.is_done {
                known.there.insert(layer.digest.clone());
            }
        }
        drop(known);
        self.all.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn layers(names: &str) -> Vec<Descriptor> {
        let layer = |name: char| Descriptor {
            media_type: "application/vnd.oci.image.layer.v1.tar+gzip".to_owned(),
            digest: Digest::of(name.to_string().as_bytes()),
            size: 1,
            platform: None,
        };
        names.chars().map(layer).collect()
    }

    #[tokio::test]
    async fn images_that_share_a_layer_wait_until_it_has_come() {
        for (first, second, waits, is_done, third, third_waits) in [
            ("ab", "bc", true, true, "bd", false),
            ("ab", "bc", true, false, "bd", true),
            ("ab", "cd", false, true, "ad", true),
            ("ab", "", false, true, "", false),
            ("aa", "a", true, true, "aa", false),
        ] {
            let (first, second, third) = (layers(first), layers(second), layers(third));
            let all = SideBySide::default();
            let pulling = all.pull(&first).await;
            let mut next = Box::pin(all.pull(&second));
            assert_eq!((&mut next).now_or_never().is_none(), waits, "{first:?} {second:?}");
            if waits {
                if is_done {
                    pulling.done();
                } else {
                    drop(pulling);
                }
                let _held = next.await;
                assert_eq!(all.pull(&third).now_or_never().is_none(), third_waits, "{third:?}");
            }
        }
    }

    #[test]
    fn it_matters_where_two_images_share_a_layer() {
        for (images, matters) in [
            (&["ab", "bc"][..], true),
            (&["ab", "cd"], false),
            (&["aa", "bb"], false),
            (&["ab"], false),
            (&[], false),
            (&["a", "b", "ca"], true),
        ] {
            let images: Vec<Vec<Descriptor>> = images.iter().map(|names| layers(names)).collect();
            let found = SideBySide::matters(images.iter().map(Vec::as_slice));
            assert_eq!(found, matters, "{images:?}");
        }
    }
}
