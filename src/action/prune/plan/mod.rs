//! Which tags of a package go, which stay, and why. Pure: what it decides on has been read.
//!
//! A tag stays unless everything says that it may go. Two things are decided here that a registry does not hold together
//! by itself: what a tag that stays needs (the manifests below its index, another tag of the same digest) stays, and what
//! refers to something that stays (a signature, an SBOM) stays with it.

mod need;
mod order;
mod reason;

pub(super) use reason::Reason;

use crate::input::Pattern;
use crate::names::{Digest, Tag};
use crate::text::order::sort_by_key;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use time::{Duration, OffsetDateTime};

/// How far a clock may be ahead of ours before its dates count for nothing.
const SKEW: Duration = Duration::DAY;
/// The endings of the tags under which cosign keeps what belongs to an image (cosign, "Registry Details").
const COSIGN: [&str; 3] = [".sig", ".att", ".sbom"];

/// What the user allows.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Of which tags any may go; none for all.
    pub(super) selected: Vec<Pattern>,
    /// `KEEP`: so many of the newest images stay.
    pub(super) keep: Option<NonZeroUsize>,
    /// `KEEP_TAGS`: tags that stay.
    pub(super) keep_tags: Vec<Pattern>,
    /// `OLDER_THAN`: what is younger stays.
    pub(super) older_than: Option<Duration>,
    /// The clock's time.
    pub(super) now: OffsetDateTime,
    /// Tags that could not be deleted: what they need stays with them.
    pub(super) left: HashSet<Tag>,
}

/// A package as its registry shows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Package {
    /// Each tag, and where it points.
    pub(super) tags: Vec<(Tag, Digest)>,
    /// The manifests that tags point to, and all manifests below them.
    pub(super) manifests: HashMap<Digest, Contents>,
    /// Tags that files of the clone name, each with the place.
    pub(super) named_tags: HashMap<Tag, String>,
    /// The same for digests.
    pub(super) named_digests: HashMap<Digest, String>,
}

/// What a manifest holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    /// When its image was made, as its configuration says. That of an index follows from its images.
    pub(super) created: Option<OffsetDateTime>,
    /// The manifests that an index points to.
    pub(super) children: Vec<Child>,
    /// The manifest that it refers to (`subject`).
    pub(super) subject: Option<Digest>,
    /// Its own bytes, its configuration and its layers.
    pub(super) blobs: Vec<Blob>,
}

/// An entry of an index.
#[derive(Debug, Clone)]
pub(super) struct Child {
    pub(super) digest: Digest,
    /// Whether it is an image for a platform, not an attestation of one.
    pub(super) is_image: bool,
    /// Whether it is an index itself.
    pub(super) is_index: bool,
}

/// Bytes that a registry keeps once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Blob {
    /// The first digits of its digest, which are enough for an estimate.
    id: u128,
    size: u64,
}

/// A tag, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) tag: Tag,
    /// Where it points.
    pub(super) digest: Digest,
    /// When its image was made, where that is known.
    pub(super) created: Option<OffsetDateTime>,
    /// Why it stays; `None` where it goes.
    pub(super) stays: Option<Reason>,
}

/// An image that goes, with all its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Going {
    pub(super) digest: Digest,
    pub(super) tags: Vec<Tag>,
}

/// A package, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Each tag: first those that go, oldest first, then those that stay, newest first.
    pub(super) rows: Vec<Row>,
    /// The images that go, in steps: whatever is broken off, no index is left without a part of it, and no signature
    /// without its image.
    pub(super) steps: Vec<Vec<Going>>,
    /// Bytes that no tag of the package needs afterwards. An estimate: other packages may have the same blobs.
    pub(super) freed: u64,
}

impl Plan {
    /// Decides on every tag of a package.
    pub(super) fn of(package: &Package, rules: &Rules) -> Self {
        let mut decision = Decision::new(package);
        decision.by_rules(rules);
        decision.by_need();
        decision.into_plan()
    }

    /// The tags that go, oldest first.
    pub(super) fn going(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.stays.is_none())
    }
}

impl Blob {
    pub(super) fn new(digest: &Digest, size: u64) -> Self {
        // A digest is hexadecimal after its colon, and longer than this.
        let digits = digest.as_str().split_once(':').map_or("", |(_, digits)| digits);
        let id = digits
            .get(..32)
            .and_then(|digits| u128::from_str_radix(digits, 16).ok());
        Self {
            id: id.unwrap_or_default(),
            size,
        }
    }
}

/// The tags of a package while it is decided on them.
struct Decision<'a> {
    package: &'a Package,
    /// For each tag why it stays; `None` where it may go.
    stays: Vec<Option<Reason>>,
    /// For each tag what it refers to, if it is not an image of its own.
    subjects: Vec<Option<Digest>>,
    /// For each tag when its image was made.
    created: Vec<Option<OffsetDateTime>>,
}

impl<'a> Decision<'a> {
    fn new(package: &'a Package) -> Self {
        let dates = order::dates(package);
        let subject = |(tag, digest): &(Tag, Digest)| {
            let contents = package.manifests.get(digest);
            let stated = contents.and_then(|contents| contents.subject.clone());
            // A tag may also be called after the image that it has itself.
            stated
                .or_else(|| subject_of_tag(tag))
                .filter(|subject| subject != digest)
        };
        Self {
            package,
            stays: vec![None; package.tags.len()],
            subjects: package.tags.iter().map(subject).collect(),
            created: package
                .tags
                .iter()
                .map(|(_, digest)| dates.get(digest).copied().flatten())
                .collect(),
        }
    }

