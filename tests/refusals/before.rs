//! What is refused before anything is sent: no run of these opens a connection.

use super::{Case, Run, retag, shop};
use crate::support::emulator::{Setup, access_token};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(super) const CASES: &[Case] = &[
    Case {
        see: "`ATLASSIAN_API_TOKEN` holds an access token, which does not work in Bitbucket's container registry",
        status: 3,
        runs: || {
            let users = ["x-token-auth", "52c16467@bots.bitbucket.org", Setup::EMAIL];
            users.map(|user| token(user, &access_token("ci"))).into()
        },
    },
    Case {
        see: "`ATLASSIAN_API_TOKEN` holds an app password, which does not work in Bitbucket's container registry",
        status: 3,
        runs: || vec![token("ada", "ATBBabcdefghijklmnopqrstuvwx0123ABCD")],
    },
    Case {
        see: "`ATLASSIAN_API_TOKEN` holds a token of Bitbucket Data Center, which does not work in Bitbucket's container \
              registry",
        status: 3,
        runs: || vec![token("ada", "BBDC-MDEyMzQ1Njc4OTAxOqNo0aMBcdefghijklmnopqrstuv")],
    },
    Case {
        see: "`ATLASSIAN_API_TOKEN` holds the OIDC token of a step, which does not work in Bitbucket's container registry<br>\
              `ATLASSIAN_API_TOKEN` holds a JSON Web Token of Atlassian, which does not work in Bitbucket's container \
              registry",
        status: 3,
        runs: || {
            let oidc = "https://api.bitbucket.org/2.0/workspaces/shop/pipelines-config/identity/oidc";
            [oidc, "https://api.atlassian.com"]
                .map(|issuer| token(Setup::EMAIL, &web_token(issuer)))
                .into()
        },
    },
    Case {
        see: "`ATLASSIAN_API_TOKEN` holds a GitHub token, which does not work in Bitbucket's container registry<br>\
              `ATLASSIAN_API_TOKEN` holds a GitLab token, which …<br>\
              `ATLASSIAN_API_TOKEN` holds an npm token, which …<br>\
              `ATLASSIAN_API_TOKEN` holds a Docker Hub token, which …<br>\
              `ATLASSIAN_API_TOKEN` holds a password of Amazon ECR, which …<br>\
              `ATLASSIAN_API_TOKEN` holds an AWS access key, which …<br>\
              `ATLASSIAN_API_TOKEN` holds a JSON Web Token of another service, which …",
        status: 3,
        runs: || {
            [
                "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
                "glpat-abcdefghijklmnopqrst",
                "npm_abcdefghijklmnopqrstuvwxyz0123456789",
                "dckr_pat_abcdefghijklmnopqrstuvwxyz0",
                "eyJwYXlsb2FkIjoiYWJjZGVmZ2hpamtsbW5vcCJ9",
                "AKIAABCDEFGHIJKLMNOP",
                &web_token("https://token.example.org"),
            ]
            .map(|value| token(Setup::EMAIL, value))
            .into()
        },
    },
    Case {
        see: "`ATLASSIAN_API_TOKEN` holds the value of `BITBUCKET_PACKAGES_TOKEN`: it is the built-in token, not an API token",
        status: 3,
        runs: || {
            ["auto", "api-token"]
                .map(|choice| {
                    offline(&[
                        ("CREDENTIAL", choice),
                        ("BITBUCKET_PACKAGES_USERNAME", Setup::BUILT_IN_USERNAME),
                        ("BITBUCKET_PACKAGES_TOKEN", Setup::BUILT_IN_TOKEN),
                        ("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL),
                        ("ATLASSIAN_API_TOKEN", Setup::BUILT_IN_TOKEN),
                    ])
                })
                .into()
        },
    },
    Case {
        see: "`ATLASSIAN_ACCOUNT_EMAIL` is `x-token-auth`, which is not the email of an Atlassian account<br>\
              `ATLASSIAN_ACCOUNT_EMAIL` is an address at `bots.bitbucket.org`, which is not the email of an Atlassian account",
        status: 3,
        runs: || {
            ["x-token-auth", "52c16467@bots.bitbucket.org"]
                .map(|user| token(user, &Setup::api_token()))
                .into()
        },
    },
    Case {
        see: "`BITBUCKET_PACKAGES_TOKEN` holds …: a variable of your own hides the built-in one",
        status: 3,
        runs: || {
            vec![offline(&[
                ("BITBUCKET_PACKAGES_USERNAME", "ada"),
                ("BITBUCKET_PACKAGES_TOKEN", &access_token("ci")),
            ])]
        },
    },
    Case {
        see: "there is no credential: neither the built-in one nor an API token is set",
        status: 3,
        runs: || vec![offline(&[]), offline(&[("BITBUCKET_PIPE_STORAGE_DIR", "/storage")])],
    },
    Case {
        see: "`CREDENTIAL` is `built-in`, but the built-in credential did not reach the pipe",
        status: 3,
        runs: || vec![offline(&[("CREDENTIAL", "built-in")])],
    },
    Case {
        see: "`CREDENTIAL` is `api-token`, but no API token is set",
        status: 3,
        runs: || vec![offline(&[("CREDENTIAL", "api-token")])],
    },
    Case {
        see: "`ATLASSIAN_API_TOKEN`: it is not set, but `ATLASSIAN_ACCOUNT_EMAIL` is<br>\
              `ATLASSIAN_ACCOUNT_EMAIL`: it is not set, but `ATLASSIAN_API_TOKEN` is<br>\
              `BITBUCKET_PACKAGES_TOKEN`: it is not set, but `BITBUCKET_PACKAGES_USERNAME` is<br>\
              `BITBUCKET_PACKAGES_USERNAME`: it is not set, but `BITBUCKET_PACKAGES_TOKEN` is",
        status: 2,
        runs: || {
            [
                ("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL),
                ("ATLASSIAN_API_TOKEN", &Setup::api_token()),
                ("BITBUCKET_PACKAGES_USERNAME", Setup::BUILT_IN_USERNAME),
                ("BITBUCKET_PACKAGES_TOKEN", Setup::BUILT_IN_TOKEN),
            ]
            .map(|one| offline(&[one]))
            .into()
        },
    },
    Case {
        see: "`…`: it is empty: the variable in its value is not set in this step<br>\
              `…`: item … is empty: the variable in it is not set in this step",
        status: 2,
        runs: || {
            let emulator = shop();
            let empty = [("TAGS", ""), ("SOURCE", " "), ("ON_EXISTING", ""), ("REPORT", "")];
            let mut runs: Vec<Run> = empty
                .map(|(name, value)| {
                    retag(&emulator)
                        .built_in()
                        .var(name, value)
                        .run()
                        .no_connection()
                        .into()
                })
                .into();
            let list = retag(&emulator).built_in().unset("TAGS").list("TAGS", &["2", ""]);
            runs.push(list.run().no_connection().into());
            runs
        },
    },
    Case {
        see: "`ACTION`: it is not set, and `pull`, the default, does not use …",
        status: 2,
        runs: || {
            let emulator = shop();
            vec![retag(&emulator).built_in().unset("ACTION").run().no_connection().into()]
        },
    },
    Case {
        see: "`…`: it is the name of a variable that was not filled in<br>\
              `…` is `…`: it is the name of a variable that was not filled in",
        status: 2,
        runs: || {
            vec![
                token(Setup::EMAIL, "$ATLASSIAN_API_TOKEN"),
                token("$ATLASSIAN_ACCOUNT_EMAIL", &Setup::api_token()),
            ]
        },
    },
    Case {
        see: "`…`: it holds quotation marks<br>`…`: it holds a line break<br>`…`: it holds white space<br>\
              `…`: it holds a control character<br>`…`: it is URL-encoded: `%3D` is in place of the token's `=`",
        status: 2,
        runs: || {
            let whole = Setup::api_token();
            [
                format!("\"{whole}\""),
                format!("{whole}\n"),
                format!(" {whole}"),
                format!("{whole}\u{1}"),
                whole.replace('=', "%3D"),
            ]
            .map(|value| token(Setup::EMAIL, &value))
            .into()
        },
    },
    Case {
        see: "`ATLASSIAN_ACCOUNT_EMAIL`: it holds a token, not a user name<br>\
              `ATLASSIAN_ACCOUNT_EMAIL`: a user name cannot hold `:`",
        status: 2,
        runs: || {
            vec![
                token(&Setup::api_token(), &Setup::api_token()),
                token("ada@example.com:token", &Setup::api_token()),
            ]
        },
    },
    Case {
        see: "a pull secret needs an API token: the built-in credential ends with the step",
        status: 3,
        runs: || {
            let login = [("ACTION", "login"), ("PULL_SECRET", "crg.yml")];
            let named = ("BITBUCKET_PACKAGES_USERNAME", Setup::BUILT_IN_USERNAME);
            let built_in = [named, ("BITBUCKET_PACKAGES_TOKEN", Setup::BUILT_IN_TOKEN)];
            vec![offline(&login), offline(&[&login[..], &built_in].concat())]
        },
    },
    Case {
        see: "`SOURCE_USERNAME`: `SOURCE_PASSWORD` is set, but no user name<br>\
              `SOURCE_PASSWORD`: `SOURCE_USERNAME` is set, but no password",
        status: 2,
        runs: || {
            [("SOURCE_PASSWORD", "half-a-credential"), ("SOURCE_USERNAME", "half")]
                .map(|half| offline(&[("ACTION", "copy"), ("SOURCE", "docker.io/node:20"), half]))
                .into()
        },
    },
    Case {
        see: "`CREDENTIAL`: it names which credential to use, and there is no such choice",
        status: 2,
        runs: || vec![offline(&[("CREDENTIAL", "my-token")])],
    },
    Case {
        see: "`CREDENTIAL`: `REGISTRY` is `…`, which is neither a host under `apkg.io` nor this machine, and no token goes to a \
              strange host by default",
        status: 2,
        runs: || vec![offline(&[("REGISTRY", "registry.example.org")])],
    },
    Case {
        see: "`REGISTRY` is `…`: it is not Bitbucket's container registry: …<br>\
              `SOURCE` is `…`: `…` is not Bitbucket's container registry: …",
        status: 2,
        runs: || {
            vec![
                offline(&[("REGISTRY", "packages.atlassian.net")]),
                offline(&[("SOURCE", "packages.atlassian.net/shop/api:1")]),
                offline(&[("SOURCE", "bitbucket.org/shop/api:1")]),
            ]
        },
    },
    Case {
        see: "`SOURCE` is `…`: `…` does not name the workspace",
        status: 2,
        runs: || vec![offline(&[("SOURCE", "crg.apkg.io/api:1")])],
    },
    Case {
        see: "`TOKEN_EXPIRES_ON` is `…`: it is not of the form `YYYY-MM-DD`<br>\
              `TOKEN_EXPIRES_ON` is `…`: there is no such day",
        status: 2,
        runs: || {
            ["soon", "2027-02-30"]
                .map(|day| offline(&[("TOKEN_EXPIRES_ON", day)]))
                .into()
        },
    },
    Case {
        see: "`KEEP`: `prune` needs to know what stays, and neither `KEEP` nor `OLDER_THAN` is set<br>\
              `KEEP` is `0`: it would keep no image at all<br>\
              `KEEP_TAGS` is `…`: every tag fits it, so nothing could ever go<br>\
              `OLDER_THAN` is `…`: it is not an age<br>\
              `OLDER_THAN` is `…`: every image is older than that",
        status: 2,
        runs: || {
            [
                ("KEEP_TAGS", "v*"),
                ("KEEP", "0"),
                ("KEEP_TAGS", "*"),
                ("OLDER_THAN", "30"),
                ("OLDER_THAN", "0d"),
            ]
            .map(|variable| offline(&[("ACTION", "prune"), ("IMAGES", "api"), variable]))
            .into()
        },
    },
];

fn token(username: &str, token: &str) -> Run {
    offline(&[("ATLASSIAN_ACCOUNT_EMAIL", username), ("ATLASSIAN_API_TOKEN", token)])
}

/// A `retag` with these variables; it must end before it opens a connection.
fn offline(variables: &[(&str, &str)]) -> Run {
    let emulator = shop();
    let pipe = retag(&emulator);
    let pipe = variables.iter().fold(pipe, |pipe, (name, value)| pipe.var(name, value));
    pipe.run().no_connection().into()
}

fn web_token(issuer: &str) -> String {
    let payload = URL_SAFE_NO_PAD.encode(format!("{{\"iss\":\"{issuer}\"}}"));
    format!("eyJhbGciOiJub25lIn0.{payload}.c2lnbmF0dXJl")
}
