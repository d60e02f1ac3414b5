//! Refusal → kind and text, as tables: every problem, every credential, read and write.

use super::*;
use crate::credential::advice::PACKAGES_PAGE;
use crate::registry::{self, Reach};
use crate::secret::Secret;
use std::path::PathBuf;

const EMAIL: &str = "ada@example.com";

/// In the shape of an API token, with its checksum.
const TOKEN: &str = "ATATT3xFfGF0abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl\
    mnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz=C0425520";

/// Everything that [`Asked`] borrows.
struct World {
    registry: Host,
    repository: Repository,
    step: Step,
    built_in: Credential,
    api_token: Credential,
}

impl World {
    fn new(repository: &str) -> Self {
        let credential = |source, username: &str| Credential {
            source,
            username: username.to_owned(),
            token: Secret::new(TOKEN),
        };
        Self {
            registry: Host::bitbucket(),
            repository: Repository::new(Host::bitbucket(), repository).unwrap(),
            step: Step {
                workspace: Some("shop".to_owned()),
                repository: Some("shop/api".to_owned()),
                clone_folder: None,
                in_pipe: true,
                working_folder: PathBuf::from("/"),
            },
            built_in: credential(Source::BuiltIn, "pipelines"),
            api_token: credential(Source::ApiToken, EMAIL),
        }
    }

    fn asked(&self, source: Option<Source>, write: bool) -> Asked<'_> {
        Asked {
            repository: Some(&self.repository),
            write,
            action_writes: write,
            scopes: None,
            credential: source.map(|source| match source {
                Source::BuiltIn => &self.built_in,
                Source::ApiToken | Source::Foreign => &self.api_token,
            }),
            has_api_token: source == Some(Source::ApiToken),
            registry: &self.registry,
            step: &self.step,
        }
    }
}

const NOBODY: Option<Source> = None;
const BUILT_IN: Option<Source> = Some(Source::BuiltIn);
const API_TOKEN: Option<Source> = Some(Source::ApiToken);

fn error(problem: Problem) -> Error {
    Error {
        host: Host::bitbucket(),
        during: "reading `shop/base:1`".to_owned(),
        problem,
        tries: 1,
        asked: None,
    }
}

fn refused(status: u16, code: Option<Code>) -> Problem {
    Problem::Refused {
        status,
        code,
        words: Words::new("said so"),
        granted: Granted::Unknown,
    }
}

fn sign_in(status: u16) -> Problem {
    Problem::SignIn {
        status,
        words: Words::new("said so"),
    }
}

