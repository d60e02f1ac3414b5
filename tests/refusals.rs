//! Every refusal is in docs/refusals.md with its reason and its cure. Each of its headings has a case here, in which the
//! emulator or a real server refuses so, and the run says what the page quotes there, and links to that heading.

mod before;
mod by_check;
mod by_credential;
mod by_daemon;
mod by_deletion;
mod by_registry;
mod mistakes;
mod on_the_way;
mod other;

use crate::examples::anchor;
use crate::support::emulator::{Emulator, Setup, User};
use crate::support::engine::Engine;
use crate::support::outcome::Outcome;
use crate::support::pki::Authority;
use crate::support::shop::{pull, retag, stocked};
use std::path::Path;

on_each_engine!(what_the_daemon_relays_is_explained);

/// What one heading shows, the exit status, and the runs that meet it. It quotes lines of the log, `<br>` between them and
/// `…` for what differs from run to run.
struct Case<Runs = fn() -> Vec<Run>> {
    see: &'static str,
    status: i32,
    runs: Runs,
}

/// A run that was refused.
struct Run {
    status: i32,
    said: String,
}

impl From<Outcome<'_>> for Run {
    fn from(outcome: Outcome<'_>) -> Self {
        Self {
            status: outcome.status,
            said: outcome.plain(),
        }
    }
}

impl Case {
    fn check(&self) {
        let runs = (self.runs)();
        self.check_each(&runs);
        for quote in self.quotes() {
            let told = runs.iter().any(|run| is_said(quote, &run.said));
            assert!(told, "no run says `{quote}`:\n{}", runs[0].said);
        }
    }
}

/// A case that a real engine meets.
type OnEngine = Case<fn(&Engine) -> Vec<Run>>;

impl OnEngine {
    /// Of a heading's quotes, an engine may know one alone.
    fn check_on(&self, engine: &Engine) {
        self.check_each(&(self.runs)(engine));
    }
}

impl<Runs> Case<Runs> {
    fn quotes(&self) -> impl Iterator<Item = &'static str> {
        self.see.split("<br>")
    }

    fn check_each(&self, runs: &[Run]) {
        let entries = entries();
        let own = entries
            .iter()
            .find(|(see, _)| see == self.see)
            .map(|(_, anchor)| format!("#{anchor}"));
        let own = own.expect("each case is on the page");
        for run in runs {
            // A warning is no refusal.
            let is_linked = run.status != 0;
            let links: Vec<&str> = run
                .said
                .lines()
                .filter_map(|line| line.trim().strip_prefix("More: "))
                .collect();
            let has_own = links.iter().any(|link| link.ends_with(&own));
            assert_eq!(has_own, is_linked, "not {own}; it said:\n{}", run.said);
            assert_eq!(run.status, self.status, "{}; it said:\n{}", self.see, run.said);
            let told = self.quotes().any(|quote| is_said(quote, &run.said));
            assert!(told, "`{}` is not in:\n{}", self.see, run.said);
        }
    }
}

/// Whether one line of the log holds the parts of a quote in their order.
fn is_said(quote: &str, log: &str) -> bool {
    log.lines().any(|line| {
        let mut rest = Some(line);
        for part in quote.split('…') {
            rest = rest.and_then(|rest| rest.split_once(part)).map(|(_, rest)| rest);
        }
        rest.is_some()
    })
}

/// What the page shows of each refusal, as a case quotes it, with the anchor of its heading.
fn entries() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/refusals.md")).unwrap();
    let (refusals, _) = page
        .split_once("\n## What Docker itself refuses\n")
        .expect("where they end");
    let entries = refusals.split("\n### ").skip(1).map(|entry| {
        let (heading, below) = entry.split_once('\n').expect("a heading ends");
        let below = below.split("\n## ").next().unwrap_or_default();
        let quotes: Vec<&str> = below
            .lines()
            .filter_map(|line| line.strip_prefix("> "))
            .map(str::trim_end)
            .collect();
        assert!(!quotes.is_empty(), "nothing is quoted under {heading}");
        let (why, cure) = below.split_once(" **What to do:** ").expect("each says what to do");
        assert!(!why.trim().ends_with('`') && !cure.trim().is_empty(), "{heading}");
        (quotes.join("<br>"), anchor(heading))
    });
    entries.collect()
}

#[test]
fn every_entry_of_the_page_has_a_case_and_every_case_an_entry() {
    let see = |cases: &[Case]| cases.iter().map(|case| case.see).collect::<Vec<_>>();
    let on_engines = by_daemon::ON_ENGINES.iter().map(|case| case.see).collect();
    let cases = [
        see(by_credential::CASES),
        see(before::CASES),
        see(by_registry::CASES),
        see(by_deletion::CASES),
        see(by_daemon::CASES),
        on_engines,
        see(on_the_way::CASES),
        see(by_check::CASES),
        see(other::CASES),
    ]
    .concat();
    let rows: Vec<String> = entries().into_iter().map(|(see, _)| see).collect();
    for row in &rows {
        assert!(cases.contains(&row.as_str()), "this row has no case: {row}");
    }
    for case in &cases {
        assert!(rows.iter().any(|row| row == case), "this case has no row: {case}");
    }
    assert!(rows == cases, "the rows are in another order than the cases");
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_sent() {
    by_credential::CASES.iter().for_each(Case::check);
    before::CASES.iter().for_each(Case::check);
}

#[test]
fn what_the_registry_refuses_is_explained() {
    by_registry::CASES.iter().for_each(Case::check);
    by_deletion::CASES.iter().for_each(Case::check);
}

#[test]
fn a_daemon_that_is_none_is_explained() {
    by_daemon::CASES.iter().for_each(Case::check);
}

fn what_the_daemon_relays_is_explained(engine: &Engine) {
    for case in by_daemon::ON_ENGINES {
        case.check_on(engine);
    }
}

#[test]
fn what_goes_wrong_on_the_way_is_explained() {
    on_the_way::CASES.iter().for_each(Case::check);
}

#[test]
fn what_check_alone_finds_is_explained() {
    by_check::CASES.iter().for_each(Case::check);
}

#[test]
fn other_trouble_is_explained() {
    other::CASES.iter().for_each(Case::check);
}

/// The workspace `shop` with `api.bitbucket.org` behind the proxy.
fn shop() -> Emulator {
    stocked(Setup::shop().api(Authority::shared()))
}

/// The same with this person in place of the one there is.
fn shop_of(user: User) -> Emulator {
    stocked(Setup::shop().user(user).api(Authority::shared()))
}

/// The same where Bitbucket's API gives no answer.
fn silent_of(user: User) -> Emulator {
    stocked(Setup::shop().user(user))
}

/// The person of [`Setup::shop`] without scopes and roles.
fn ada() -> User {
    User::new(Setup::EMAIL, &Setup::api_token())
}
