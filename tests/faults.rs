//! What happens on the way: every fault that a registry or a network is known for, at every request of every action,
//! as one table; deletions, looks for an image and the Docker daemon's streams as others. What came of each is asserted for the pipe; `make faults`
//! measures skopeo and oras beside it and writes `docs/faults.md`.

mod case;
mod cases;
mod daemon;
mod daemon_ends;
mod deleting;
mod names;
mod oras;
mod page;
mod resume;
mod row;
mod run;
mod waiting;
mod wrong;

use case::{Action, Case};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Cells at a time: they wait more than they work.
const AT_A_TIME: usize = 16;

/// Who is put to the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    Pipe,
    Skopeo,
    Oras,
}

impl Client {
    /// Whether a cell of the table is one of its: others than the pipe do not all actions, or not in a way that can be compared.
    fn has(self, case: &Case, action: Action) -> bool {
        let is_of_others = action.is_of_others() && case.point.is_of_others();
        match self {
            Self::Pipe => true,
            Self::Skopeo => is_of_others,
            // It takes no authority for both sides of a copy.
            Self::Oras => is_of_others && case.unknown_for.is_none(),
        }
    }
}

/// Runs `work` for every item, several at a time, and keeps the order.
fn all<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let Some(item) = items.get(number) else { return };
                    let result = work(item);
                    done.lock().unwrap().push((number, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The cells of a column, in the order of the cases.
fn column(cases: &[Case], client: Client) -> page::Column {
    let cells: Vec<(usize, Action)> = cases
        .iter()
        .enumerate()
        .flat_map(|(number, case)| case.actions().into_iter().map(move |action| (number, action)))
        .filter(|(number, action)| client.has(&cases[*number], *action))
        .collect();
    let results = all(&cells, |&(number, action)| run::cell(client, &cases[number], action));
    cells
        .into_iter()
        .zip(results)
        .map(|((number, action), cell)| (number, action, cell))
        .collect()
}

#[test]
fn no_fault_loses_anything() {
    let cases = cases::all();
    let ours = column(&cases, Client::Pipe);
    let page = std::env::var_os("FAULTS_PAGE");
    let mut theirs = Vec::new();
    if page.is_some() {
        theirs.push(("skopeo", column(&cases, Client::Skopeo)));
        if oras::program().is_some() {
            theirs.push(("oras", column(&cases, Client::Oras)));
        }
    }
    let table = page::table(&cases, &ours, &theirs);
    println!("{table}");
    let wrong: Vec<String> = ours
        .iter()
        .filter_map(|(number, action, cell)| Some(format!("{action:?}, {}", cell.wrong(&cases[*number], *action)?)))
        .collect();
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
    if let Some(path) = page {
        let peers = format!("{}, {}", page::said("skopeo", "--version"), oras::version());
        page::write(path.as_ref(), "requests", &peers, &table);
    }
}
