//! Deletes what a plan lets go: tag by tag, where the registry knows that; else by digest, if no tag that stays has it.
//!
//! A registry changes meanwhile. Right before each deletion it is looked where the tag points; before a deletion by digest,
//! which takes all its tags along, at the whole package again. After it, it is looked whether the tag is gone.

use super::super::Run;
use super::super::journal::Outcome;
use super::Planned;
use super::plan::{Going, Plan, Reason};
use crate::explain::failure::FailureKind;
use crate::explain::{Page, RunError, RunErrors};
use crate::names::{Digest, Selector, Tag};
use crate::registry::{Code, Error, ErrorKind, Negative, Remote, retry};
use futures_util::stream::{self, StreamExt as _};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

/// How long a look at the whole package counts: so many times what it took, and at most so long.
const LOOKS_WORTH: u32 = 4;
const LOOK: Duration = Duration::from_secs(5);
/// So many refusals and no deletion: the others are not asked for.
const MOST_REFUSALS: usize = 5;
/// Most refusals that are told, of a package.
const MOST_TOLD: usize = 50;
/// How often it is looked whether a tag is gone, and the first pause between: some registries take a moment.
const LOOKS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(200);

/// How a registry deletes a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeleteBy {
    /// By its name.
    Tag,
    /// By the digest, with all other tags of that digest.
    Digest,
}

/// What became of a tag that was to go.
#[derive(Debug)]
enum Fate {
    Deleted,
    /// It was left as it is, for this reason.
    Left(String),
    /// The registry does not know this way.
    Unknown(Error),
    /// It was not asked for in this way, which the registry does not know.
    Unasked,
    Failed(RunError),
}

/// What became of a package.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) deleted: usize,
    /// Tags that were left as they are.
    pub(super) left: usize,
    pub(super) freed: u64,
    pub(super) errors: Vec<RunError>,
}

/// The deletions in one package.
struct Deletion<'a, 'r> {
    run: &'a Run,
    package: RefCell<&'a mut Planned<'r>>,
    remote: Remote,
    /// For each tag its place in the journal.
    places: HashMap<Tag, usize>,
    /// The tags that the plan lets go.
    going: HashSet<Tag>,
    way: Cell<DeleteBy>,
    /// Whether that way was seen to work.
    is_proven: Cell<bool>,
    /// Why it is not deleted by tag.
    by_tag: RefCell<Option<Error>>,
    /// How long the last look at the whole package took, and when it ended.
    looked: Cell<Option<(Duration, Instant)>>,
    tally: RefCell<Tally>,
}

/// Deletes what goes in a package, in the order of its steps.
pub(super) async fn run(run: &Run, package: &mut Planned<'_>) -> Tally {
    let steps = package.plan.steps.clone();
    let rows = package.plan.rows.iter().enumerate();
    let places = rows.map(|(place, row)| (row.tag.clone(), place)).collect();
    let deletion = Deletion {
        run,
        remote: package.reader.remote.clone(),
        going: package.plan.going().map(|row| row.tag.clone()).collect(),
        package: RefCell::new(package),
        places,
        way: Cell::new(DeleteBy::Tag),
        is_proven: Cell::new(false),
        by_tag: RefCell::default(),
        looked: Cell::default(),
        tally: RefCell::default(),
    };
    for step in steps {
        if let Err(errors) = deletion.step(step).await {
            deletion.tally.borrow_mut().errors.extend(errors);
            break;
        }
    }
    let Deletion { package, tally, .. } = deletion;
    let mut tally = tally.into_inner();
    let package = package.into_inner();
    tally.freed = if tally.left == 0 && tally.errors.is_empty() {
        package.plan.freed
    } else if tally.deleted == 0 {
        0
    } else {
        freed(package)
    };
    tally
}

/// What deleting all but what was left has freed.
fn freed(package: &mut Planned<'_>) -> u64 {
    let rows = package.plan.rows.iter();
    let read = &mut package.found.package;
    read.tags = rows.map(|row| (row.tag.clone(), row.digest.clone())).collect();
    Plan::of(read, &package.rules).freed
}

impl Deletion<'_, '_> {
    /// Deletes images that do not need each other.
    async fn step(&self, step: Vec<Going>) -> Result<(), RunErrors> {
        let mut ahead = VecDeque::from(step);
        while !ahead.is_empty() {
            // Until it is known which way the registry takes, one at a time.
            let at_once = if self.is_proven.get() { self.run.concurrency } else { 1 };
            let batch: Vec<Going> = ahead.drain(..at_once.min(ahead.len())).collect();
            let batch = self.still_going(batch).await?;
            let deletions = batch.into_iter().map(|going| async {
                let fates = self.image(&going).await;
                (going, fates)
            });
            // Noted one by one: a signal may come while another one is waited for.
            let mut deletions = stream::iter(deletions).buffer_unordered(self.run.concurrency);
            let mut refused = None;
            while let Some((going, fates)) = deletions.next().await {
                match self.note(going, fates) {
                    Ok(again) => ahead.extend(again),
                    Err(errors) => refused = Some(errors),
                }
            }
            drop(deletions);
            refused.map_or(Ok(()), Err)?;
            self.not_all_refused()?;
        }
        Ok(())
    }

