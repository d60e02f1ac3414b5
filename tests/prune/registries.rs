//! Debian's docker-registry, with deletion turned on and without.

use super::{build, made, told};
use crate::support::distribution::Distribution;
use crate::support::emulator::api_token;
use crate::support::image::Image;
use crate::support::pipe::Pipe;
use crate::support::skopeo::Skopeo;
use crate::support::token_server::TokenServer;

const EMAIL: &str = "ada@example.com";

fn pipe(registry: &Distribution) -> Pipe<'static> {
    Pipe::new()
        .workspace("shop")
        .distribution(registry)
        .var("ACTION", "prune")
        .var("IMAGES", "api")
        .var("KEEP", "1")
        .var("DRY_RUN", "false")
        .var("REPORT", "report.json")
}

/// `build-1` to `build-3`, `stable` of the first, and a multi-platform image of which `build-2` is a part.
fn stock(skopeo: &Skopeo, host: &str) -> Image {
    let index = Image::index(vec![build(2), made("arm64", "01-01")]);
    for (tag, image) in [
        ("build-1", build(1)),
        ("build-2", build(2)),
        ("build-3", build(3)),
        ("stable", build(1)),
        ("multi", index.clone()),
        ("old", made("old", "01-02")),
        ("older", made("older", "01-01")),
    ] {
        skopeo.push(&image, &format!("{host}/shop/api:{tag}")).succeeds();
    }
    index
}

#[test]
fn what_stays_can_be_pulled_when_all_else_is_deleted() {
    let tokens = TokenServer::start().user(EMAIL, &api_token("ada"), &[("*", "pull,push,delete")]);
    let registry = Distribution::setup().token(&tokens).deletes().start();
    let host = registry.host();
    let skopeo = Skopeo::new();
    skopeo.login(&host, EMAIL, &api_token("ada")).succeeds();
    let index = stock(&skopeo, &host);
    let prune = || {
        pipe(&registry)
            .var("ATLASSIAN_ACCOUNT_EMAIL", EMAIL)
            .var("ATLASSIAN_API_TOKEN", &api_token("ada"))
            .var("KEEP_TAGS", "stable multi")
    };
    let outcome = prune()
        .run()
        .succeeds()
        .says("2 of 7 tags of ")
        .says("does not delete a tag by its name")
        .says(" deleted, about ");
    let mut rows = told(outcome.report.as_ref());
    rows.sort();
    assert_eq!(
        rows,
        [
            "build-1 kept: the same image as `stable`",
            "build-2 kept: part of the multi-platform image `multi`",
            "build-3 kept: the newest image",
            "multi kept: `KEEP_TAGS` has `multi`",
            "old deleted",
            "older deleted",
            "stable kept: `KEEP_TAGS` has `stable`",
        ]
    );
    for (tag, image) in [
        ("build-1", build(1)),
        ("build-2", build(2)),
        ("build-3", build(3)),
        ("stable", build(1)),
        ("multi", index),
    ] {
        let read = skopeo.raw(&format!("{host}/shop/api:{tag}")).succeeds();
        assert_eq!(read.as_bytes(), image.bytes().as_ref(), "{tag}");
    }
    prune().run().succeeds().says("all 5 tags of ");
    // Whose token grants no deletion is told before one is tried.
    let few = TokenServer::start().user(EMAIL, &api_token("ada"), &[("*", "pull,push")]);
    let registry = Distribution::setup().token(&few).deletes().start();
    let skopeo = Skopeo::new();
    skopeo.login(&registry.host(), EMAIL, &api_token("ada")).succeeds();
    stock(&skopeo, &registry.host());
    pipe(&registry)
        .var("ATLASSIAN_ACCOUNT_EMAIL", EMAIL)
        .var("ATLASSIAN_API_TOKEN", &api_token("ada"))
        .run()
        .fails(5)
        .says("grants no `delete` on `shop/api`")
        .says("nothing was changed");
}

#[test]
fn without_deletion_nothing_goes_and_what_would_is_listed() {
    let registry = Distribution::setup().htpasswd(EMAIL).start();
    let host = registry.host();
    let skopeo = Skopeo::new();
    skopeo.login(&host, EMAIL, Distribution::PASSWORD).succeeds();
    stock(&skopeo, &host);
    let prune = || {
        pipe(&registry)
            .var("BITBUCKET_PACKAGES_USERNAME", EMAIL)
            .var("BITBUCKET_PACKAGES_TOKEN", Distribution::PASSWORD)
            .var("KEEP_TAGS", "stable multi")
    };
    prune()
        .run()
        .fails(5)
        .says("405 UNSUPPORTED")
        .says("these would go: `older`, `old`\n")
        .says("have deletion turned on there")
        .says("nothing was changed");
    prune().var("IMAGES", "missing").run().fails(4).says("NAME_UNKNOWN");
    prune().var("DRY_RUN", "true").run().succeeds().says("2 of 7 tags of ");
}
