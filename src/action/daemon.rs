//! What `pull` and `push` share of the step's Docker daemon: finding it, transfers with a heartbeat, tries.

use super::Run;
use crate::console::bytes;
use crate::engine::{self, Address, Engine, Progress, RegistryAuth, Settings};
use crate::failure::Failure;
use crate::registry::{Registry, retry};
use std::time::{Duration, Instant};

/// A transfer says how far it is so often.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Finds the daemon.
pub(super) async fn connect(run: &Run, address: &Address) -> Result<Engine, Failure> {
    let engine = Engine::connect(address.clone(), Settings { timeout: run.timeout }).await?;
    tracing::debug!(
        "Docker {} at `{}`, {}",
        engine.version(),
        engine.address(),
        engine.platform()
    );
    Ok(engine)
}

/// The credential for the daemon to sign in with.
pub(super) fn auth(registry: &Registry, host: &crate::image::Host) -> RegistryAuth {
    registry
        .credential()
        .map_or_else(RegistryAuth::anonymous, |credential| {
            RegistryAuth::new(credential, host)
        })
}

/// Says how far a transfer is, now and then.
pub(super) struct Heartbeat {
    name: String,
    start: Instant,
    last: Instant,
    /// Bytes moved so far.
    pub(super) moved: u64,
}

impl Heartbeat {
    pub(super) fn new(name: &str) -> Self {
        let now = Instant::now();
        Self {
            name: name.to_owned(),
            start: now,
            last: now,
            moved: 0,
        }
    }

    pub(super) fn beat(&mut self, progress: &Progress) {
        self.moved = self.moved.max(progress.moved());
        if self.last.elapsed() < HEARTBEAT {
            return;
        }
        self.last = Instant::now();
        let seconds = self.start.elapsed().as_secs().max(1);
        tracing::info!(
            "{}: {} of {} so far, {}/s",
            self.name,
            bytes(self.moved),
            bytes(progress.expected()),
            bytes(self.moved / seconds)
        );
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
            "{name}: {}; trying again in {:.1} s",
            error.message(),
            pause.as_secs_f64()
        );
        tokio::time::sleep(pause).await;
        tries += 1;
    }
}