    /// Those of a batch that may still go, with what is known now: what was left keeps what it needs.
    async fn still_going(&self, batch: Vec<Going>) -> Result<Vec<Going>, RunErrors> {
        let is_stale = |(took, ended): (Duration, Instant)| ended.elapsed() > LOOK.min(took * LOOKS_WORTH);
        if self.way.get() == DeleteBy::Digest && self.looked.get().is_none_or(is_stale) {
            self.look().await?;
        } else if self.package.borrow().rules.left.is_empty() {
            return Ok(batch);
        }
        let plan = {
            let package = self.package.borrow();
            Plan::of(&package.found.package, &package.rules)
        };
        let now: HashMap<&Tag, (&Digest, Option<&Reason>)> = plan
            .rows
            .iter()
            .map(|row| (&row.tag, (&row.digest, row.stays.as_ref())))
            .collect();
        // By digest all its tags go: one that was moved to it meanwhile is to stay.
        let mut of_digest: HashMap<&Digest, Vec<&Tag>> = HashMap::new();
        for row in plan.rows.iter().filter(|_| self.way.get() == DeleteBy::Digest) {
            of_digest.entry(&row.digest).or_default().push(&row.tag);
        }
        let mut still = Vec::new();
        for going in batch {
            let mut tags = of_digest.get(&going.digest).into_iter().flatten();
            let moved_here = tags.find(|tag| !going.tags.contains(**tag));
            let staying = going.tags.iter().find_map(|tag| match now.get(tag) {
                Some((digest, Some(reason))) if **digest == going.digest => Some(reason.to_string()),
                _ => None,
            });
            let shared = moved_here.map(|tag| Reason::SharedDigest((*tag).clone()).to_string());
            // A tag that was moved, or is gone, is met when its turn comes.
            match staying.or(shared) {
                Some(reason) => {
                    for tag in &going.tags {
                        self.leave(tag, &reason);
                    }
                }
                None => still.push(going),
            }
        }
        Ok(still)
    }

    /// Reads the package again.
    async fn look(&self) -> Result<(), RunErrors> {
        let begun = Instant::now();
        let listed = self.remote.everything().await?;
        let (reader, known) = {
            let mut package = self.package.borrow_mut();
            let known = std::mem::take(&mut package.found.package.manifests);
            (package.reader.clone(), known)
        };
        let mut found = reader.read(listed, known).await?;
        let mut package = self.package.borrow_mut();
        package.named.clone().note(self.remote.repository(), &mut found.package);
        let is_whole = found.is_whole();
        // What was not to go stays, wherever it points now, and so does what came meanwhile.
        let others = found.package.tags.iter().map(|(tag, _)| tag);
        let others = others.filter(|tag| !self.going.contains(*tag)).cloned();
        package.rules.left.extend(others);
        package.found = found;
        if !is_whole {
            let message = format!(
                "`{}` deletes only whole images with all their tags, and lists tags of which it is not known which image \
                 they are",
                self.remote.repository()
            );
            let hint = "nothing is deleted that one of these may need; run the step again, and if it stays so, ask those who \
                        run the registry";
            return Err(RunError::told(FailureKind::Other, Page::UnknownTags, message, hint).into());
        }
        self.looked.set(Some((begun.elapsed(), Instant::now())));
        Ok(())
    }

    /// Deletes an image; for each tag what became of it.
    async fn image(&self, going: &Going) -> Vec<Fate> {
        if self.way.get() == DeleteBy::Digest {
            return self.by_digest(going).await;
        }
        let mut fates = Vec::new();
        for tag in &going.tags {
            let is_unknown = matches!(fates.last(), Some(Fate::Unknown(_) | Fate::Unasked));
            fates.push(if is_unknown {
                Fate::Unasked
            } else {
                self.by_tag(tag, &going.digest).await
            });
        }
        fates
    }

    async fn by_tag(&self, tag: &Tag, digest: &Digest) -> Fate {
        let selector = Selector::Tag(tag.clone());
        let mut tries = 1;
        loop {
            match self.remote.digest(&selector, Negative::Confirmed).await {
                Ok(now) => {
                    if let Some(fate) = moved(now.as_ref(), digest) {
                        return fate.after(tries);
                    }
                }
                Err(error) => return Fate::Failed(error.into()),
            }
            self.journal(tag, Some(digest), Outcome::Deleting, None);
            let error = match self.remote.delete(&selector).await {
                Ok(()) => return self.proof(&selector, digest).await,
                Err(error) => error,
            };
            match self.answered(&selector, digest, error, tries).await {
                Ok(fate) => return fate,
                Err(pause) => tokio::time::sleep(pause).await,
            }
            tries += 1;
        }
    }

