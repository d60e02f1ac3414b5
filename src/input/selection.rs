//! Patterns of tags; what a `copy` reads of a repository, one image or those of a pattern, and which of them are this step's
//! share.

use crate::names::{BadReference, Namespace, Reference, Repository, Tag};
use crate::text::Glob;

/// What is read of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    One(Reference),
    /// Every tag that a pattern fits.
    Matching(Repository, Pattern),
}

/// A pattern of tags: `*` for any characters, `?` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    written: String,
    glob: Glob,
}

/// One step's share in a group of parallel steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    /// `BITBUCKET_PARALLEL_STEP`, from 0.
    pub step: usize,
    /// `BITBUCKET_PARALLEL_STEP_COUNT`, at least 1.
    pub count: usize,
}

impl Selection {
    /// The repository that is read.
    #[must_use]
    pub(crate) fn repository(&self) -> &Repository {
        match self {
            Self::One(image) => &image.repository,
            Self::Matching(repository, _) => repository,
        }
    }
}

impl Shard {
    /// Whether the image with this number is this step's.
    #[must_use]
    pub(crate) const fn takes(self, number: usize) -> bool {
        number % self.count == self.step
    }
}

impl Pattern {
    /// A pattern of tags; `None` where no tag could ever fit it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // What it is made of besides its signs must be allowed in a tag.
        let plain: String = text.chars().filter(|c| !matches!(c, '*' | '?')).collect();
        let fits = !text.is_empty() && Tag::parse(&format!("_{plain}")).is_ok();
        fits.then(|| Self {
            written: text.to_owned(),
            glob: Glob::of_names(text),
        })
    }

    /// Whether every tag fits.
    pub(crate) fn fits_everything(&self) -> bool {
        let is_sign = |c| matches!(c, '*' | '?');
        let any = self.written.chars().filter(|c| *c == '?').count();
        self.written.chars().all(is_sign) && self.written.contains('*') && any < 2
    }

    /// Whether a tag fits.
    #[must_use]
    pub(crate) fn fits(&self, tag: &Tag) -> bool {
        self.glob.fits(tag.as_str())
    }

    /// As written.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.written
    }
}

/// The images of `name` whose tags fit the pattern `tag`.
pub(super) fn pattern(name: &str, tag: &str, namespace: &Namespace) -> Result<Selection, BadReference> {
    let repository = Reference::parse(name, namespace)?.repository;
    let pattern = Pattern::parse(tag).ok_or_else(|| BadReference::Tag { tag: tag.to_owned() })?;
    Ok(Selection::Matching(repository, pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_disjoint_and_whole() {
        for count in 1..5 {
            for number in 0..20 {
                assert_eq!(
                    (0..count)
                        .filter(|step| Shard { step: *step, count }.takes(number))
                        .count(),
                    1
                );
            }
        }
    }
}
