//! Tags: one that stays where it is, and those that are nearly the one asked for.

use super::super::session::{MOST_SUGGESTIONS, with_suggestions};
use super::*;
use crate::session::SessionError;

#[test]
fn a_tag_that_stays_where_it_is_tells_of_immutable_tags() {
    let world = World::new("shop/base");
    let tag = Tag::parse("1.0").unwrap();
    let existing = Digest::of(b"old");
    let told = |status, code, words: &str| {
        let problem = ErrorKind::Refused {
            status,
            code,
            words: Quoted::new(words),
            granted: Granted::Unknown,
        };
        let error = world.met(problem, API_TOKEN, true);
        not_overwritten(&error, &tag, &existing, world.context(API_TOKEN, true))
    };
    let immutable = Some(Code::Other(Quoted::new("TAG_IMMUTABLE")));
    for (status, code, words, kind, is_rule, is_role) in [
        (400, immutable.clone(), "no", FailureKind::Refused, true, false),
        (403, immutable, "no", FailureKind::Refused, true, false),
        (
            403,
            Some(Code::Denied),
            "the tag is Immutable",
            FailureKind::Refused,
            true,
            false,
        ),
        (403, Some(Code::Denied), "denied", FailureKind::Refused, true, true),
        (403, None, "", FailureKind::Refused, true, true),
        (405, None, "", FailureKind::Refused, true, false),
        (409, None, "", FailureKind::Refused, true, false),
        (401, None, "", FailureKind::Credential, false, false),
        // The registry says what it is, and that is no rule on tags.
        (
            400,
            Some(Code::ManifestInvalid),
            "at '/layers': minItems",
            FailureKind::Refused,
            false,
            false,
        ),
        (403, Some(Code::ManifestInvalid), "", FailureKind::Refused, false, true),
        (400, Some(Code::BlobUnknown), "", FailureKind::Refused, false, false),
        (404, Some(Code::NameUnknown), "", FailureKind::NotFound, false, false),
        (413, None, "", FailureKind::Refused, false, false),
        (429, None, "", FailureKind::Refused, false, false),
        (
            400,
            Some(Code::ManifestInvalid),
            "the tag is immutable",
            FailureKind::Refused,
            true,
            false,
        ),
    ] {
        let failure = told(status, code, words);
        assert_eq!(failure.kind, kind, "{status} {words}");
        assert_in_form(&failure);
        let hint = failure.hint.unwrap();
        assert_eq!(hint.contains("`ON_EXISTING: skip`"), is_rule, "{status}: {hint}");
        assert_eq!(
            hint.contains("workspace settings → Container settings"),
            is_rule,
            "{hint}"
        );
        assert_eq!(
            hint.contains("does not have the role Write"),
            is_role,
            "{status}: {hint}"
        );
        assert_eq!(
            failure.message.contains(existing.short()),
            is_rule,
            "{}",
            failure.message
        );
    }
}

#[test]
fn the_nearest_tags_come_first() {
    let tags = |names: &[&str]| names.iter().map(|name| Tag::parse(name).unwrap()).collect::<Vec<_>>();
    let there = tags(&["latest", "1.4.1", "1.4.12", "2.0.0", "main", "1.3.9", "1.4.3"]);
    for (wanted, first) in [
        ("1.4.2", "`1.4.1`"),
        ("lastest", "`latest`"),
        ("master", "`main`"),
        ("1.4", "`1.4.1`"),
    ] {
        let wanted = Tag::parse(wanted).unwrap();
        let failure = with_suggestions(
            Failure::new(FailureKind::NotFound, Page::NoReason, "m", "known"),
            &wanted,
            &there,
        );
        let hint = failure.hint.unwrap();
        assert!(
            hint.starts_with(&format!("tags that are there: {first}")),
            "{wanted}: {hint}"
        );
        assert!(hint.ends_with("\nknown"), "{hint}");
        assert_eq!(
            hint.lines().next().unwrap().matches('`').count(),
            2 * MOST_SUGGESTIONS,
            "{hint}"
        );
    }
    let known = Failure::new(FailureKind::NotFound, Page::NoReason, "m", "known");
    assert_eq!(with_suggestions(known.clone(), &Tag::latest(), &[]), known);
    let unadvised = Failure { hint: None, ..known };
    let hint = with_suggestions(unadvised, &Tag::latest(), &tags(&["1"])).hint;
    assert_eq!(hint.as_deref(), Some("tags that are there: `1`"));
}

/// What was misspelt, or meant for another registry, is told with what was perhaps meant.
#[test]
fn a_package_that_is_not_there_has_other_names() {
    let known: Vec<Repository> = ["shop/base", "shop/basics", "shop/worker", "shop/worker"]
        .into_iter()
        .map(|path| Repository::new(Host::bitbucket(), path).unwrap())
        .collect();
    let hub = |package: &str| format!("if you mean the image of Docker Hub, write `docker.io/{package}`");
    for (path, writes, meant, is_of_hub) in [
        (
            "shop/bsae",
            false,
            Some("name `crg.apkg.io/shop/base`: did you mean that?"),
            true,
        ),
        ("shop/workers", false, Some("name `crg.apkg.io/shop/worker`: did"), true),
        ("shop/node", false, None, true),
        ("shop/wroker", true, Some("name `crg.apkg.io/shop/worker`: did"), false),
        // A file that names it as it is written has nothing to suggest.
        ("shop/worker", false, None, true),
    ] {
        let world = World::new(path);
        let error = world.met(refused(404, Some(Code::ManifestUnknown)), API_TOKEN, writes);
        let context = Context {
            known: &known,
            ..world.context(API_TOKEN, writes)
        };
        let failure = explain_session(&SessionError::NoRepository(error), context);
        let hint = failure.hint.unwrap();
        assert_eq!(failure.kind, FailureKind::NotFound);
        let package = path.strip_prefix("shop/").unwrap();
        assert!(
            hint.starts_with(&format!("the workspace `shop` has no package `{package}`")),
            "{hint}"
        );
        assert_eq!(hint.contains("did you mean"), meant.is_some(), "{hint}");
        assert!(meant.is_none_or(|meant| hint.contains(meant)), "{hint}");
        assert_eq!(hint.contains(&hub(package)), is_of_hub, "{hint}");
    }
    // Two parts of a name on Docker Hub: here the first is a workspace, and not this one.
    for (path, meant) in [
        ("bitnami/redis", "bitnami/redis"),
        ("library/postgres", "library/postgres"),
        ("shop/redis", "redis"),
    ] {
        let world = World::new(path);
        let error = world.met(refused(404, Some(Code::NameUnknown)), API_TOKEN, false);
        let hint = explain(&error, world.context(API_TOKEN, false)).hint.unwrap();
        assert!(hint.contains(&hub(meant)), "{hint}");
    }
}
