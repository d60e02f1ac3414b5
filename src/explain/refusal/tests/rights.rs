//! Rights: what turns a credential away, what is missing of them, and what is made of several refusals.

use super::*;

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
        (Problem::Unreachable(Reach::Timeout), false),
        (Problem::Protocol(String::new()), false),
        (Problem::TooLarge { limit: 1 }, false),
    ] {
        let error = error(problem);
        assert_eq!(turns_away(&error), turned, "{error}");
    }
}

#[test]
fn a_missing_right_is_told_before_anything_is_written() {
    let world = World::new("shop/base");
    let missing = ["`push` on `shop/base`".to_owned()];
    let failure = not_granted(&missing, &granted(r#""pull""#), &world.asked(API_TOKEN, true));
    assert_eq!(failure.kind, Kind::Refused);
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
    let failure = |kind, message: &str, hint: &str| Failure::new(kind, message, hint);
    for (failures, message) in [
        (vec![failure(Kind::NotFound, "a", "h")], "a"),
        (
            vec![failure(Kind::Credential, "a", "x"), failure(Kind::NotFound, "b", "h")],
            "a; then b",
        ),
        (
            vec![
                failure(Kind::Credential, "a (with the one)", "x"),
                failure(Kind::NotFound, "b (with the other)", "h"),
            ],
            "a (with the one); then b (with the other)",
        ),
        (
            vec![
                failure(Kind::Credential, "a (with the one)", "x"),
                failure(Kind::NotFound, "a (with the other)", "h"),
            ],
            "a (with the one, and with the other)",
        ),
    ] {
        let all = all_turned_away(failures).unwrap();
        assert_eq!(all, failure(Kind::NotFound, message, "h"));
    }
    assert_eq!(all_turned_away(Vec::new()), None);
}
