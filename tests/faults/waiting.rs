//! Faults while an image is waited for (`WAIT`): one look of several meets it.

use super::case::{busy, busy_for};
use super::page;
use super::run::Cell;
use crate::support::emulator::{Answer, Emulator, Fault, on};
use crate::support::pipe::Pipe;
use crate::support::shop::{self, shop};

const ACTIONS: [&str; 4] = ["pull", "retag", "copy", "check"];
/// The first read and one look find nothing.
const LOOKS: usize = 2;

struct Row {
    fault: &'static str,
    /// What the looks after these meet.
    script: fn() -> Vec<Fault>,
    /// Looks from then on.
    tries: usize,
    status: i32,
}

const fn row(fault: &'static str, tries: usize, script: fn() -> Vec<Fault>) -> Row {
    Row {
        fault,
        script,
        tries,
        status: 0,
    }
}

impl Row {
    const fn fails(mut self, status: i32) -> Self {
        self.status = status;
        self
    }
}

const ROWS: [Row; 11] = [
    row("nothing", 1, Vec::new),
    row("429, Retry-After: 1", 2, || vec![busy_for(429, 1)]),
    row("429 without Retry-After", 2, || vec![busy(429).into()]),
    row("503, Retry-After: 1", 2, || vec![busy_for(503, 1)]),
    row("503 twice", 3, || vec![busy(503).into(), busy(503).into()]),
    row("reset before an answer", 2, || vec![Fault::Reset]),
    row("no answer at all", 2, || vec![Fault::Silence]),
    row("the token has expired", 2, || vec![Fault::Expired]),
    row("403: an answer", 1, || {
        vec![Answer::error(403, "DENIED", "no more").into(); 20]
    })
    .fails(3),
    row("503 for ever", 3, || vec![busy(503).into(); 20]).fails(6),
    row("reset for ever", 3, || vec![Fault::Reset; 20]).fails(6),
];

impl Row {
    fn cell(&self, action: &str) -> Cell {
        let emulator = shop();
        let absent = Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
        let manifest = || on("GET|HEAD", "shop/api/manifests/1$").signed_in();
        emulator.script(manifest(), LOOKS, absent);
        for fault in (self.script)() {
            emulator.script(manifest(), 1, fault);
        }
        let is_silent = (self.script)().iter().any(|fault| matches!(fault, Fault::Silence));
        let outcome = pipe(&emulator, action)
            .built_in()
            .var("WAIT", "60")
            .var("RETRIES", "2")
            .var("TIMEOUT", if is_silent { "2" } else { "60" })
            .patience(90)
            .run();
        let journal = emulator.journal();
        let looks = journal.iter().filter(|entry| {
            entry.method == "HEAD" && entry.path.ends_with("/shop/api/manifests/1") && entry.authorization.is_some()
        });
        let said = outcome.plain();
        let is_there = said.contains("/shop/api:1` is there, after ");
        let is_over = said.contains("(`WAIT`)");
        Cell {
            status: outcome.status,
            tries: (looks.count() + 1).saturating_sub(LOOKS),
            again: 0,
            seconds: outcome.seconds,
            left: (is_there != (outcome.status == 0) || is_over).then(|| "it waited to the end".to_owned()),
            said,
        }
    }

    /// How a cell differs from what is expected.
    fn wrong(&self, cell: &Cell) -> Option<String> {
        // On a slow machine another request may seem silent too.
        let most = self.tries + usize::from(self.fault.starts_with("no answer"));
        let is_right = cell.status == self.status
            && (self.tries..=most).contains(&cell.tries)
            && cell.left.is_none()
            && cell.seconds < 50.0;
        (!is_right).then(|| {
            format!(
                "{}: status {}, {} looks, {:.1} s, {}; expected {} and {}\n{}",
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

fn pipe<'a>(emulator: &'a Emulator, action: &str) -> Pipe<'a> {
    match action {
        "pull" => shop::pull(emulator, "api:1"),
        "retag" => shop::retag(emulator),
        "check" => shop::pull(emulator, "api:1").unset("TO").var("ACTION", action),
        _ => shop::retag(emulator)
            .unset("TAGS")
            .var("ACTION", action)
            .var("TARGET", "web"),
    }
}

#[test]
fn a_fault_that_passes_does_not_end_the_waiting() {
    let cells: Vec<Vec<Cell>> = super::all(&ROWS, |row| ACTIONS.map(|action| row.cell(action)).into());
    let wrong: Vec<String> = ROWS
        .iter()
        .zip(&cells)
        .flat_map(|(row, cells)| cells.iter().zip(ACTIONS).map(move |(cell, action)| (row, cell, action)))
        .filter_map(|(row, cell, action)| Some(format!("{action}, {}", row.wrong(cell)?)))
        .collect();
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
    if let Some(path) = std::env::var_os("FAULTS_PAGE") {
        let table = page::grid(&ACTIONS, ROWS.iter().map(|row| row.fault).zip(&cells));
        page::write(path.as_ref(), "waiting", "which alone waits", &table);
    }
}
