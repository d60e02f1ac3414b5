//! The row of the registry: out of reach, none at all, not ours, late with its challenge.

use super::{check, has_rows, started};
use crate::support::distribution::Distribution;
use crate::support::emulator::{Answer, Setup, api_token, on};
use crate::support::image::Image;
use crate::support::pipe::Pipe;
use crate::support::skopeo::Skopeo;
use crate::support::token_server::TokenServer;

#[test]
fn a_registry_out_of_reach_leaves_the_other_rows() {
    let emulator = started(Setup::shop());
    emulator.script(on("GET", "^/v2/$"), 1, Answer::new(503));
    let outcome = check(&emulator)
        .api_token()
        .var("IMAGES", "api:1")
        .var("TARGET", "api")
        .file("bitbucket-pipelines.yml", "pipelines: {}\n")
        .run()
        .fails(6)
        .token_calls(0)
        .requests(["GET /v2/ 503"]);
    let host = emulator.host();
    has_rows(
        &outcome,
        [
            "– credential built-in",
            "– credential API token `ATLASSIAN_API_TOKEN` of `ada@example.com`: an API token of a user; not tried",
            "✔ scopes",
            "– expiry",
            &format!("✖ registry {host} does not answer"),
            &format!("– image {host}/shop/api:1 not tried: the registry does not answer"),
            &format!("– target {host}/shop/api not tried"),
            "✔ pipelines",
        ],
    );
    // Nobody listens there at all.
    check(&emulator)
        .api_token()
        .var("REGISTRY", "localhost:9")
        .run()
        .fails(6)
        .says("✖ registry")
        .says("check `REGISTRY`, which is `localhost:9`");
}

#[test]
fn no_registry_is_told_apart_from_one_that_is_silent() {
    let emulator = started(Setup::shop());
    emulator.script(on("GET", "^/v2/$"), 1, Answer::new(404));
    check(&emulator)
        .api_token()
        .run()
        .fails(1)
        .says("does not answer as a registry does")
        .says("a container registry? Check `REGISTRY`");
}

#[test]
fn a_registry_that_is_not_ours_is_checked_alike() {
    let email = "ada@example.com";
    let tokens = TokenServer::start().user(
        email,
        &api_token("ada"),
        &[("shop/base", "pull"), ("shop/api", "pull,push")],
    );
    let registry = Distribution::setup().token(&tokens).recorded().start();
    let tried = || {
        Pipe::new()
            .workspace("shop")
            .distribution(&registry)
            .var("ACTION", "check")
            .var("RETRIES", "0")
            .var("NO_COLOR", "1")
            .var("ATLASSIAN_ACCOUNT_EMAIL", email)
            .var("ATLASSIAN_API_TOKEN", &api_token("ada"))
    };
    let outcome = tried().var("IMAGES", "base:1").var("TARGET", "api base").run().fails(5);
    let host = registry.host();
    has_rows(
        &outcome,
        [
            "– credential built-in",
            "✔ credential API token",
            "– scopes API token not known: Bitbucket was not asked, or gave no answer",
            "– expiry",
            &format!("✔ registry {host}"),
            &format!("✖ image {host}/shop/base:1 is not there"),
            &format!("✔ target {host}/shop/api may be pushed to with the API token; the token grants `pull,push`"),
            &format!("✖ target {host}/shop/base may not be pushed to"),
            "– pipelines",
        ],
    );
    for line in registry.recorder().requests() {
        assert!(!line.starts_with("PUT") && !line.starts_with("PATCH"), "{line}");
    }
    // This registry lets nobody give up a session whose token may not delete.
    outcome.says("; the registry keeps the empty upload session of this try until it drops it");
    let registry = Distribution::setup().htpasswd(email).recorded().start();
    let skopeo = Skopeo::new();
    skopeo.login(&registry.host(), email, Distribution::PASSWORD).succeeds();
    let image = Image::multi("check-not-ours");
    skopeo
        .push(&image, &format!("{}/shop/base:1", registry.host()))
        .succeeds();
    registry.recorder().forget_requests();
    Pipe::new()
        .workspace("shop")
        .distribution(&registry)
        .var("ACTION", "check")
        .var("BITBUCKET_PACKAGES_USERNAME", email)
        .var("BITBUCKET_PACKAGES_TOKEN", Distribution::PASSWORD)
        .var("IMAGES", "base:1")
        .var("TARGET", "api")
        .run()
        .succeeds()
        .says("takes user name and password with each request")
        .says(&format!("{}; linux/amd64 ", &image.digest()[..19]))
        .says(", linux/arm64 ")
        .says("; may be pulled with the built-in credential")
        .never_says("the registry keeps the empty upload session");
    let requests = registry.recorder().requests();
    assert!(
        requests
            .iter()
            .any(|line| line.starts_with("DELETE ") && line.ends_with(" 204")),
        "{requests:#?}"
    );
    let registry = Distribution::setup().start();
    Pipe::new()
        .workspace("shop")
        .distribution(&registry)
        .var("ACTION", "check")
        .api_token()
        .var("TARGET", "api")
        .run()
        .succeeds()
        .says("asks for no sign-in")
        .says("the registry asks for none");
}

#[test]
fn a_registry_that_challenges_late_is_signed_in_to_all_the_same() {
    let emulator = started(Setup::shop());
    // The greeting is open; what follows is challenged.
    emulator.script(on("GET", "^/v2/$"), 1, Answer::new(200));
    check(&emulator)
        .built_in()
        .var("IMAGES", "api:1")
        .run()
        .succeeds()
        .says("✔ credential  built-in")
        .says("; takes tokens of `")
        .says("may be pulled with the built-in credential");
}
