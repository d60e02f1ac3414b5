//! Variables, registry's and Bitbucket's answers → rows.

use super::*;
use crate::credential::chosen;
use reqwest::header::HeaderMap;

const ACCESS: &str = "ATCT0123456789abcdef";

/// With the checksum that it ends in.
fn api_token() -> String {
    let body = format!("ATATT3xFfGF0{}=", "0123456789abcdef".repeat(11));
    let sum = crc32fast::hash(body.as_bytes());
    format!("{body}{sum:08X}")
}

fn day(text: &str) -> Date {
    expiry::parse(text).expect("a day")
}

fn known<'a>(
    chosen: &'a Chosen,
    signed_in: &'a [(Source, SignedIn)],
    answer: Option<&'a UserAnswer>,
) -> CredentialFacts<'a> {
    CredentialFacts {
        chosen,
        signed_in,
        answer,
        has_pulled: false,
        has_pushed: false,
        needs_push: false,
        expires_on: None,
        today: day("2026-11-22"),
    }
}

fn told(rows: &[CheckRow]) -> Vec<(&str, &str, Mark)> {
    rows.iter()
        .map(|row| (row.name, row.subject.as_str(), row.mark))
        .collect()
}

fn answer(status: u16, kind: Option<&str>, scopes: Option<&[&str]>) -> UserAnswer {
    UserAnswer {
        credential_type: kind.map(str::to_owned),
        scopes: scopes.map(|scopes| scopes.iter().map(|scope| Quoted::new(scope)).collect()),
        ..UserAnswer::new(status, &HeaderMap::new(), b"")
    }
}

#[test]
fn each_source_has_its_row() {
    use Mark::{Failed, Good, Information};
    use SignedIn::{Accepted, NotAsked, NotTried};
    let refused = SignedIn::Refused(Failure::new(FailureKind::Credential, Page::NoReason, "m", "h"));
    let both = chosen(None, Some("opaque"), Some(&api_token()));
    for (signed_in, marks, says) in [
        ([Accepted, Accepted], [Good, Good], ["accepted", "accepted"]),
        ([Accepted, refused], [Good, Failed], ["accepted", "not accepted"]),
        (
            [NotTried, NotTried],
            [Information, Information],
            ["not tried: the registry does not answer"; 2],
        ),
        (
            [NotAsked, NotAsked],
            [Information, Information],
            ["the registry asks for none"; 2],
        ),
    ] {
        let [built_in, api_token] = signed_in;
        let signed_in = [(Source::BuiltIn, built_in), (Source::ApiToken, api_token)];
        let rows = rows(&known(&both, &signed_in, None));
        assert_eq!(
            told(&rows),
            [
                ("credential", "built-in", marks[0]),
                ("credential", "API token", marks[1]),
                ("scopes", "API token", Information),
                ("expiry", "API token", Information),
            ]
        );
        for (row, says) in rows.iter().zip(says) {
            assert!(row.detail.ends_with(&format!("; {says}")), "{row:?}");
        }
    }
    let built_in = [
        ("credential", "built-in", Good),
        ("credential", "API token", Information),
    ];
    let accepted = [(Source::BuiltIn, Accepted)];
    for (choice, api_token, detail) in [
        (None, None, "not set: `ATLASSIAN_ACCOUNT_EMAIL`, `ATLASSIAN_API_TOKEN`"),
        (
            Some(Choice::BuiltIn),
            Some(ACCESS),
            "not looked at: `CREDENTIAL` is `built-in`",
        ),
    ] {
        let chosen = chosen(choice, Some("opaque"), api_token);
        let rows = rows(&known(&chosen, &accepted, None));
        assert_eq!(told(&rows), built_in);
        assert_eq!(rows[1].detail, detail);
    }
    let none = chosen(None, None, None);
    assert_eq!(told(&rows(&known(&none, &[], None))), [("credential", "none", Failed)]);
}

#[test]
fn a_token_that_looks_odd_is_to_be_looked_at() {
    let chosen = chosen(None, None, Some("no-known-shape-at-all"));
    let signed_in = [(Source::ApiToken, SignedIn::Accepted)];
    let rows = rows(&known(&chosen, &signed_in, None));
    assert_eq!(rows[1].mark, Mark::Warning);
    assert!(rows[1].warnings[0].0.contains("looks like no known token"), "{rows:?}");
}

#[test]
fn only_the_api_token_or_an_access_token_in_its_place_is_asked_about() {
    let api = api_token();
    for (built_in, api_token, asked) in [
        (Some("opaque"), Some(api.as_str()), Some(api.as_str())),
        (Some("opaque"), Some(ACCESS), Some(ACCESS)),
        (Some("opaque"), Some("ghp_0123456789abcdef"), None),
        (Some("opaque"), Some("ATBB0123456789abcdef"), None),
        (Some("opaque"), None, None),
        // An access token in the built-in one's place.
        (Some(ACCESS), None, None),
    ] {
        let chosen = chosen(None, built_in, api_token);
        let about = to_ask_about(&chosen);
        assert_eq!(
            about.map(|about| about.token.expose()),
            asked,
            "{built_in:?} {api_token:?}"
        );
    }
}

