//! Measures crg-pipe beside its peers, as whole processes, against real registries on loopback: `make bench`.
//!
//! `CRG_PIPE` names the binary. All rows are measured and `benches/RESULTS.md` is written anew, but for its last part,
//! which is written by hand. With words as arguments only the rows whose title has one of them run, and are printed; with
//! `growth` a mirror that grows is measured, for `docs/speed.md`: `make growth`.

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "no part of the product: it prints, and a broken set-up ends it"
)]

mod fixture;
mod floor;
mod growth;
mod limits;
mod measure;
mod proxy;
mod results;
mod rows;
mod stage;
#[path = "../../tests/support/mod.rs"]
mod support;
mod tool;

use stage::Stage;
use std::cell::Cell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tool::Tool;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((measure::MEASURE, program)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return measure::measuring(program);
    }
    if let Some((floor::FLOOR, rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return floor::run(rest);
    }
    let begun = Instant::now();
    let load = results::load();
    let words: Vec<&String> = arguments.iter().filter(|word| !word.starts_with("--")).collect();
    let binary = std::env::var_os("CRG_PIPE").expect("`CRG_PIPE` names no binary: run `make bench`");
    let binary = PathBuf::from(binary).canonicalize().expect("the binary of `CRG_PIPE`");
    if arguments.iter().any(|argument| argument == GROWTH) {
        return growth::page(&Stage::set(&binary), &binary);
    }
    let (peers, unavailable) = Tool::peers(&binary);
    for peer in &unavailable {
        eprintln!("not to be had, and so not measured: {peer}");
    }
    eprintln!("making images, starting registries");
    let stage = Stage::set(&binary);
    let counter = Cell::new(0);
    let chosen = rows::all()
        .into_iter()
        .filter(|row| words.is_empty() || words.iter().any(|word| row.title().contains(word.as_str())));
    let mut chosen: Vec<(usize, rows::Row)> = chosen.enumerate().collect();
    chosen.sort_by_key(|(_, row)| !results::has_target(row));
    let mut table = Vec::new();
    for (place, row) in chosen {
        eprintln!("{:4.0} s  {}", begun.elapsed().as_secs_f64(), row.title());
        let is_late = begun.elapsed() > ENOUGH;
        table.push((place, (row, row.run(&stage, &peers, &counter, is_late))));
    }
    table.sort_by_key(|(place, _)| *place);
    let table: Vec<_> = table.into_iter().map(|(_, row)| row).collect();
    if !words.is_empty() {
        println!("{}\n{}", results::targets(&table, &binary), results::table(&table));
        return;
    }
    eprintln!("{:4.0} s  limits of the machine", begun.elapsed().as_secs_f64());
    let limits = limits::measure(stage.folder.path());
    let images = stage.images.iter().fold(String::new(), |mut list, image| {
        let _ = writeln!(list, "- `{}`: {}", image.name, image.description);
        list
    });
    let measured = format!(
        "{HOW}\n{images}\n## Targets\n\n{}\n## Runs\n\n{}\n## The machine's limits\n\n{}",
        results::targets(&table, &binary),
        results::table(&table),
        results::limits(&limits)
    );
    let mut versions: Vec<String> = peers.iter().map(|peer| peer.name.clone()).collect();
    versions.extend(unavailable.iter().map(|peer| format!("not to be had: {peer}")));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/RESULTS.md");
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let text = results::file(&before, &versions, &measured, (load, begun.elapsed()));
    std::fs::write(&path, &text).unwrap();
    println!("{text}");
}

/// The argument that has a mirror's growth measured, and nothing else.
const GROWTH: &str = "growth";

/// After so long the remaining rows are measured once each, so that a busy machine ends within about half an hour too. Those
/// with a target come first.
const ENOUGH: Duration = Duration::from_secs(25 * 60);

/// How to read the numbers.
const HOW: &str = "\
Each number is a whole process, from its start to its end, against Debian's docker-registry 2.8 on loopback with token
authentication; programs take turns, after one run each to warm up. Each run has a new target and an empty home: no
program knows anything of the run before. Networks: none; 40 ms before each request; 50 MiB/s for each connection. CPU
is user and system time. Peak is the largest resident set of all runs; what starts the programs has 5 MiB itself, below
which the kernel's account does not go. Requests are those that the registries log, with those that are answered by 401.
What is done of many images is one run of crg-pipe, and a loop in a shell for others. Times of a daemon count until the client
has ended; its CPU and memory do not. `floor` is a small program that makes the least requests for the same
result and checks nothing: what the registry and the machine take for themselves. `floor with digests` also computes the digest of every blob,
and `floor that proves layers` inflates each layer besides and computes the digest of that.
";
