//! What a failed transfer means: its kind, and what to do.

use super::failure::{Failure, FailureKind};
use super::page::Page;
use super::refusal::{Context, explain, explain_part, explain_referrer};
use crate::files::FREE_SPACE;
use crate::transfer::TransferError;
use std::io::ErrorKind;

/// The advice where an index names an image that its layout lacks.
const SOME_PLATFORMS: &str = "the image is there for some of its platforms only: name one that it has in `PLATFORM`, or make it again \
                              with all of them";

/// The failure that an error of a transfer is.
#[must_use]
pub(super) fn explain_transfer(error: &TransferError, context: Context<'_>) -> Failure {
    let (kind, page, hint) = match error {
        TransferError::Registry(error) => return explain(error, context),
        TransferError::Part(error) => return explain_part(error, context),
        TransferError::Referrer(error) => return explain_referrer(error, context),
        TransferError::OtherSubject { .. } => (
            FailureKind::Other,
            Page::Attachment,
            "nothing of it was kept; the list is wrong or malicious: leave `REFERRERS` out, or have the list repaired",
        ),
        TransferError::Archive(error) => return Failure::from(error),
        TransferError::LacksPlatform(error) => {
            let hint = Some(SOME_PLATFORMS.to_owned());
            return Failure {
                hint,
                page: Page::ArchivePartial,
                ..Failure::from(error)
            };
        }
        TransferError::Lacks { .. } => (
            FailureKind::NotFound,
            Page::ArchivePartial,
            "have the image built and saved again",
        ),
        TransferError::WrongBytes { .. } => (
            FailureKind::Other,
            Page::WrongBytes,
            "nothing of it was kept; the image must be pushed there again by whoever made it",
        ),
        TransferError::WrongFile { .. } | TransferError::Unread { .. } => (
            FailureKind::Other,
            Page::ArchiveDamaged,
            "make it again, and check that the disk was not full then",
        ),
        TransferError::Document { .. } => (FailureKind::Other, Page::ArchiveDamaged, "have the image saved again"),
        TransferError::Unwritten { error, .. } => match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => (FailureKind::Other, Page::NotWritable, FREE_SPACE),
            _ => (
                FailureKind::Other,
                Page::NotWritable,
                "check the disk that the output is written to",
            ),
        },
        TransferError::Damaged { .. } => (
            FailureKind::Other,
            Page::ImageDamaged,
            "have the image built and pushed again",
        ),
        TransferError::Misnamed { .. } => (FailureKind::Other, Page::WrongBytes, "report this line"),
        TransferError::TooMuch { .. } => (
            FailureKind::Other,
            Page::TooLarge,
            "no image needs that; it is damaged or malicious",
        ),
        TransferError::TooManyReferrers { .. } | TransferError::ReferrersTooDeep { .. } => (
            FailureKind::Other,
            Page::Attachment,
            "leave `REFERRERS` out for this image",
        ),
    };
    Failure::new(kind, page, error.to_string(), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Step;
    use crate::names::{Digest, Host};
    use std::io;
    use std::path::PathBuf;

    #[test]
    fn what_did_not_move_leads_to_the_heading_of_the_place_that_is_at_fault() {
        let step = Step {
            workspace: None,
            repository: None,
            clone_folder: None,
            in_pipe: true,
            working_folder: PathBuf::from("/"),
        };
        let context = Context {
            writes: true,
            is_of_several: false,
            has_api_token: false,
            only_built_in: false,
            registry: &Host::bitbucket(),
            known: &[],
            step: &step,
            waited: None,
            diagnosis: None,
        };
        let digest = Digest::of(b"image");
        let (place, what) = ("`shop/base`".to_owned(), "something".to_owned());
        let unwritten = |kind: ErrorKind| TransferError::Unwritten {
            digest: digest.clone(),
            error: io::Error::from(kind),
        };
        for (error, page) in [
            (
                TransferError::OtherSubject {
                    digest: digest.clone(),
                    subject: digest.clone(),
                    place: place.clone(),
                },
                Page::Attachment,
            ),
            (
                TransferError::TooManyReferrers {
                    digest: digest.clone(),
                    most: 1,
                },
                Page::Attachment,
            ),
            (
                TransferError::ReferrersTooDeep {
                    digest: digest.clone(),
                    most: 1,
                },
                Page::Attachment,
            ),
            (
                TransferError::Lacks {
                    digest: digest.clone(),
                    place: place.clone(),
                },
                Page::ArchivePartial,
            ),
            (
                TransferError::Unread {
                    digest: digest.clone(),
                    place: place.clone(),
                    error: io::Error::from(ErrorKind::UnexpectedEof),
                },
                Page::ArchiveDamaged,
            ),
            (
                TransferError::Document {
                    digest: digest.clone(),
                    place,
                    why: what.clone(),
                },
                Page::ArchiveDamaged,
            ),
            (unwritten(ErrorKind::StorageFull), Page::NotWritable),
            (unwritten(ErrorKind::Other), Page::NotWritable),
            (
                TransferError::Damaged {
                    digest: digest.clone(),
                    what: what.clone(),
                },
                Page::ImageDamaged,
            ),
            (TransferError::Misnamed { digest: digest.clone() }, Page::WrongBytes),
            (
                TransferError::TooMuch {
                    digest: digest.clone(),
                    what,
                },
                Page::TooLarge,
            ),
        ] {
            assert_eq!(explain_transfer(&error, context).page, page, "{error}");
        }
    }
}
