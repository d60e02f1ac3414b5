//! What a run says of itself while it goes on, the same for every action: what it is about to move, each image that is
//! done, and every ten seconds how far it is.

use super::Run;
use crate::credential::Source;
use crate::registry::Remote;
use crate::text::{bytes, count, time};
use crate::transfer::Progress;
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// A transfer says how far it is so often.
const INTERVAL: Duration = Duration::from_secs(10);

/// Longest last line with whole names, in characters.
const LONGEST_LINE: usize = 120;
/// Longest name in a longer one.
const LONGEST_NAME: usize = 64;

/// The log of a run.
#[derive(Debug)]
pub(super) struct Log {
    begun: Instant,
    /// Images that there is something to do for.
    images: Cell<usize>,
    /// Those of them that are done, or failed.
    done: Cell<usize>,
    /// Which credentials were let in.
    credentials: RefCell<Vec<Option<Source>>>,
}

/// Where bytes go, and so what takes time when they are there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    /// Into the daemon, which unpacks or relays what it has.
    Daemon,
    /// Into a registry, which checks and stores what it has.
    Registry,
    /// An archive or layout.
    File,
}

impl Log {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            images: Cell::default(),
            done: Cell::default(),
            credentials: RefCell::default(),
        }
    }

    /// Notes with which credential a repository is read or written.
    pub(super) fn served(&self, remote: &Remote) {
        let mut credentials = self.credentials.borrow_mut();
        if !credentials.contains(&remote.source()) {
            credentials.push(remote.source());
        }
    }

    /// Says what is about to be done for so many images.
    pub(super) fn begin(&self, images: usize, what: &str) {
        self.images.set(images);
        self.done.set(0);
        let credentials: Vec<&str> = self.credentials().into_iter().map(Source::in_words).collect();
        match credentials.as_slice() {
            [] => tracing::info!("{what}, with no credential"),
            credentials => tracing::info!("{what}, with {}", credentials.join(" and ")),
        }
    }

    /// Says what became of an image. A single one is told by the last line.
    pub(super) fn image(&self, became: &str, remote: &Remote) {
        let counter = self.counted();
        if self.images.get() < 2 {
            return;
        }
        // Which of several credentials it was is of interest where there are several.
        let with = match remote.source() {
            Some(source) if self.credentials.borrow().len() > 1 => format!(", with {}", source.in_words()),
            _ => String::new(),
        };
        tracing::info!("{counter} {became}{with}");
    }

    /// Says that an image was left as it is, though it was to be changed.
    pub(super) fn left(&self, image: &str) {
        tracing::warn!("{} left alone: {image}", self.counted());
    }

    /// Says that an image failed. The reason is told at the end: it may be the same for many.
    pub(super) fn failed(&self, image: &str) {
        let counter = self.counted();
        if self.images.get() > 1 {
            tracing::warn!("{counter} failed: {image}");
        }
    }

    /// What was done, with how much and how long, and who was let in: for the last line.
    pub(super) fn end(&self, done: &str, moved: Option<u64>) -> String {
        let mut parts: Vec<String> = moved
            .map(|moved| format!("{} moved", bytes(moved)))
            .into_iter()
            .collect();
        parts.push(format!("{:.1} s", self.begun.elapsed().as_secs_f64()));
        match self.credentials().as_slice() {
            [] => parts.push("no credential".to_owned()),
            sources => parts.extend(sources.iter().map(|source| source.title().to_owned())),
        }
        fitted(format!("{done} ({})", parts.join(", ")))
    }

    fn counted(&self) -> String {
        self.done.set(self.done.get() + 1);
        format!("[{}/{}]", self.done.get(), self.images.get())
    }

    fn credentials(&self) -> Vec<Source> {
        self.credentials.borrow().iter().copied().flatten().collect()
    }
}

