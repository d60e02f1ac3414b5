//! What is refused before anything is sent: no run of these opens a connection.

use super::{Case, Run, retag, shop};
use crate::support::emulator::Setup;
use crate::support::pipe::Pipe;
use std::os::unix::fs::symlink;

pub(super) const CASES: &[Case] = &[
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
              `…`: item … is empty: the variable in it is not set in this step<br>\
              `…` is `…`: the tag after the `:` is empty<br>\
              `…` is `…`: the digest after the `@` is empty<br>\
              `…` is `…`: a part of the name is empty<br>\
              `IMAGES` is `…`: it has no target after the `=`",
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
            for source in ["api:", "api@", "/api:1"] {
                runs.push(offline(&[("SOURCE", source)]));
            }
            runs.push(without("SOURCE", &[("ACTION", "copy"), ("IMAGES", "api:1=")]));
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
              `…` is `…`: it is the name of a variable that was not filled in<br>\
              `…` is `…`: it holds a `$` or brace, so a variable was not filled in",
        status: 2,
        runs: || {
            vec![
                token(Setup::EMAIL, "$ATLASSIAN_API_TOKEN"),
                token("$ATLASSIAN_ACCOUNT_EMAIL", &Setup::api_token()),
                offline(&[("SOURCE", "api:$TAG")]),
                offline(&[("ACTION", "push"), ("SOURCE", "oci:image:${TAG}")]),
                offline(&[("REPORT", "$REPORT_FILE")]),
                offline(&[("ACTION", "$ACTION")]),
            ]
        },
    },
    Case {
        see: "`…`: it holds quotation marks<br>`…`: it holds a line break<br>`…`: it holds white space<br>\
              `…`: it holds a control character<br>`…`: it holds an invisible character<br>\
              `…`: it holds a character that is not ASCII, as no token does<br>`…`: it is URL-encoded: `%3D` is in place of the token's `=`",
        status: 2,
        runs: || {
            let whole = Setup::api_token();
            [
                format!("\"{whole}\""),
                format!("{whole}\n"),
                format!(" {whole}"),
                format!("{whole}\u{1}"),
                format!("\u{feff}{whole}"),
                whole.replace('T', "Т"),
                whole.replace('=', "%3D"),
            ]
            .map(|value| token(Setup::EMAIL, &value))
            .into()
        },
    },
    Case {
        see: "`ATLASSIAN_ACCOUNT_EMAIL`: it holds a token, not a user name<br>\
              `ATLASSIAN_ACCOUNT_EMAIL`: a user name cannot hold `:`<br>\
              `ATLASSIAN_API_TOKEN`: it holds a `:`, which no token has",
        status: 2,
        runs: || {
            vec![
                token(&Setup::api_token(), &Setup::api_token()),
                token("ada@example.com:token", &Setup::api_token()),
                token(Setup::EMAIL, &format!("{}:{}", Setup::EMAIL, Setup::api_token())),
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
            [("SOURCE_PASSWORD", "of-the-other-one"), ("SOURCE_USERNAME", "half")]
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
              `SOURCE` is `…`: `…` is not Bitbucket's container registry: …<br>\
              `REGISTRY` is `…`: it has a port, and Bitbucket's container registry is written without one<br>\
              `SOURCE` is `…`: `…` has a port, and Bitbucket's container registry is written without one",
        status: 2,
        runs: || {
            vec![
                offline(&[("REGISTRY", "packages.atlassian.net")]),
                offline(&[("SOURCE", "packages.atlassian.net/shop/api:1")]),
                offline(&[("SOURCE", "bitbucket.org/shop/api:1")]),
                offline(&[("REGISTRY", "crg.apkg.io:443")]),
                offline(&[("SOURCE", "crg.apkg.io:443/shop/api:1")]),
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
    Case {
        see: "`…` is `…`: there is no such choice<br>\
              `ACTION` is `…`: there is no such action<br>\
              `…` is `…`: it is a switch<br>\
              `…` is `…`: it is not a whole number<br>\
              `…` is `…`: it is out of range<br>\
              `PLATFORM` is `…`: `…` is not a platform<br>\
              `PULL_SECRET_NAME` is `…`: it is not the name of a Secret<br>\
              `…`: it is a list, but takes one value<br>\
              `arguments` is `…`: the pipe takes none",
        status: 2,
        runs: || {
            vec![
                offline(&[("ON_EXISTING", "maybe")]),
                offline(&[("ACTION", "check"), ("REQUIRE", "signed")]),
                offline(&[("ACTION", "publish")]),
                offline(&[("DEBUG", "yes")]),
                offline(&[("TIMEOUT", "soon")]),
                offline(&[("CONCURRENCY", "0")]),
                offline(&[("ACTION", "copy"), ("TARGET", "web"), ("PLATFORM", "amd64")]),
                offline(&[
                    ("ACTION", "login"),
                    ("PULL_SECRET", "crg.yml"),
                    ("PULL_SECRET_NAME", "Crg"),
                    ("CREDENTIAL", "api-token"),
                ]),
                offline(&[("SOURCE_COUNT", "1"), ("SOURCE_0", "api:1")]),
                Pipe::called_with(&["pull"]).run().into(),
            ]
        },
    },
    Case {
        see: "`…` is `…`: `…` is not a tag<br>\
              `…` is `…`: `…` is not a repository name<br>\
              `…` is `…`: `…` has capital letters, which repository names cannot have<br>\
              `…` is `…`: `…` is not a host name<br>\
              `…` is `…`: an image name has no `https://` or `docker://`<br>\
              `TAGS` is `…`: it is a whole reference",
        status: 2,
        runs: || {
            [
                ("TAGS", "feature/login"),
                ("SOURCE", "api_:1"),
                ("SOURCE", "API:1"),
                ("REGISTRY", "not_a_host!"),
                ("SOURCE", "https://crg.apkg.io/shop/api:1"),
                ("TAGS", "api:1"),
            ]
            .map(|variable| offline(&[variable]))
            .into()
        },
    },
    Case {
        see: "`SOURCE`: `push` needs the image that the step has built<br>\
              `SOURCE`: `retag` needs the image that is in the registry<br>\
              `SOURCE`: `copy` needs what to copy<br>\
              `TAGS`: `retag` needs the tags to set<br>\
              `IMAGES`: `prune` needs the packages to look through<br>\
              `SOURCE` is `…`: no target follows from it",
        status: 2,
        runs: || {
            vec![
                without("SOURCE", &[("ACTION", "push")]),
                without("SOURCE", &[]),
                without("SOURCE", &[("ACTION", "copy")]),
                without("TAGS", &[]),
                offline(&[("ACTION", "prune"), ("KEEP", "2")]),
                offline(&[("ACTION", "push"), ("SOURCE", "oci:image")]),
            ]
        },
    },
    Case {
        see: "`SOURCE` is `…`: `IMAGES` is set too<br>\
              `TARGET` is `…`: it has the tag `…`, and `TAGS` is set too<br>\
              `SOURCE` is `…`: a pattern keeps the tags that it finds<br>\
              `OUTPUT_ENV` is `…`: it is the file of `REPORT` too<br>\
              `TO` is `…`: it names one image, and there are several to pull<br>\
              `IMAGES` is `…`: `…` is named twice, with all of its tags and with some of them",
        status: 2,
        runs: || {
            vec![
                offline(&[("ACTION", "copy"), ("IMAGES", "api:1=web")]),
                offline(&[("ACTION", "push"), ("SOURCE", "api:built"), ("TARGET", "api:1")]),
                offline(&[("REPORT", "results"), ("OUTPUT_ENV", "results")]),
                offline(&[("ACTION", "pull"), ("IMAGES", "api:1 base:1"), ("TO", "oci:out:x")]),
                offline(&[("ACTION", "prune"), ("KEEP", "2"), ("IMAGES", "api api:v*")]),
                offline(&[("ACTION", "copy"), ("SOURCE", "api:v*"), ("TARGET", "web")]),
            ]
        },
    },
    Case {
        see: "`IMAGES` is `…`: it is `source=target`, which only `copy` takes<br>\
              `SOURCE` is `…`: `push` does not read `…`<br>\
              `SOURCE` is `…`: `copy` reads registries, not `…`<br>\
              `SOURCE` is `…`: `retag` works inside the registry, not on `…`<br>\
              `TARGET` is `…`: `retag` stays in the repository of `SOURCE`<br>\
              `TARGET` is `…`: it is on `…`, but what is written goes to `REGISTRY`, `…`<br>\
              `IMAGES` is `…`: it names one image by its digest, and `prune` deletes tags",
        status: 2,
        runs: || {
            let digest = format!("api@sha256:{}", "0".repeat(64));
            vec![
                without("SOURCE", &[("ACTION", "check"), ("IMAGES", "docker.io/node:20=node")]),
                offline(&[("ACTION", "push"), ("SOURCE", "docker://api:1")]),
                offline(&[("ACTION", "copy"), ("SOURCE", "oci:image")]),
                offline(&[("SOURCE", "oci-archive:image.tar")]),
                offline(&[("TARGET", "web")]),
                offline(&[("ACTION", "push"), ("TARGET", "docker.io/shop/api")]),
                offline(&[("ACTION", "prune"), ("KEEP", "2"), ("IMAGES", &digest)]),
            ]
        },
    },
    Case {
        see: "`SOURCE` is `…`: it is a path, and a path needs its form before it<br>\
              `SOURCE` is `…`: no file or folder follows `…`<br>\
              `TO` is `…`: it names no form of output",
        status: 2,
        runs: || {
            vec![
                offline(&[("ACTION", "push"), ("SOURCE", "image.tar")]),
                offline(&[("ACTION", "push"), ("SOURCE", "oci:")]),
                offline(&[("ACTION", "pull"), ("IMAGES", "api:1"), ("TO", "image.tar")]),
            ]
        },
    },
    Case {
        see: "`…` is `…`: it is outside the clone, so the step would never see it<br>\
              `…` is `…`: it is the clone itself<br>\
              `…` is `…`: `…` is a link that leads outside the clone, so the step would never see it",
        status: 2,
        runs: || {
            let emulator = shop();
            ["/elsewhere/report.json", ".", "link/report.json"]
                .map(|report| {
                    let pipe = retag(&emulator).built_in().var("REPORT", report);
                    symlink("/", pipe.clone_folder().join("link")).unwrap();
                    let pipe = pipe.env("BITBUCKET_PIPE_STORAGE_DIR", "/storage");
                    pipe.run().no_connection().into()
                })
                .into()
        },
    },
    Case {
        see: "`IMAGES`: it names … images, and one run takes at most …",
        status: 2,
        runs: || vec![offline(&[("ACTION", "pull"), ("IMAGES", &"a ".repeat(5001))])],
    },
    Case {
        see: "`DOCKER_HOST` is `…`: this is not the address of a Docker daemon<br>\
              `DOCKER_HOST` is `…`: the pipe speaks to a Docker daemon without TLS<br>\
              `DOCKER_HOST` is `…`: the pipe does not speak to a Docker daemon through SSH<br>\
              `DOCKER_HOST`: it holds a user name or password, which a Docker daemon does not take",
        status: 2,
        runs: || {
            [
                "docker:2375",
                "https://docker:2376",
                "ssh://me@build",
                "tcp://me:word@docker",
            ]
            .map(|address| offline(&[("ACTION", "push"), ("SOURCE", "api:built"), ("DOCKER_HOST", address)]))
            .into()
        },
    },
    Case {
        see: "`HTTPS_PROXY`: it is not the address of a proxy<br>\
              `HTTPS_PROXY`: it names a proxy of a kind that is not supported",
        status: 2,
        runs: || {
            ["$PROXY", "socks5://127.0.0.1:9"]
                .map(|proxy| offline(&[("HTTPS_PROXY", proxy)]))
                .into()
        },
    },
    Case {
        see: "`CA_CERTIFICATE` is `…`: the file cannot be read (…)<br>\
              `CA_CERTIFICATE`: it holds no certificate in PEM form",
        status: 2,
        runs: || {
            let empty = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----";
            ["missing.pem", empty]
                .map(|certificate| offline(&[("CA_CERTIFICATE", certificate)]))
                .into()
        },
    },
];

pub(super) fn token(username: &str, token: &str) -> Run {
    offline(&[("ATLASSIAN_ACCOUNT_EMAIL", username), ("ATLASSIAN_API_TOKEN", token)])
}

/// A `retag` with these variables; it must end before it opens a connection.
pub(super) fn offline(variables: &[(&str, &str)]) -> Run {
    without("", variables)
}

/// The same without one that it has.
fn without(unset: &str, variables: &[(&str, &str)]) -> Run {
    let emulator = shop();
    let pipe = retag(&emulator).unset(unset);
    let pipe = variables.iter().fold(pipe, |pipe, (name, value)| pipe.var(name, value));
    pipe.run().no_connection().into()
}