#[test]
fn what_bitbucket_says_of_the_scopes_is_never_decisive() {
    let chosen = chosen(None, None, Some(&api_token()));
    let both: &[&str] = &["read:user:bitbucket", WRITE_PACKAGE, READ_PACKAGE];
    let accepted = [(Source::ApiToken, SignedIn::Accepted)];
    let refused = [(Source::ApiToken, SignedIn::NotTried)];
    for (answer, signed_in, needs_push, mark, detail) in [
        (
            Some(answer(403, Some("api_token"), Some(both))),
            &accepted,
            true,
            Mark::Good,
            "`write:package:bitbucket`, `read:package:bitbucket`, `read:user:bitbucket`",
        ),
        (
            Some(answer(200, None, Some(&[READ_PACKAGE]))),
            &accepted,
            true,
            Mark::Failed,
            "`read:package:bitbucket`; missing: `write:package:bitbucket`",
        ),
        (
            Some(answer(200, None, Some(&[READ_PACKAGE]))),
            &accepted,
            false,
            Mark::Good,
            "`read:package:bitbucket`",
        ),
        (
            Some(answer(401, None, None)),
            &accepted,
            false,
            Mark::Warning,
            "not known: Bitbucket does not know this token",
        ),
        (
            Some(answer(401, None, None)),
            &refused,
            false,
            Mark::Information,
            "not known: Bitbucket does not know this token",
        ),
        (
            Some(answer(200, None, None)),
            &accepted,
            false,
            Mark::Information,
            "not known: Bitbucket accepts the token, and says no more",
        ),
        (
            Some(answer(503, None, None)),
            &accepted,
            false,
            Mark::Information,
            "not known: Bitbucket answered 503, which tells nothing of the token",
        ),
        (
            None,
            &accepted,
            false,
            Mark::Information,
            "not known: Bitbucket was not asked, or gave no answer",
        ),
        (
            Some(answer(403, Some("project_access_token"), Some(&["repository"]))),
            &accepted,
            false,
            Mark::Warning,
            "none for packages: Bitbucket says that it is a project access token, with `repository`",
        ),
    ] {
        let known = CredentialFacts {
            needs_push,
            ..known(&chosen, signed_in, answer.as_ref())
        };
        let row = scopes(&known, &chosen.candidates[0]);
        assert_eq!((row.mark, row.detail.as_str()), (mark, detail));
        assert_eq!(row.failure.is_some(), mark == Mark::Failed);
        if let Some(failure) = row.failure {
            let hint = failure.hint.expect("a hint");
            assert!(hint.starts_with("Bitbucket says: this token has the scope"), "{hint}");
            assert!(hint.contains("Create API token with scopes"), "{hint}");
        }
    }
}

#[test]
fn a_scope_that_the_registry_has_shown_is_not_missing() {
    let chosen = chosen(None, None, Some(&api_token()));
    let accepted = [(Source::ApiToken, SignedIn::Accepted)];
    for (scope, needs_push, has_pulled, has_pushed, mark) in [
        (READ_PACKAGE, true, true, true, Mark::Warning),
        (READ_PACKAGE, true, true, false, Mark::Failed),
        (READ_PACKAGE, true, false, false, Mark::Failed),
        ("read:user:bitbucket", true, true, true, Mark::Warning),
        ("read:user:bitbucket", true, true, false, Mark::Failed),
        ("read:user:bitbucket", false, true, false, Mark::Warning),
        ("read:user:bitbucket", false, false, false, Mark::Failed),
    ] {
        let answer = answer(200, None, Some(&[scope]));
        let known = CredentialFacts {
            has_pulled,
            has_pushed,
            needs_push,
            ..known(&chosen, &accepted, Some(&answer))
        };
        let row = scopes(&known, &chosen.candidates[0]);
        assert_eq!(row.mark, mark, "{scope} {needs_push} {has_pulled} {has_pushed}");
        assert!(row.detail.contains("; missing: "), "{}", row.detail);
    }
}

#[test]
fn many_scopes_are_cut_and_those_for_packages_come_first() {
    let many: Vec<Quoted> = (0..8)
        .map(|n| Quoted::new(&format!("s{n}")))
        .chain([Quoted::new(READ_PACKAGE)])
        .collect();
    assert_eq!(
        scopes_by_use(&many),
        "`read:package:bitbucket`, `s0`, `s1`, `s2`, `s3`, `s4` and 3 more"
    );
    assert_eq!(scopes_by_use(&[]), "no scopes");
}

#[test]
fn a_token_fails_a_week_before_its_end() {
    for (expires, mark, detail) in [
        (None, Mark::Information, "not known: `TOKEN_EXPIRES_ON` is not set"),
        (Some("2027-03-01"), Mark::Good, "2027-03-01, in 99 days"),
        (Some("2026-12-22"), Mark::Warning, "2026-12-22, in 30 days"),
        (Some("2026-11-29"), Mark::Failed, "2026-11-29, in 7 days"),
        (Some("2026-11-23"), Mark::Failed, "2026-11-23, in 1 day"),
        (Some("2026-11-22"), Mark::Failed, "2026-11-22, today"),
        (Some("2026-11-20"), Mark::Failed, "2026-11-20, 2 days ago"),
    ] {
        let row = days(expires.map(day), day("2026-11-22"), false);
        assert_eq!((row.mark, row.detail.as_str()), (mark, detail));
        assert_eq!(row.failure.is_some(), mark == Mark::Failed);
        assert_eq!(row.warnings.len(), usize::from(mark == Mark::Warning));
    }
}
