//! How far a pull or push has come, from the daemon's lines so far; and what its silence means.
//!
//! Pure. What each engine writes and leaves out is in the tables beside this file.

use super::stream::Message;
use crate::names::Digest;
use std::collections::HashMap;

/// Layers counted; images have at most 127 in Docker's own stores.
const MOST_LAYERS: usize = 1024;
/// How often a line may differ from the last and move nothing: a layer goes through some seven states and is tried six times,
/// each after a countdown.
const MOST_CHANGES: usize = if cfg!(test) { 2500 } else { 10_000 };
/// Characters of a digest that the daemon calls a layer by.
const SHORT: usize = 12;

/// How far a pull or push has come.
#[derive(Debug, Default)]
pub struct DaemonProgress {
    layers: HashMap<String, LayerProgress>,
    /// Bytes of the layers that are known beforehand.
    sizes: HashMap<String, u64>,
    is_push: bool,
    last: String,
    /// How many lines have told something else than before, and no byte more.
    changes: usize,
    retried: bool,
    pushed: Option<Digest>,
    instead_of_index: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct LayerProgress {
    phase: Phase,
    moved: u64,
    total: u64,
    worked: u64,
}

/// What the daemon does with a layer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It is to move.
    #[default]
    Waiting,
    /// It is amid its bytes.
    Moving,
    /// The daemon hashes, compresses or unpacks it, or waits for a registry that has it whole to store it.
    Working,
    Moved,
    There,
}

/// What a line was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LineVerdict {
    /// The transfer goes on.
    On,
    /// The same as before: containerd's image store repeats its lines ten times a second, also where nothing moves. And what
    /// has changed too often.
    Still,
    /// The daemon gave up, and why, in its words.
    Failed(String),
    /// No JSON object.
    Garbled,
}

/// What a line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    /// More bytes, or seconds of work, than ever before.
    More,
    /// Something else than the line before: a daemon can say that for ever.
    Change,
    /// The same.
    None,
}

/// Whom the daemon's silence is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// The network: a layer is amid its bytes.
    Stall,
    /// The network, or other transfers whose turn it is: no byte has come yet.
    Turn,
    /// The daemon, which unpacks, compresses or hashes, or a registry that stores a layer: minutes for a big one.
    Work,
}

