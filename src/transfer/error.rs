//! Why content did not get from one place to another, typed: the fact only.

use super::verify::Wrong;
use crate::archive::ArchiveError;
use crate::names::Digest;
use crate::registry;
use std::fmt;
use std::io::{self, ErrorKind};

/// Why something did not move.
#[derive(Debug)]
pub(crate) enum TransferError {
    /// A registry refused, or gave no answer.
    Registry(registry::Error),
    /// The same of what a manifest names as a part of its image.
    Part(registry::Error),
    /// The same of what was listed as referring to an image.
    Referrer(registry::Error),
    /// What a place lists as referring to an image names another one, or none.
    OtherSubject {
        digest: Digest,
        /// That of the image.
        subject: Digest,
        place: String,
    },
    /// An archive or layout.
    Archive(ArchiveError),
    /// A layout whose index names the image for this platform, and which lacks it.
    LacksPlatform(ArchiveError),
    /// A place lacks content of a digest.
    Lacks {
        digest: Digest,
        /// The place, as a sentence names it.
        place: String,
    },
    /// A place has other bytes under a digest.
    WrongBytes {
        digest: Digest,
        place: String,
        /// What is wrong with them.
        wrong: Wrong,
    },
    /// An archive has other bytes under a digest.
    WrongFile {
        digest: Digest,
        place: String,
        /// What is wrong with them.
        wrong: Wrong,
    },
    /// A blob of an archive cannot be read.
    Unread {
        digest: Digest,
        place: String,
        error: io::Error,
    },
    /// A configuration of an archive cannot be read.
    Document { digest: Digest, place: String, why: String },
    /// A blob cannot be written.
    Unwritten { digest: Digest, error: io::Error },
    /// A manifest that is none.
    Damaged {
        digest: Digest,
        /// What is wrong with it.
        what: String,
    },
    /// A manifest was read under another digest than its own.
    Misnamed {
        /// That of its bytes.
        digest: Digest,
    },
    /// An image has more than any has.
    TooMuch { digest: Digest, what: String },
    /// More refers to an image than is brought.
    TooManyReferrers { digest: Digest, most: usize },
    /// What refers to an image is referred to itself, over more steps than are followed.
    ReferrersTooDeep { digest: Digest, most: usize },
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(error) | Self::Part(error) | Self::Referrer(error) => error.fmt(f),
            Self::OtherSubject { digest, subject, place } => write!(
                f,
                "{place} lists {digest} as referring to {subject}, which it does not name as its `subject`"
            ),
            Self::Archive(error) | Self::LacksPlatform(error) => error.fmt(f),
            Self::Lacks { digest, place } => write!(f, "{place} does not have {digest}"),
            Self::WrongBytes { digest, place, wrong } | Self::WrongFile { digest, place, wrong } => {
                write!(f, "{place} has wrong bytes under the digest {digest}: {wrong}")
            }
            Self::Unread { digest, place, error } => {
                write!(f, "the blob {} of {place} cannot be read: {error}", digest.short())
            }
            Self::Document { digest, place, why } => write!(f, "the blob {digest} of {place} cannot be read: {why}"),
            Self::Unwritten { digest, error } => {
                write!(f, "the blob {} could not be written: ", digest.short())?;
                match error.kind() {
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded => f.write_str("the disk is full"),
                    _ => error.fmt(f),
                }
            }
            Self::Damaged { digest, what } => write!(f, "the manifest {digest} cannot be read: {what}"),
            Self::Misnamed { digest } => write!(f, "the manifest {digest} was read under another digest"),
            Self::TooMuch { digest, what } => write!(f, "the image {} has {what}", digest.short()),
            Self::TooManyReferrers { digest, most } => write!(f, "more than {most} manifests refer to {digest}"),
            Self::ReferrersTooDeep { digest, most } => {
                write!(
                    f,
                    "more than {most} manifests, each referring to the next, lead to {digest}"
                )
            }
        }
    }
}

impl std::error::Error for TransferError {}

impl From<registry::Error> for TransferError {
    fn from(error: registry::Error) -> Self {
        Self::Registry(error)
    }
}

impl From<ArchiveError> for TransferError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}
