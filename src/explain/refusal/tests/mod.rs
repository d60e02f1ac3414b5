//! Refusal → kind and text, as tables: every problem, every credential, read and write.

mod parties;
mod rights;
mod tags;
mod texts;

use super::*;
use crate::credential::advice::PACKAGES_PAGE;
use crate::registry::{Access, Certificate, Handshake, Party, Reach, Scopes};
use crate::text::Secret;
use std::path::PathBuf;

const EMAIL: &str = "ada@example.com";

/// In the shape of an API token, with its checksum.
const TOKEN: &str = "ATATT3xFfGF0abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl\
    mnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz=C0425520";

/// Everything that [`Context`] and [`Asker`] are made of.
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

    fn context(&self, source: Option<Source>, writes: bool) -> Context<'_> {
        Context {
            writes,
            is_of_several: false,
            has_api_token: source == Some(Source::ApiToken),
            only_built_in: false,
            registry: &self.registry,
            known: &[],
            step: &self.step,
            waited: None,
            diagnosis: None,
        }
    }

    /// The problem, met with this credential.
    fn met(&self, problem: ErrorKind, source: Option<Source>, writes: bool) -> Error {
        let access = if writes { Access::PullPush } else { Access::Pull };
        let credential = source.map(|source| match source {
            Source::BuiltIn => &self.built_in,
            Source::ApiToken | Source::Foreign => &self.api_token,
        });
        Error {
            asker: Box::new(Asker {
                repository: Some(self.repository.clone()),
                scopes: Scopes::of(&self.repository, access),
                credential: credential.cloned(),
                standing: Standing::Unknown,
                writes,
            }),
            ..error(problem)
        }
    }

    fn explain(&self, problem: ErrorKind, source: Option<Source>, writes: bool) -> Failure {
        explain(&self.met(problem, source, writes), self.context(source, writes))
    }
}

const NOBODY: Option<Source> = None;
const BUILT_IN: Option<Source> = Some(Source::BuiltIn);
const API_TOKEN: Option<Source> = Some(Source::ApiToken);

fn error(problem: ErrorKind) -> Error {
    Error {
        host: Host::bitbucket(),
        during: "reading `shop/base:1`".to_owned(),
        kind: problem,
        tries: 1,
        asked: None,
        asker: Box::default(),
    }
}

fn refused(status: u16, code: Option<Code>) -> ErrorKind {
    ErrorKind::Refused {
        status,
        code,
        words: Quoted::new("said so"),
        granted: Granted::Unknown,
    }
}

fn sign_in(status: u16) -> ErrorKind {
    ErrorKind::SignIn {
        status,
        words: Quoted::new("said so"),
        signed: true,
    }
}

