//! `ACTION: prune`, checked: which packages, and what stays in them.

use super::selection::Pattern;
use super::{Check, Read};
use crate::mistake::{Mistake, MistakeKind};
use crate::names::{AtLeastOne, BadReference, Reference, Repository, split};
use std::num::NonZeroUsize;
use time::Duration;

/// Most images that `KEEP` keeps: no package has as many.
const MOST_KEPT: usize = 1_000_000;
/// Longest age in days, a hundred years: what is older than that has no date.
const LONGEST_AGE: i64 = 36_500;

/// `ACTION: prune`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prune {
    /// The packages, each once.
    pub packages: AtLeastOne<WantedPackage>,
    /// `KEEP`: how many of the newest images stay in each package.
    pub keep: Option<NonZeroUsize>,
    /// `KEEP_TAGS`: tags that stay.
    pub keep_tags: Vec<Pattern>,
    /// `OLDER_THAN`: what is younger stays.
    pub older_than: Option<Duration>,
    /// `DRY_RUN`: nothing is deleted.
    pub dry_run: bool,
}

/// A package, and which of its tags may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedPackage {
    pub repository: Repository,
    /// The patterns of tags that may go; none where any may.
    pub selected: Vec<Pattern>,
}

impl Check<'_> {
    pub(super) fn prune(&mut self) -> Read<Prune> {
        let scalars = &self.variables.scalars;
        let packages = self.packages();
        let keep = self.keep();
        let keep_tags = self.keep_tags();
        let older_than = scalars.older_than.as_deref().map(|written| self.age(written));
        let dry_run = scalars.dry_run.is_none() || self.switch("DRY_RUN", scalars.dry_run.as_deref());
        if !["KEEP", "OLDER_THAN"]
            .iter()
            .any(|name| self.variables.set.contains(name) || self.variables.empty.contains(name))
        {
            self.mistake(Mistake::unshown(
                MistakeKind::Keep,
                "KEEP",
                "`prune` needs to know what stays, and neither `KEEP` nor `OLDER_THAN` is set",
                "write `KEEP: '20'` for the newest images, `OLDER_THAN: 30d` for the young ones, or both",
            ));
        }
        Ok(Prune {
            packages: packages?,
            keep,
            keep_tags: keep_tags?,
            older_than: older_than.transpose()?,
            dry_run,
        })
    }

    /// `IMAGES`: packages, each with or without a pattern of tags.
    fn packages(&mut self) -> Read<AtLeastOne<WantedPackage>> {
        self.not_too_many_images()?;
        let mut packages: Vec<WantedPackage> = Vec::new();
        let mut mistaken = None;
        for text in &self.variables.images {
            let mistake = match self.package(text) {
                Ok((repository, pattern)) => {
                    let known = packages.iter_mut().find(|known| known.repository == repository);
                    match (known, pattern) {
                        (Some(known), Some(pattern)) if !known.selected.is_empty() => {
                            if !known.selected.contains(&pattern) {
                                known.selected.push(pattern);
                            }
                            continue;
                        }
                        (Some(known), None) if known.selected.is_empty() => continue,
                        (Some(known), _) => Mistake::new(
                            MistakeKind::Together,
                            "IMAGES",
                            text,
                            format!(
                                "`{}` is named twice, with all of its tags and with some of them",
                                known.repository.package()
                            ),
                            "write one of the two",
                        ),
                        (None, pattern) => {
                            packages.push(WantedPackage {
                                repository,
                                selected: pattern.into_iter().collect(),
                            });
                            continue;
                        }
                    }
                }
                Err(mistake) => mistake,
            };
            let mistake = self.mistake(mistake);
            mistaken.get_or_insert(mistake);
        }
        if let Some(mistake) = mistaken {
            return Err(mistake);
        }
        AtLeastOne::of(packages).ok_or_else(|| {
            self.mistake(Mistake::unshown(
                MistakeKind::Missing,
                "IMAGES",
                "`prune` needs the packages to look through",
                "write `IMAGES: api`, or `IMAGES: 'api:build-*'` for some of its tags",
            ))
        })
    }

    /// One item of `IMAGES`. A pattern that any tag fits is none.
    fn package(&self, text: &str) -> Result<(Repository, Option<Pattern>), Mistake> {
        let namespace = &self.namespace;
        let bad = |bad: BadReference| Mistake::of_reference("IMAGES", text, &bad);
        let (name, tag) = match split(text).map_err(bad)? {
            (_, _, Some(_)) => {
                return Err(Mistake::new(
                    MistakeKind::NotForAction,
                    "IMAGES",
                    text,
                    "it names one image by its digest, and `prune` deletes tags",
                    "write `package`, or `package:pattern` for some of its tags",
                ));
            }
            (name, _, None) if name.contains(['*', '?']) => {
                return Err(Mistake::new(
                    MistakeKind::NotForAction,
                    "IMAGES",
                    text,
                    "a pattern is for tags, and this one is in the package's name",
                    "write each package, as in `api:build-* web:build-*`",
                ));
            }
            (name, tag, None) => (name, tag),
        };
        let repository = Reference::parse(name, namespace).map_err(bad)?.repository;
        if *repository.host() != namespace.registry {
            return Err(Mistake::new(
                MistakeKind::NotForAction,
                "IMAGES",
                text,
                format!(
                    "it is on `{}`, but `REGISTRY` is `{}`",
                    repository.host(),
                    namespace.registry
                ),
                "`prune` deletes in `REGISTRY` alone; write the package without a host",
            ));
        }
        let pattern = tag.map(|tag| {
            let bad = || match tag {
                "" => BadReference::EmptyTag,
                tag => BadReference::Tag { tag: tag.to_owned() },
            };
            Pattern::parse(tag).ok_or_else(bad)
        });
        let pattern = pattern.transpose().map_err(bad)?;
        Ok((repository, pattern.filter(|pattern| !pattern.fits_everything())))
    }

    fn keep(&mut self) -> Option<NonZeroUsize> {
        let written = self.variables.scalars.keep.as_deref()?;
        let (problem, cure) = match written.trim().parse::<usize>() {
            Ok(0) => (
                "it would keep no image at all".to_owned(),
                "write how many of the newest images stay; to go by age alone, leave it out and set `OLDER_THAN`"
                    .to_owned(),
            ),
            Ok(number) if number <= MOST_KEPT => return NonZeroUsize::new(number),
            _ => (
                "it is not a number of images".to_owned(),
                format!("write a whole number from 1 to {MOST_KEPT}"),
            ),
        };
        self.mistake(Mistake::new(MistakeKind::Keep, "KEEP", written, problem, cure));
        None
    }

    fn keep_tags(&mut self) -> Read<Vec<Pattern>> {
        let mut patterns: Vec<Pattern> = Vec::new();
        let mut mistaken = None;
        for text in &self.variables.keep_tags {
            let mistake = match Pattern::parse(text) {
                Some(pattern) if pattern.fits_everything() => Mistake::new(
                    MistakeKind::Keep,
                    "KEEP_TAGS",
                    text,
                    "every tag fits it, so nothing could ever go",
                    "write patterns of the tags that stay, as in `v* latest`",
                ),
                Some(pattern) => {
                    if !patterns.contains(&pattern) {
                        patterns.push(pattern);
                    }
                    continue;
                }
                None if text.contains([':', '/', '@']) => Mistake::new(
                    MistakeKind::Reference,
                    "KEEP_TAGS",
                    text,
                    "it is a reference",
                    "write the tags alone, as in `v* latest`",
                ),
                None => Mistake::of_reference("KEEP_TAGS", text, &BadReference::Tag { tag: text.clone() }),
            };
            let mistake = self.mistake(mistake);
            mistaken.get_or_insert(mistake);
        }
        mistaken.map_or(Ok(patterns), Err)
    }

    /// `OLDER_THAN`: hours, days or weeks.
    fn age(&mut self, written: &str) -> Read<Duration> {
        let text = written.trim();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let hours = match unit {
            "h" => Some(1),
            "d" => Some(24),
            "w" => Some(7 * 24),
            _ => None,
        };
        let hours = hours.and_then(|hours: i64| number.parse::<i64>().ok()?.checked_mul(hours));
        match hours {
            Some(hours) if (1..=LONGEST_AGE * 24).contains(&hours) => Ok(Duration::hours(hours)),
            Some(0) => Err(self.mistake(Mistake::new(
                MistakeKind::Keep,
                "OLDER_THAN",
                written,
                "every image is older than that",
                "write how old an image must be before it may go, as in `30d`; to go by number alone, leave it out and set \
                 `KEEP`",
            ))),
            _ => Err(self.mistake(Mistake::new(
                MistakeKind::Keep,
                "OLDER_THAN",
                written,
                "it is not an age",
                "write a number of hours, days or weeks up to a hundred years, as in `12h`, `30d` or `8w`",
            ))),
        }
    }
}
