//! The table as Markdown, and the page that keeps it.

use super::case::{Action, Case};
use super::run::Cell;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

const OURS: [(&str, Action); 6] = [
    ("pull", Action::Pull),
    ("push", Action::Push),
    ("push, docker-archive", Action::PushPlain),
    ("copy", Action::Copy),
    ("copy, mounted", Action::Mount),
    ("retag", Action::Retag),
];
const THEIRS: [(&str, Action); 3] = [("pull", Action::Pull), ("push", Action::Push), ("copy", Action::Copy)];

/// Cells of one client, each with the number of its case.
pub(super) type Column = Vec<(usize, Action, Cell)>;

/// The table.
pub(super) fn table(cases: &[Case], ours: &Column, theirs: &[(&str, Column)]) -> String {
    let ours_all = OURS.iter().map(|(name, action)| ((*name).to_owned(), *action, ours));
    let mut columns: Vec<(String, Action, &Column)> = ours_all.collect();
    for (client, column) in theirs {
        let named = THEIRS
            .iter()
            .map(|(name, action)| (format!("{client}: {name}"), *action, column));
        columns.extend(named);
    }
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
fn summary(cases: &[Case], ours: &Column, theirs: &[(&str, Column)]) -> String {
    let count = |column: &Column| {
        let can = column
            .iter()
            .filter(|(number, action, _)| cases[*number].expected(*action).status == 0);
        let cells: Vec<bool> = can.map(|(_, _, cell)| cell.is_done()).collect();
        let done = cells.iter().filter(|done| **done).count();
        format!("{done} of {}", cells.len())
    };
    let ours = count(ours);
    let theirs: Vec<String> = theirs
        .iter()
        .map(|(client, column)| format!(", {} of {client}'s", count(column)))
        .collect();
    let theirs = theirs.concat();
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

/// A table of a row for each fault, and a column for each of its cells.
pub(super) fn grid<'a>(heads: &[&str], rows: impl Iterator<Item = (&'a str, &'a Vec<Cell>)>) -> String {
    let begin = format!(
        "| fault | {} |\n|---|{}\n",
        heads.join(" | "),
        "---|".repeat(heads.len())
    );
    rows.fold(begin, |text, (fault, cells)| {
        let cells: Vec<String> = cells.iter().map(shown).collect();
        format!("{text}| {fault} | {} |\n", cells.join(" | "))
    })
}

/// The table of the daemon's streams: for each fault its cells for `pull` and `push`. skopeo asks a daemon for neither.
pub(super) fn streams<'a>(rows: impl Iterator<Item = (&'a str, &'a (Cell, Cell))>) -> String {
    let begin = "| fault | pull | push | skopeo |\n|---|---|---|---|\n".to_owned();
    rows.fold(begin, |text, (fault, (pull, push))| {
        format!("{text}| {fault} | {} | {} | – |\n", shown(pull), shown(push))
    })
}

/// Puts a table between its markers on the page, with the peer that was measured beside.
pub(super) fn write(path: &Path, name: &str, peer: &str, table: &str) {
    // Two tests write the page, each its own table.
    static PAGE: Mutex<()> = Mutex::new(());
    let _alone = PAGE.lock().unwrap();
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let page = std::fs::read_to_string(path).expect("the page, with its markers");
    let (before, rest) = page.split_once(&begin).expect("where the table begins");
    let (_, after) = rest.split_once(&end).expect("where the table ends");
    let date = said("date", "+%Y-%m-%d");
    let version = env!("CARGO_PKG_VERSION");
    let measured = format!("Measured on {date} with crg-pipe {version} (debug build), {peer}.");
    let page = format!("{before}{begin}\n{measured}\n\n{table}{end}{after}");
    std::fs::write(path, page).unwrap();
}

/// What a program says of itself.
pub(super) fn said(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output().expect("a version");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
