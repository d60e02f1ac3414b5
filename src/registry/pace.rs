//! How slowly a body may come, or be taken, before its request counts as broken. A limit on each wait alone bounds nothing: a
//! byte every few seconds is never silent, and a layer would take months. Pure.

use super::reach::Reach;
use std::time::Duration;

/// A body must move so many bytes a minute: slower than any line of today, shared by eight transfers.
const A_MINUTE: u32 = 128 * 1024;

/// The waits of one body. Only what is waited for the other side counts: whoever reads or makes the bytes may take any time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Longest wait for a byte.
    timeout: Duration,
    /// So much longer may be waited until bytes have moved. What moves fast earns no more than `most`, so that its rest
    /// must move too.
    left: Duration,
}

impl Pace {
    /// Before the first byte.
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            left: Self::most(timeout),
        }
    }

    /// Twice the longest wait: one alone never uses it up.
    fn most(timeout: Duration) -> Duration {
        timeout.saturating_mul(2)
    }

    /// How long the next bytes are waited for.
    pub(super) fn patience(&self) -> Duration {
        self.timeout.min(self.left)
    }

    /// Counts a wait and what it brought.
    pub(super) fn count(&mut self, waited: Duration, bytes: usize) {
        // The loss of digits does not matter.
        #[allow(clippy::cast_precision_loss)]
        let minutes = bytes as f64 / f64::from(A_MINUTE);
        let earned = Duration::from_secs(60).mul_f64(minutes);
        self.left = (self.left.saturating_sub(waited) + earned).min(Self::most(self.timeout));
    }

    /// What it is when nothing has come in the time that was left.
    pub(super) fn over(&self) -> Reach {
        if self.left < self.timeout {
            Reach::Drip
        } else {
            Reach::Timeout
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When a body ends that moves so many bytes after each wait of so many seconds, and how.
    fn ends(timeout: u64, before: &[(u64, usize)], (wait, bytes): (u64, usize)) -> Option<(u64, Reach)> {
        let seconds = Duration::from_secs;
        let mut pace = Pace::new(seconds(timeout));
        for (waited, bytes) in before {
            pace.count(seconds(*waited), *bytes);
        }
        let mut passed = 0;
        for _ in 0..10_000 {
            if pace.patience() < seconds(wait) {
                return Some((passed + pace.patience().as_secs(), pace.over()));
            }
            pace.count(seconds(wait), bytes);
            passed += wait;
        }
        None
    }

    #[test]
    fn what_drips_has_an_end_and_what_is_slow_has_none() {
        let fast = [(1, 100 << 20); 100];
        for (timeout, before, each, end) in [
            (60, &[][..], (61, 0), Some((60, Reach::Timeout))),
            (60, &[], (5, 1), Some((120, Reach::Drip))),
            (60, &[], (59, 1), Some((120, Reach::Drip))),
            // A gigabyte that came first is no leave for the rest.
            (60, &fast, (5, 1), Some((120, Reach::Drip))),
            (60, &fast, (61, 0), Some((60, Reach::Timeout))),
            // A slow line, a very slow one, one that hesitates, and one too slow.
            (60, &[], (1, 16 * 1024), None),
            (60, &[], (1, 2185), None),
            (60, &[], (59, 59 * 2185), None),
            (60, &[], (1, 1500), Some((380, Reach::Drip))),
            // Whoever waits for a short time only has the same floor.
            (1, &[], (1, 2185), None),
            (2, &[], (1, 1), Some((4, Reach::Drip))),
        ] {
            assert_eq!(ends(timeout, before, each), end, "{timeout} {} {each:?}", before.len());
        }
    }
}
