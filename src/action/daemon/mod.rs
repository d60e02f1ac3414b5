//! What `pull` and `push` share of the step's Docker daemon: finding it, what it tells of a transfer, tries.

pub(super) mod platforms;
mod proof;
mod reason;
mod side_by_side;

pub(super) use proof::{Unproven, arrived, may_have_arrived, proven, sizes};
pub(super) use reason::{FailedTransfer, with_reason};
pub(super) use side_by_side::SideBySide;

use super::Run;
use crate::engine::{self, Address, Engine, RegistryAuth, Settings};
use crate::explain::RunError;
use crate::registry::{Remote, retry};

pub(super) async fn connect(run: &Run, address: &Address) -> Result<Engine, RunError> {
    let engine = Engine::connect(address.clone(), Settings { timeout: run.timeout }).await?;
    tracing::debug!("{engine}, {}", engine.platform());
    Ok(engine)
}

/// The credential for the daemon to sign in with.
pub(super) fn auth(remote: &Remote) -> RegistryAuth {
    remote.credential().map_or_else(RegistryAuth::anonymous, |credential| {
        RegistryAuth::new(credential, remote.repository().host())
    })
}

/// What a daemon has told of one image's transfer.
pub(super) struct Told<'a> {
    run: &'a Run,
    name: String,
    /// Whether it has tried a layer again.
    pub(super) has_retried: bool,
    /// Bytes moved so far; of a layer that several images share the first of them has those.
    pub(super) moved: u64,
}

impl<'a> Told<'a> {
    pub(super) fn of(run: &'a Run, name: &str) -> Self {
        Self {
            run,
            name: name.to_owned(),
            has_retried: false,
            moved: 0,
        }
    }

    pub(super) fn take(&mut self, progress: &engine::DaemonProgress) {
        for (layer, bytes) in progress.layers() {
            match bytes {
                Some((moved, total)) => self.moved += self.run.progress.layer(layer, moved, total),
                None => self.run.progress.layer_is_there(layer),
            }
        }
        if progress.is_retried() && !self.has_retried {
            self.has_retried = true;
            // Docker 20.10 tries even a layer that is denied six times in all, 75 seconds long, and says why only then.
            tracing::warn!(
                "`{}`: a layer did not get through; the Docker daemon tries it again for a minute or so before it says why",
                self.name
            );
        }
    }
}

/// Tries a daemon's transfer again where that can help.
pub(super) async fn retried<T>(
    run: &Run,
    name: &str,
    mut transfer: impl AsyncFnMut() -> Result<T, engine::Error>,
) -> Result<T, engine::Error> {
    let mut tries = 1;
    loop {
        let error = match transfer().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let pause = if error.is_transient() {
            run.policy.next(tries, None, retry::chance())
        } else {
            None
        };
        let Some(pause) = pause else { return Err(error) };
        tracing::warn!(
            "`{name}`: {}; trying again in {:.1} s",
            error.message(),
            pause.as_secs_f64()
        );
        tokio::time::sleep(pause).await;
        tries += 1;
    }
}
