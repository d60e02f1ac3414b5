//! What was done, image by image and tag by tag: what the last line, the report and the lines for the step are made of.

use crate::credential::Source;
use crate::names::{Digest, Repository, Tag};
use crate::registry::{Attachments, Remote};
use crate::text::order::sort_by_key;
use serde::Serialize;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// What became of one image, or of one tag of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Brought into the daemon.
    Pulled,
    /// In the daemon already.
    Present,
    /// The tag was set, or moved.
    Tagged,
    /// The daemon pushed the image under this tag.
    Pushed,
    /// The tag was there with this digest.
    Same,
    /// The tag points elsewhere and was left alone (`ON_EXISTING: skip`).
    Skipped,
    /// It is there, and nothing was done with it (`check`).
    Checked,
    /// The tag stays (`prune`).
    Kept,
    /// The tag would be deleted (`prune` in a dry run).
    ToDelete,
    /// The tag is gone.
    Deleted,
    /// It was asked for that the tag is deleted, and the run ended before it was seen to be gone.
    Deleting,
    Failed,
    /// The run ended before its turn came.
    NotStarted,
}

impl Outcome {
    /// As the report names it.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pulled => "pulled",
            Self::Present => "present",
            Self::Tagged => "tagged",
            Self::Pushed => "pushed",
            Self::Same => "same",
            Self::Skipped => "skipped",
            Self::Checked => "checked",
            Self::Kept => "kept",
            Self::ToDelete => "to-delete",
            Self::Deleted => "deleted",
            Self::Deleting => "deleting",
            Self::Failed => "failed",
            Self::NotStarted => "not-started",
        }
    }

    /// Whether the tag now names the run's image.
    #[must_use]
    pub(crate) const fn is_set(self) -> bool {
        !matches!(
            self,
            Self::Skipped | Self::Failed | Self::NotStarted | Self::ToDelete | Self::Deleted | Self::Deleting
        )
    }

    /// Whether the tag is one that goes.
    #[must_use]
    pub(crate) const fn is_gone(self) -> bool {
        matches!(self, Self::ToDelete | Self::Deleted)
    }
}

/// One line of the report: an image under one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Which image of the run it belongs to, counted from 0 in the order in which they were asked for.
    pub image: usize,
    /// Whether it was not asked for by name: cosign's tags go along with their image.
    pub goes_along: bool,
    pub repository: Repository,
    /// The tag, if one was asked for or set.
    pub tag: Option<Tag>,
    /// The digest that the tag has now, if known.
    pub digest: Option<Digest>,
    /// Bytes that were moved for it.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
    /// What became of it.
    pub outcome: Outcome,
    /// Which credential served; `None` for none.
    pub credential: Option<Source>,
    /// Why that became of it, where it is not said otherwise.
    pub reason: Option<String>,
    /// What was found attached to the image, if that was looked for.
    pub attached: Option<Attachments>,
}

impl Record {
    /// Whether the daemon or the registry is now another than before.
    #[must_use]
    pub(crate) fn changed(&self) -> bool {
        matches!(
            self.outcome,
            Outcome::Pulled | Outcome::Tagged | Outcome::Pushed | Outcome::Deleted
        )
    }

    /// `repository:tag`, or `repository@digest` where there is no tag.
    #[must_use]
    pub(crate) fn reference(&self) -> String {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => format!("{}:{tag}", self.repository),
            (None, Some(digest)) => format!("{}@{digest}", self.repository),
            (None, None) => self.repository.to_string(),
        }
    }
}

/// One row of `check`, as the report has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Fact {
    /// What kind of fact: `credential`, `scopes`, `expiry`, `registry`, `image`, `target`, `pipelines` or
    /// `script`.
    pub name: &'static str,
    /// What it is about.
    pub subject: String,
    /// `good`, `failed`, `warning` or `information`.
    pub outcome: &'static str,
    /// What was found; of a failure its message.
    pub detail: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What `check` has found; empty until all is looked at, and for the other actions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    /// As it is printed.
    pub text: String,
    /// What is said below it, each with what to do about it. What failed is the run's to tell.
    pub warnings: Vec<(String, Option<String>)>,
    /// Its rows.
    pub facts: Vec<Fact>,
}

/// What is known of an image besides its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenImage {
    /// Of its manifest.
    pub digest: Digest,
    /// Its platforms, in its own order; of several, each with its size where `check` has read it.
    pub platforms: Vec<String>,
    /// Bytes of its configurations and layers as the registry keeps them.
    pub size: Option<u64>,
}

/// What a run has done when it ends.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// What became of each image.
    pub records: Vec<Record>,
    /// What `check` found.
    pub table: Table,
    /// What is known of the images besides, if that was kept.
    pub seen: Vec<SeenImage>,
}

