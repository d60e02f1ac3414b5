//! `WAIT`: images that are not there yet, because another pipeline makes them, are looked for again, all of them at a time,
//! until they are there or the time is over. What is refused, or not answered, is never waited for.

use super::Run;
use crate::explain::RunError;
use crate::names::{Reference, Repository, Tag};
use crate::registry::{Access, Negative};
use crate::session::{Awaited, Seen};
use futures_util::stream::{self, StreamExt as _};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// The pause between looks is a tenth of the time that has passed, within these.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(5);
/// So often a HEAD alone is not believed.
const THOROUGH: Duration = Duration::from_secs(60);
/// So often the log says that the run still waits.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Most images that a line names.
const MOST_NAMED: usize = 3;

/// The one time of a run in which all may come that is not there.
#[derive(Debug)]
pub(super) struct Wait {
    /// `WAIT`.
    most: Duration,
    /// When something was first not there.
    begun: Cell<Option<Instant>>,
    /// When the log last said so.
    told: Cell<Option<Instant>>,
    /// When a GET last confirmed it.
    confirmed: Cell<Option<Instant>>,
    is_over: Cell<bool>,
    is_given_up: Cell<bool>,
}

impl Wait {
    pub(super) fn new(most: Duration) -> Self {
        Self {
            most,
            begun: Cell::default(),
            told: Cell::default(),
            confirmed: Cell::default(),
            is_over: Cell::default(),
            is_given_up: Cell::default(),
        }
    }

    /// Ends the waiting, as the run fails whatever comes.
    pub(super) fn give_up(&self) {
        self.is_given_up.set(true);
    }

    /// How long was waited in vain; `None` without `WAIT`.
    pub(super) fn waited(&self) -> Option<Duration> {
        let waited = if self.is_over.get() { self.most } else { Duration::ZERO };
        (!self.most.is_zero()).then_some(waited)
    }
}

impl Run {
    /// Waits for images that could not be read. Whether to read them again; not where one failed of anything else than that
    /// it is not there, as the run then fails whatever comes.
    pub(super) async fn waits_for(&self, failed: &[(&Reference, &RunError)], access: Access) -> bool {
        let is_absence = |(image, error): &(&Reference, &RunError)| error.is_absence_of(image);
        if self.wait.most.is_zero() || failed.is_empty() || !failed.iter().all(is_absence) {
            return false;
        }
        let has_come = self.look_until_there(failed, access).await;
        if has_come {
            self.session.forget_tokens();
        }
        has_come
    }

    /// Why what is waited for could not be written to its target, where it failed of nothing but that it is not there yet: that
    /// is told at once.
    pub(super) async fn refused_target(
        &self,
        (image, error): (&Reference, &RunError),
        target: &Repository,
        tag: &Tag,
    ) -> Option<RunError> {
        if self.wait.most.is_zero() || !error.is_absence_of(image) {
            return None;
        }
        let opened = self.session.open(target, tag, Access::PullPush).await;
        let refused = opened.err().map(RunError::from);
        refused.filter(|refused| !refused.is_absence_of(image))
    }

