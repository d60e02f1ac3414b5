use super::*;
use crate::explain::failure::{Failure, FailureKind};

#[test]
fn what_went_wrong_is_said_on_one_line_with_its_kind_and_cure() {
    let names = |count: usize| (0..count).map(|n| format!("shop/api:{n}")).collect::<Vec<_>>();
    let odd = "a\n\u{1b}[31m".to_owned();
    let wrong = WrongDiffId {
        expected: Digest::of(b"1"),
        found: Digest::of(b"2"),
    };
    let path = Path::new("out/x.tar");
    for (error, fact, cure, kind) in [
        (
            ArchiveErrorKind::NotFound.of(path),
            "there is no `out/x.tar`",
            "artifact of an earlier step",
            FailureKind::NotFound,
        ),
        (
            ArchiveErrorKind::NoSuchImage {
                wanted: odd.clone(),
                images: names(2),
            }
            .of(path),
            "has no image `a\\n\\u{1b}[31m`, but `shop/api:0`, `shop/api:1`",
            "docker-archive:FILE:NAME:TAG",
            FailureKind::NotFound,
        ),
        (
            ArchiveErrorKind::NoSuchImage {
                wanted: "x".to_owned(),
                images: vec![],
            }
            .of(path),
            "its images have no names",
            "`@0` means the first",
            FailureKind::NotFound,
        ),
        (
            ArchiveErrorKind::Ambiguous { images: names(30) }.of(path),
            "`shop/api:19`, and 10 more",
            "write the image's name",
            FailureKind::Variables,
        ),
        (
            ArchiveErrorKind::Compressed { with: "zstd" }.of(path),
            "`out/x.tar` is compressed with zstd, and only gzip is read",
            "decompress it",
            FailureKind::Variables,
        ),
        (
            ArchiveErrorKind::Hostile {
                entry: odd,
                why: "does",
            }
            .of(path),
            "entry `a\\n",
            "do not use this",
            FailureKind::Other,
        ),
        (
            ArchiveError::reading(path, &io::Error::new(ErrorKind::InvalidData, wrong)),
            "where the image's configuration states sha256:",
            "make the archive again",
            FailureKind::Other,
        ),
        (
            ArchiveError::reading(path, &ErrorKind::UnexpectedEof.into()),
            "it was cut short",
            "again",
            FailureKind::Other,
        ),
        (
            ArchiveError::writing(path, &ErrorKind::StorageFull.into()),
            "the disk is full",
            "free space",
            FailureKind::Other,
        ),
        (
            ArchiveErrorKind::reading(path, &ErrorKind::PermissionDenied.into()).of(path),
            "`out/x.tar` cannot be read: `",
            "`- chmod -R a+rX out/x.tar`",
            FailureKind::Other,
        ),
    ] {
        let failure = Failure::from(&error);
        assert!(failure.message.contains(fact), "{}", failure.message);
        assert!(!failure.message.contains(char::is_control), "{}", failure.message);
        assert_eq!(failure.kind, kind, "{}", failure.message);
        let hint = failure.hint.unwrap_or_default();
        assert!(hint.contains(cure), "{hint}");
    }
}