/// The records of a run.
#[derive(Debug, Default)]
pub(super) struct Journal {
    noted: RefCell<BTreeMap<(usize, TagPlace), Record>>,
    attached: RefCell<HashMap<usize, Attachments>>,
    expected: RefCell<Vec<ExpectedImage>>,
}

/// An image that was asked for.
#[derive(Debug)]
struct ExpectedImage {
    /// As it was asked for.
    name: String,
    records: Vec<Record>,
}

/// Where a record stands among those of its image: those of tags in the order asked for.
pub(super) type TagPlace = usize;

impl Journal {
    /// Notes an image that is asked for by this name, and the tags that it is to have: if the run ends before its turn
    /// comes, the report has it all the same.
    pub(super) fn expect<'a>(
        &self,
        image: usize,
        name: &impl ToString,
        repository: &Repository,
        tags: impl IntoIterator<Item = Option<&'a Tag>>,
    ) {
        let records = tags.into_iter().map(|tag| Record {
            image,
            goes_along: false,
            repository: repository.clone(),
            tag: tag.cloned(),
            digest: None,
            bytes: 0,
            took: Duration::ZERO,
            outcome: Outcome::NotStarted,
            credential: None,
            reason: None,
            attached: None,
        });
        self.expected.borrow_mut().push(ExpectedImage {
            name: name.to_string(),
            records: records.collect(),
        });
    }

    /// Notes that what was asked for by this name failed, if nothing else was noted of it.
    pub(super) fn fail(&self, name: &str) {
        let mut expected = self.expected.borrow_mut();
        let named = expected.iter_mut().filter(|expected| expected.name == name);
        for record in named.flat_map(|expected| &mut expected.records) {
            record.outcome = Outcome::Failed;
        }
    }

    /// What has been done so far, in the order in which it was asked for.
    pub(super) fn records(&self) -> Vec<Record> {
        let noted = self.noted.borrow();
        let is_noted = |image| {
            noted
                .range((image, 0)..)
                .next()
                .is_some_and(|((of, _), _)| *of == image)
        };
        let expected = self.expected.borrow();
        let others = expected.iter().flat_map(|expected| expected.records.iter().enumerate());
        let mut records: Vec<(TagPlace, &Record)> = others.filter(|(_, record)| !is_noted(record.image)).collect();
        records.extend(noted.iter().map(|((_, place), record)| (*place, record)));
        sort_by_key(&mut records, |(place, record)| (record.image, *place));
        let attached = self.attached.borrow();
        let records = records.into_iter().map(|(_, record)| Record {
            attached: attached.get(&record.image).copied().filter(|_| !record.goes_along),
            ..record.clone()
        });
        records.collect()
    }

    /// Notes what is attached to an image.
    pub(super) fn attach(&self, image: usize, attached: Attachments) {
        self.attached.borrow_mut().insert(image, attached);
    }

    /// Where the records of one image go.
    pub(super) fn page(&self, image: usize, remote: &Remote) -> JournalPage<'_> {
        self.page_of(image, remote.repository(), remote.source())
    }

    /// The same where no credential may have served.
    pub(super) fn page_of(&self, image: usize, repository: &Repository, credential: Option<Source>) -> JournalPage<'_> {
        JournalPage {
            journal: self,
            image,
            goes_along: false,
            repository: repository.clone(),
            credential,
            reason: None,
        }
    }
}

/// The records of one image of the run.
pub(super) struct JournalPage<'a> {
    journal: &'a Journal,
    image: usize,
    goes_along: bool,
    repository: Repository,
    credential: Option<Source>,
    reason: Option<String>,
}

impl JournalPage<'_> {
    /// The same for what goes along with the image.
    pub(super) fn going_along(self, goes_along: bool) -> Self {
        Self { goes_along, ..self }
    }

    /// The same with a reason for what is noted.
    pub(super) fn because(self, reason: Option<String>) -> Self {
        Self { reason, ..self }
    }

    /// Notes what became of the image, or of one of its tags; in place of what was noted of it before.
    pub(super) fn note(
        &self,
        (place, tag): (TagPlace, Option<&Tag>),
        outcome: Outcome,
        digest: Option<&Digest>,
        bytes: u64,
        took: Duration,
    ) {
        let record = Record {
            image: self.image,
            goes_along: self.goes_along,
            repository: self.repository.clone(),
            tag: tag.cloned(),
            digest: digest.cloned(),
            bytes,
            took,
            outcome,
            credential: self.credential,
            reason: self.reason.clone(),
            attached: None,
        };
        self.journal.noted.borrow_mut().insert((self.image, place), record);
    }
}
