//! The table as Markdown, and the page that keeps it.

use super::case::{Action, Case};
use super::run::Cell;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const BEGIN: &str = "<!-- table: begin -->";
const END: &str = "<!-- table: end -->";

const OURS: [(&str, Action); 6] = [
    ("pull", Action::Pull),
    ("push", Action::Push),
    ("push, docker-archive", Action::PushPlain),
    ("copy", Action::Copy),
    ("copy, mounted", Action::Mount),
    ("retag", Action::Retag),
];
const THEIRS: [(&str, Action); 3] = [
    ("skopeo: pull", Action::Pull),
    ("skopeo: push", Action::Push),
    ("skopeo: copy", Action::Copy),
];

/// Cells of one client, each with the number of its case.
type Column = [(usize, Action, Cell)];

/// The table.
pub(super) fn table(cases: &[Case], ours: &Column, theirs: Option<&Column>) -> String {
    let mut columns: Vec<(&str, Action, &Column)> = OURS.map(|(name, action)| (name, action, ours)).to_vec();
    columns.extend(
        theirs
            .iter()
            .flat_map(|theirs| THEIRS.map(|(name, action)| (name, action, *theirs))),
    );
    let mut text = "| at | fault |".to_owned();
    for (name, ..) in &columns {
        write!(text, " {name} |").unwrap();
    }
    text.push_str("\n|---|---|");
    text.push_str(&"---|".repeat(columns.len()));
    for (number, case) in cases.iter().enumerate() {
        write!(text, "\n| {} | {} |", case.point.name(), case.fault).unwrap();
        for (_, action, cells) in &columns {
            let cell = cells.iter().find(|(of, at, _)| *of == number && at == action);
            write!(text, " {} |", cell.map_or(String::new(), |(_, _, cell)| shown(cell))).unwrap();
        }
    }
    text.push('\n');
    format!("{}\n\n{text}", summary(cases, ours, theirs))
}

/// How many runs ended right of those that can.
fn summary(cases: &[Case], ours: &Column, theirs: Option<&Column>) -> String {
    let count = |column: &Column| {
        let can = column
            .iter()
            .filter(|(number, action, _)| cases[*number].expected(*action).status == 0);
        let cells: Vec<bool> = can.map(|(_, _, cell)| cell.is_done()).collect();
        let done = cells.iter().filter(|done| **done).count();
        format!("{done} of {}", cells.len())
    };
    let ours = count(ours);
    let theirs = theirs.map_or(String::new(), |theirs| format!(", and {} of skopeo's", count(theirs)));
    format!("Of the runs that can end right, {ours} of the pipe's did{theirs}.")
}

fn shown(cell: &Cell) -> String {
    let sign = if cell.is_done() { "✓" } else { "✗" };
    let mut text = format!("{sign} {}×", cell.tries);
    if cell.again > 0 {
        write!(text, ", {} KiB", cell.again.div_ceil(1024)).unwrap();
    }
    text
}

/// Puts the table between the markers of the page.
pub(super) fn write(path: &Path, table: &str) {
    let page = std::fs::read_to_string(path).expect("the page, with its markers");
    let (before, rest) = page.split_once(BEGIN).expect("where the table begins");
    let (_, after) = rest.split_once(END).expect("where the table ends");
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().expect("a version");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let measured = format!(
        "Measured on {} with crg-pipe {} (debug build), {}.",
        said("date", "+%Y-%m-%d"),
        env!("CARGO_PKG_VERSION"),
        said("skopeo", "--version")
    );
    let page = format!("{before}{BEGIN}\n{measured}\n\n{table}{END}{after}");
    std::fs::write(path, page).unwrap();
}
