//! What each written name means, as a table; and that no input panics.

use super::*;
use proptest::prelude::*;

fn shop() -> Namespace {
    Namespace {
        registry: Host::parse("crg.apkg.io").unwrap(),
        workspace: Some("shop".to_owned()),
    }
}

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn names_mean_what_the_documentation_says() {
    let digest = format!("sha256:{HEX}");
    for (written, meant) in [
        ("base:1", "crg.apkg.io/shop/base:1".to_owned()),
        ("base", "crg.apkg.io/shop/base".to_owned()),
        ("shop/base:1", "crg.apkg.io/shop/base:1".to_owned()),
        ("other/base:1", "crg.apkg.io/other/base:1".to_owned()),
        ("a/b/c:1", "crg.apkg.io/a/b/c:1".to_owned()),
        ("frostlink.api:1", "crg.apkg.io/shop/frostlink.api:1".to_owned()),
        (
            "crg.apkg.io/shop/digital.frostlink.api:v1",
            "crg.apkg.io/shop/digital.frostlink.api:v1".to_owned(),
        ),
        ("CRG.apkg.io/shop/base:1", "crg.apkg.io/shop/base:1".to_owned()),
        ("docker.io/node:20", "docker.io/library/node:20".to_owned()),
        ("index.docker.io/node:20", "docker.io/library/node:20".to_owned()),
        ("docker.io/bitnami/redis", "docker.io/bitnami/redis".to_owned()),
        ("localhost/base:1", "localhost/base:1".to_owned()),
        ("localhost:5000/base:1", "localhost:5000/base:1".to_owned()),
        ("127.0.0.1:5000/shop/base", "127.0.0.1:5000/shop/base".to_owned()),
        ("[::1]:5000/shop/base:1", "[::1]:5000/shop/base:1".to_owned()),
        (
            "ghcr.io/a/b_c__d--e.f:V1_x.y-z",
            "ghcr.io/a/b_c__d--e.f:V1_x.y-z".to_owned(),
        ),
        (&format!("base@{digest}"), format!("crg.apkg.io/shop/base@{digest}")),
        (&format!("base:1@{digest}"), format!("crg.apkg.io/shop/base:1@{digest}")),
    ] {
        assert_eq!(
            Reference::parse(written, &shop()).map(|r| r.to_string()),
            Ok(meant),
            "{written}"
        );
    }
}

#[test]
fn wrong_names_say_what_to_write() {
    for (written, problem, cure) in [
        ("", "names no image", "package:tag"),
        ("https://crg.apkg.io/shop/base", "no `https://`", "leave the scheme out"),
        ("base:$TAG", "not filled in", "spelling"),
        ("base:", "tag after the `:` is empty", "set in this step"),
        ("'base:1'", "quotation mark", "leave"),
        ("ba se:1", "character ` `", "white space"),
        ("base\u{1b}[1m", "character `\\u{1b}`", "ASCII"),
        (
            "packages.atlassian.net/shop/base:1",
            "not Bitbucket's container registry",
            "write `crg.apkg.io/shop/base`",
        ),
        (
            "bitbucket.org/shop/base:1",
            "is for Git",
            "write `crg.apkg.io/shop/base`",
        ),
        (
            "npm.apkg.io/shop/base:1",
            "no container images",
            "write `crg.apkg.io/shop/base`",
        ),
        (
            "crg.apkg.io:443/shop/base:1",
            "`crg.apkg.io:443` has a port",
            "write `crg.apkg.io/shop/base`",
        ),
        (
            "CRG.apkg.io:8443/shop/base",
            "has a port",
            "write `crg.apkg.io/shop/base`",
        ),
        (
            "npm.apkg.io:443/shop/base",
            "has a port",
            "write `crg.apkg.io/shop/base`",
        ),
        (
            "crg.apkg.io:443/base@sha256:12",
            "has a port",
            "write `crg.apkg.io/base`",
        ),
        ("crg.apkg.io:443", "is a registry", "package:tag"),
        ("crg.apkg.io", "is a registry", "package:tag"),
        (
            "crg.apkg.io/base:1",
            "does not name the workspace",
            "write `crg.apkg.io/shop/base`",
        ),
        ("shop/Base:1", "capital letters", "write `shop/base`"),
        ("shop/-base:1", "not a repository name", "lower-case"),
        ("shop//base:1", "a part of the name is empty", "set in this step"),
        ("/base:1", "a part of the name is empty", "`workspace/package`"),
        ("shop/:1", "a part of the name is empty", "set in this step"),
        (":1", "a part of the name is empty", "set in this step"),
        ("base@", "the digest after the `@` is empty", "set in this step"),
        ("shop/b..c:1", "not a repository name", "lower-case"),
        ("shop/b___c:1", "not a repository name", "lower-case"),
        ("base:feature/x", "`feature/x` is not a tag", "BITBUCKET_BRANCH"),
        ("base:.1", "is not a tag", "128"),
        ("base@sha256:12", "is not a digest", "64"),
        ("base@md5:0123456789abcdef0123456789abcdef", "is not a digest", "64"),
        ("crg.apkg.io:0/shop/base", "not a host name", "optional port"),
        ("-x.org/shop/base", "not a host name", "optional port"),
    ] {
        let error = Reference::parse(written, &shop()).expect_err(written);
        assert!(error.to_string().contains(problem), "{written}: {error}");
        assert!(error.hint().contains(cure), "{written}: {}", error.hint());
    }
}