impl DaemonProgress {
    /// Of a pull, whose layers have these digests and sizes as far as they are known.
    pub(super) fn of_pull<'a>(layers: impl IntoIterator<Item = (&'a Digest, u64)>) -> Self {
        let layers = layers.into_iter().take(MOST_LAYERS);
        Self {
            sizes: layers.map(|(digest, size)| (layer_name(digest), size)).collect(),
            ..Self::default()
        }
    }

    pub(super) fn of_push() -> Self {
        Self {
            is_push: true,
            ..Self::default()
        }
    }

    /// Bytes moved so far, over all layers. It never falls, also where the daemon begins a layer again.
    #[must_use]
    pub fn moved(&self) -> u64 {
        sum(self.layers.values().map(|layer| layer.moved))
    }

    /// Bytes to move of the layers that the daemon has begun: an estimate that grows as layers begin. For a push
    /// Docker's classic image store counts uncompressed bytes.
    #[must_use]
    pub fn expected(&self) -> u64 {
        sum(self.layers.values().map(|layer| layer.total.max(layer.moved)))
    }

    /// Each layer that the daemon has begun or that need not move: its name, how many of its bytes have moved, and how many
    /// there are; `None` in their place where it is there already.
    pub fn layers(&self) -> impl Iterator<Item = (&str, Option<(u64, u64)>)> {
        self.layers.iter().map(|(name, layer)| {
            let bytes = (layer.phase != Phase::There).then_some((layer.moved, layer.total));
            (name.as_str(), bytes)
        })
    }

    /// The layers that have moved and whose size the daemon has not told: small ones, with containerd's image store.
    pub(super) fn of_unknown_size(&self) -> Vec<String> {
        let unknown = |layer: &LayerProgress| layer.phase == Phase::Moved && layer.total == 0;
        let layers = self.layers.iter().filter(|(_, layer)| unknown(layer));
        layers.map(|(name, _)| name.clone()).collect()
    }

    /// The digest under which the daemon pushed the manifest, once it said so.
    #[must_use]
    pub fn pushed(&self) -> Option<&Digest> {
        self.pushed.as_ref()
    }

    /// Whether the daemon pushes one manifest of an index in place of the index.
    #[must_use]
    pub fn is_instead_of_index(&self) -> bool {
        self.instead_of_index
    }

    /// Whether the daemon has had to try a layer again (`Retrying in 5 seconds`); it says why only when it gives up.
    #[must_use]
    pub fn is_retried(&self) -> bool {
        self.retried
    }

    /// Whom is waited for while the daemon says nothing new.
    #[must_use]
    pub(super) fn silence(&self) -> Silence {
        let any = |phase| self.layers.values().any(|layer| layer.phase == phase);
        // podman says nothing of the layers of a push.
        let is_quiet_push = self.is_push && self.layers.is_empty();
        if is_quiet_push || any(Phase::Working) {
            Silence::Work
        } else if any(Phase::Moving) {
            Silence::Stall
        } else if any(Phase::Waiting) || self.layers.is_empty() {
            Silence::Turn
        } else {
            Silence::Work
        }
    }

    /// Takes one line in.
    pub(super) fn take(&mut self, line: &[u8]) -> LineVerdict {
        let Some(message) = Message::parse(line) else {
            return LineVerdict::Garbled;
        };
        if let Some(words) = message.failure() {
            return LineVerdict::Failed(words.to_owned());
        }
        if let Some(digest) = message.pushed() {
            self.pushed = Some(digest);
        }
        self.instead_of_index |= message.is_instead_of_index();
        let status = message.status.as_deref().unwrap_or_default();
        let news = match (&message.id, Phase::of(status)) {
            (Some(id), Some(phase)) => self.layer(id, phase, message.bytes()),
            (id, _) => self.other(id.as_deref().unwrap_or_default(), status),
        };
        self.changes += usize::from(news == News::Change);
        match news {
            News::More => LineVerdict::On,
            News::Change if self.changes <= MOST_CHANGES => LineVerdict::On,
            News::Change | News::None => LineVerdict::Still,
        }
    }

    /// Whether a line that is of no layer differs from the last such line.
    fn other(&mut self, id: &str, status: &str) -> News {
        // It counts down while it waits.
        self.retried |= status.starts_with("Retrying in ");
        let line = format!("{id} {status}");
        if line == self.last {
            return News::None;
        }
        self.last = line;
        News::Change
    }

    /// What the line tells of the layer.
    fn layer(&mut self, id: &str, phase: Phase, (current, total): (u64, u64)) -> News {
        if self.layers.len() >= MOST_LAYERS && !self.layers.contains_key(id) {
            return News::Change;
        }
        let before = self.layers.get(id).copied();
        let mut layer = before.unwrap_or_else(|| LayerProgress {
            total: self.sizes.get(id).copied().unwrap_or(0),
            ..LayerProgress::default()
        });
        layer.phase = phase;
        match phase {
            Phase::Moving => {
                layer.total = layer.total.max(total);
                layer.moved = layer.moved.max(current);
                layer.phase = match (current, total) {
                    // A try that has just begun.
                    (0, 0) => Phase::Waiting,
                    _ if current < total => Phase::Moving,
                    _ => Phase::Working,
                };
            }
            // What is unpacked is counted, or the seconds that it takes.
            Phase::Working => layer.worked = layer.worked.max(current),
            Phase::Moved => layer.moved = layer.moved.max(layer.total),
            Phase::There => layer.total = layer.moved,
            Phase::Waiting => {}
        }
        self.layers.insert(id.to_owned(), layer);
        let (moved, worked) = before.map_or((0, 0), |before| (before.moved, before.worked));
        if layer.moved > moved || layer.worked > worked {
            News::More
        } else if before == Some(layer) {
            News::None
        } else {
            News::Change
        }
    }
}

impl Phase {
    fn of(status: &str) -> Option<Self> {
        Some(match status {
            "Pulling fs layer" | "Waiting" => Self::Waiting,
            "Downloading" | "Pushing" => Self::Moving,
            "Preparing" | "Verifying Checksum" | "Extracting" => Self::Working,
            "Download complete" | "Pull complete" | "Pushed" => Self::Moved,
            "Already exists" | "Layer already exists" => Self::There,
            _ if status.starts_with("Mounted from ") => Self::There,
            _ => return None,
        })
    }
}

/// What the daemon calls a layer in the lines of a pull, and with containerd's image store of a push.
#[must_use]
pub(crate) fn layer_name(digest: &Digest) -> String {
    let (_, hex) = digest.as_str().split_once(':').unwrap_or_default();
    hex.chars().take(SHORT).collect()
}

/// The daemon's numbers are not trusted to fit.
fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests;