/// What the token server granted on `shop/base`, as its JWT says it.
fn granted(actions: &str) -> Granted {
    use base64::Engine as _;
    let claims = format!(r#"{{"access":[{{"type":"repository","name":"shop/base","actions":[{actions}]}}]}}"#);
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
    let scopes = Scopes::of(&World::new("shop/base").repository, crate::registry::Access::PullPush);
    Granted::of_token(&format!("e30.{payload}.x"), &scopes)
}

/// One problem of each variant and each status or code that is told apart.
fn every_problem() -> Vec<Problem> {
    let mut problems = vec![
        Problem::UntrustedRealm {
            realm: Words::new("http://10.0.0.1/token"),
            why: "it is not `https`",
        },
        Problem::Redirect {
            to: Words::new("https://elsewhere.example"),
            why: "it is another host",
        },
        Problem::Protocol("no digest".to_owned()),
        Problem::WrongDigest {
            expected: Digest::of(b"a"),
            found: Digest::of(b"b"),
        },
        Problem::TooLarge { limit: 4 },
        Problem::Refused {
            status: 405,
            code: None,
            words: Words::default(),
            granted: Granted::Unknown,
        },
    ];
    for reach in [
        Reach::Name,
        Reach::ConnectionRefused,
        Reach::UnknownIssuer,
        Reach::Tls("handshake".to_owned()),
        Reach::Timeout,
        Reach::Broken("reset".to_owned()),
    ] {
        problems.push(Problem::Unreachable(reach));
    }
    for status in [400, 401, 403, 404, 429, 500, 503] {
        problems.push(sign_in(status));
    }
    for status in [400, 401, 403, 404, 405, 409, 413, 429, 500, 503] {
        problems.push(refused(status, None));
    }
    for (status, code) in [
        (401, Code::Unauthorized),
        (403, Code::Denied),
        (404, Code::NameUnknown),
        (400, Code::NameInvalid),
        (404, Code::ManifestUnknown),
        (400, Code::ManifestInvalid),
        (404, Code::BlobUnknown),
        (429, Code::TooManyRequests),
        (400, Code::Other(Words::new("TAG_IMMUTABLE"))),
    ] {
        for granted in [Granted::Unknown, granted(""), granted(r#""pull""#)] {
            problems.push(Problem::Refused {
                status,
                code: Some(code.clone()),
                words: Words::new("said so"),
                granted,
            });
        }
    }
    problems
}

#[test]
fn a_part_that_is_missing_is_no_misspelt_name() {
    let world = World::new("shop/base");
    for (problem, damaged) in [
        (refused(404, Some(Code::BlobUnknown)), true),
        (refused(404, Some(Code::ManifestUnknown)), true),
        (refused(404, None), true),
        (refused(404, Some(Code::NameUnknown)), false),
        (refused(403, Some(Code::Denied)), false),
        (Problem::Unreachable(Reach::Timeout), false),
    ] {
        let error = error(problem);
        let (part, whole) = (
            explain_part(&error, &world.asked(API_TOKEN, false)),
            explain(&error, &world.asked(API_TOKEN, false)),
        );
        assert_eq!((part.kind, &part.message), (whole.kind, &whole.message), "{error}");
        assert_eq!(part.hint != whole.hint, damaged, "{error}");
        assert_eq!(part.hint.unwrap().contains("the image is damaged"), damaged, "{error}");
    }
}

#[test]
fn what_token_and_user_name_show_themselves_comes_first() {
    let cut = TOKEN.get(..40).unwrap();
    let altered = TOKEN.replacen("abc", "abd", 1);
    for (username, token, begins, guesses) in [
        (
            "ada@example.com",
            TOKEN,
            "`ATLASSIAN_API_TOKEN` was not accepted for `ada@example.com`; one of",
            4,
        ),
        (
            "ada@example.com",
            cut,
            "your token looks cut off after 40 characters: paste it again, whole\nif that",
            3,
        ),
        (
            "ada@example.com",
            altered.as_str(),
            "your token looks altered: paste it again, whole\nif that is not it",
            3,
        ),
        (
            "ada",
            TOKEN,
            "`ada` is not the email of the Atlassian account: write the email, not",
            3,
        ),
        (
            "ada",
            cut,
            "your token looks cut off after 40 characters: paste it again, whole\n`ada` is not",
            2,
        ),
    ] {
        let credential = Credential {
            source: Source::ApiToken,
            username: username.to_owned(),
            token: Secret::new(token),
        };
        let lines = hint::causes_of_no_sign_in(&credential);
        let text = lines.join("\n");
        assert!(text.starts_with(begins), "{text}");
        let listed = lines.iter().filter(|line| line.starts_with("- ")).count();
        assert_eq!(listed, guesses, "{text}");
        assert!(lines[lines.len() - guesses - 1].ends_with(hint::GUESSES), "{text}");
    }
}

#[test]
fn every_refusal_has_its_kind() {
    use Kind::{Credential, NotFound, Other, Refused, Unreachable};
    let world = World::new("shop/base");
    for (problem, read, write) in [
        (sign_in(400), Credential, Credential),
        (sign_in(401), Credential, Credential),
        (sign_in(403), Credential, Credential),
        (sign_in(404), Credential, Credential),
        (sign_in(429), Refused, Refused),
        (sign_in(500), Unreachable, Unreachable),
        (refused(401, None), Credential, Credential),
        (refused(401, Some(Code::Unauthorized)), Credential, Credential),
        (refused(400, Some(Code::Unauthorized)), Credential, Credential),
        (refused(401, Some(Code::Denied)), Credential, Refused),
        (refused(403, None), Credential, Refused),
        (refused(403, Some(Code::Denied)), Credential, Refused),
        (refused(403, Some(Code::Unauthorized)), Credential, Refused),
        (refused(404, Some(Code::NameUnknown)), NotFound, NotFound),
        (refused(403, Some(Code::NameUnknown)), NotFound, NotFound),
        (refused(404, Some(Code::ManifestUnknown)), NotFound, NotFound),
        (refused(404, Some(Code::BlobUnknown)), NotFound, NotFound),
        (refused(404, None), NotFound, NotFound),
        (refused(400, Some(Code::ManifestInvalid)), Refused, Refused),
        (refused(400, Some(Code::NameInvalid)), Refused, Refused),
        (refused(400, Some(Code::Other(Words::new("X")))), Refused, Refused),
        (refused(405, None), Refused, Refused),
        (refused(409, None), Refused, Refused),
        (refused(413, None), Refused, Refused),
        (refused(429, None), Refused, Refused),
        (refused(429, Some(Code::TooManyRequests)), Refused, Refused),
        (refused(500, None), Unreachable, Unreachable),
        (refused(503, None), Unreachable, Unreachable),
        (Problem::Unreachable(Reach::Timeout), Unreachable, Unreachable),
        (Problem::Unreachable(Reach::UnknownIssuer), Unreachable, Unreachable),
        (Problem::Protocol("x".to_owned()), Other, Other),
        (Problem::TooLarge { limit: 1 }, Other, Other),
    ] {
        let error = error(problem);
        for source in [NOBODY, BUILT_IN, API_TOKEN] {
            for (write, kind) in [(false, read), (true, write)] {
                let failure = explain(&error, &world.asked(source, write));
                assert_eq!(failure.kind, kind, "{error} {source:?} write: {write}");
            }
        }
    }
}

#[test]
fn a_token_that_is_known_to_lack_a_right_was_accepted() {
    // Docker's own registry answers 401 UNAUTHORIZED to it.
    let world = World::new("shop/base");
    let lacks = |granted| {
        error(Problem::Refused {
            status: 401,
            code: Some(Code::Unauthorized),
            words: Words::default(),
            granted,
        })
    };
    for (granted, write, kind, hint) in [
        (
            granted(r#""pull""#),
            true,
            Kind::Refused,
            "grants only `pull` on `base`",
        ),
        // It has the right, and is refused all the same.
        (
            granted(r#""pull","push""#),
            true,
            Kind::Refused,
            "grants `pull,push` on `base`",
        ),
        (granted(r#""*""#), true, Kind::Refused, "grants `*` on `base`"),
        (granted(""), true, Kind::Refused, "grants nothing on `base`"),
        (granted(""), false, Kind::Credential, "grants nothing on `base`"),
        (Granted::Unknown, true, Kind::Credential, "was not accepted"),
    ] {
        let failure = explain(&lacks(granted.clone()), &world.asked(API_TOKEN, write));
        assert_eq!(failure.kind, kind, "{granted:?}");
        let text = failure.hint.unwrap();
        assert!(text.contains(hint), "{granted:?}: {text}");
    }
}

#[test]
fn every_text_is_short_and_in_form() {
    let world = World::new("shop/base");
    for problem in every_problem() {
        let error = error(problem);
        for source in [NOBODY, BUILT_IN, API_TOKEN] {
            for write in [false, true] {
                let failure = explain(&error, &world.asked(source, write));
                assert_in_form(&failure);
                assert!(failure.message.contains("`crg.apkg.io`"), "{}", failure.message);
                assert!(failure.hint.is_some(), "{failure:?}");
            }
        }
    }
}

/// Short lines, at most a screen, no period at an end, back-ticks in pairs, no secret.
fn assert_in_form(failure: &Failure) {
    let hint = failure.hint.clone().unwrap_or_default();
    let text = format!("{}\n{hint}", failure.message);
    assert!(hint.lines().count() <= 20, "{} lines:\n{text}", hint.lines().count());
    for line in text.lines() {
        assert!(!line.ends_with(['.', ' ', ',']), "{line:?}");
        assert_eq!(line.matches('`').count() % 2, 0, "{line}");
        assert!(!line.contains("ATATTsecret") && !line.contains("“”"), "{line}");
        assert!(!line.is_empty(), "{text}");
    }
    for line in hint.lines() {
        assert!(line.chars().count() <= 140, "{line}");
    }
    assert!(!failure.message.contains('\n'), "{text}");
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn texts_name_cause_and_cure() {
    let (base, other, elsewhere) = (
        World::new("shop/base"),
        World::new("other/base"),
        World {
            registry: Host::parse("localhost:5000").unwrap(),
            ..World::new("shop/base")
        },
    );
    let unknown = || refused(404, Some(Code::NameUnknown));
    let reach = |reach| Problem::Unreachable(reach);
    for (world, problem, source, write, says) in [
        (
            &base,
            refused(403, Some(Code::Denied)),
            BUILT_IN,
            false,
            &[
                "refused reading `shop/base:1`: 403 DENIED, “said so” (with the built-in credential)",
                "the built-in credential reaches only packages that are linked to this repository, `shop/api`",
                "if `base` is linked to another one, an API token must serve it",
                "scope `read:package:bitbucket`",
                "of a user with the Read role",
                "    ATLASSIAN_API_TOKEN: $ATLASSIAN_API_TOKEN",
            ][..],
        ),
        (
            &base,
            refused(403, Some(Code::Denied)),
            API_TOKEN,
            true,
            &[
                "(with the API token of `ada@example.com`)",
                "- the API token lacks the scope `write:package:bitbucket`; scopes cannot be added later",
                "- `ada@example.com` lacks the role Write on the repository that `base` is linked to",
            ],
        ),
        (
            &base,
            refused(403, Some(Code::Denied)),
            API_TOKEN,
            false,
            &["`read:package:bitbucket`", "lacks the role Read"],
        ),
        (
            &base,
            refused(403, None),
            NOBODY,
            false,
            &["`crg.apkg.io` asks for a credential"],
        ),
        (
            &base,
            sign_in(401),
            API_TOKEN,
            false,
            &[
                "did not accept the credential",
                "`ATLASSIAN_API_TOKEN` was not accepted for `ada@example.com`",
                "- it has expired or was revoked",
                "- it was made without scopes",
                "- `ada@example.com` is not the email",
            ],
        ),
        (
            &base,
            sign_in(401),
            BUILT_IN,
            false,
            &["the built-in credential (`BITBUCKET_PACKAGES_USERNAME`, `BITBUCKET_PACKAGES_TOKEN`) was not accepted"],
        ),
        (
            &base,
            sign_in(401),
            NOBODY,
            false,
            &["asks for a credential and was given none"],
        ),
        (
            &base,
            unknown(),
            API_TOKEN,
            true,
            &[
                "the workspace `shop` has no package `base`: check the name",
                "pushing does not make a package",
                "1. With the role Admin on a repository of `shop` open Bitbucket → Create → Package",
                "name it `base` and link it",
                "Standard or Premium plan",
                PACKAGES_PAGE,
            ],
        ),
        (&base, unknown(), API_TOKEN, false, &["a step push an image to it"]),
        (
            &base,
            unknown(),
            BUILT_IN,
            false,
            &["if it is there: the built-in credential reaches only"],
        ),
        (
            &other,
            unknown(),
            API_TOKEN,
            false,
            &["this step's workspace is `shop`: is `other` the one you mean?"],
        ),
        (&elsewhere, unknown(), NOBODY, false, &["check the image's name"]),
        (
            &base,
            refused(404, Some(Code::ManifestUnknown)),
            API_TOKEN,
            false,
            &["check the tag's spelling"],
        ),
        (
            &base,
            refused(404, None),
            API_TOKEN,
            false,
            &["either the tag is not there, or the package is not", PACKAGES_PAGE],
        ),
        (
            &base,
            refused(429, None),
            API_TOKEN,
            true,
            &["lower `CONCURRENCY` and more `RETRIES`"],
        ),
        (
            &base,
            refused(503, None),
            API_TOKEN,
            true,
            &["run the step again later, and see https://bitbucket.status"],
        ),
        (&base, refused(413, None), API_TOKEN, true, &["takes nothing so large"]),
        (
            &base,
            reach(Reach::UnknownIssuer),
            API_TOKEN,
            false,
            &["`CA_CERTIFICATE`"],
        ),
        (
            &base,
            reach(Reach::Name),
            API_TOKEN,
            false,
            &["check the host name `crg.apkg.io`"],
        ),
        (
            &base,
            reach(Reach::Timeout),
            API_TOKEN,
            false,
            &["`HTTPS_PROXY`; see https://bitbucket.status"],
        ),
        (
            &base,
            Problem::Protocol("x".to_owned()),
            API_TOKEN,
            false,
            &["is `crg.apkg.io` a container registry?"],
        ),
    ] {
        let failure = explain(&error(problem), &world.asked(source, write));
        let text = format!("{}\n{}", failure.message, failure.hint.as_deref().unwrap_or_default());
        for part in says {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
    }
}

#[test]
fn a_registry_of_ones_own_is_looked_for_in_registry() {
    let world = World {
        registry: Host::parse("localhost:5000").unwrap(),
        ..World::new("shop/base")
    };
    for (reach, hint) in [
        (Reach::ConnectionRefused, "check `REGISTRY`, which is `localhost:5000`"),
        (
            Reach::Timeout,
            "run the step again later; if it goes through a proxy, check `HTTPS_PROXY`",
        ),
    ] {
        let error = Error {
            host: world.registry.clone(),
            ..error(Problem::Unreachable(reach))
        };
        assert_eq!(
            explain(&error, &world.asked(API_TOKEN, false)).hint.as_deref(),
            Some(hint)
        );
    }
}

#[test]
fn what_is_only_read_lacks_no_right_to_write() {
    let world = World::new("shop/base");
    for (access, scope, role, way) in [
        (
            registry::Access::Pull,
            "- the API token lacks the scope `read:package:bitbucket`",
            "Read",
            "and a step push an image to it",
        ),
        (
            registry::Access::PullPush,
            "- the API token lacks the scope `write:package:bitbucket`",
            "Write",
            "pushing does not make a package",
        ),
    ] {
        let scopes = Scopes::of(&world.repository, access);
        let asked = Asked {
            action_writes: true,
            scopes: Some(&scopes),
            ..world.asked(API_TOKEN, false)
        };
        let failure = explain(&error(refused(403, Some(Code::Denied))), &asked);
        let hint = failure.hint.unwrap();
        assert!(hint.contains(scope), "{hint}");
        assert!(
            hint.contains(&format!("lacks the role {role} on the repository")),
            "{hint}"
        );
        assert!(hint.contains(&format!("of a user with the {role} role on")), "{hint}");
        assert_eq!(failure.doubt.unwrap().needs_push, role == "Write");
        // A new token is for the whole run.
        assert!(
            hint.contains("scopes `read:package:bitbucket` and `write:package:bitbucket`"),
            "{hint}"
        );
        let hint = explain(&error(refused(404, Some(Code::NameUnknown))), &asked)
            .hint
            .unwrap();
        assert!(hint.contains(way), "{hint}");
    }
}

#[test]
fn who_has_an_api_token_is_not_told_to_make_one() {
    let world = World::new("shop/base");
    for (has_api_token, write, makes_one, switches) in [
        (false, false, true, false),
        (false, true, true, false),
        (true, false, false, false),
        (true, true, false, true),
    ] {
        let asked = Asked {
            has_api_token,
            ..world.asked(BUILT_IN, write)
        };
        let hint = explain(&error(refused(403, Some(Code::Denied))), &asked).hint.unwrap();
        assert_eq!(hint.contains("Create API token with scopes"), makes_one, "{hint}");
        assert_eq!(hint.contains("`CREDENTIAL: api-token`"), switches, "{hint}");
    }
}

#[test]
fn only_the_credential_turns_away() {
    let other = || Some(Code::Other(Words::new("X")));
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

#[test]
fn a_tag_that_stays_where_it_is_tells_of_immutable_tags() {
    let world = World::new("shop/base");
    let tag = Tag::parse("1.0").unwrap();
    let existing = Digest::of(b"old");
    let told = |status, code, words: &str| {
        let error = error(Problem::Refused {
            status,
            code,
            words: Words::new(words),
            granted: Granted::Unknown,
        });
        not_overwritten(&error, &tag, &existing, &world.asked(API_TOKEN, true))
    };
    let immutable = Some(Code::Other(Words::new("TAG_IMMUTABLE")));
    for (status, code, words, kind, is_rule, is_role) in [
        (400, immutable.clone(), "no", Kind::Refused, true, false),
        (403, immutable, "no", Kind::Refused, true, false),
        (
            403,
            Some(Code::Denied),
            "the tag is Immutable",
            Kind::Refused,
            true,
            false,
        ),
        (403, Some(Code::Denied), "denied", Kind::Refused, true, true),
        (403, None, "", Kind::Refused, true, true),
        (405, None, "", Kind::Refused, true, false),
        (409, None, "", Kind::Refused, true, false),
        (401, None, "", Kind::Credential, false, false),
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
        assert_eq!(hint.contains("lacks the role Write"), is_role, "{status}: {hint}");
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
        let failure = with_suggestions(Failure::new(Kind::NotFound, "m", "known"), &wanted, &there);
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
    let known = Failure::new(Kind::NotFound, "m", "known");
    assert_eq!(with_suggestions(known.clone(), &Tag::latest(), &[]), known);
    let unadvised = Failure { hint: None, ..known };
    let hint = with_suggestions(unadvised, &Tag::latest(), &tags(&["1"])).hint;
    assert_eq!(hint.as_deref(), Some("tags that are there: `1`"));
}
