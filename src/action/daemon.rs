//! What `pull` and `push` share of the step's Docker daemon: finding it, transfers with a heartbeat, tries.

use super::{HEARTBEAT, Run};
use crate::engine::{self, Address, Engine, Progress, RegistryAuth, Settings};
use crate::explain::failure::Failure;
use crate::registry::{Remote, retry};
use crate::text::bytes;
use std::time::Instant;

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
pub(super) fn auth(remote: &Remote) -> RegistryAuth {
    remote.credential().map_or_else(RegistryAuth::anonymous, |credential| {
        RegistryAuth::new(credential, remote.repository().host())
    })
}

/// Says how far a transfer is, now and then.
pub(super) struct Heartbeat {
    name: String,
    start: Instant,
    last: Instant,
    /// Whether the daemon has tried a layer again.
    pub(super) has_told_of_retries: bool,
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
            has_told_of_retries: false,
            moved: 0,
        }
    }

    pub(super) fn beat(&mut self, progress: &Progress) {
        self.moved = self.moved.max(progress.moved());
        if progress.is_retried() && !self.has_told_of_retries {
            self.has_told_of_retries = true;
            // Docker 20.10 tries even a layer that is denied six times in all, 75 seconds long, and says why only then.
            tracing::warn!(
                "`{}`: a layer did not get through; the Docker daemon tries it again for a minute or so before it says why",
                self.name
            );
        }
        if let Some(text) = self.due(Instant::now(), progress.expected()) {
            tracing::info!("{text}");
        }
    }

    /// What is to be said at `now`, if it is time.
    fn due(&mut self, now: Instant, expected: u64) -> Option<String> {
        if now.duration_since(self.last) < HEARTBEAT {
            return None;
        }
        self.last = now;
        let (name, seconds) = (&self.name, now.duration_since(self.start).as_secs().max(1));
        Some(if self.moved == 0 {
            format!("`{name}`: no byte has moved in {seconds} s")
        } else {
            let (moved, rate) = (bytes(self.moved), bytes(self.moved / seconds));
            format!("`{name}`: {moved} of {} so far, {rate}/s", bytes(expected))
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_transfer_speaks_every_ten_seconds() {
        let mut heartbeat = Heartbeat::new("shop/base:1");
        let start = heartbeat.start;
        let mut at = |seconds, moved| {
            heartbeat.moved = moved;
            heartbeat.due(start + Duration::from_secs(seconds), 4 << 20)
        };
        assert_eq!(at(9, 0), None);
        assert_eq!(at(10, 0).as_deref(), Some("`shop/base:1`: no byte has moved in 10 s"));
        assert_eq!(at(19, 1 << 20), None);
        assert_eq!(
            at(20, 2 << 20).as_deref(),
            Some("`shop/base:1`: 2.0 MiB of 4.0 MiB so far, 102 KiB/s")
        );
    }
}
