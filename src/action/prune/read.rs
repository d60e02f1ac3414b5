//! Reads a package whole: where each tag points, what is below it, and when it was made. Half a package would pass for a
//! whole one, and what it lacks would be deleted: what cannot be read ends the run before anything is.

use super::super::Run;
use super::plan::{Blob, Child, Contents, Package};
use crate::explain::failure::FailureKind;
use crate::explain::{Page, RunError, RunErrors};
use crate::names::{Digest, Selector, Tag};
use crate::registry::manifest::{self, Content, Descriptor};
use crate::registry::{Charge, Error, ErrorKind, Head, ListedTags, Manifest, Remote};
use crate::text::count;
use crate::text::order::sort;
use futures_util::stream::{self, StreamExt as _};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// Most tags of one package.
const MOST_TAGS: usize = 50_000;
/// Most manifests of one package.
const MOST_MANIFESTS: usize = 200_000;
/// Deepest nesting of indexes. Real ones have two levels.
const DEEPEST: usize = 16;
/// Longest time that one package is read.
const LONGEST: Duration = Duration::from_secs(1800);
/// How often it is said how far the reading is.
const INTERVAL: Duration = Duration::from_secs(10);
/// What a run keeps of a tag, with its row in the plan and in the report, of a manifest, an entry of an index and a blob, in
/// bytes.
const TAG: usize = 1000;
const MANIFEST: usize = 700;
const ENTRY: usize = 200;
const BLOB: usize = 96;

/// A package that was read.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) package: Package,
    /// Tags that are listed and not there. Where they point is not known.
    pub(super) unread: Vec<Tag>,
    /// What else is not known, each as it is told.
    pub(super) gaps: Vec<String>,
}

impl Found {
    /// Whether it is known of each tag what it needs.
    pub(super) fn is_whole(&self) -> bool {
        self.unread.is_empty() && self.gaps.is_empty()
    }
}