    /// What each tag says of itself: its name, its date, its place among the newest.
    fn by_rules(&mut self, rules: &Rules) {
        let named = self.named();
        let dated: Vec<bool> = (0..self.stays.len())
            .map(|number| self.created[number].is_some_and(|created| created <= rules.now + SKEW))
            .collect();
        let is_selected =
            |tag: &Tag| rules.selected.is_empty() || rules.selected.iter().any(|pattern| pattern.fits(tag));
        let places = self.places(|number, tag| is_selected(tag) && dated[number]);
        for (number, (tag, _)) in self.package.tags.iter().enumerate() {
            let kept = || rules.keep_tags.iter().find(|pattern| pattern.fits(tag));
            let is_image = self.counts(number);
            let place = places.get(&number).copied();
            let is_young = |least| {
                self.created[number].is_some_and(|created| is_image && dated[number] && rules.now - created < least)
            };
            self.stays[number] = if rules.left.contains(tag) {
                Some(Reason::Left)
            } else if !is_selected(tag) {
                Some(Reason::NotSelected)
            } else if let Some(pattern) = kept() {
                Some(Reason::KeepTags(pattern.clone()))
            } else if let Some(place) = named.get(&number) {
                Some(Reason::Named((*place).clone()))
            } else if is_image && self.created[number].is_none() {
                Some(Reason::NoDate)
            } else if is_image && !dated[number] {
                Some(Reason::Ahead)
            } else if let Some(place) = place.filter(|place| rules.keep.is_some_and(|keep| *place <= keep.get())) {
                Some(Reason::Newest(place))
            } else if rules.older_than.is_some_and(is_young) {
                Some(Reason::Young)
            } else {
                None
            };
        }
    }

    /// Whether a tag is of an image, which is judged by its date. A signature is as old as it may be: it follows its image;
    /// but what has a date of its own is both.
    fn counts(&self, number: usize) -> bool {
        let (_, digest) = &self.package.tags[number];
        let states_subject = || {
            let contents = self.package.manifests.get(digest);
            contents.is_some_and(|contents| contents.subject.is_some())
        };
        self.subjects[number].is_none() || (self.created[number].is_some() && states_subject())
    }

    /// The place of each tag's image among the newest ones, from 1, by the number of the tag. Two tags of one image count
    /// once, and what refers to an image takes no place from one.
    fn places(&self, counts: impl Fn(usize, &Tag) -> bool) -> HashMap<usize, usize> {
        let package = self.package;
        let (mut images, referrers): (Vec<usize>, Vec<usize>) = (0..package.tags.len())
            .filter(|number| counts(*number, &package.tags[*number].0) && self.counts(*number))
            .partition(|number| self.subjects[*number].is_none());
        sort_by_key(&mut images, |number| Reverse(self.age(*number)));
        let mut of_image: HashMap<&Digest, usize> = HashMap::new();
        let mut places = HashMap::new();
        for number in &images {
            let next = of_image.len() + 1;
            places.insert(*number, *of_image.entry(&package.tags[*number].1).or_insert(next));
        }
        for number in referrers {
            let newer = images.partition_point(|image| self.created[*image] > self.created[number]);
            let before = newer.checked_sub(1).map_or(0, |last| places[&images[last]]);
            places.insert(number, before + 1);
        }
        places
    }

    /// The newest is the greatest; of one date the higher number in the tag, so that `build-10` is after `build-9`.
    fn age(&self, number: usize) -> (Option<OffsetDateTime>, Vec<(&'a str, u128)>) {
        let tag: &'a Tag = &self.package.tags[number].0;
        (self.created[number], natural(tag.as_str()))
    }

    fn into_plan(self) -> Plan {
        let going = |number: &usize| self.stays[*number].is_none();
        let (mut goes, mut stays): (Vec<usize>, Vec<usize>) = (0..self.stays.len()).partition(going);
        sort_by_key(&mut goes, |number| self.age(*number));
        sort_by_key(&mut stays, |number| Reverse(self.age(*number)));
        let rows = goes.iter().chain(&stays).map(|number| {
            let (tag, digest) = &self.package.tags[*number];
            Row {
                tag: tag.clone(),
                digest: digest.clone(),
                created: self.created[*number],
                stays: self.stays[*number].clone(),
            }
        });
        Plan {
            rows: rows.collect(),
            steps: self.steps(&goes),
            freed: self.freed(),
        }
    }
}

/// What a tag refers to by its name: `sha256-HEX`, the tag that is used in place of the referrers API (OCI distribution
/// specification, "Referrers Tag Schema"), and cosign's `sha256-HEX.sig`.
fn subject_of_tag(tag: &Tag) -> Option<Digest> {
    let name = tag.as_str();
    let name = COSIGN.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let (algorithm, hex) = name.split_once('-')?;
    Digest::parse(&format!("{algorithm}:{hex}")).ok()
}

/// A text cut into words and numbers, so that numbers sort by their value.
fn natural(text: &str) -> Vec<(&str, u128)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (before, after) = rest.split_at(word);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (number, after) = after.split_at(digits);
        // Nobody counts with numbers of forty digits.
        parts.push((before, number.parse().unwrap_or(u128::MAX)));
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests;
