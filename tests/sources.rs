//! Images of another registry, with `SOURCE_USERNAME` and `SOURCE_PASSWORD`: who gets them, and what is said of limits.

use crate::support::emulator::{Answer, Emulator, Entry, Role, Service, Setup, User, on};
use crate::support::engine::Engine;
use crate::support::forward::forward;
use crate::support::image::Image;
use crate::support::pipe::Pipe;
use crate::support::pki::Authority;
use crate::support::shop::{self, shop};

on_docker!(docker_hub_is_signed_in_to_by_the_daemon_too);
on_each_engine!(each_registry_gets_its_own_credential);

const BOB: &str = "bob";
const PASSWORD: &str = "dckr_pat_of-bob-and-nobody-else";
const HUB: &str = "registry-1.docker.io";

/// Where only Bob may pull.
fn private() -> Setup {
    let bob = User::new(BOB, PASSWORD).package_scopes().role("tools/all", Role::Read);
    Setup::new()
        .package("tools/lint", "tools/all")
        .package("library/node", "tools/all")
        .user(bob)
}

fn start(setup: Setup) -> Emulator {
    let other = Emulator::start(setup);
    other.put_image("tools/lint", "3", &Image::multi("sources lint"));
    other.put_image("library/node", "20", &Image::multi("sources node"));
    other
}