/// Reads one package, again and again: what a digest holds is read once.
pub(super) struct Reader<'a> {
    run: &'a Run,
    pub(super) remote: Remote,
    known: RefCell<HashMap<Digest, Contents>>,
    /// Manifests that are not there, though an index names them.
    absent: RefCell<HashSet<Digest>>,
    charge: RefCell<Charge>,
    begun: Cell<Instant>,
    told: Cell<Instant>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(run: &'a Run, remote: Remote) -> Self {
        Self {
            run,
            charge: RefCell::new(remote.charge()),
            remote,
            known: RefCell::default(),
            absent: RefCell::default(),
            begun: Cell::new(Instant::now()),
            told: Cell::new(Instant::now()),
        }
    }

    /// Reads what these tags point to, and all below it but what is known already.
    pub(super) async fn read(&self, listed: ListedTags, known: HashMap<Digest, Contents>) -> Result<Found, RunErrors> {
        *self.known.borrow_mut() = known;
        self.begun.set(Instant::now());
        let mut seen = HashSet::new();
        let tags: Vec<Tag> = listed.tags.into_iter().filter(|tag| seen.insert(tag.clone())).collect();
        if tags.len() > MOST_TAGS {
            return Err(self.too_much(&format!("{MOST_TAGS} tags")).into());
        }
        self.hold(tags.len() * TAG)?;
        let odd = listed
            .odd
            .iter()
            .map(|text| format!("it lists `{text}`, which is not a tag"));
        let mut found = Found {
            gaps: odd.collect(),
            ..Found::default()
        };
        let (all, mut done) = (tags.len(), 0);
        let reads = tags.into_iter().map(|tag| async {
            let digest = self.tag(&tag).await;
            digest.map(|digest| (tag, digest))
        });
        let mut reads = stream::iter(reads).buffered(self.run.concurrency);
        while let Some(read) = reads.next().await {
            match read? {
                (tag, Some(digest)) => found.package.tags.push((tag, digest)),
                (tag, None) => found.unread.push(tag),
            }
            done += 1;
            if self.told.get().elapsed() > INTERVAL {
                self.told.set(Instant::now());
                tracing::info!("read {done} of {} of `{}`", count(all, "tag"), self.remote.repository());
            }
            self.in_time()?;
        }
        drop(reads);
        self.below(&mut found).await?;
        // What no tag leads to any more does no harm: it keeps nothing.
        found.package.manifests = self.known.take();
        Ok(found)
    }

    /// Reads all manifests below those that are known.
    async fn below(&self, found: &mut Found) -> Result<(), RunErrors> {
        for level in 0.. {
            if level > DEEPEST {
                return Err(self.too_much(&format!("{DEEPEST} levels of indexes")).into());
            }
            let wanted: HashSet<Digest> = {
                let (known, absent) = (self.known.borrow(), self.absent.borrow());
                let children = known.values().flat_map(|contents| &contents.children);
                let digests = children.map(|child| &child.digest);
                let wanted = digests.filter(|digest| !known.contains_key(*digest) && !absent.contains(*digest));
                wanted.cloned().collect()
            };
            if wanted.is_empty() {
                break;
            }
            let reads = wanted.into_iter().map(|digest| async {
                let read = self.manifest(&Selector::Digest(digest.clone())).await?;
                if read.is_none() {
                    self.absent.borrow_mut().insert(digest);
                }
                Ok::<_, RunErrors>(())
            });
            let mut reads = stream::iter(reads).buffer_unordered(self.run.concurrency);
            while let Some(read) = reads.next().await {
                read?;
                self.in_time()?;
            }
        }
        let (known, absent) = (self.known.borrow(), self.absent.borrow());
        let missing = known.values().flat_map(|contents| &contents.children);
        let missing = missing.filter(|child| child.is_index && absent.contains(&child.digest));
        let mut gaps: Vec<String> = missing
            .map(|child| {
                format!(
                    "the index {} is named by another one and is not there",
                    child.digest.short()
                )
            })
            .collect();
        sort(&mut gaps);
        gaps.dedup();
        found.gaps.extend(gaps);
        Ok(())
    }

    /// Where a tag points; `None` where it is not there.
    async fn tag(&self, tag: &Tag) -> Result<Option<Digest>, RunErrors> {
        let selector = Selector::Tag(tag.clone());
        // Of what is known nothing needs to be read again.
        if !self.known.borrow().is_empty()
            && let Ok(Head::Digest(digest)) = self.remote.head(&selector).await
            && self.known.borrow().contains_key(&digest)
        {
            return Ok(Some(digest));
        }
        self.manifest(&selector).await
    }

    /// Reads a manifest, and keeps what it holds; `None` where it is not there.
    async fn manifest(&self, selector: &Selector) -> Result<Option<Digest>, RunErrors> {
        let manifest = match self.remote.manifest(selector).await {
            Ok(manifest) => manifest,
            Err(error) if error.is_missing() => return Ok(None),
            Err(Error {
                kind: ErrorKind::Schema1 { .. },
                ..
            }) => return self.schema_1(selector).await,
            Err(error) => return Err(error.into()),
        };
        if !self.known.borrow().contains_key(&manifest.digest) {
            let contents = self.contents(&manifest).await?;
            self.hold(MANIFEST + contents.children.len() * ENTRY + contents.blobs.len() * BLOB)?;
            self.keep(manifest.digest.clone(), contents)?;
        }
        Ok(Some(manifest.digest))
    }

    /// Of an image of Docker's schema 1 nothing is known but its digest: it has no parts, and no date that counts.
    async fn schema_1(&self, selector: &Selector) -> Result<Option<Digest>, RunErrors> {
        let digest = match selector {
            Selector::Digest(digest) => digest.clone(),
            Selector::Tag(_) => match self.remote.head(selector).await? {
                Head::Digest(digest) => digest,
                Head::Untold | Head::Missing => return Ok(None),
            },
        };
        self.hold(MANIFEST)?;
        self.keep(digest.clone(), Contents::default())?;
        Ok(Some(digest))
    }

    async fn contents(&self, manifest: &Manifest) -> Result<Contents, RunErrors> {
        let malformed = |what: String| {
            let message = format!(
                "the manifest {} of `{}` is malformed: {what}",
                manifest.digest.short(),
                self.remote.repository()
            );
            RunError::told(FailureKind::Other, Page::ImageDamaged, message, NOTHING_DELETED)
        };
        let own = Blob::new(&manifest.digest, manifest.bytes.len() as u64);
        let blobs = |descriptors: &[Descriptor]| -> Vec<Blob> {
            let others = descriptors.iter().map(|blob| Blob::new(&blob.digest, blob.size));
            others.chain([own]).collect()
        };
        let mut contents = Contents {
            subject: manifest.subject().map_err(malformed)?,
            ..Contents::default()
        };
        match manifest.content().map_err(malformed)? {
            Content::Index(entries) => {
                let (parts, images): (Vec<Descriptor>, Vec<Descriptor>) =
                    entries.into_iter().partition(Descriptor::is_blob);
                contents.blobs = blobs(&parts);
                contents.children = images
                    .into_iter()
                    .map(|entry| Child {
                        is_image: entry.platform.is_some(),
                        is_index: entry.is_index(),
                        digest: entry.digest,
                    })
                    .collect();
            }
            Content::Image { config, layers } => {
                contents.blobs = blobs(&layers);
                contents.blobs.push(Blob::new(&config.digest, config.size));
                if config.is_image_config() {
                    contents.created = self.created(&config.digest).await?;
                }
            }
            Content::Other(others) => contents.blobs = blobs(&others),
        }
        Ok(contents)
    }

    /// The date in a configuration; `None` where that is not there.
    async fn created(&self, config: &Digest) -> Result<Option<OffsetDateTime>, RunErrors> {
        match self.remote.small_blob(config).await {
            Ok(config) => Ok(manifest::config_created(&config)),
            Err(Error {
                kind: ErrorKind::Refused { status: 404, .. },
                ..
            }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn keep(&self, digest: Digest, contents: Contents) -> Result<(), RunErrors> {
        let mut known = self.known.borrow_mut();
        if known.len() == MOST_MANIFESTS {
            return Err(self.too_much(&format!("{MOST_MANIFESTS} manifests")).into());
        }
        known.insert(digest, contents);
        Ok(())
    }

    fn hold(&self, bytes: usize) -> Result<(), RunErrors> {
        let held = self.remote.hold(&mut self.charge.borrow_mut(), bytes);
        held.map_err(|error| match &error.kind {
            ErrorKind::OverBudget { .. } => self.too_much("a run can hold in memory").into(),
            _ => error.into(),
        })
    }

    fn in_time(&self) -> Result<(), RunErrors> {
        if self.begun.get().elapsed() > LONGEST {
            return Err(self
                .too_much(&format!("can be read in {} seconds", LONGEST.as_secs()))
                .into());
        }
        Ok(())
    }

    fn too_much(&self, what: &str) -> RunError {
        let message = format!(
            "`{}` has more than {what}, and what stays depends on all of it",
            self.remote.repository()
        );
        RunError::told(FailureKind::Other, Page::TooMuchToDecide, message, NOTHING_DELETED)
    }
}

/// The advice where a package cannot be decided on.
const NOTHING_DELETED: &str = "nothing was deleted; `prune` decides only on packages that it can read whole, so delete tags of this one by \
                               hand";
