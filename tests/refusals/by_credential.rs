//! Credentials that cannot work: nothing is sent.

use super::Case;
use super::before::{offline, token};
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
];

fn web_token(issuer: &str) -> String {
    let payload = URL_SAFE_NO_PAD.encode(format!("{{\"iss\":\"{issuer}\"}}"));
    format!("eyJhbGciOiJub25lIn0.{payload}.c2lnbmF0dXJl")
}
