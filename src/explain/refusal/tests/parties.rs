//! Who failed in the registry's place → kind, and advice for that one alone.

use super::*;

fn page(status: u16) -> ErrorKind {
    ErrorKind::Refused {
        status,
        code: None,
        words: Quoted::web_page(),
        granted: Granted::Unknown,
    }
}

fn reach(reach: Reach) -> ErrorKind {
    ErrorKind::Unreachable(reach)
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn who_failed_is_named_and_advised_about() {
    use FailureKind::{NotFound, Other, Refused, Unreachable};
    let [token, storage, other, proxy] = PARTIES.map(|party| party());
    let certificate = |what| reach(Reach::Certificate(what));
    for (party, problem, kind, says) in [
        (
            &storage,
            reach(Reach::Name),
            Unreachable,
            &[
                "`s3.example`, where `crg.apkg.io` keeps its blobs, did not answer while reading `shop/base:1`: its name",
                "lead to `s3.example` too",
            ][..],
        ),
        (
            &storage,
            reach(Reach::ConnectionRefused),
            Unreachable,
            &["`s3.example`"],
        ),
        (
            &storage,
            reach(Reach::UnknownIssuer),
            Unreachable,
            &[
                "no secure connection to `s3.example`, where `crg.apkg.io` keeps its blobs while",
                "`CA_CERTIFICATE`",
            ],
        ),
        (
            &storage,
            certificate(Certificate::Expired(Some("2026-01-02".to_owned()))),
            Unreachable,
            &[
                "it expired on 2026-01-02",
                "the owner of `s3.example` must have it renewed",
            ],
        ),
        (
            &storage,
            refused(403, None),
            Other,
            &["403, “said so”", "`s3.example` does not get"],
        ),
        (
            &storage,
            refused(401, None),
            Other,
            &["nothing is known against your credential"],
        ),
        (&storage, refused(404, None), NotFound, &["the image is damaged"]),
        (&storage, page(404), Other, &["a filter, a portal or a proxy"]),
        (&storage, page(403), Other, &["in the place of `s3.example`"]),
        (&storage, refused(429, None), Refused, &["`s3.example` limits"]),
        (
            &storage,
            refused(503, None),
            Unreachable,
            &["the fault is that of `s3.example`"],
        ),
        (
            &token,
            reach(Reach::ConnectionRefused),
            Unreachable,
            &[
                "`auth.example`, the token server of `crg.apkg.io`, did not answer",
                "it has its tokens made there",
            ],
        ),
        (
            &token,
            refused(404, None),
            Other,
            &["nothing is known against your credential: `auth.example`"],
        ),
        (
            &token,
            ErrorKind::Protocol("x".to_owned()),
            Other,
            &["does not answer as a token server does"],
        ),
        (
            &other,
            reach(Reach::Timeout),
            Unreachable,
            &["`cdn.example`, to which `crg.apkg.io` redirects, did not answer"],
        ),
        (
            &proxy,
            reach(Reach::ConnectionRefused),
            Unreachable,
            &[
                "the proxy `proxy.example:3128` on the way to `crg.apkg.io` did not answer",
                "check `HTTPS_PROXY`",
            ],
        ),
        (
            &proxy,
            reach(Reach::ProxyAuthorization),
            Unreachable,
            &["it asks for a user name", "user:password@"],
        ),
        (
            &proxy,
            reach(Reach::NoTunnel),
            Unreachable,
            &["it made no connection", "`NO_PROXY`"],
        ),
        (
            &proxy,
            reach(Reach::UnknownIssuer),
            Unreachable,
            &["`HTTPS_PROXY` names `proxy.example:3128`"],
        ),
    ] {
        let world = World::new("shop/base");
        let problem = ErrorKind::At(party.clone(), Box::new(problem));
        for source in [NOBODY, BUILT_IN, API_TOKEN] {
            let error = world.met(problem.clone(), source, false);
            let failure = explain_part(&error, world.context(source, false));
            assert_eq!(failure.kind, kind, "{error}");
            let told = format!("{error}\n{}", failure.hint.unwrap());
            for text in says {
                assert!(told.contains(text), "{text}: {told}");
            }
            for text in ["`REGISTRY`", "was not accepted", "(with the", "check the host name"] {
                assert!(!told.contains(text), "{text}: {told}");
            }
            assert!(!failure.bitbucket_may_know);
            assert!(!error.turns_away());
        }
    }
}

#[test]
fn an_address_that_lost_its_port_is_told_as_that() {
    let world = World::new("shop/base");
    let problem = ErrorKind::At(
        Party::Storage(Quoted::new("registry.example")),
        Box::new(reach(Reach::ConnectionRefused)),
    );
    let error = Error {
        host: Host::parse("registry.example:5000").unwrap(),
        ..world.met(problem, API_TOKEN, true)
    };
    let hint = explain(&error, world.context(API_TOKEN, true)).hint.unwrap();
    assert!(hint.contains("names itself with another port, or none"), "{hint}");
}

/// A filter of the network answers in the place of the registry itself, too: its page is no word of the registry's.
#[test]
fn a_web_page_is_told_beside_the_verdict() {
    let world = World::new("shop/base");
    for status in [403, 404, 503] {
        let error = world.met(page(status), API_TOKEN, false);
        let context = world.context(API_TOKEN, false);
        for failure in [explain(&error, context), explain_part(&error, context)] {
            let hint = failure.hint.unwrap();
            assert!(hint.contains("seems to answer in the place of `crg.apkg.io`"), "{hint}");
            assert!(!hint.contains("damaged"), "{hint}");
        }
    }
}

#[test]
fn every_fault_of_a_certificate_has_words_and_a_cure() {
    let world = World::new("shop/base");
    let names = || vec![Quoted::new("localhost"), Quoted::new("127.0.0.1")];
    for (what, words, cure) in [
        (Certificate::Expired(None), "it has expired", "renewed"),
        (
            Certificate::NotYet(Some("2030-01-01".to_owned())),
            "it begins on 2030-01-01",
            "clock",
        ),
        (
            Certificate::OtherName(names()),
            "it is for `localhost`, `127.0.0.1`, which is another name",
            "by a name",
        ),
        (Certificate::NotNamed, "it does not name this host", "`subjectAltName`"),
        (Certificate::Authority, "of an authority", "`CA_CERTIFICATE`"),
        (Certificate::Revoked, "revoked", "a proper one"),
        (Certificate::Purpose, "not made for a server", "serverAuth"),
        (Certificate::Algorithm, "not taken here", "SHA-256"),
        (Certificate::Unread, "cannot be read", "a proper one"),
        (Certificate::Rules, "breaks a rule", "a proper one"),
        (Certificate::Missing, "there is none", "a proper one"),
    ] {
        let failure = world.explain(reach(Reach::Certificate(what)), API_TOKEN, false);
        assert_eq!(failure.kind, FailureKind::Unreachable);
        let told = format!("{failure}; {}", failure.hint.as_deref().unwrap());
        assert!(
            told.contains("its certificate is not valid: ") && told.ends_with("nothing was sent"),
            "{told}"
        );
        assert!(told.contains(words) && told.contains(cure), "{told}");
    }
    for what in [
        Handshake::NoTls,
        Handshake::NothingInCommon,
        Handshake::UnknownName,
        Handshake::WantsCertificate,
        Handshake::TheirFault,
        Handshake::BrokenOff,
        Handshake::Garbled,
    ] {
        let failure = world.explain(reach(Reach::Tls(what)), API_TOKEN, false);
        assert!(failure.message.contains("TLS failed: "), "{failure}");
        assert!(failure.hint.unwrap().contains("`crg.apkg.io`"), "{what:?}");
    }
}

#[test]
fn without_a_credential_none_is_judged() {
    let world = World::new("shop/base");
    let problem = ErrorKind::SignIn {
        status: 401,
        words: Quoted::new("no"),
        signed: false,
    };
    let failure = world.explain(problem, NOBODY, false);
    assert_eq!(failure.kind, FailureKind::Credential);
    assert!(
        failure.message.contains("gave no token without a credential"),
        "{failure}"
    );
    assert!(
        failure
            .hint
            .unwrap()
            .contains("asks for a credential and was given none")
    );
}
