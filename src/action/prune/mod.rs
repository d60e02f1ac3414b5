//! `prune`: deletes tags that nobody needs any more. All tags of a package are read, and a plan is made and told, before
//! anything is deleted; in a dry run nothing is.

mod delete;
mod named;
mod plan;
mod read;
mod table;

use super::Run;
use super::journal::Outcome;
use crate::explain::{RunError, RunErrors};
use crate::input::{Pattern, Prune, WantedPackage};
use crate::registry::{Access, Error};
use crate::text::{bytes, count};
use named::Named;
use plan::{Plan, Rules};
use read::{Found, Reader};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use time::OffsetDateTime;

/// Most lines of all tables of a run.
const MOST_LINES: usize = 400;
/// Most tags of one kind of oddity that are named.
const MOST_NAMED: usize = 5;

/// A package that is decided on.
struct Planned<'a> {
    /// Which of the run's it is.
    number: usize,
    reader: Rc<Reader<'a>>,
    named: Rc<Named>,
    found: Found,
    rules: Rules,
    plan: Plan,
    /// What the token is known to lack.
    shortfall: Option<Error>,
}

pub(super) async fn run(run: &Run, prune: &Prune) -> Result<String, RunErrors> {
    for (number, package) in prune.packages.iter().enumerate() {
        let repository = &package.repository;
        run.journal.expect(number, repository, repository, [None]);
    }
    let named = Rc::new(named::look(run).await);
    let mut planned = Vec::new();
    let mut failed: Vec<RunError> = Vec::new();
    for (number, package) in prune.packages.iter().enumerate() {
        match plan(run, prune, number, package, &named).await {
            Ok(package) => planned.push(package),
            Err(errors) => failed.extend(errors.about(&package.repository)),
        }
    }
    RunErrors::of(failed).map_or(Ok(()), Err)?;
    let mut lines = MOST_LINES;
    unfit(prune, &planned);
    for package in &planned {
        note(run, prune, package);
        lines = lines.saturating_sub(tell(package, lines));
    }
    if prune.dry_run {
        return Ok(run.log.end(&would_go(&planned), None));
    }
    delete(run, planned).await
}

/// Deletes what goes, package by package.
async fn delete(run: &Run, mut planned: Vec<Planned<'_>>) -> Result<String, RunErrors> {
    let going: usize = planned.iter().map(|package| package.plan.going().count()).sum();
    let all: usize = planned.iter().map(|package| package.plan.rows.len()).sum();
    let place = place(&planned);
    if going == 0 {
        return Ok(run.log.end(&nothing_goes(all, &place), None));
    }
    let all = count(all, "tag");
    let lacking = planned
        .iter_mut()
        .filter(|package| package.plan.going().next().is_some());
    let lacking = lacking.filter_map(|package| package.shortfall.take());
    RunErrors::of(lacking.map(RunError::from).collect()).map_or(Ok(()), Err)?;
    run.log.begin(going, &format!("deleting {going} of {all} of {place}"));
    let (mut deleted, mut left, mut freed) = (0, 0, 0_u64);
    let mut failed = Vec::new();
    for package in &mut planned {
        let tally = delete::run(run, package).await;
        deleted += tally.deleted;
        left += tally.left;
        freed = freed.saturating_add(tally.freed);
        let repository = package.reader.remote.repository();
        failed.extend(tally.errors.into_iter().map(|error| error.about(repository)));
    }
    RunErrors::of(failed).map_or(Ok(()), Err)?;
    let left = match left {
        0 => String::new(),
        left => format!("; {left} left alone"),
    };
    let said = format!("{deleted} of {all} of {place} deleted, about {}{left}", bytes(freed));
    Ok(run.log.end(&said, None))
}

/// Reads a package and decides on it.
async fn plan<'a>(
    run: &'a Run,
    prune: &Prune,
    number: usize,
    wanted: &WantedPackage,
    named: &Rc<Named>,
) -> Result<Planned<'a>, RunErrors> {
    let access = if prune.dry_run {
        Access::Pull
    } else {
        Access::PullDelete
    };
    let (remote, listed, shortfall) = run.session.whole(&wanted.repository, access).await?;
    run.log.served(&remote);
    tracing::debug!("reading {} of `{}`", count(listed.tags.len(), "tag"), wanted.repository);
    let reader = Reader::new(run, remote);
    let mut found = reader.read(listed, HashMap::new()).await?;
    named.note(&wanted.repository, &mut found.package);
    let rules = Rules {
        selected: wanted.selected.clone(),
        keep: prune.keep,
        keep_tags: prune.keep_tags.clone(),
        older_than: prune.older_than,
        now: OffsetDateTime::now_utc(),
        left: HashSet::new(),
    };
    Ok(Planned {
        number,
        plan: Plan::of(&found.package, &rules),
        reader: Rc::new(reader),
        named: Rc::clone(named),
        found,
        rules,
        shortfall,
    })
}

