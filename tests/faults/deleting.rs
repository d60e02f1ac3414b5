//! Faults at a deletion (`prune`): what is left of the tags, and how often the registry was asked to delete the one.

use super::page;
use super::row::{self, Row, row};
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

fn rows() -> Vec<Row> {
    row::with([
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
    ])
}

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
        let outcome = prune(&emulator, "api")
            .var("RETRIES", "2")
            .var("TIMEOUT", self.timeout())
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
    let rows = rows();
    let ours: Vec<Vec<Cell>> = super::all(&rows, |row| WAYS.map(|(_, deletes)| row.pipe(deletes)).into());
    let wrong: Vec<String> = rows
        .iter()
        .zip(&ours)
        .flat_map(|(row, cells)| cells.iter().zip(WAYS).map(move |(cell, way)| (row, cell, way.0)))
        .filter_map(|(row, cell, way)| Some(format!("{way}, {}", row.wrong(cell)?)))
        .collect();
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
    if let Some(path) = std::env::var_os("FAULTS_PAGE") {
        let theirs = super::all(&rows, Row::skopeo);
        let cells = ours.into_iter().zip(theirs).map(|(mut cells, other)| {
            cells.push(other);
            cells
        });
        let cells: Vec<Vec<Cell>> = cells.collect();
        let heads = [WAYS[0].0, WAYS[1].0, "skopeo: delete"];
        let table = page::grid(&heads, rows.iter().map(|row| row.fault).zip(&cells));
        page::write(path.as_ref(), "deleting", &page::said("skopeo", "--version"), &table);
    }
}
