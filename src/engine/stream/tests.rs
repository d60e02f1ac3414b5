//! Lines and messages, cut and worded in every way.

use super::*;
use proptest::prelude::*;

const DIGEST: &str = "sha256:38e4339c777e978243d32feb3ac27ff539ae54980b801775ac7864b911beef2c";

/// Docker's classic image store and podman 6 send an `aux`; Docker 26 to 29 with containerd's, podman 4 and 5 send none.
#[test]
fn a_push_names_its_digest_in_one_of_two_ways() {
    for (line, found) in [
        (
            format!(r#"{{"progressDetail":{{}},"aux":{{"Tag":"1","Digest":"{DIGEST}","Size":528}}}}"#),
            true,
        ),
        (format!(r#"{{"status":"1: digest: {DIGEST} size: 861"}}"#), true),
        (format!(r#"{{"status":"a.digest: digest: {DIGEST} size: 0\n"}}"#), true),
        (
            format!(r#"{{"status":"1: digest: {DIGEST} size: 422","aux":{{"Tag":"1","Digest":"{DIGEST}"}}}}"#),
            true,
        ),
        (format!(r#"{{"status":"1: digest: {DIGEST}"}}"#), false),
        (format!(r#"{{"status":"1: digest: {DIGEST} size: many"}}"#), false),
        (r#"{"status":"1: digest: sha256:38e4 size: 861"}"#.to_owned(), false),
        (r#"{"aux":{"Digest":"sha256:38e4"}}"#.to_owned(), false),
        (
            format!(r#"{{"status":"1: digest: {DIGEST} size: 861","id":"56a878ea7ba1"}}"#),
            false,
        ),
    ] {
        let pushed = Message::parse(line.as_bytes()).unwrap().pushed();
        assert_eq!(pushed.as_ref().map(Digest::as_str), found.then_some(DIGEST), "{line}");
    }
}

#[test]
fn a_manifest_in_place_of_its_index_is_noted() {
    for (line, noted) in [
        (
            r#"{"progressDetail":{},"aux":{"manifestPushedInsteadOfIndex":true,"originalIndex":{"size":730}}}"#,
            true,
        ),
        (r#"{"aux":{"manifestPushedInsteadOfIndex":false}}"#, false),
        (r#"{"aux":{"manifestPushedInsteadOfIndex":"true"}}"#, false),
        (r#"{"aux":null,"status":"x"}"#, false),
    ] {
        assert_eq!(
            Message::parse(line.as_bytes()).unwrap().is_instead_of_index(),
            noted,
            "{line}"
        );
    }
}

#[test]
fn the_verdict_is_in_the_line() {
    for (line, words) in [
        (
            r#"{"errorDetail":{"message":"denied: no"},"error":"denied: no"}"#,
            Some("denied: no"),
        ),
        (r#"{"error":"unauthorized"}"#, Some("unauthorized")),
        (r#"{"errorDetail":{"code":1,"message":"full"}}"#, Some("full")),
        (r#"{"errorDetail":{"message":""},"error":"short"}"#, Some("short")),
        (r#"{"status":"x","errorDetail":null,"progressDetail":null}"#, None),
    ] {
        assert_eq!(Message::parse(line.as_bytes()).unwrap().failure(), words, "{line}");
    }
    for line in ["<html>", "[]x", "null x"] {
        assert!(Message::parse(line.as_bytes()).is_none(), "{line}");
    }
}

#[test]
fn neither_a_line_nor_all_of_them_grow_without_bound() {
    let mut lines = Lines::default();
    assert_eq!(lines.add(&vec![b'x'; LONGEST_LINE]), Ok(vec![]));
    assert_eq!(lines.add(b"x"), Err(TooLong));
    let mut lines = Lines {
        bytes: MOST_BYTES - 2,
        ..Lines::default()
    };
    assert_eq!(lines.add(b"x\n"), Ok(vec![b"x".to_vec()]));
    assert_eq!(lines.add(b"\n"), Err(TooLong));
    let mut lines = Lines {
        ended: MOST_LINES - 1,
        ..Lines::default()
    };
    assert_eq!(lines.add(b"x\ny"), Ok(vec![b"x".to_vec()]));
    assert_eq!(lines.add(b"\n"), Err(TooLong));
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_lines(text in "[a{}\"\r\n]{0,200}", cuts in proptest::collection::vec(0usize..200, 0..20)) {
        let bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for pair in cuts.windows(2) {
            found.extend(lines.add(&bytes[pair[0]..pair[1]]).unwrap());
        }
        found.extend(lines.finish());
        let whole: Vec<Vec<u8>> = text
            .split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line).as_bytes().to_vec())
            .filter(|line| !line.is_empty())
            .collect();
        prop_assert_eq!(found, whole);
    }
}
