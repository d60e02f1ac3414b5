//! Faults at a deletion (`prune`): what is left of the tags, and how often the registry was asked to delete the one.

use super::case::{busy, busy_for};
use super::page;
use super::run::Cell;
use crate::support::emulator::{Answer, Break, Deletes, Emulator, Fault, Setup, on};
use crate::support::image::{Image, ImageBuilder};
use crate::support::shop::prune;
use crate::support::skopeo::Skopeo;
use serde_json::json;

/// The tag that meets the fault. An older one goes before it, so that it is known which way the registry deletes.
const TAG: &str = "build-3";
/// How registries delete, for the heads of the columns.
const WAYS: [(&str, Deletes); 2] = [
    ("prune, by tag", Deletes::Tags),
    ("prune, by digest", Deletes::Digests(405)),
];

struct Row {
    fault: &'static str,
    script: fn() -> Vec<Fault>,
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

const ROWS: [Row; 17] = [
    row("nothing", 1, Vec::new),
    row("429, Retry-After: 1", 2, || vec![busy_for(429, 1)]),
    row("429 without Retry-After", 2, || vec![busy(429).into()]),
    row("503, Retry-After: 1", 2, || vec![busy_for(503, 1)]),
    row("503 twice", 3, || vec![busy(503).into(), busy(503).into()]),
    row("reset before an answer", 2, || vec![Fault::Reset]),
    row("no answer at all", 2, || vec![Fault::Silence]),
    row("the token has expired", 2, || vec![Fault::Expired]),
    row("deleted, but reset before the answer", 1, || {
        vec![Fault::Unheard(Break::Reset)]
    }),
    row("deleted, and 200 in the place of 202", 1, || vec![Fault::As(200)]),
    row("deleted, and 204 in the place of 202", 1, || vec![Fault::As(204)]),
    row("deleted, and 404 in the place of 202", 1, || vec![Fault::As(404)]),
    row("202 and nothing done", 1, || vec![Answer::new(202).into()]).fails(1),
    row("200 and a sign-in page", 1, || {
        vec![Answer::new(200).body("<html>please sign in</html>").into()]
    })
    .fails(1),
    row("403: an answer", 1, || {
        vec![Answer::error(403, "DENIED", "denied").into()]
    })
    .fails(5),
    row("503 for ever", 3, || vec![busy(503).into(); 20]).fails(6),
    row("reset for ever", 3, || vec![Fault::Reset; 20]).fails(6),
];

/// Three that go, and two that stay.
fn build(number: usize) -> Image {
    let created = json!(format!("2026-02-{number:02}T08:00:00Z"));
    ImageBuilder::new(&format!("build-{number}")).created(created).build()
}

impl Row {
    fn emulator(&self, deletes: Deletes) -> Emulator {
        let emulator = Emulator::start(Setup::shop().with(|settings| settings.deletes = deletes));
        for number in 1..=5 {
            emulator.put_image("shop/api", &format!("build-{number}"), &build(number));
        }
        for fault in (self.script)() {
            emulator.script(on("DELETE", &path(deletes)).signed_in(), 1, fault);
        }
        emulator
    }

    fn pipe(&self, deletes: Deletes) -> Cell {
        let emulator = self.emulator(deletes);
        let is_silent = (self.script)().iter().any(|fault| matches!(fault, Fault::Silence));
        let outcome = prune(&emulator, "api")
            .var("RETRIES", "2")
            .var("TIMEOUT", if is_silent { "2" } else { "60" })
            .patience(90)
            .run();
        let stays = if outcome.status == 0 { vec![] } else { vec![TAG] };
        let expected = [stays, vec!["build-4", "build-5"]].concat();
        let left = emulator.tags("shop/api");
        cell(&emulator, deletes, outcome.status, outcome.plain(), left != expected)
    }

    /// skopeo deletes by digest alone.
    fn skopeo(&self) -> Cell {
        let deletes = Deletes::Digests(405);
        let emulator = self.emulator(deletes);
        let credential = format!("{}:{}", Setup::BUILT_IN_USERNAME, Setup::BUILT_IN_TOKEN);
        let name = format!("docker://{}/shop/api:{TAG}", emulator.host());
        let called = Skopeo::new()
            .patience(20)
            .run(&["delete", "--tls-verify=false", "--creds", &credential, &name]);
        let is_there = emulator.tag("shop/api", TAG).is_some();
        let status = i32::from(!called.succeeded);
        cell(&emulator, deletes, status, called.output, is_there == called.succeeded)
    }

    /// How a cell differs from what is expected of the pipe.
    fn wrong(&self, cell: &Cell) -> Option<String> {
        // On a slow machine another request may seem silent too.
        let most = self.tries + usize::from(self.fault.starts_with("no answer"));
        let is_right = cell.status == self.status && (self.tries..=most).contains(&cell.tries) && cell.left.is_none();
        (!is_right).then(|| {
            format!(
                "{}: status {}, {} tries, {}; expected {} and {}\n{}",
                self.fault,
                cell.status,
                cell.tries,
                cell.left.as_deref().unwrap_or("the right tags are left"),
                self.status,
                self.tries,
                cell.said
            )
        })
    }
}

fn path(deletes: Deletes) -> String {
    match deletes {
        Deletes::Tags => format!("/manifests/{TAG}$"),
        _ => format!("/manifests/{}$", build(3).digest()),
    }
}

fn cell(emulator: &Emulator, deletes: Deletes, status: i32, said: String, is_wrong: bool) -> Cell {
    let path = path(deletes);
    let path = path.trim_end_matches('$');
    let journal = emulator.journal();
    let asked = journal
        .iter()
        .filter(|entry| entry.method == "DELETE" && entry.path.ends_with(path) && entry.authorization.is_some());
    Cell {
        status,
        tries: asked.count(),
        again: 0,
        seconds: 0.0,
        left: is_wrong.then(|| format!("these tags are left: {:?}", emulator.tags("shop/api"))),
        said,
    }
}

#[test]
fn no_fault_deletes_what_stays() {
    let ours: Vec<Vec<Cell>> = super::all(&ROWS, |row| WAYS.map(|(_, deletes)| row.pipe(deletes)).into());
    let wrong: Vec<String> = ROWS
        .iter()
        .zip(&ours)
        .flat_map(|(row, cells)| cells.iter().zip(WAYS).map(move |(cell, way)| (row, cell, way.0)))
        .filter_map(|(row, cell, way)| Some(format!("{way}, {}", row.wrong(cell)?)))
        .collect();
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
    if let Some(path) = std::env::var_os("FAULTS_PAGE") {
        let theirs = super::all(&ROWS, Row::skopeo);
        let cells = ours.into_iter().zip(theirs).map(|(mut cells, other)| {
            cells.push(other);
            cells
        });
        let cells: Vec<Vec<Cell>> = cells.collect();
        let heads = [WAYS[0].0, WAYS[1].0, "skopeo: delete"];
        let table = page::grid(&heads, ROWS.iter().map(|row| row.fault).zip(&cells));
        page::write(path.as_ref(), "deleting", &page::said("skopeo", "--version"), &table);
    }
}
