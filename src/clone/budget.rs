//! What looking through a clone may cost, in all: a repository is written by anybody who may open a pull request.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Entries of folders; fewer in tests, which make them all.
pub(crate) const ENTRIES: usize = if cfg!(test) { 500 } else { 20_000 };
/// Comparisons of an entry with a rule of a `.gitignore`, by their lengths; fewer in tests, which are not optimized.
const STEPS: usize = if cfg!(test) { 1_000_000 } else { 200_000_000 };
/// Files that are read.
const FILES: usize = 2000;
/// Bytes of files that are read.
const BYTES: usize = 32 << 20;
/// How long it may take.
const TIME: Duration = Duration::from_secs(20);

/// What is left of it.
#[derive(Debug)]
pub(crate) struct ReadBudget {
    entries: Cell<usize>,
    steps: Cell<usize>,
    files: Cell<usize>,
    bytes: Cell<usize>,
    ends: Instant,
    spent: Cell<Option<Spent>>,
}

/// What there was too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spent {
    /// Files and folders.
    Entries,
    /// Rules in `.gitignore` files.
    Rules,
    /// Dockerfiles and compose files.
    Files,
    /// Their bytes.
    Bytes,
    /// Seconds.
    Time,
}

impl Spent {
    /// `the clone has more …`.
    #[must_use]
    pub(crate) fn in_words(self) -> String {
        match self {
            Self::Entries => format!("more than {ENTRIES} files and folders"),
            Self::Rules => "more rules in `.gitignore` files than can be tried on each file".to_owned(),
            Self::Files => format!("more than {FILES} Dockerfiles and compose files"),
            Self::Bytes => format!("Dockerfiles and compose files of more than {} MiB", BYTES >> 20),
            Self::Time => format!("more in it than can be read in {} seconds", TIME.as_secs()),
        }
    }
}

impl ReadBudget {
    pub(crate) fn new() -> Self {
        Self {
            entries: Cell::new(ENTRIES),
            steps: Cell::new(STEPS),
            files: Cell::new(FILES),
            bytes: Cell::new(BYTES),
            ends: Instant::now() + TIME,
            spent: Cell::new(None),
        }
    }

    /// How many entries of folders may still be looked at.
    pub(crate) fn entries_left(&self) -> usize {
        self.entries.get()
    }

    pub(crate) fn take_entries(&self, count: usize) -> bool {
        self.take(&self.entries, count, Spent::Entries)
    }

    pub(crate) fn take_steps(&self, count: usize) -> bool {
        self.take(&self.steps, count, Spent::Rules)
    }

    pub(crate) fn take_file(&self, bytes: usize) -> bool {
        self.take(&self.files, 1, Spent::Files) && self.take(&self.bytes, bytes, Spent::Bytes)
    }

    /// Whether there is time left.
    pub(crate) fn has_time(&self) -> bool {
        if Instant::now() > self.ends {
            self.spend(Spent::Time);
        }
        self.spent.get() != Some(Spent::Time)
    }

    /// What there was first too much of.
    pub(crate) fn spent(&self) -> Option<Spent> {
        self.spent.get()
    }

    fn take(&self, left: &Cell<usize>, count: usize, what: Spent) -> bool {
        let Some(rest) = left.get().checked_sub(count) else {
            self.spend(what);
            return false;
        };
        left.set(rest);
        self.has_time()
    }

    fn spend(&self, what: Spent) {
        if self.spent.get().is_none() {
            self.spent.set(Some(what));
        }
    }
}
