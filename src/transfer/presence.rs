//! Whether a repository has a blob, asked by the request that opens an upload where it has not: a mount from the repository
//! itself. `POST …?mount=D&from=<itself>` is answered by 201 where the blob is there, else by 202 and a session.
//!
//! A registry that knows no mounts answers 202 to all of them, though, and what is there must not be sent again. So 202 counts
//! only once the registry has made such a mount. The first small blob finds that out: it is asked for by HEAD as well, and when
//! it is there, mounted once more. Until then other blobs have their sessions opened and wait, for a moment: where finding out takes
//! longer, they are asked for by HEAD too. Registries seen to honour it: docker-registry 2.8, distribution 3; seen to answer 202 to
//! all: gcr, go-containerregistry's.

use super::{Mover, TransferError, give_up};
use crate::names::Digest;
use crate::registry::manifest::Descriptor;
use crate::registry::{Mount, Remote, Upload};
use std::cell::{Cell, RefCell};
use std::time::Duration;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Finding out takes two requests more, and saves one for each blob.
const WORTH_IT: usize = 4;
/// How long others wait. Finding out takes four answers one after the other, a HEAD one: on a slow way a HEAD is sooner.
const MOMENT: Duration = Duration::from_millis(40);
/// Others wait for the blob that finds out, so it has at most so many bytes.
const SMALL: u64 = 64 * 1024;

/// What is known of the registry.
#[derive(Debug)]
pub(super) struct Presence {
    honours: Cell<Honours>,
    /// The blob that finds out.
    asked: RefCell<Option<Digest>>,
    /// Closed once it is found out.
    known: Semaphore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Honours {
    /// Nobody has looked.
    Unknown,
    /// A blob is under way.
    Asked,
    Yes,
    No,
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            honours: Cell::new(Honours::Unknown),
            asked: RefCell::default(),
            known: Semaphore::new(0),
        }
    }
}

impl Presence {
    /// Has the first of these blobs, small ones first, find out, if nobody has and it is worth it. Until what is given is
    /// dropped others may wait.
    pub(super) fn ask_with(&self, blobs: &[Descriptor]) -> Option<Asking<'_>> {
        let first = blobs.first().filter(|first| first.size <= SMALL)?;
        if blobs.len() < WORTH_IT || self.honours.get() != Honours::Unknown {
            return None;
        }
        self.honours.set(Honours::Asked);
        *self.asked.borrow_mut() = Some(first.digest.clone());
        Some(Asking(self))
    }

    fn settle(&self, honours: Honours) {
        self.honours.set(honours);
        self.known.close();
    }

    fn is_asked_with(&self, digest: &Digest) -> bool {
        self.honours.get() == Honours::Asked && self.asked.borrow().as_ref() == Some(digest)
    }
}

/// Held while a blob finds out.
pub(super) struct Asking<'a>(&'a Presence);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        // What has failed has found out nothing.
        if self.0.honours.get() == Honours::Asked {
            self.0.settle(Honours::No);
        }
    }
}

impl Mover<'_> {
    /// Whether the repository has a blob; if not, there may be a session for it. `light` is given back before others are
    /// waited for, who may need it.
    pub(super) async fn is_there<'s>(
        &'s self,
        blob: &Descriptor,
        remote: &Remote,
        session: &mut Option<Upload>,
        light: &mut Option<Result<SemaphorePermit<'s>, AcquireError>>,
    ) -> Result<bool, TransferError> {
        let presence = &self.presence;
        if matches!(presence.honours.get(), Honours::Unknown | Honours::No) {
            return Ok(remote.has_blob(&blob.digest).await?);
        }
        match remote.mount(&blob.digest, remote.repository()).await {
            Ok(Mount::Done) => {
                presence.settle(Honours::Yes);
                return Ok(true);
            }
            Ok(Mount::Session(upload)) => *session = Some(upload),
            Err(error) if !error.is_refused() && !error.is_unproven() => return Err(error.into()),
            Err(error) => {
                tracing::debug!("no mount: {error}");
                if presence.is_asked_with(&blob.digest) {
                    presence.settle(Honours::No);
                }
                return Ok(remote.has_blob(&blob.digest).await?);
            }
        }
        if presence.is_asked_with(&blob.digest) {
            let found = remote.has_blob(&blob.digest).await?;
            if found {
                presence.settle(Honours::No);
            }
            return Ok(found);
        }
        drop(light.take());
        // An error is what is waited for: it is closed.
        let _ = timeout(MOMENT, presence.known.acquire()).await;
        if presence.honours.get() == Honours::Yes {
            return Ok(false);
        }
        *light = Some(self.light.acquire().await);
        Ok(remote.has_blob(&blob.digest).await?)
    }

    /// Finds out whether the registry makes a mount of what it has, if this blob is to.
    pub(super) async fn learn_from(&self, blob: &Descriptor, remote: &Remote) {
        if !self.presence.is_asked_with(&blob.digest) {
            return;
        }
        let honours = match remote.mount(&blob.digest, remote.repository()).await {
            Ok(Mount::Done) => Honours::Yes,
            Ok(Mount::Session(upload)) => {
                give_up(upload, remote).await;
                Honours::No
            }
            Err(error) => {
                tracing::debug!("no mount: {error}");
                Honours::No
            }
        };
        self.presence.settle(honours);
    }
}
