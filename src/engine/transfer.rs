//! Pulls and pushes: the daemon moves, its lines are followed to their end, and its silence is waited for as long as what
//! it does deserves.

use super::classify::{DaemonRequest, Of};
use super::progress::{DaemonProgress, LineVerdict, Silence};
use super::stream::Lines;
use super::{Engine, Error, Make, RegistryAuth, query};
use crate::names::platform::Platform;
use crate::names::{Digest, Repository, Tag};
use crate::registry::manifest::Descriptor;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Longest silence of a daemon that unpacks, compresses or waits for a registry to store a layer.
const WORKING: Duration = Duration::from_secs(600);
/// podman answers a pull only when it has the configuration, and asks a registry that limits requests for two minutes.
const PODMAN_ASKING: Duration = Duration::from_secs(180);
/// Longest transfer, whatever the daemon says: more than any step may last.
const LONGEST: Duration = if cfg!(test) {
    Duration::from_millis(1600)
} else {
    Duration::from_secs(24 * 60 * 60)
};
const REGISTRY_AUTH: &str = "X-Registry-Auth";

/// What came of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of the manifest, if the daemon named it.
    pub digest: Option<Digest>,
    /// Whether the daemon pushed one manifest of an index, of which it has a part, in place of the index.
    pub instead_of_index: bool,
    /// The layers that moved and whose size the daemon did not tell, by its names for them.
    pub of_unknown_size: Vec<String>,
}

/// When a transfer of a run last moved: what waits for its turn waits for the others.
#[derive(Debug, Clone)]
pub(super) struct Clock(Rc<Cell<Instant>>);

impl Default for Clock {
    fn default() -> Self {
        Self(Rc::new(Cell::new(Instant::now())))
    }
}

impl Clock {
    fn moved(&self) -> Instant {
        let now = Instant::now();
        self.0.set(now);
        now
    }

    fn last(&self) -> Instant {
        self.0.get()
    }
}

impl Engine {
    /// Has the daemon pull `repository@digest`, without giving it a tag. `layers` are those that are to come, as far as they
    /// are known; `progress` is called after each of the daemon's lines, which come several times a second.
    ///
    /// # Errors
    /// As every call: see [`Error`]; the registry's refusals among them, and [`Error::Stalled`].
    pub async fn pull(
        &self,
        repository: &Repository,
        digest: &Digest,
        layers: &[Descriptor],
        auth: &RegistryAuth,
        progress: impl FnMut(&DaemonProgress),
    ) -> Result<(), Error> {
        let path = self.path(&format!(
            "/images/create?fromImage={}&tag={digest}",
            query(&repository.to_string())
        ));
        let asked = DaemonRequest {
            what: &format!("pulling `{repository}@{digest}`"),
            name: &repository.to_string(),
            of: Of::Pull(digest),
        };
        let state = DaemonProgress::of_pull(layers.iter().map(|layer| (&layer.digest, layer.size)));
        let pulled = self.transfer(path, auth, &asked, state, progress).await;
        let is_zstd = layers.iter().any(|layer| layer.media_type.ends_with("zstd"));
        match pulled {
            Ok(_) => Ok(()),
            Err(Error::Layer { asked, words, .. }) => Err(Error::Layer {
                asked,
                words,
                may_be_zstd: !self.knows_zstd() && (is_zstd || layers.is_empty()),
            }),
            Err(error) => Err(error),
        }
    }