#[test]
fn what_is_wrong_is_said_on_one_bounded_line() {
    let long = "x".repeat(100_000);
    let odd = Tag::parse("1\u{1b}[31m\n✔ pulled").expect_err("not a tag").to_string();
    assert!(odd.starts_with("`1\\u{1b}[31m\\n✔ pulled`"), "{odd}");
    for error in [
        Tag::parse(&long).expect_err("too long"),
        Digest::parse(&long).expect_err("not a digest"),
        Host::parse(&format!("{long}_")).expect_err("no host"),
        Reference::parse(&format!("shop/{long}A"), &shop()).expect_err("capital"),
        Reference::parse(&format!("bitbucket.org/{long}"), &shop()).expect_err("wrong host"),
    ] {
        let said = format!("{error}; {}", error.hint());
        assert!(said.chars().count() < 1000 && said.contains('…'), "{said}");
    }
}

#[test]
fn a_package_alone_needs_a_workspace() {
    let nowhere = Namespace {
        workspace: None,
        ..shop()
    };
    let error = Reference::parse("base:1", &nowhere).expect_err("no workspace");
    assert!(error.hint().contains("BITBUCKET_WORKSPACE"), "{}", error.hint());
    assert!(Reference::parse("shop/base:1", &nowhere).is_ok());
}

#[test]
fn the_digest_decides_over_the_tag() {
    let reference = Reference::parse(&format!("base:1@sha256:{HEX}"), &shop()).unwrap();
    assert_eq!(reference.selector().to_string(), format!("sha256:{HEX}"));
    assert_eq!(
        Reference::parse("base", &shop()).unwrap().selector().to_string(),
        "latest"
    );
}

#[test]
fn hosts_know_what_they_are() {
    for (host, loopback, atlassian) in [
        ("crg.apkg.io", false, true),
        ("crg.apkg.io:8443", false, false),
        ("CRG.apkg.io:443", false, false),
        ("crg.apkg.io.example.org", false, false),
        ("evilapkg.io", false, false),
        ("localhost:5000", true, false),
        ("registry.localhost", true, false),
        ("127.9.9.9", true, false),
        ("[::1]:5000", true, false),
        ("10.0.0.1:5000", false, false),
        ("127.0.0.1.example.org", false, false),
    ] {
        let host = Host::parse(host).unwrap();
        assert_eq!(
            (host.is_loopback(), host.is_atlassian()),
            (loopback, atlassian),
            "{host}"
        );
    }
}

#[test]
fn only_the_registry_itself_may_not_have_a_port() {
    for (host, needless) in [
        ("crg.apkg.io:443", true),
        ("apkg.io:80", true),
        ("npm.apkg.io:8443", true),
        ("crg.apkg.io", false),
        ("evilapkg.io:443", false),
        ("crg.apkg.io.example.org:443", false),
        ("localhost:443", false),
        ("[::1]:443", false),
    ] {
        assert_eq!(Host::parse(host).unwrap().is_atlassian_with_port(), needless, "{host}");
    }
}

#[test]
fn digests_check_by_their_own_algorithm() {
    let sha512 = Digest::from_sha512(&<sha2::Sha512 as sha2::Digest>::digest(b"x"));
    assert_eq!(Digest::parse(sha512.as_str()), Ok(sha512.clone()));
    assert_eq!(sha512.of_same_kind(b"x"), sha512);
    assert_ne!(sha512.of_same_kind(b"y"), sha512);
    assert_eq!(Digest::of(b"").short(), "sha256:e3b0c44298fc");
    assert_eq!(
        Digest::of(b"").as_str(),
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,300}") {
        if let Err(error) = Reference::parse(&text, &shop()) {
            let _ = (error.to_string(), error.hint());
        }
    }

    #[test]
    fn what_is_printed_means_the_same(text in "([a-z0-9]{1,4}(\\.[a-z]{2})?(:[0-9]{1,4})?/)?[a-z0-9]{1,4}(/[a-z0-9]{1,4}([-_.][a-z0-9]{1,3})?){0,2}(:[A-Za-z0-9_][A-Za-z0-9._-]{0,8})?(@sha256:[0-9a-f]{64})?") {
        if let Ok(reference) = Reference::parse(&text, &shop()) {
            prop_assert_eq!(Reference::parse(&reference.to_string(), &shop()), Ok(reference));
        }
    }
}
