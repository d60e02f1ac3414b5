//! Faults while an image is waited for (`WAIT`): one look of several meets it.

use super::page;
use super::row::{self, Row, row};
use super::run::Cell;
use crate::support::emulator::{Answer, Emulator, on};
use crate::support::pipe::Pipe;
use crate::support::shop::{self, shop};

const ACTIONS: [&str; 4] = ["pull", "retag", "copy", "check"];
/// The first read and one look find nothing.
const LOOKS: usize = 2;

fn rows() -> Vec<Row> {
    row::with([row("403: an answer", 1, || {
        vec![Answer::error(403, "DENIED", "no more").into(); 20]
    })
    .fails(3)])
}

impl Row {
    fn cell(&self, action: &str) -> Cell {
        let emulator = shop();
        let absent = Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
        let manifest = || on("GET|HEAD", "shop/api/manifests/1$").signed_in();
        emulator.script(manifest(), LOOKS, absent);
        for fault in (self.script)() {
            emulator.script(manifest(), 1, fault);
        }
        let outcome = pipe(&emulator, action)
            .built_in()
            .var("WAIT", "60")
            .var("RETRIES", "2")
            .var("TIMEOUT", self.timeout())
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
    let rows = rows();
    let cells: Vec<Vec<Cell>> = super::all(&rows, |row| ACTIONS.map(|action| row.cell(action)).into());
    let wrong: Vec<String> = rows
        .iter()
        .zip(&cells)
        .flat_map(|(row, cells)| cells.iter().zip(ACTIONS).map(move |(cell, action)| (row, cell, action)))
        .filter_map(|(row, cell, action)| Some(format!("{action}, {}", row.wrong(cell)?)))
        .collect();
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
    if let Some(path) = std::env::var_os("FAULTS_PAGE") {
        let table = page::grid(&ACTIONS, rows.iter().map(|row| row.fault).zip(&cells));
        page::write(path.as_ref(), "waiting", "which alone waits", &table);
    }
}