/// Notes each tag for the report.
fn note(run: &Run, prune: &Prune, package: &Planned<'_>) {
    let page = |reason| run.journal.page(package.number, &package.reader.remote).because(reason);
    let goes = if prune.dry_run {
        Outcome::ToDelete
    } else {
        Outcome::NotStarted
    };
    for (place, row) in package.plan.rows.iter().enumerate() {
        let outcome = row.stays.as_ref().map_or(goes, |_| Outcome::Kept);
        let page = page(row.stays.as_ref().map(ToString::to_string));
        page.note(
            (place, Some(&row.tag)),
            outcome,
            Some(&row.digest),
            0,
            std::time::Duration::ZERO,
        );
    }
    let page = page(Some("it is listed, but not there".to_owned()));
    for (number, tag) in package.found.unread.iter().enumerate() {
        let place = package.plan.rows.len() + number;
        page.note((place, Some(tag)), Outcome::Skipped, None, 0, std::time::Duration::ZERO);
    }
}

/// Says what is planned for a package, in at most so many lines; gives their number.
fn tell(package: &Planned<'_>, most: usize) -> usize {
    let repository = package.reader.remote.repository();
    let lines = table::lines(repository, &package.plan, most);
    for line in &lines {
        tracing::info!("{line}");
    }
    if package.plan.rows.iter().all(|row| row.stays.is_none()) && !package.plan.rows.is_empty() {
        tracing::warn!("no tag of `{repository}` stays: to keep the newest images whatever their age, set `KEEP` too");
    }
    let unread = &package.found.unread;
    if !unread.is_empty() {
        let names: Vec<String> = unread.iter().take(MOST_NAMED).map(|tag| format!("`{tag}`")).collect();
        tracing::warn!(
            "`{repository}` lists {} that {} not there: {}",
            count(unread.len(), "tag"),
            if unread.len() == 1 { "is" } else { "are" },
            first_of(&names, unread.len())
        );
    }
    for gap in package.found.gaps.iter().take(MOST_NAMED) {
        tracing::warn!("`{repository}` is not whole: {gap}");
    }
    lines.len()
}

/// Names the patterns that no tag fits: one that is misspelt keeps nothing.
fn unfit(prune: &Prune, planned: &[Planned<'_>]) {
    let fits = |package: &Planned<'_>, pattern: &Pattern| package.plan.rows.iter().any(|row| pattern.fits(&row.tag));
    for package in planned.iter().filter(|package| !package.plan.rows.is_empty()) {
        for pattern in package.rules.selected.iter().filter(|pattern| !fits(package, pattern)) {
            let repository = package.reader.remote.repository();
            tracing::warn!("no tag of `{repository}` fits `{}` of `IMAGES`", pattern.as_str());
        }
    }
    if planned.iter().all(|package| package.plan.rows.is_empty()) {
        return;
    }
    let fits_none = |pattern: &&Pattern| !planned.iter().any(|package| fits(package, pattern));
    for pattern in prune.keep_tags.iter().filter(fits_none) {
        tracing::warn!("no tag fits `{}` of `KEEP_TAGS`: it keeps nothing", pattern.as_str());
    }
}

/// A few of so many.
fn first_of(names: &[String], all: usize) -> String {
    match all.saturating_sub(names.len()) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// What a dry run has found.
fn would_go(planned: &[Planned<'_>]) -> String {
    let going: usize = planned.iter().map(|package| package.plan.going().count()).sum();
    let all: usize = planned.iter().map(|package| package.plan.rows.len()).sum();
    let freed = planned
        .iter()
        .fold(0_u64, |sum, package| sum.saturating_add(package.plan.freed));
    let place = place(planned);
    if going == 0 {
        return nothing_goes(all, &place);
    }
    format!(
        "{going} of {} of {place} would go, about {}; this was a dry run: to delete them, set `DRY_RUN: 'false'`",
        count(all, "tag"),
        bytes(freed)
    )
}

fn nothing_goes(all: usize, place: &str) -> String {
    match all {
        0 => format!("no tags in {place}"),
        1 => format!("the only tag of {place} stays"),
        2 => format!("both tags of {place} stay"),
        all => format!("all {all} tags of {place} stay"),
    }
}

/// The package, or how many there are.
fn place(planned: &[Planned<'_>]) -> String {
    match planned {
        [only] => format!("`{}`", only.reader.remote.repository()),
        several => count(several.len(), "package"),
    }
}