    /// Has the daemon push `repository:tag`, of an image for several platforms this one if one is named. `progress` is called
    /// after each of the daemon's lines.
    ///
    /// # Errors
    /// As every call: see [`Error`]; the registry's refusals among them, and [`Error::Stalled`].
    pub async fn push(
        &self,
        repository: &Repository,
        tag: &Tag,
        platform: Option<&Platform>,
        auth: &RegistryAuth,
        progress: impl FnMut(&DaemonProgress),
    ) -> Result<Pushed, Error> {
        let platform = platform.map_or_else(String::new, |platform| {
            let platform = serde_json::json!({
                "os": platform.os(),
                "architecture": platform.architecture(),
                "variant": platform.variant().unwrap_or_default(),
            });
            format!("&platform={}", query(&platform.to_string()))
        });
        let path = self.path(&format!("/images/{repository}/push?tag={tag}{platform}"));
        let asked = DaemonRequest {
            what: &format!("pushing `{repository}:{tag}`"),
            name: &format!("{repository}:{tag}"),
            of: Of::Push,
        };
        let end = self
            .transfer(path, auth, &asked, DaemonProgress::of_push(), progress)
            .await?;
        Ok(Pushed {
            digest: end.pushed().cloned(),
            instead_of_index: end.is_instead_of_index(),
            of_unknown_size: end.of_unknown_size(),
        })
    }

    /// Starts a pull or push and follows the daemon's lines to their end.
    async fn transfer(
        &self,
        path: String,
        auth: &RegistryAuth,
        asked: &DaemonRequest<'_>,
        mut state: DaemonProgress,
        mut progress: impl FnMut(&DaemonProgress),
    ) -> Result<DaemonProgress, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(REGISTRY_AUTH, auth.header());
        let connection = &self.connection;
        let patience = self.patience_for_head(asked.of);
        let sent = connection.send_patiently(Method::POST, path, headers, asked.what, patience);
        let mut response = sent.await?;
        if !response.status().is_success() {
            return Err(connection.refused(response, asked).await);
        }
        let garbled = |problem: &str| Error::Protocol {
            asked: asked.what.to_owned(),
            problem: problem.to_owned(),
        };
        let endless = |limit: &str| Error::Endless {
            asked: asked.what.to_owned(),
            limit: limit.to_owned(),
        };
        let mut lines = Lines::default();
        let mut moved = self.clock.moved();
        let begun = moved;
        loop {
            if begun.elapsed() > LONGEST {
                return Err(endless(&format!("for {} hours", LONGEST.as_secs() / 3600)));
            }
            let chunk = self.next(&mut response, asked, &state, moved).await?;
            let ended = chunk.is_none();
            let whole = match chunk {
                Some(chunk) => lines
                    .add(&chunk)
                    .map_err(|_| endless("more than a transfer has to tell"))?,
                None => lines.finish().into_iter().collect(),
            };
            for line in whole {
                match state.take(&line) {
                    LineVerdict::On => moved = self.clock.moved(),
                    LineVerdict::Still => {}
                    LineVerdict::Failed(words) => return Err(Error::said(asked, &words, None)),
                    LineVerdict::Garbled => return Err(garbled("the Docker daemon wrote a line that is not JSON")),
                }
                progress(&state);
            }
            if ended {
                return Ok(state);
            }
        }
    }

    /// What the daemon says next, within the patience that is left since something `moved`.
    async fn next(
        &self,
        response: &mut Response,
        asked: &DaemonRequest<'_>,
        state: &DaemonProgress,
        moved: Instant,
    ) -> Result<Option<bytes::Bytes>, Error> {
        let timeout = self.connection.timeout();
        let silence = state.silence();
        loop {
            let (patience, since) = match silence {
                Silence::Stall => (timeout, moved),
                Silence::Turn => (timeout, moved.max(self.clock.last())),
                Silence::Work => (timeout.max(WORKING), moved),
            };
            let left = patience.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Err(Error::Stalled {
                    asked: asked.what.to_owned(),
                    silence: patience,
                    is_network: silence != Silence::Work,
                });
            }
            // Where it is over, another transfer may have moved meanwhile.
            if let Ok(chunk) = tokio::time::timeout(left, response.chunk()).await {
                return chunk.map_err(|error| self.connection.transport(&error, asked.what));
            }
        }
    }

    /// Docker answers as soon as the registry has answered it; podman from 5 on answers a push when it is done.
    fn patience_for_head(&self, of: Of<'_>) -> Duration {
        let timeout = self.connection.timeout();
        match (self.make, of) {
            (Make::Podman, Of::Push) => timeout.max(WORKING),
            (Make::Podman, _) => timeout.max(PODMAN_ASKING),
            (Make::Docker, _) => timeout,
        }
    }
}