    async fn by_digest(&self, going: &Going) -> Vec<Fate> {
        let selector = Selector::Digest(going.digest.clone());
        let mut tries = 1;
        loop {
            let mut fates: Vec<Option<Fate>> = Vec::new();
            for tag in &going.tags {
                let looked = self
                    .remote
                    .digest(&Selector::Tag(tag.clone()), Negative::Confirmed)
                    .await;
                fates.push(match looked {
                    Ok(now) => moved(now.as_ref(), &going.digest).map(|fate| fate.after(tries)),
                    Err(error) => Some(Fate::Failed(error.into())),
                });
            }
            let is_unknown = fates.iter().any(|fate| matches!(fate, Some(Fate::Failed(_))));
            if is_unknown || fates.iter().all(Option::is_some) {
                // Of a tag that could not be looked at it is not known where it points.
                let left = || Fate::Left("another tag of its image could not be read".to_owned());
                return fates.into_iter().map(|fate| fate.unwrap_or_else(left)).collect();
            }
            for (tag, _) in going.tags.iter().zip(&fates).filter(|(_, fate)| fate.is_none()) {
                self.journal(tag, Some(&going.digest), Outcome::Deleting, None);
            }
            let answer = match self.remote.delete(&selector).await {
                Ok(()) => Ok(self.proof(&selector, &going.digest).await),
                Err(error) => self.answered(&selector, &going.digest, error, tries).await,
            };
            match answer {
                Ok(fate) => {
                    let mut fate = Some(fate);
                    // One refusal of several tags is told once.
                    let mut next = || match &fate {
                        Some(Fate::Deleted) => Fate::Deleted,
                        Some(Fate::Left(reason)) => Fate::Left(reason.clone()),
                        _ => fate
                            .take()
                            .unwrap_or_else(|| Fate::Left("its image was not deleted".to_owned())),
                    };
                    return fates.into_iter().map(|own| own.unwrap_or_else(&mut next)).collect();
                }
                Err(pause) => tokio::time::sleep(pause).await,
            }
            tries += 1;
        }
    }

    /// What a refusal, or no answer, means; or after which pause to look and ask again.
    async fn answered(&self, selector: &Selector, digest: &Digest, error: Error, tries: u32) -> Result<Fate, Duration> {
        if error.kind.is_of_immutable_tag() {
            return Ok(Fate::Left(format!("the registry says that it is immutable ({error})")));
        }
        let pause = self.run.policy.pause(&error.kind, tries, error.asked, retry::chance());
        if let Some(pause) = pause {
            tracing::warn!("{error}; trying again in {:.1} s", pause.as_secs_f64());
            return Err(pause);
        }
        // It may be done all the same: an answer of another form, or one to a request before.
        if error.is_unproven() || error.is_missing() {
            match self.is_gone(selector, digest).await {
                Ok(true) => return Ok(Fate::Deleted),
                Ok(false) => {}
                Err(error) => return Ok(Fate::Failed(error.into())),
            }
        }
        if is_unknown(&error) && !self.is_proven.get() {
            return Ok(Fate::Unknown(error));
        }
        Ok(Fate::Failed(RunError::NotDeleted(error)))
    }

    /// Looks whether what the registry says it has deleted is gone.
    async fn proof(&self, selector: &Selector, digest: &Digest) -> Fate {
        match self.is_gone(selector, digest).await {
            Ok(true) => Fate::Deleted,
            Ok(false) => Fate::Failed(RunError::told(
                FailureKind::Other,
                Page::StillThere,
                format!(
                    "`{}` answered that it deleted `{}`, and still has it",
                    self.remote.repository().host(),
                    match selector {
                        Selector::Tag(tag) => format!("{}:{tag}", self.remote.repository().path()),
                        Selector::Digest(digest) => format!("{}@{digest}", self.remote.repository().path()),
                    }
                ),
                "it may take the registry a while; look again later, and if it stays there, ask those who run the registry",
            )),
            Err(error) => Fate::Failed(error.into()),
        }
    }

