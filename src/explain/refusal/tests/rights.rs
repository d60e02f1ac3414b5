//! Rights: what turns a credential away, what is missing of them, and what is made of several refusals.

use super::super::session::explain_session;
use super::*;
use crate::names::AtLeastOne;
use crate::session::SessionError;

#[test]
fn only_the_credential_turns_away() {
    let other = || Some(Code::Other(Quoted::new("X")));
    for (problem, turned) in [
        (sign_in(400), true),
        (sign_in(401), true),
        (sign_in(403), true),
        (sign_in(404), false),
        (sign_in(429), false),
        (sign_in(500), false),
        (refused(401, None), true),
        (refused(401, Some(Code::Unauthorized)), true),
        (refused(403, None), true),
        (refused(403, other()), true),
        (refused(400, Some(Code::Denied)), true),
        (refused(404, Some(Code::Denied)), true),
        (refused(404, Some(Code::NameUnknown)), true),
        (refused(404, Some(Code::ManifestUnknown)), false),
        (refused(404, Some(Code::BlobUnknown)), false),
        (refused(404, None), false),
        (refused(400, other()), false),
        (refused(429, None), false),
        (refused(500, None), false),
        (ErrorKind::Unreachable(Reach::Timeout), false),
        (ErrorKind::Protocol(String::new()), false),
        (ErrorKind::TooLarge { limit: 1 }, false),
    ] {
        let error = error(problem);
        assert_eq!(error.turns_away(), turned, "{error}");
    }
}

#[test]
fn a_missing_right_is_told_before_anything_is_written() {
    let world = World::new("shop/base");
    let problem = ErrorKind::NotGranted {
        missing: vec!["`push` on `shop/base`".to_owned()],
        granted: granted(r#""pull""#),
    };
    let failure = world.explain(problem, API_TOKEN, true);
    assert_eq!(failure.kind, FailureKind::Refused);
    assert_eq!(
        failure.message,
        "`crg.apkg.io` grants no `push` on `shop/base` (with the API token of `ada@example.com`)"
    );
    assert_in_form(&failure);
    let hint = failure.hint.unwrap();
    assert!(
        hint.starts_with("the credential was accepted, and grants only `pull` on `base`"),
        "{hint}"
    );
}

#[test]
fn of_several_refusals_the_last_one_advises() {
    let world = World::new("shop/base");
    let denied = || refused(403, Some(Code::Denied));
    let unknown = || refused(404, Some(Code::NameUnknown));
    let one = "(with the built-in credential)";
    let other = "(with the API token of `ada@example.com`)";
    let fact = |words: &str| format!("`crg.apkg.io` refused reading `shop/base:1`: {words}, “said so”");
    for (refusals, message, kind) in [
        (
            vec![(denied(), BUILT_IN)],
            format!("{} {one}", fact("403 DENIED")),
            FailureKind::Credential,
        ),
        (
            vec![(denied(), BUILT_IN), (unknown(), API_TOKEN)],
            format!(
                "{} {one}; then {} {other}",
                fact("403 DENIED"),
                fact("404 NAME_UNKNOWN")
            ),
            FailureKind::NotFound,
        ),
        (
            vec![(unknown(), BUILT_IN), (unknown(), API_TOKEN)],
            format!(
                "{} (with the built-in credential, and with the API token of `ada@example.com`)",
                fact("404 NAME_UNKNOWN")
            ),
            FailureKind::NotFound,
        ),
        (
            vec![(denied(), NOBODY), (denied(), NOBODY)],
            format!("{}; then {}", fact("403 DENIED"), fact("403 DENIED")),
            FailureKind::Credential,
        ),
    ] {
        let last = refusals.last().unwrap().clone();
        let refusals = refusals
            .into_iter()
            .map(|(problem, source)| world.met(problem, source, false));
        let refusals = AtLeastOne::of(refusals.collect()).expect("each row has one");
        let context = world.context(API_TOKEN, false);
        let all = explain_session(&SessionError::TurnedAway(refusals), context);
        let alone = explain(&world.met(last.0, last.1, false), context);
        assert_eq!((all.message.as_str(), all.kind), (message.as_str(), kind));
        assert_eq!(all.hint, alone.hint, "{message}");
    }
    let none = SessionError::NoCredential("shop/base".to_owned());
    let none = explain_session(&none, world.context(NOBODY, false));
    assert_eq!(none.message, "there is no credential for `shop/base`");
    assert_eq!(none.kind, FailureKind::Credential);
}