/// What the token server granted on `shop/base`, as its JWT says it.
fn granted(actions: &str) -> Granted {
    use base64::Engine as _;
    let claims = format!(r#"{{"access":[{{"type":"repository","name":"shop/base","actions":[{actions}]}}]}}"#);
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
    let scopes = Scopes::of(&World::new("shop/base").repository, Access::PullPush);
    Granted::of_token(&format!("e30.{payload}.x"), &scopes)
}

/// Everyone who may fail in a registry's place.
const PARTIES: [fn() -> Party; 4] = [
    || Party::TokenServer(Quoted::new("auth.example")),
    || Party::Storage(Quoted::new("s3.example")),
    || Party::Other(Quoted::new("cdn.example")),
    || Party::Proxy(Quoted::new("proxy.example:3128")),
];

/// One problem of each variant and each status or code that is told apart.
fn every_problem() -> Vec<ErrorKind> {
    let mut problems = vec![
        ErrorKind::UntrustedRealm {
            realm: Quoted::new("http://10.0.0.1/token"),
            why: "it is not `https`",
        },
        ErrorKind::Redirect {
            to: Quoted::new("https://elsewhere.example"),
            why: "it is another host",
        },
        ErrorKind::Protocol("no digest".to_owned()),
        ErrorKind::WrongDigest {
            expected: Digest::of(b"a"),
            found: Digest::of(b"b"),
        },
        ErrorKind::TooLarge { limit: 4 },
        ErrorKind::Refused {
            status: 405,
            code: None,
            words: Quoted::default(),
            granted: Granted::Unknown,
        },
    ];
    for reach in [
        Reach::Name,
        Reach::ConnectionRefused,
        Reach::UnknownIssuer,
        Reach::Tls(Handshake::NoTls),
        Reach::Certificate(Certificate::Expired(None)),
        Reach::NoTunnel,
        Reach::ProxyAuthorization,
        Reach::Timeout,
        Reach::Broken("reset".to_owned()),
    ] {
        problems.push(ErrorKind::Unreachable(reach));
    }
    for party in PARTIES {
        for problem in [
            ErrorKind::Unreachable(Reach::Name),
            ErrorKind::Unreachable(Reach::UnknownIssuer),
            ErrorKind::WebPage,
            ErrorKind::TooLarge { limit: 4 },
            ErrorKind::Protocol("no token".to_owned()),
            refused(403, None),
            refused(404, None),
            refused(429, None),
            refused(503, None),
        ] {
            problems.push(ErrorKind::At(party(), Box::new(problem)));
        }
    }
    for status in [400, 401, 403, 429, 500, 503] {
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
        (400, Code::Other(Quoted::new("TAG_IMMUTABLE"))),
    ] {
        for granted in [Granted::Unknown, granted(""), granted(r#""pull""#)] {
            problems.push(ErrorKind::Refused {
                status,
                code: Some(code.clone()),
                words: Quoted::new("said so"),
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
        (ErrorKind::Unreachable(Reach::Timeout), false),
    ] {
        let error = world.met(problem, API_TOKEN, false);
        let context = world.context(API_TOKEN, false);
        let (part, whole) = (explain_part(&error, context), explain(&error, context));
        assert_eq!((part.kind, &part.message), (whole.kind, &whole.message), "{error}");
        assert_eq!(part.hint != whole.hint, damaged, "{error}");
        assert_eq!(part.hint.unwrap().contains("the image is damaged"), damaged, "{error}");
    }
}

#[test]
fn every_refusal_has_its_kind() {
    use FailureKind::{Credential, NotFound, Other, Refused, Unreachable};
    let world = World::new("shop/base");
    for (problem, read, write) in [
        (sign_in(400), Credential, Credential),
        (sign_in(401), Credential, Credential),
        (sign_in(403), Credential, Credential),
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
        (refused(400, Some(Code::Other(Quoted::new("X")))), Refused, Refused),
        (refused(405, None), Refused, Refused),
        (refused(409, None), Refused, Refused),
        (refused(413, None), Refused, Refused),
        (refused(429, None), Refused, Refused),
        (refused(429, Some(Code::TooManyRequests)), Refused, Refused),
        (refused(500, None), Unreachable, Unreachable),
        (refused(503, None), Unreachable, Unreachable),
        (ErrorKind::Unreachable(Reach::Timeout), Unreachable, Unreachable),
        (ErrorKind::Unreachable(Reach::UnknownIssuer), Unreachable, Unreachable),
        (ErrorKind::Protocol("x".to_owned()), Other, Other),
        (ErrorKind::TooLarge { limit: 1 }, Other, Other),
    ] {
        for source in [NOBODY, BUILT_IN, API_TOKEN] {
            for (write, kind) in [(false, read), (true, write)] {
                let failure = world.explain(problem.clone(), source, write);
                assert_eq!(failure.kind, kind, "{problem:?} {source:?} write: {write}");
            }
        }
    }
}

#[test]
fn a_token_that_is_known_to_lack_a_right_was_accepted() {
    // Docker's own registry answers 401 UNAUTHORIZED to it.
    let world = World::new("shop/base");
    let lacks = |granted| ErrorKind::Refused {
        status: 401,
        code: Some(Code::Unauthorized),
        words: Quoted::default(),
        granted,
    };
    for (granted, write, kind, hint) in [
        (
            granted(r#""pull""#),
            true,
            FailureKind::Refused,
            "grants only `pull` on `base`",
        ),
        // It has the right, and is refused all the same.
        (
            granted(r#""pull","push""#),
            true,
            FailureKind::Refused,
            "grants `pull,push` on `base`",
        ),
        (granted(r#""*""#), true, FailureKind::Refused, "grants `*` on `base`"),
        (granted(""), true, FailureKind::Refused, "grants nothing on `base`"),
        (granted(""), false, FailureKind::Credential, "grants nothing on `base`"),
        (Granted::Unknown, true, FailureKind::Credential, "was not accepted"),
    ] {
        let failure = world.explain(lacks(granted.clone()), API_TOKEN, write);
        assert_eq!(failure.kind, kind, "{granted:?}");
        let text = failure.hint.unwrap();
        assert!(text.contains(hint), "{granted:?}: {text}");
    }
}

#[test]
fn every_text_is_short_and_in_form() {
    let world = World::new("shop/base");
    for problem in every_problem() {
        for source in [NOBODY, BUILT_IN, API_TOKEN] {
            for write in [false, true] {
                let failure = world.explain(problem.clone(), source, write);
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
