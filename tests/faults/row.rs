//! A row of a table of faults that one request of a run meets.

use super::case::{busy, busy_for};
use super::run::Cell;
use crate::support::emulator::Fault;

pub(super) struct Row {
    pub(super) fault: &'static str,
    /// What the requests meet, one after the other.
    pub(super) script: fn() -> Vec<Fault>,
    /// Requests in all.
    pub(super) tries: usize,
    /// How the run ends.
    pub(super) status: i32,
}

pub(super) const fn row(fault: &'static str, tries: usize, script: fn() -> Vec<Fault>) -> Row {
    Row {
        fault,
        script,
        tries,
        status: 0,
    }
}

impl Row {
    pub(super) const fn fails(mut self, status: i32) -> Self {
        self.status = status;
        self
    }

    /// How long a request is waited for, in seconds.
    pub(super) fn timeout(&self) -> &'static str {
        let is_silent = (self.script)().iter().any(|fault| matches!(fault, Fault::Silence));
        if is_silent { "2" } else { "60" }
    }

    /// How a cell differs from what is expected of the pipe.
    pub(super) fn wrong(&self, cell: &Cell) -> Option<String> {
        // On a slow machine another request may seem silent too.
        let most = self.tries + usize::from(self.fault.starts_with("no answer"));
        let is_right = cell.status == self.status
            && (self.tries..=most).contains(&cell.tries)
            && cell.left.is_none()
            && cell.seconds < 50.0;
        (!is_right).then(|| {
            format!(
                "{}: status {}, {} requests, {:.1} s, {}; expected {} and {}\n{}",
                self.fault,
                cell.status,
                cell.tries,
                cell.seconds,
                cell.left.as_deref().unwrap_or("nothing else is wrong"),
                self.status,
                self.tries,
                cell.said
            )
        })
    }
}

/// What passes, before the table's `own`; and after them what does not.
pub(super) fn with(own: impl IntoIterator<Item = Row>) -> Vec<Row> {
    let mut rows = vec![
        row("nothing", 1, Vec::new),
        row("429, Retry-After: 1", 2, || vec![busy_for(429, 1)]),
        row("429 without Retry-After", 2, || vec![busy(429).into()]),
        row("503, Retry-After: 1", 2, || vec![busy_for(503, 1)]),
        row("503 twice", 3, || vec![busy(503).into(), busy(503).into()]),
        row("reset before an answer", 2, || vec![Fault::Reset]),
        row("no answer at all", 2, || vec![Fault::Silence]),
        row("the token has expired", 2, || vec![Fault::Expired]),
    ];
    rows.extend(own);
    rows.extend([
        row("503 for ever", 3, || vec![busy(503).into(); 20]).fails(6),
        row("reset for ever", 3, || vec![Fault::Reset; 20]).fails(6),
    ]);
    rows
}