/// A last line that a screen holds: where it is longer, so are names, whose middle is left out. The first line has them whole.
fn fitted(line: String) -> String {
    if line.chars().count() <= LONGEST_LINE {
        return line;
    }
    let parts = line.split('`').enumerate().map(|(at, part)| {
        let characters: Vec<char> = part.chars().collect();
        if at % 2 == 0 || characters.len() <= LONGEST_NAME {
            return part.to_owned();
        }
        let half = LONGEST_NAME / 2;
        let begin: String = characters.iter().take(half).collect();
        let end: String = characters.iter().skip(characters.len() - half).collect();
        format!("{begin}…{end}")
    });
    parts.collect::<Vec<_>>().join("`")
}

/// Does a transfer, and meanwhile says how far it is.
pub(super) async fn during<T>(run: &Run, goal: Goal, transfer: impl Future<Output = T>) -> T {
    let start = Instant::now();
    tokio::pin!(transfer);
    loop {
        if let Ok(done) = tokio::time::timeout(INTERVAL, &mut transfer).await {
            return done;
        }
        let images = match run.log.images.get() {
            0 | 1 => String::new(),
            several => format!("{} of {}: ", run.log.done.get(), count(several, "image")),
        };
        tracing::info!("{images}{}", so_far(&run.progress, goal, start.elapsed()));
    }
}

/// How far a transfer is that began so long ago.
fn so_far(progress: &Progress, goal: Goal, elapsed: Duration) -> String {
    let (moved, seconds) = (progress.moved(), elapsed.as_secs().max(1));
    if moved == 0 {
        return format!("no byte has moved in {seconds} s");
    }
    let rate = moved / seconds;
    match progress.total() {
        Some(total) if moved >= total => {
            let rest = match goal {
                Goal::Daemon => "the Docker daemon is unpacking",
                Goal::Registry => "waiting for the registry",
                Goal::File => "writing the file",
            };
            format!("{} moved, {rest}", bytes(moved))
        }
        Some(total) => {
            let left = (total - moved).div_ceil(rate.max(1));
            format!(
                "{} of {}, {}/s, {} left",
                bytes(moved),
                bytes(total),
                bytes(rate),
                time(left)
            )
        }
        None => format!("{} so far, {}/s", bytes(moved), bytes(rate)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_leave_the_last_line_short() {
        let name = format!("crg.apkg.io/shop/{}/api:1.0", "x".repeat(200));
        let short = format!("`{name}` pushed");
        let line = fitted(format!(
            "`{name}` → `{name}` tagged `1.0` (1.0 MiB moved, 1.0 s, API token)"
        ));
        assert!(line.chars().count() < 200, "{line}");
        assert!(
            line.starts_with("`crg.apkg.io/shop/xxx") && line.contains("xx/api:1.0` tagged `1.0` (1.0 MiB"),
            "{line}"
        );
        assert!(fitted(short).chars().count() < 80);
        let usual = "`api` → `crg.apkg.io/shop/api` tagged `1.0` (1.0 MiB moved, 1.0 s, API token)".to_owned();
        assert_eq!(fitted(usual.clone()), usual);
    }

    #[test]
    fn a_transfer_says_what_is_known() {
        let progress = Progress::default();
        let after = |goal, seconds| so_far(&progress, goal, Duration::from_secs(seconds));
        assert_eq!(after(Goal::Daemon, 10), "no byte has moved in 10 s");
        let unknown = progress.unknown();
        progress.layer("aaaaaaaaaaaa", 1 << 20, 4 << 20);
        assert_eq!(after(Goal::Daemon, 10), "1.0 MiB so far, 102 KiB/s");
        drop(unknown);
        progress.layer("aaaaaaaaaaaa", 2 << 20, 4 << 20);
        assert_eq!(after(Goal::Daemon, 20), "2.0 MiB of 4.0 MiB, 102 KiB/s, 21 s left");
        progress.layer("aaaaaaaaaaaa", 4 << 20, 4 << 20);
        for (goal, rest) in [
            (Goal::Daemon, "the Docker daemon is unpacking"),
            (Goal::Registry, "waiting for the registry"),
            (Goal::File, "writing the file"),
        ] {
            assert_eq!(after(goal, 30), format!("4.0 MiB moved, {rest}"));
        }
    }
}