fn as_bob(pipe: Pipe<'_>) -> Pipe<'_> {
    pipe.var("SOURCE_USERNAME", BOB).var("SOURCE_PASSWORD", PASSWORD)
}

/// A credential that a registry does not know would have been answered so.
fn assert_all_accepted(registry: &Emulator) {
    let refused: Vec<Entry> = registry.journal();
    let refused: Vec<_> = refused
        .iter()
        .filter(|entry| entry.service == Service::Token && entry.status != 200)
        .collect();
    assert_eq!(refused.len(), 0, "{refused:#?}");
}

fn each_registry_gets_its_own_credential(engine: &Engine) {
    let (own, other) = (shop(), start(private()));
    let lint = format!("{}/tools/lint:3", other.host());
    let pipe = || {
        shop::pull(&own, &format!("api:1 {lint}"))
            .unset("TO")
            .docker_host(&engine.tcp())
            .built_in()
            .var("REPORT", "report.json")
    };
    let outcome = as_bob(pipe()).run().succeeds().says("✔ pull: 2 images");
    let credentials = outcome.report.unwrap();
    let credentials = [0, 1].map(|number| credentials["images"][number]["credential"].clone());
    assert_eq!(credentials, ["built-in", "source"]);
    assert!(engine.inspect(&lint, "{{.Id}}").is_some());
    assert_all_accepted(&own);
    assert_all_accepted(&other);
    // The daemon's own requests are among these.
    assert!(other.journal().iter().any(|entry| {
        !entry
            .user_agent
            .as_ref()
            .is_some_and(|agent| agent.starts_with("crg-pipe"))
    }));
    engine.docker(&["image", "rm", "--force", &lint]).succeeds();

    pipe()
        .var("SOURCE_USERNAME", BOB)
        .var("SOURCE_PASSWORD", "another-password")
        .run()
        .fails(3)
        .says("did not accept the credential")
        .says("(with the `SOURCE_USERNAME` `bob`)")
        .says("check `SOURCE_USERNAME` and `SOURCE_PASSWORD`");
    pipe()
        .run()
        .fails(3)
        .says("asks for a credential and was given none; `pull` and `copy` take one in `SOURCE_USERNAME`");
    assert!(engine.inspect(&lint, "{{.Id}}").is_none());
}

/// The daemon asks Docker Hub by another name than the images have.
fn docker_hub_is_signed_in_to_by_the_daemon_too(engine: &Engine) {
    let engine = Engine::start(engine.kind());
    let (own, hub) = (shop(), start(private().behind_proxy(HUB, Authority::shared())));
    let _forwarded =
        forward((engine.bridge(), 443), vec![(HUB, hub.port())]).expect("port 443 of the engine's own bridge");
    let pipe = shop::pull(&own, "docker.io/node:20")
        .unset("TO")
        .docker_host(&engine.tcp())
        .built_in()
        .var("CA_CERTIFICATE", &Authority::shared().pem())
        .env("HTTPS_PROXY", &hub.proxy());
    as_bob(pipe)
        .run()
        .succeeds()
        .says("✔ pull: 1 image in the step's Docker daemon: `docker.io/library/node:20`");
    assert!(engine.inspect("node:20", "{{.Id}}").is_some());
    assert_all_accepted(&hub);
    assert_eq!(own.journal().len(), 0);
}

#[test]
fn an_archive_takes_private_images_too() {
    for sign_in in [false, true] {
        let hub = start(private().behind_proxy(HUB, Authority::shared()));
        hub.settings(|settings| settings.public = !sign_in);
        let own = shop();
        let pipe = shop::pull(&own, "docker.io/node:20 docker.io/tools/lint:3")
            .built_in()
            .var("CA_CERTIFICATE", &Authority::shared().pem())
            .env("HTTPS_PROXY", &hub.proxy());
        let pipe = if sign_in { as_bob(pipe) } else { pipe };
        let outcome = pipe.run().succeeds().says("✔ pull: 2 images in `oci:");
        let said = if sign_in {
            "`SOURCE_USERNAME`)"
        } else {
            "no credential)"
        };
        assert!(outcome.last_line().ends_with(said), "{}", outcome.last_line());
        assert_all_accepted(&hub);
        assert_eq!(own.journal().len(), 0);
    }
}

#[test]
fn one_registry_and_both_halves_or_nothing_is_sent() {
    let own = shop();
    for (images, username, password, said) in [
        (
            "quay.io/a/b:1 ghcr.io/a/c:1",
            BOB,
            PASSWORD,
            "it is for one registry, but the images are on `ghcr.io` and `quay.io`",
        ),
        (
            "quay.io/a/b:1 ghcr.io/a/C:1 docker.io/c",
            BOB,
            PASSWORD,
            "the images are on `docker.io` and `quay.io`",
        ),
        ("api:1 base:1", BOB, PASSWORD, "no image is on another registry"),
        (
            "quay.io/a/b:1",
            "",
            PASSWORD,
            "`SOURCE_PASSWORD` is set, but no user name",
        ),
        ("quay.io/a/b:1", BOB, "", "`SOURCE_USERNAME` is set, but no password"),
    ] {
        let mut pipe = shop::pull(&own, images).built_in();
        for (name, value) in [("SOURCE_USERNAME", username), ("SOURCE_PASSWORD", password)] {
            if !value.is_empty() {
                pipe = pipe.var(name, value);
            }
        }
        pipe.run().fails(2).no_connection().says(said);
    }
    // What files of the clone name is all of this registry.
    let file = format!("FROM {}/shop/api:1\nFROM docker.io/node:20\n", own.host());
    let found = shop::pull(&own, "").unset("IMAGES").built_in().file("Dockerfile", file);
    as_bob(found).run().fails(2).says("no image is on another registry");
    // An action that reads no other registry says so, and goes on.
    as_bob(shop::retag(&own).built_in())
        .run()
        .succeeds()
        .says("`SOURCE_USERNAME` is not used by `retag`");
}

/// It goes to the realm by the one rule for addresses, and nowhere that a redirect leads to.
#[test]
fn neither_a_strange_realm_nor_storage_gets_it() {
    let other = start(private().with(|settings| settings.redirects = true));
    let own = shop();
    let pipe = || as_bob(shop::pull(&own, &format!("{}/tools/lint:3", other.host())).built_in());
    // The storage answers 400 to who shows it a credential.
    pipe().run().succeeds();
    other.settings(|settings| settings.realm = Some("http://192.0.2.1/token".to_owned()));
    pipe()
        .run()
        .fails(1)
        .says("wants the credential sent to `http://192.0.2.1`, which gets none");
}

#[test]
fn few_pulls_left_are_told_once() {
    let other = start(private().with(|settings| settings.public = true));
    let own = shop();
    let images = ["tools/lint:3", "library/node:20"].map(|name| format!("{}/{name}", other.host()));
    let pipe = |action: &str| {
        let pipe = if action == "copy" {
            shop::copy(&own, &images[0]).var("TARGET", "web")
        } else {
            shop::pull(&own, &images.join(" ")).built_in()
        };
        pipe.var("RETRIES", "0")
    };
    let limits = |limit, remaining| {
        let headers = vec![("RateLimit-Limit", limit), ("RateLimit-Remaining", remaining)];
        other.settings(|settings| settings.manifest_headers = headers);
    };
    let few = format!("`{}` allows 7 more pulls (100 in 6 h)", other.host());
    for action in ["pull", "copy"] {
        limits("100;w=21600", "7;w=21600");
        let outcome = pipe(action).run().succeeds();
        outcome.says(&format!(
            "WARNING: {few}; sign in for more, with `SOURCE_USERNAME` and `SOURCE_PASSWORD`"
        ));
        let signed_in = as_bob(pipe(action)).run().succeeds();
        let plain = signed_in.plain();
        assert_eq!(plain.matches("more pulls").count(), 1, "{plain}");
        signed_in.says(&few).never_says("sign in for more");
        // Enough, or nothing that could be read: not a word, and no harm.
        for (limit, remaining) in [
            ("100;w=21600", "76;w=21600"),
            ("-", "none"),
            ("100", "-5"),
            ("\u{e4}", "\u{e4}"),
            ("", ""),
        ] {
            limits(limit, remaining);
            pipe(action).run().succeeds().never_says("more pulls");
        }
    }
}

/// Docker Hub's words, and what to do.
#[test]
fn a_limit_that_is_reached_says_what_to_do() {
    let other = start(private().with(|settings| settings.public = true));
    let own = shop();
    let image = format!("{}/tools/lint:3", other.host());
    let refused = Answer::error(
        429,
        "TOOMANYREQUESTS",
        "You have reached your unauthenticated pull rate limit.",
    )
    .header("RateLimit-Limit", "100;w=21600")
    .header("RateLimit-Remaining", "0;w=21600");
    let advice = format!(
        "nobody has signed in to `{}`, which may allow more to those who do: `pull` and `copy` do it with `SOURCE_USERNAME` and \
         `SOURCE_PASSWORD`",
        other.host()
    );
    for action in ["pull", "copy"] {
        let pipe = || {
            if action == "copy" {
                shop::copy(&own, &image).var("TARGET", "web")
            } else {
                shop::pull(&own, &image).built_in()
            }
        };
        other.script(on("GET|HEAD", "/manifests/").signed_in(), 1, refused.clone());
        let outcome = pipe()
            .run()
            .fails(5)
            .says("allows no more pulls for now (100 in 6 h)")
            .says(&advice);
        // A copy meets it with its HEAD, which has no words.
        if action == "pull" {
            outcome.says("You have reached your unauthenticated pull rate limit.");
        }
        other.script(on("GET|HEAD", "/manifests/").signed_in(), 1, refused.clone());
        as_bob(pipe()).run().fails(5).never_says("nobody has signed in");
    }
}
