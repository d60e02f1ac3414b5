//! What is said of a refusal: cause and cure, by credential, registry and what was asked.

use super::*;

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
        let (shown, guesses_at) = hint::causes_of_no_sign_in(&credential);
        let lines = [shown, guesses_at].concat();
        let text = lines.join("\n");
        assert!(text.starts_with(begins), "{text}");
        let listed = lines.iter().filter(|line| line.starts_with("- ")).count();
        assert_eq!(listed, guesses, "{text}");
        assert!(lines[lines.len() - guesses - 1].ends_with(hint::GUESSES), "{text}");
    }
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
    let reach = |reach| ErrorKind::Unreachable(reach);
    for (world, problem, source, write, says) in [
        (
            &base,
            refused(403, Some(Code::Denied)),
            BUILT_IN,
            false,
            &[
                "refused reading `shop/base:1`: 403 DENIED, “said so” (with the built-in credential)",
                "the built-in credential reaches only packages that are linked to this repository, `shop/api`",
                "if `base` is linked to another one, it needs an API token",
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
                "- the API token does not have the scope `write:package:bitbucket`; scopes cannot be added later",
                "- `ada@example.com` does not have the role Write on the repository that `base` is linked to",
            ],
        ),
        (
            &base,
            refused(403, Some(Code::Denied)),
            API_TOKEN,
            false,
            &["`read:package:bitbucket`", "does not have the role Read"],
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
            &[
                "asks for a credential and was given none",
                "some registries say so of an image that is not there, too",
            ],
        ),
        (
            &base,
            unknown(),
            API_TOKEN,
            true,
            &[
                "the workspace `shop` has no package `base`: check the name",
                "a push does not create packages",
                "1. As an admin of a repository of `shop`, open Bitbucket → Create → Package",
                "name it `base`, and link it",
                "Standard or Premium plan",
                PACKAGES_PAGE,
            ],
        ),
        (&base, unknown(), API_TOKEN, false, &["a step pushes an image to it"]),
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
        (
            &base,
            refused(413, None),
            API_TOKEN,
            true,
            &["rejected this as too large"],
        ),
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
            ErrorKind::Protocol("x".to_owned()),
            API_TOKEN,
            false,
            &["is `crg.apkg.io` a container registry?"],
        ),
    ] {
        let failure = world.explain(problem, source, write);
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
            ..world.met(ErrorKind::Unreachable(reach), API_TOKEN, false)
        };
        let failure = explain(&error, world.context(API_TOKEN, false));
        assert_eq!(failure.hint.as_deref(), Some(hint));
    }
}

#[test]
fn what_is_only_read_lacks_no_right_to_write() {
    let world = World::new("shop/base");
    for (written, scope, role, way) in [
        (
            false,
            "- the API token does not have the scope `read:package:bitbucket`",
            "Read",
            "and a step pushes an image to it",
        ),
        (
            true,
            "- the API token does not have the scope `write:package:bitbucket`",
            "Write",
            "a push does not create packages",
        ),
    ] {
        let explained = |problem| {
            let access = if written { Access::PullPush } else { Access::Pull };
            let error = world.met(problem, API_TOKEN, false);
            let asker = Box::new(Asker {
                scopes: Scopes::of(&world.repository, access),
                ..*error.asker
            });
            explain(&Error { asker, ..error }, world.context(API_TOKEN, true))
        };
        let failure = explained(refused(403, Some(Code::Denied)));
        let hint = failure.hint.unwrap();
        assert!(hint.contains(scope), "{hint}");
        assert!(
            hint.contains(&format!("does not have the role {role} on the repository")),
            "{hint}"
        );
        assert!(hint.contains(&format!("of a user with the {role} role on")), "{hint}");
        // A new token is for the whole run.
        assert!(
            hint.contains("scopes `read:package:bitbucket` and `write:package:bitbucket`"),
            "{hint}"
        );
        let hint = explained(refused(404, Some(Code::NameUnknown))).hint.unwrap();
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
        let error = world.met(refused(403, Some(Code::Denied)), BUILT_IN, write);
        let context = Context {
            has_api_token,
            ..world.context(BUILT_IN, write)
        };
        let hint = explain(&error, context).hint.unwrap();
        assert_eq!(hint.contains("Create API token with scopes"), makes_one, "{hint}");
        assert_eq!(hint.contains("`CREDENTIAL: api-token`"), switches, "{hint}");
    }
}

/// An API token alone would not help: the next run would not use it either.
#[test]
fn who_allows_only_the_built_in_credential_is_told_so() {
    let world = World::new("shop/base");
    for (only_built_in, write, said) in [
        (
            true,
            false,
            "`CREDENTIAL` is `built-in`, so no API token was tried: leave `CREDENTIAL` out\n",
        ),
        (
            true,
            true,
            "`CREDENTIAL` is `built-in`, so no API token was tried: write `CREDENTIAL: api-token`\n",
        ),
        (false, false, ""),
        (false, true, ""),
    ] {
        for status in [401, 403] {
            let error = world.met(refused(status, None), BUILT_IN, write);
            let context = Context {
                only_built_in,
                ..world.context(BUILT_IN, write)
            };
            let hint = explain(&error, context).hint.unwrap();
            assert_eq!(hint.contains("no API token was tried"), only_built_in, "{hint}");
            assert!(hint.contains(said), "{hint}");
        }
    }
}