    /// Whether a tag does not point to a digest any more, or a digest is not there.
    async fn is_gone(&self, selector: &Selector, digest: &Digest) -> Result<bool, Error> {
        let mut pause = PAUSE;
        for look in 1.. {
            let now = self.remote.digest(selector, Negative::Confirmed).await?;
            if now.as_ref() != Some(digest) {
                return Ok(true);
            }
            if look == LOOKS {
                break;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Ok(false)
    }

    /// Notes what became of an image's tags; gives those back that are to be tried in another way.
    fn note(&self, going: Going, fates: Vec<Fate>) -> Result<Option<Going>, RunErrors> {
        let mut again = Vec::new();
        for (tag, fate) in going.tags.iter().zip(fates) {
            match fate {
                Fate::Deleted => {
                    self.is_proven.set(true);
                    self.journal(tag, Some(&going.digest), Outcome::Deleted, None);
                    let name = format!("`{}:{tag}` deleted", self.remote.repository());
                    self.run.log.image(&name, &self.remote);
                    self.tally.borrow_mut().deleted += 1;
                }
                Fate::Left(reason) => self.leave(tag, &reason),
                Fate::Failed(error) => self.fail(tag, error),
                Fate::Unknown(error) if self.way.get() == DeleteBy::Tag => {
                    tracing::debug!("not by its tag: {error}");
                    *self.by_tag.borrow_mut() = Some(error);
                    again.push(tag.clone());
                }
                Fate::Unasked => again.push(tag.clone()),
                Fate::Unknown(error) => {
                    self.journal(tag, Some(&going.digest), Outcome::Failed, None);
                    return Err(self.no_way(error).into());
                }
            }
        }
        if again.is_empty() {
            return Ok(None);
        }
        self.way.set(DeleteBy::Digest);
        tracing::info!(
            "`{}` does not delete a tag by its name: images are deleted by their digests, with all their tags",
            self.remote.repository().host()
        );
        Ok(Some(Going { tags: again, ..going }))
    }

    fn leave(&self, tag: &Tag, reason: &str) {
        self.journal(tag, None, Outcome::Skipped, Some(reason.to_owned()));
        self.run
            .log
            .left(&format!("`{}:{tag}`: {reason}", self.remote.repository()));
        self.package.borrow_mut().rules.left.insert(tag.clone());
        self.tally.borrow_mut().left += 1;
    }

    fn fail(&self, tag: &Tag, error: RunError) {
        let name = format!("{}:{tag}", self.remote.repository());
        self.journal(tag, None, Outcome::Failed, None);
        self.run.log.failed(&format!("`{name}`"));
        self.package.borrow_mut().rules.left.insert(tag.clone());
        let mut tally = self.tally.borrow_mut();
        if tally.errors.len() < MOST_TOLD {
            tally.errors.push(error.about(&name));
        }
    }

    fn journal(&self, tag: &Tag, digest: Option<&Digest>, outcome: Outcome, reason: Option<String>) {
        let Some(place) = self.places.get(tag) else { return };
        let number = self.package.borrow().number;
        let page = self.run.journal.page(number, &self.remote).because(reason);
        page.note((*place, Some(tag)), outcome, digest, 0, Duration::ZERO);
    }

    /// Ends the deletions where the registry has refused every one.
    fn not_all_refused(&self) -> Result<(), RunErrors> {
        let mut tally = self.tally.borrow_mut();
        if tally.deleted > 0 || tally.errors.len() < MOST_REFUSALS {
            return Ok(());
        }
        RunErrors::of(std::mem::take(&mut tally.errors)).map_or(Ok(()), Err)
    }

    /// The registry takes neither way.
    fn no_way(&self, by_digest: Error) -> RunError {
        let package = self.package.borrow();
        let going: Vec<String> = package.plan.going().map(|row| format!("`{}`", row.tag)).collect();
        RunError::NoDeletion {
            by_tag: self.by_tag.borrow().clone().map(Box::new),
            by_digest: Box::new(by_digest),
            tags: going,
        }
    }
}

impl Fate {
    /// A tag that is gone after a try is gone by that.
    fn after(self, tries: u32) -> Self {
        match self {
            Self::Left(reason) if tries > 1 && reason == GONE => Self::Deleted,
            other => other,
        }
    }
}

const GONE: &str = "it is gone already";

/// What becomes of a tag that does not point to its digest any more; `None` where it does.
fn moved(now: Option<&Digest>, digest: &Digest) -> Option<Fate> {
    match now {
        Some(now) if now == digest => None,
        Some(now) => Some(Fate::Left(format!("it points to another image now, {}", now.short()))),
        None => Some(Fate::Left(GONE.to_owned())),
    }
}

/// Whether a registry may refuse because it does not know this way to delete. Debian's docker-registry 2.8 answers 400 or 405
/// with `UNSUPPORTED`; what others say differs.
fn is_unknown(error: &Error) -> bool {
    match &error.kind {
        ErrorKind::Refused { status, code, .. } => {
            let says_so =
                matches!(code, Some(Code::Other(code)) if matches!(code.as_str(), "UNSUPPORTED" | "DIGEST_INVALID"));
            says_so || matches!(status, 400 | 404 | 405 | 501)
        }
        ErrorKind::Unproven { .. } => true,
        _ => false,
    }
}
