//! What the registry refuses, and what Bitbucket says of a token that was refused.

use super::{Case, ada, pull, retag, shop, shop_of, silent_of, stocked};
use crate::support::distribution::Distribution;
use crate::support::emulator::{
    AccessTokenKind, Answer, Emulator, Fault, Role, Setup, TokenForm, User, access_token, api_token, on,
};
use crate::support::image::Image;
use crate::support::pipe::Pipe;
use crate::support::pki::Authority;
use crate::support::shop::copy;

const READ: &str = "read:package:bitbucket";
const DENIED: &str = "requested access to the resource is denied";

pub(super) const CASES: &[Case] = &[
    Case {
        see: "did not accept the credential while reading `…`: 401, “…” (with the API token of `…`)<br>\
              `ATLASSIAN_API_TOKEN` was not accepted for `…`; one of these is the cause:",
        status: 3,
        runs: || {
            let emulator = silent_of(ada().expired());
            vec![retag(&emulator).api_token().run().into()]
        },
    },
    Case {
        see: "Bitbucket does not know this token with `…` either",
        status: 3,
        runs: || {
            let expired = shop_of(ada().expired());
            vec![retag(&expired).api_token().run().into()]
        },
    },
    Case {
        see: "`ATLASSIAN_ACCOUNT_EMAIL` holds no `@`: the registry takes the email of the Atlassian account, not the Bitbucket \
              user name<br>`…` is not the email of the Atlassian account: write the email, not the Bitbucket user name<br>\
              `ATLASSIAN_ACCOUNT_EMAIL` is `x-bitbucket-api-token-auth`, which is for Git; …",
        status: 3,
        runs: || {
            let emulator = shop();
            ["ada", "x-bitbucket-api-token-auth"]
                .map(|user| {
                    let pipe = retag(&emulator).api_token();
                    pipe.var("ATLASSIAN_ACCOUNT_EMAIL", user).run().into()
                })
                .into()
        },
    },
    Case {
        see: "`ATLASSIAN_API_TOKEN` looks cut off after … characters<br>\
              `ATLASSIAN_API_TOKEN` looks altered: its … characters do not fit the checksum at their end<br>\
              your token looks cut off after … characters: paste it again, whole<br>\
              your token looks altered: paste it again, whole",
        status: 3,
        runs: || {
            let emulator = shop();
            let whole = Setup::api_token();
            [whole[..128].to_owned(), whole.replacen('x', "y", 1)]
                .map(|value| {
                    let pipe = retag(&emulator).api_token();
                    pipe.var("ATLASSIAN_API_TOKEN", &value).run().into()
                })
                .into()
        },
    },
    Case {
        see: "`ATLASSIAN_API_TOKEN` looks like no known token<br>\
              `ATLASSIAN_API_TOKEN` looks like an API token of before 2023<br>this is a service account: …",
        status: 3,
        runs: || {
            let emulator = shop();
            [
                "my-account-password",
                "abcdefghij0123456789abcd",
                "ATSTT3xFfGF0abcdefghijklmnop",
            ]
            .map(|value| {
                let pipe = retag(&emulator).api_token();
                pipe.var("ATLASSIAN_API_TOKEN", value).run().into()
            })
            .into()
        },
    },
    Case {
        see: "Bitbucket says: this token has no scopes; … missing<br>\
              Bitbucket says: this token has the scope …; … missing",
        status: 3,
        runs: || {
            let without = shop_of(ada().role("shop/api", Role::Write));
            let reads = shop_of(ada().scopes(&[READ]).role("shop/api", Role::Write));
            vec![
                pull(&without, "api:1").api_token().run().into(),
                retag(&reads).api_token().run().into(),
            ]
        },
    },
    Case {
        see: "Bitbucket says: this token has both package scopes, so it is the role",
        status: 5,
        runs: || {
            let emulator = shop_of(ada().package_scopes().role("shop/api", Role::Read));
            vec![retag(&emulator).api_token().run().into()]
        },
    },
    Case {
        see: "Bitbucket says: this token has the package scope, so it is the role",
        status: 3,
        runs: || {
            let emulator = shop_of(ada().package_scopes());
            vec![pull(&emulator, "api:1").api_token().run().into()]
        },
    },
    Case {
        see: "Bitbucket says: this is a repository access token…; access tokens have no scope for packages",
        status: 3,
        runs: || {
            let token = access_token("ci");
            let setup = Setup::shop().access_token(&token, AccessTokenKind::Repository, &["repository"]);
            let emulator = stocked(setup.api(Authority::shared()));
            let allowed = retag(&emulator).var("ALLOW_UNSUPPORTED_TOKEN", "true");
            let allowed = allowed.var("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL);
            vec![allowed.var("ATLASSIAN_API_TOKEN", &token).run().into()]
        },
    },
    Case {
        see: "Bitbucket says: this token is an OAuth client's, and has expired; OAuth has no scope for packages",
        status: 3,
        runs: || {
            let emulator = shop();
            let words = "Access token expired. Use your refresh token to obtain a new access token.";
            let body = serde_json::json!({ "type": "error", "error": { "message": words } });
            emulator.script(on("GET", "/2.0/user"), 1, Answer::new(401).json(&body));
            let pipe = retag(&emulator).api_token();
            vec![pipe.var("ATLASSIAN_API_TOKEN", "some-password-of-no-form").run().into()]
        },
    },
    Case {
        see: "Bitbucket accepts this token for `…`, and it has the scopes: it is the registry that does not",
        status: 3,
        runs: || {
            let emulator = shop();
            for method in ["GET", "POST"] {
                emulator.script(
                    on(method, "/token"),
                    9,
                    Answer::error(401, "UNAUTHORIZED", "unauthorized"),
                );
            }
            vec![retag(&emulator).api_token().run().into()]
        },
    },
    Case {
        see: "Bitbucket accepts this token for `…`: it has not expired, so see whether it has the scopes for packages",
        status: 3,
        runs: || {
            let emulator = silent_of(ada().expired());
            let known = shop_of(ada().expired());
            known.script(on("GET", "/2.0/user"), 1, Answer::new(200).json(&serde_json::json!({})));
            drop(emulator);
            vec![retag(&known).api_token().run().into()]
        },
    },
    Case {
        see: "the built-in credential (`BITBUCKET_PACKAGES_USERNAME`, `BITBUCKET_PACKAGES_TOKEN`) was not accepted",
        status: 3,
        runs: || {
            let emulator = shop();
            let pipe = retag(&emulator).built_in();
            vec![
                pipe.var("BITBUCKET_PACKAGES_TOKEN", "that-of-another-step")
                    .run()
                    .into(),
            ]
        },
    },
    Case {
        see: "refused reading `…`: 403 DENIED, “…” (with the built-in credential)<br>\
              the built-in credential reaches only packages that are linked to this repository, `…`<br>\
              `CREDENTIAL` is `built-in`, so no API token was tried: …",
        status: 3,
        runs: || {
            let emulator = shop();
            let alone = pull(&emulator, "base:1")
                .built_in()
                .api_token()
                .var("CREDENTIAL", "built-in")
                .run();
            vec![
                pull(&emulator, "base:1").built_in().run().into(),
                alone.says("no API token was tried: leave `CREDENTIAL` out").into(),
            ]
        },
    },
    Case {
        see: "refused reading `…`: 403 DENIED, “…” (with the API token of `…`)<br>\
              - `…` does not have the role Read on the repository that `…` is linked to",
        status: 3,
        runs: || {
            let emulator = silent_of(ada().package_scopes());
            vec![pull(&emulator, "api:1").api_token().run().into()]
        },
    },
    Case {
        see: "refused reading `…`: 403 DENIED, “…” (with the built-in credential, and with the API token of `…`)",
        status: 3,
        runs: || {
            let emulator = silent_of(ada().package_scopes());
            vec![pull(&emulator, "base:1").built_in().api_token().run().into()]
        },
    },
    Case {
        see: "grants no `push` on `…` (with the API token of `…`)",
        status: 5,
        runs: || {
            let emulator = silent_of(ada().package_scopes().role("shop/api", Role::Read));
            vec![retag(&emulator).api_token().run().into()]
        },
    },
    Case {
        see: "refused writing `…`: 403 DENIED, “…” (with the API token of `…`)",
        status: 5,
        runs: || {
            let emulator = silent_of(ada().package_scopes().role("shop/api", Role::Read));
            emulator.settings(|settings| settings.token_form = TokenForm::Opaque);
            vec![retag(&emulator).api_token().run().into()]
        },
    },
    Case {
        see: "to write with your API token instead: `CREDENTIAL: api-token`",
        status: 5,
        runs: || {
            let emulator = shop();
            let denied = Answer::error(403, "DENIED", DENIED);
            emulator.script(on("PUT", "/manifests/2").signed_in(), 1, denied);
            vec![retag(&emulator).built_in().api_token().run().into()]
        },
    },
    Case {
        see: "did not accept the credential while reading `…`: 401, “…” (with the `SOURCE_USERNAME` `…`)",
        status: 3,
        runs: || vec![copied(Some("a-wrong-password"), None)],
    },
    Case {
        see: "refused reading `…`: 403 DENIED, “…” (with the `SOURCE_USERNAME` `…`)",
        status: 3,
        runs: || vec![copied(Some(&Setup::api_token()), Some(ada().package_scopes()))],
    },
    Case {
        see: "`…` asks for a credential and was given none; `pull` and `copy` take one in `SOURCE_USERNAME` and `SOURCE_PASSWORD`",
        status: 3,
        runs: || vec![copied(None, None)],
    },
    Case {
        see: "refused reading `…`: 404 NAME_UNKNOWN, “…”<br>the workspace `…` has no package `…`: check the name",
        status: 4,
        runs: || {
            let emulator = shop();
            let registry = Distribution::setup().htpasswd(Setup::EMAIL).start();
            let pipe = retag(&emulator).api_token().var("ACTION", "copy").var("TARGET", "new");
            vec![
                pipe.run().into(),
                pull(&emulator, "new:1").api_token().run().into(),
                Pipe::new()
                    .workspace("shop")
                    .distribution(&registry)
                    .var("BITBUCKET_PACKAGES_USERNAME", Setup::EMAIL)
                    .var("BITBUCKET_PACKAGES_TOKEN", Distribution::PASSWORD)
                    .var("IMAGES", "api:1")
                    .var("TO", "oci:images")
                    .run()
                    .into(),
            ]
        },
    },
    Case {
        see: "refused reading `…`: 404 MANIFEST_UNKNOWN, “…”<br>tags that are there: `…`",
        status: 4,
        runs: || {
            let emulator = shop();
            vec![pull(&emulator, "api:11").built_in().run().into()]
        },
    },
    Case {
        see: "refused reading `…`: 404 MANIFEST_UNKNOWN, “…”; still not there after … s (`WAIT`)",
        status: 4,
        runs: || {
            let emulator = shop();
            vec![pull(&emulator, "api:later").built_in().var("WAIT", "1").run().into()]
        },
    },
    Case {
        see: "the package has no image of this digest",
        status: 4,
        runs: || {
            let gone = format!("api@{}", Image::small("gone").digest());
            vec![pull(&shop(), &gone).built_in().run().into()]
        },
    },
    Case {
        see: "refused reading `…`: 404…<br>\
              the image is damaged in the registry: it names this as a part of itself, and the registry does not have it",
        status: 4,
        runs: || {
            let saved = |emulator: &Emulator, tag| {
                let pipe = pull(emulator, &format!("api:{tag}")).built_in().var("TO", "oci:images");
                pipe.run().into()
            };
            let emulator = shop();
            let image = Image::small("damaged");
            emulator.put_image("shop/api", "damaged", &image);
            emulator.lose_blob("shop/api", &image.config_digest());
            let multi = Image::multi("multi");
            emulator.put_image("shop/api", "multi", &multi);
            let child = format!("/manifests/{}", multi.children()[0].digest());
            let gone = Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
            emulator.script(on("GET", &child).signed_in(), 1, gone);
            vec![saved(&emulator, "damaged"), saved(&emulator, "multi")]
        },
    },
    Case {
        see: "either the tag is not there, or the package is not: check both names",
        status: 4,
        runs: || vec![answered("GET", Answer::new(404))],
    },
    Case {
        see: "no tag of `…` fits `…`",
        status: 4,
        runs: || {
            let emulator = shop();
            let pipe = retag(&emulator).built_in().unset("TAGS").var("ACTION", "copy");
            vec![pipe.var("SOURCE", "api:7*").var("TARGET", "web").run().into()]
        },
    },
    Case {
        see: "refused writing `…`: 400 TAG_IMMUTABLE, “…”; the tag exists and is another image, …<br>\
              your workspace has a rule that makes tags like `…` immutable: workspace settings → Container settings",
        status: 5,
        runs: || vec![immutable(Answer::error(400, "TAG_IMMUTABLE", "tag 2 is immutable"))],
    },
    Case {
        see: "refused writing `…`: 403 DENIED, “…”; the tag exists and is another image, …<br>\
              your workspace may have a rule that makes tags like `…` immutable: …<br>if there is no such rule: …",
        status: 5,
        runs: || vec![immutable(Answer::error(403, "DENIED", DENIED))],
    },
    Case {
        see: "`…` has no …, which `REQUIRE` asks for",
        status: 5,
        runs: || vec![requiring(&shop())],
    },
    Case {
        see: "whether `…` has … is not known: …",
        status: 3,
        runs: || {
            let emulator = shop();
            let denied = Answer::error(403, "DENIED", DENIED);
            emulator.script(on("GET", "/referrers/").signed_in(), 9, denied);
            vec![requiring(&emulator)]
        },
    },
    Case {
        see: "a referrer is missing: …",
        status: 4,
        runs: || {
            let emulator = shop();
            let gone = serde_json::json!({ "mediaType": "x", "digest": Image::small("gone").digest(), "size": 7 });
            let index = "application/vnd.oci.image.index.v1+json";
            let list = serde_json::json!({ "schemaVersion": 2, "mediaType": index, "manifests": [gone] });
            let list = Answer::new(200).header("Content-Type", index).body(list.to_string());
            emulator.script(on("GET", "/referrers/").signed_in(), 9, list);
            let pipe = copy(&emulator, "api:1").var("TARGET", "base");
            vec![pipe.var("REFERRERS", "true").run().into()]
        },
    },
    Case {
        see: "the tag `…` is there already, as another image (…)",
        status: 5,
        runs: || {
            let emulator = shop();
            emulator.put_image("shop/api", "2", &Image::small("other"));
            vec![retag(&emulator).built_in().var("ON_EXISTING", "fail").run().into()]
        },
    },
    Case {
        see: "refused reading `…`: 429…<br>could not look at the credential while reading `…`: 429…",
        status: 5,
        runs: || {
            vec![
                answered("GET", Answer::error(429, "TOOMANYREQUESTS", "too many requests")),
                signing_in(&Answer::new(429)),
            ]
        },
    },
    Case {
        see: "refused reading `…`: 503…<br>could not look at the credential while reading `…`: 503…",
        status: 6,
        runs: || vec![answered("GET", Answer::new(503)), signing_in(&Answer::new(503))],
    },
    Case {
        see: "refused writing `…`: 413…",
        status: 5,
        runs: || vec![answered("PUT", Answer::new(413))],
    },
    Case {
        see: "`…` asks nobody to sign in, so whether it accepts the credential is not known",
        status: 1,
        runs: || {
            let emulator = Emulator::start(Setup::shop().with(|settings| settings.open_base = true));
            emulator.script(on("GET", "_catalog"), 9, Answer::new(404));
            vec![retag(&emulator).api_token().var("ACTION", "login").run().into()]
        },
    },
    Case {
        see: "the registry's own words above are all that is known of the reason<br>\
              the registry gives no reason; run with `DEBUG: 'true'` to see each request",
        status: 5,
        runs: || {
            vec![
                answered("GET", Answer::error(400, "UNSUPPORTED", "not here")),
                answered("GET", Answer::new(418)),
            ]
        },
    },
];

/// A `retag` in which the registry answers a request for a manifest so.
fn requiring(emulator: &Emulator) -> super::Run {
    copy(emulator, "api:1")
        .var("TARGET", "base")
        .var("REQUIRE", "signature")
        .run()
        .into()
}

fn answered(method: &str, answer: Answer) -> super::Run {
    let emulator = shop();
    emulator.script(on(method, "/manifests/").signed_in(), 1, Fault::Answer(answer));
    retag(&emulator).built_in().run().into()
}

/// A `retag` in which the token server answers so.
fn signing_in(answer: &Answer) -> super::Run {
    let emulator = shop();
    for method in ["GET", "POST"] {
        emulator.script(on(method, "/token"), 1, answer.clone());
    }
    retag(&emulator).built_in().run().into()
}

/// A `retag` that would move a tag, which the registry answers so.
fn immutable(answer: Answer) -> super::Run {
    let emulator = stocked(Setup::shop());
    emulator.put_image("shop/api", "2", &Image::small("other"));
    emulator.script(on("PUT", "/manifests/2").signed_in(), 1, answer);
    retag(&emulator).built_in().run().into()
}

/// A copy from another registry, where the user of this password is `person`.
fn copied(password: Option<&str>, person: Option<User>) -> super::Run {
    let person = person.unwrap_or_else(|| User::new(Setup::EMAIL, &api_token("ada")));
    let other: Emulator = silent_of(person);
    let target = shop();
    let pipe = retag(&target)
        .built_in()
        .var("ACTION", "copy")
        .var("SOURCE", &format!("{}/shop/api:1", other.host()));
    let pipe = match password {
        Some(password) => pipe
            .var("SOURCE_USERNAME", Setup::EMAIL)
            .var("SOURCE_PASSWORD", password),
        None => pipe,
    };
    pipe.run().into()
}
