//! What a transfer says of itself now and then, the same for every action.

use super::Run;
use crate::text::bytes;
use crate::transfer::Progress;
use std::time::{Duration, Instant};

/// A transfer says how far it is so often.
const INTERVAL: Duration = Duration::from_secs(10);

/// Does a transfer, and meanwhile says how far it is. `what` moves.
pub(super) async fn during<T>(run: &Run, what: &str, transfer: impl Future<Output = T>) -> T {
    let start = Instant::now();
    tokio::pin!(transfer);
    loop {
        if let Ok(done) = tokio::time::timeout(INTERVAL, &mut transfer).await {
            return done;
        }
        tracing::info!("{what}: {}", said(&run.progress, start.elapsed()));
    }
}

/// How far a transfer is that began so long ago.
fn said(progress: &Progress, elapsed: Duration) -> String {
    let (moved, seconds) = (progress.moved(), elapsed.as_secs().max(1));
    let of = match progress.total() {
        _ if moved == 0 => return format!("no byte has moved in {seconds} s"),
        Some(total) => format!(" of {}", bytes(total)),
        None => String::new(),
    };
    format!("{}{of} so far, {}/s", bytes(moved), bytes(moved / seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_says_what_is_known() {
        let progress = Progress::default();
        let after = |seconds| said(&progress, Duration::from_secs(seconds));
        assert_eq!(after(10), "no byte has moved in 10 s");
        let unknown = progress.unknown();
        progress.layer("aaaaaaaaaaaa", 1 << 20, 4 << 20);
        assert_eq!(after(10), "1.0 MiB so far, 102 KiB/s");
        drop(unknown);
        progress.layer("aaaaaaaaaaaa", 2 << 20, 4 << 20);
        assert_eq!(after(20), "2.0 MiB of 4.0 MiB so far, 102 KiB/s");
    }
}
