//! The signals that end a run early. They are heard from the first request on: what was pushed is to be deleted first.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Each with its exit status.
pub(crate) struct Signals([(Signal, u8); 3]);

impl Signals {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self([
            (signal(SignalKind::interrupt())?, 130),
            (signal(SignalKind::terminate())?, 143),
            (signal(SignalKind::hangup())?, 129),
        ]))
    }

    /// The exit status of the first one that comes.
    pub(crate) async fn next(mut self) -> u8 {
        let [(interrupt, first), (terminate, second), (hangup, third)] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => *first,
            _ = terminate.recv() => *second,
            _ = hangup.recv() => *third,
        }
    }
}
