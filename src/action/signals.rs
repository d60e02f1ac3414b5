//! What stops a run from outside.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What Pipelines sends to stop a step, and a terminal to stop a command. `None` where the system has no signals.
#[derive(Debug)]
pub(crate) struct StopSignals(Option<(Signal, Signal)>);

impl StopSignals {
    /// From now on they are waited for.
    #[must_use]
    pub(crate) fn listen() -> Self {
        let terminate = signal(SignalKind::terminate()).ok();
        Self(terminate.zip(signal(SignalKind::interrupt()).ok()))
    }

    /// The name and the exit status of the first one.
    pub(crate) async fn arrive(&mut self) -> (&'static str, u8) {
        let Some((terminate, interrupt)) = &mut self.0 else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => ("SIGTERM", 143),
            _ = interrupt.recv() => ("SIGINT", 130),
        }
    }
}
