//! What `check` finds before another action would meet it.

use super::{Case, Run, ada, shop, shop_of};
use crate::support::emulator::{Answer, Emulator, Role, on};
use crate::support::pipe::Pipe;

pub(super) const CASES: &[Case] = &[
    Case {
        see: "`ATLASSIAN_API_TOKEN` does not have `…`",
        status: 3,
        runs: || {
            let emulator = shop_of(ada().scopes(&["read:package:bitbucket"]).role("shop/api", Role::Write));
            vec![check(&emulator).api_token().var("TARGET", "api").run().into()]
        },
    },
    Case {
        see: "the API token expired on … (`TOKEN_EXPIRES_ON`): …<br>\
              the API token expires in …, on … (`TOKEN_EXPIRES_ON`), and every pipeline that needs it then fails: …",
        status: 3,
        runs: || {
            let emulator = shop();
            let today = time::OffsetDateTime::from(std::time::SystemTime::now()).date();
            [-3, 3]
                .map(|days| {
                    let day = (today + time::Duration::days(days)).to_string();
                    let pipe = check(&emulator).api_token().var("TOKEN_EXPIRES_ON", &day);
                    pipe.run().into()
                })
                .into()
        },
    },
    Case {
        see: "is `…` a container registry? Check `REGISTRY`",
        status: 1,
        runs: || {
            let emulator = shop();
            emulator.script(on("GET", "^/v2/$"), 1, Answer::new(404));
            vec![check(&emulator).built_in().run().into()]
        },
    },
    Case {
        see: "bitbucket-pipelines.yml:…: `image: …` signs in as `…`, but no access token works in the container registry",
        status: 3,
        runs: || {
            ["x-token-auth", "52c16467@bots.bitbucket.org"]
                .map(|username| step_image("", &format!("username: {username}, password: $TOKEN")))
                .into()
        },
    },
    Case {
        see: "bitbucket-pipelines.yml:…: `image: …` is not in Bitbucket's container registry: …",
        status: 4,
        runs: || {
            let credential = "username: $ATLASSIAN_ACCOUNT_EMAIL, password: $ATLASSIAN_API_TOKEN";
            vec![step_image("packages.atlassian.net", credential)]
        },
    },
    Case {
        see: "bitbucket-pipelines.yml:…: `image: …` cannot be pulled: …",
        status: 4,
        runs: || {
            let credential = "username: $ATLASSIAN_ACCOUNT_EMAIL, password: $ATLASSIAN_API_TOKEN";
            ["https://{}/shop/build:3", "{}/shop/Build:3", "{}/build:3"]
                .map(|name| named_image(name, credential))
                .into()
        },
    },
    Case {
        see: "bitbucket-pipelines.yml:…: `image: …` signs in with `…`, which is not there yet when the image is pulled<br>\
              bitbucket-pipelines.yml:…: `image: …` signs in as `x-bitbucket-api-token-auth`, which is for Git; …<br>\
              bitbucket-pipelines.yml:…: `image: …` has no username and password, so it cannot be pulled",
        status: 0,
        runs: || {
            vec![
                step_image(
                    "",
                    "username: $BITBUCKET_PACKAGES_USERNAME, password: $BITBUCKET_PACKAGES_TOKEN",
                ),
                step_image(
                    "",
                    "username: x-bitbucket-api-token-auth, password: $ATLASSIAN_API_TOKEN",
                ),
                step_image("", ""),
            ]
        },
    },
];

fn check(emulator: &Emulator) -> Pipe<'_> {
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .var("ACTION", "check")
        .var("RETRIES", "0")
}

/// A `check` of a clone whose pipeline has an image of this host, or of the registry's, with this credential.
fn step_image(host: &str, credential: &str) -> Run {
    let host = if host.is_empty() { "{}" } else { host };
    named_image(&format!("{host}/shop/build:3"), credential)
}

/// The same of an image of this name, in which `{}` is the registry's host.
fn named_image(name: &str, credential: &str) -> Run {
    let emulator = shop();
    let name = name.replace("{}", emulator.host());
    let pipelines = format!("image: {{name: \"{name}\", {credential}}}\npipelines: {{}}\n");
    let pipe = check(&emulator).built_in();
    pipe.file("bitbucket-pipelines.yml", pipelines).run().into()
}
