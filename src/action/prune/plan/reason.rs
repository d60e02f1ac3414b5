//! Why a tag stays, for the table and the report.

use crate::input::Pattern;
use crate::names::Tag;
use std::fmt;

/// Why a tag stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Reason {
    /// It could not be deleted.
    Left,
    /// No pattern of `IMAGES` fits it.
    NotSelected,
    /// A pattern of `KEEP_TAGS` fits it.
    KeepTags(Pattern),
    /// A file of the clone names it, at this place.
    Named(String),
    /// Its image says no date, or one that no clock had.
    NoDate,
    /// Its image says a date that is still to come.
    Ahead,
    /// It is one of the newest images, this one in their order, from 1.
    Newest(usize),
    /// Its image is younger than `OLDER_THAN`.
    Young,
    /// A tag that stays has the same digest.
    SharedDigest(Tag),
    /// An index that stays holds its image.
    BelowIndex(Tag),
    /// It refers to an image that stays.
    RefersTo(Tag),
    /// It refers to an image that no tag of the package has: whether somebody uses that is not known.
    RefersToUntagged,
}

impl Reason {
    /// What all that stay for the same cause have in common, in the order of the table.
    pub(in super::super) fn group(&self) -> (usize, &'static str) {
        match self {
            Self::Newest(_) => (0, "of the newest images"),
            Self::Young => (1, "younger than `OLDER_THAN`"),
            Self::KeepTags(_) => (2, "by `KEEP_TAGS`"),
            Self::Named(_) => (3, "named in files of the clone"),
            Self::SharedDigest(_) => (4, "the same image as a tag that stays"),
            Self::BelowIndex(_) => (5, "part of a multi-platform image that stays"),
            Self::RefersTo(_) => (6, "belong to an image that stays"),
            Self::RefersToUntagged => (7, "belong to an image without a tag"),
            Self::NoDate => (8, "without a usable date"),
            Self::Ahead => (9, "with a date in the future"),
            Self::NotSelected => (10, "not named by `IMAGES`"),
            Self::Left => (11, "not deleted"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("it was not deleted"),
            Self::NotSelected => f.write_str("not named by `IMAGES`"),
            Self::KeepTags(pattern) => write!(f, "`KEEP_TAGS` has `{}`", pattern.as_str()),
            Self::Named(place) => write!(f, "named in {place}"),
            Self::NoDate => f.write_str("its image has no usable date"),
            Self::Ahead => f.write_str("the date of its image is in the future"),
            Self::Newest(1) => f.write_str("the newest image"),
            Self::Newest(place) => write!(f, "number {place} of the newest images"),
            Self::Young => f.write_str("younger than `OLDER_THAN`"),
            Self::SharedDigest(tag) => write!(f, "the same image as `{tag}`"),
            Self::BelowIndex(tag) => write!(f, "part of the multi-platform image `{tag}`"),
            Self::RefersTo(tag) => write!(f, "belongs to `{tag}`"),
            Self::RefersToUntagged => f.write_str("belongs to an image without a tag"),
        }
    }
}