    async fn look_until_there(&self, failed: &[(&Reference, &RunError)], access: Access) -> bool {
        let wait = &self.wait;
        let begun = wait.begun.get().unwrap_or_else(Instant::now);
        wait.begun.set(Some(begun));
        let mut awaited: Vec<(&Reference, Awaited)> = failed
            .iter()
            .map(|(image, _)| (*image, self.session.awaited(image, access)))
            .collect();
        // They have just been read.
        wait.confirmed.set(wait.confirmed.get().or(Some(begun)));
        let mut has_come = false;
        while let Some(pause) = pause(begun.elapsed(), wait.most) {
            if is_due(wait.told.get(), HEARTBEAT) {
                let names: Vec<String> = awaited.iter().map(|(image, _)| format!("`{image}`")).collect();
                tracing::info!("{}", line(&names, begun.elapsed(), wait.most));
                wait.told.set(Some(Instant::now()));
            }
            tokio::time::sleep(pause).await;
            if wait.is_given_up.get() {
                return false;
            }
            let is_last = begun.elapsed() >= wait.most;
            let negative = if is_last || is_due(wait.confirmed.get(), THOROUGH) {
                wait.confirmed.set(Some(Instant::now()));
                Negative::Confirmed
            } else {
                Negative::Believed
            };
            let looks = awaited.iter_mut().map(|(_, awaited)| awaited.look(negative));
            let seen: Vec<Seen> = stream::iter(looks).buffered(self.concurrency).collect().await;
            if seen.contains(&Seen::Other) {
                return true;
            }
            let mut seen = seen.into_iter();
            awaited.retain(|(image, _)| {
                let is_there = seen.next() == Some(Seen::There);
                if is_there {
                    tracing::info!("`{image}` is there, after {} s", begun.elapsed().as_secs());
                }
                has_come |= is_there;
                !is_there
            });
            if awaited.is_empty() {
                return true;
            }
        }
        wait.is_over.set(true);
        has_come
    }
}

/// Whether something that is done so often is to be done again; what was never done is.
fn is_due(last: Option<Instant>, often: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= often)
}

/// How long to wait before the next look, after so long; `None` once there is no time left.
fn pause(elapsed: Duration, most: Duration) -> Option<Duration> {
    let left = most.checked_sub(elapsed).filter(|left| !left.is_zero())?;
    Some((elapsed / 10).clamp(SHORTEST, LONGEST).min(left))
}

/// What the log says of those that are not there, after so long.
fn line(names: &[String], elapsed: Duration, most: Duration) -> String {
    let (elapsed, most) = (elapsed.as_secs(), most.as_secs());
    let mut named = names[..names.len().min(MOST_NAMED)].join(", ");
    if let Some(more @ 1..) = names.len().checked_sub(MOST_NAMED) {
        named = format!("{named} and {more} more");
    }
    match (elapsed, names.len()) {
        (0, 1) => format!("{named} is not there yet: waiting up to {most} s for it"),
        (0, several) => format!("{several} images are not there yet: waiting up to {most} s for {named}"),
        _ => format!("waiting for {named}: {elapsed} of {most} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_every_few_seconds_and_one_at_the_end() {
        let seconds = Duration::from_secs;
        for (elapsed, most, wanted) in [
            (seconds(0), 600, Some(seconds(1))),
            (seconds(10), 600, Some(seconds(1))),
            (seconds(30), 600, Some(seconds(3))),
            (seconds(50), 600, Some(seconds(5))),
            (seconds(500), 600, Some(seconds(5))),
            (seconds(598), 600, Some(seconds(2))),
            (Duration::from_millis(1), 1, Some(Duration::from_millis(999))),
            (seconds(600), 600, None),
            (seconds(601), 600, None),
            (seconds(0), 0, None),
        ] {
            assert_eq!(pause(elapsed, seconds(most)), wanted, "{elapsed:?} of {most}");
        }
    }

    #[test]
    fn the_log_names_a_few() {
        let names: Vec<String> = ["a", "b", "c", "d", "e"].map(|name| format!("`{name}:1`")).into();
        for (count, elapsed, text) in [
            (1, 0, "`a:1` is not there yet: waiting up to 600 s for it"),
            (2, 0, "2 images are not there yet: waiting up to 600 s for `a:1`, `b:1`"),
            (
                5,
                0,
                "5 images are not there yet: waiting up to 600 s for `a:1`, `b:1`, `c:1` and 2 more",
            ),
            (1, 30, "waiting for `a:1`: 30 of 600 s"),
            (4, 90, "waiting for `a:1`, `b:1`, `c:1` and 1 more: 90 of 600 s"),
        ] {
            let line = line(&names[..count], Duration::from_secs(elapsed), Duration::from_secs(600));
            assert_eq!(line, text);
        }
    }
}
