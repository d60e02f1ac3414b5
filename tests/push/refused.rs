//! What is refused: beforehand, by the daemon, or by the registry between one tag and the next.

use super::{build, id, push, writes};
use crate::support::emulator::{Answer, Emulator, Role, Setup, TokenForm, User, api_token, on};
use crate::support::engine::Engine;
use crate::support::image::Image;
use crate::support::pki::Authority;
use crate::support::scripted_daemon::{Say, ScriptedDaemon};
use crate::support::shop::in_shop;

// The store of containerd tries nothing again.
tests!(a_layer_that_the_daemon_tries_again_is_told: classic = Classic);
on_each_engine!(
    a_pushed_tag_is_told_also_where_the_next_step_fails,
    a_missing_package_is_told_before_the_daemon_pushes,
    who_may_only_read_is_told_so,
    another_repositorys_package_needs_another_credential_than_the_built_in_one,
    the_platform_must_be_the_images,
    a_refused_second_tag_says_what_was_done,
    an_immutable_tag_is_explained_whatever_the_status,
    a_refusal_that_the_daemon_relays_has_the_same_advice,
    what_the_registry_does_not_show_is_not_recorded_as_pushed,
);

fn a_pushed_tag_is_told_also_where_the_next_step_fails(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    build(engine, "api:push-unread", "push unread");
    emulator.script(
        on("GET", "/manifests/sha256").signed_in(),
        1,
        Answer::error(403, "DENIED", "not now"),
    );
    let outcome = push(engine, &emulator, "api:push-unread")
        .built_in()
        .var("TAGS", "1.0 latest")
        .var("REPORT", "report.json")
        .run()
        .says("not now");
    let last = outcome.last_line();
    assert!(
        last.starts_with("✖ push: only `") && last.contains("/shop/api:1.0` was done"),
        "{last}"
    );
    assert_eq!(outcome.report.as_ref().unwrap()["images"][0]["outcome"], "pushed");
}

fn a_missing_package_is_told_before_the_daemon_pushes(engine: &Engine) {
    // Of Bitbucket's own: another registry may make it by the first push.
    let emulator = Emulator::start(Setup::shop().behind_proxy("crg.apkg.io", Authority::shared()));
    build(engine, "nothing:push", "push no package");
    push(engine, &emulator, "nothing:push")
        .api_token()
        .run()
        .fails(4)
        .says("NAME_UNKNOWN")
        .says("Create → Package")
        .says("no package `nothing`")
        .says("nothing was changed");
    assert_eq!(writes(&emulator), (0, 0));
    assert!(!emulator.requests().iter().any(|line| line.starts_with("POST")));
}

fn who_may_only_read_is_told_so(engine: &Engine) {
    let (email, token) = ("reader@example.com", api_token("push reader"));
    let reader = User::new(email, &token).package_scopes().role("shop/api", Role::Read);
    build(engine, "web:push-reader", "push reader");
    for form in [TokenForm::Jwt, TokenForm::Opaque] {
        let setup = Setup::shop().user(reader.clone());
        let emulator = Emulator::start(setup.with(|settings| settings.token_form = form));
        push(engine, &emulator, "web:push-reader")
            .var("ATLASSIAN_ACCOUNT_EMAIL", email)
            .var("ATLASSIAN_API_TOKEN", &token)
            .run()
            .fails(5)
            .says("write:package:bitbucket")
            .says("`reader@example.com` does not have the role Write on the repository that `web` is linked to")
            .says("nothing was changed (exit status 5: refused)");
        // An opaque token proves nothing: the right is asked for, but not by the daemon.
        let asked = |ours: bool| {
            let journal = emulator.journal();
            journal.iter().any(|entry| {
                let agent = entry.user_agent.as_deref().unwrap_or_default();
                entry.method == "POST" && agent.starts_with("crg-pipe") == ours
            })
        };
        assert_eq!((asked(true), asked(false)), (form == TokenForm::Opaque, false));
        assert_eq!(emulator.tags("shop/web"), <[String; 0]>::default());
        assert_eq!(id(engine, &format!("{}/shop/web:push-reader", emulator.host())), None);
    }
}

fn another_repositorys_package_needs_another_credential_than_the_built_in_one(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    build(engine, "base:push-other", "push other repository");
    push(engine, &emulator, "base:push-other")
        .built_in()
        .run()
        .fails(3)
        .says("reaches only packages that are linked to this repository, `shop/api`")
        .says("ATLASSIAN_API_TOKEN: $ATLASSIAN_API_TOKEN")
        .says("nothing was changed (exit status 3: credential)");
    push(engine, &emulator, "base:push-other")
        .built_in()
        .api_token()
        .run()
        .succeeds()
        .says("with the API token");
}

fn the_platform_must_be_the_images(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    build(engine, "api:push-platform", "push platform");
    push(engine, &emulator, "api:push-platform")
        .built_in()
        .var("PLATFORM", "linux/arm64")
        .run()
        .fails(4)
        .says("is for linux/amd64, not linux/arm64");
    push(engine, &emulator, "api:push-platform")
        .built_in()
        .var("PLATFORM", "linux/amd64")
        .run()
        .succeeds();
}

fn a_refused_second_tag_says_what_was_done(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    build(engine, "api:push-half", "push half");
    emulator.script(
        on("PUT", "/manifests/latest").signed_in(),
        1,
        Answer::error(403, "DENIED", "not this one"),
    );
    let outcome = push(engine, &emulator, "api:push-half")
        .built_in()
        .var("TAGS", "1.0 latest")
        .var("REPORT", "report.json")
        .run()
        .fails(5)
        .says("not this one");
    let last = outcome.last_line();
    assert!(
        last.starts_with("✖ push: only `") && last.contains("/shop/api:1.0` was done"),
        "{last}"
    );
    let images = &outcome.report.as_ref().unwrap()["images"];
    assert_eq!(
        (&images[0]["outcome"], &images[1]["outcome"]),
        (&"pushed".into(), &"failed".into())
    );
}

fn an_immutable_tag_is_explained_whatever_the_status(engine: &Engine) {
    let source = "api:push-immutable";
    build(engine, source, "push immutable");
    for (status, code, words) in [
        (400, "TAG_INVALID", "not so"),
        (403, "DENIED", "not so"),
        (405, "UNSUPPORTED", "not so"),
        (409, "TAG_IMMUTABLE", "it cannot be overwritten"),
        (412, "SOMETHING", "not so"),
    ] {
        let emulator = Emulator::start(
            Setup::shop()
                .immutable("^v")
                .with(|settings| settings.immutable = Answer::error(status, code, words)),
        );
        emulator.put_image("shop/api", "v1", &Image::small("push immutable, other"));
        push(engine, &emulator, source)
            .built_in()
            .var("TAGS", "v1")
            .run()
            .fails(5)
            .says(&if engine.relays_words() {
                words.to_owned()
            } else {
                format!(": {status} ")
            })
            .says("tags like `v1` immutable")
            .says("Container settings")
            .says("nothing was changed (exit status 5: refused)");
    }
}

fn a_layer_that_the_daemon_tries_again_is_told(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    build(engine, "api:push-retried", "push retried");
    emulator.script(on("POST", "/blobs/uploads/").signed_in(), 1, Answer::new(500));
    let running = push(engine, &emulator, "api:push-retried")
        .built_in()
        .start()
        .until("a layer did not get through; the Docker daemon tries it again");
    running.signal("INT").wait().fails(130).says("stopped by SIGINT");
}

/// A registry that takes a manifest and shows its tag as before.
fn what_the_registry_does_not_show_is_not_recorded_as_pushed(engine: &Engine) {
    build(engine, "api:push-lost", "push lost");
    let old = Image::small("push lost, before");
    let shown = Answer::new(200)
        .header("Content-Type", old.media_type())
        .header("Docker-Content-Digest", &old.digest())
        .header("Content-Length", &old.bytes().len().to_string())
        .body(old.bytes().clone());
    let gone = Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
    let shows_old = format!("as {}", old.digest());
    for (answer, shows, digest) in [
        (gone, "and the registry has no `", None),
        (shown, &shows_old, Some(old.digest())),
    ] {
        let emulator = Emulator::start(Setup::shop());
        emulator.script(on("GET|HEAD", "/manifests/lost").signed_in(), 99, answer);
        let outcome = push(engine, &emulator, "api:push-lost")
            .built_in()
            .var("TAGS", "lost latest")
            .var("REPORT", "report.json")
            .run()
            .fails(1)
            .says("the Docker daemon says that it pushed")
            .says(shows)
            .says("nothing was changed (exit status 1: other)");
        let images = &outcome.report.as_ref().unwrap()["images"];
        for image in [&images[0], &images[1]] {
            assert_eq!(image["outcome"], "failed", "{images}");
        }
        assert_eq!(images[0]["digest"].as_str(), digest.as_deref(), "{images}");
    }
}

fn a_refusal_that_the_daemon_relays_has_the_same_advice(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    build(engine, "web:push-relayed", "push relayed");
    emulator.script(
        on("PUT", "/manifests/push-relayed").signed_in(),
        9,
        Answer::error(403, "DENIED", "not for you"),
    );
    push(engine, &emulator, "web:push-relayed")
        .api_token()
        .run()
        .fails(5)
        .says(if engine.relays_codes() {
            "the registry refused access: pushing `"
        } else {
            "the registry refused: pushing `"
        })
        .says("the daemon's words: ")
        .says(if engine.relays_words() {
            "not for you"
        } else {
            ": 403 Forbidden"
        })
        .says(if engine.relays_codes() {
            "`ada@example.com` does not have the role Write on the repository that `web` is linked to"
        } else {
            "the registry's own words above are all that is known"
        })
        .says("nothing was changed (exit status 5: refused)");
}

/// A daemon names what it pushed by SHA-256, whatever the registry calls it.
#[test]
fn what_a_registry_names_by_sha512_is_what_was_pushed() {
    let (pushed, other) = (Image::small("by sha512"), Image::small("another"));
    for (named, is_shown) in [(pushed.digest(), true), (other.digest(), false)] {
        let emulator = Emulator::start(Setup::shop().with(|settings| settings.names_by_sha512 = true));
        emulator.put_image("shop/api", "built", &pushed);
        let daemon = ScriptedDaemon::start(move |request| match request.split_once(' ') {
            Some(("GET", path)) if path.starts_with("/images/api:built/json") => Some(Say::Json(
                200,
                r#"{"Id":"sha256:38e4","RepoTags":["api:built"],"Os":"linux","Architecture":"amd64"}"#.to_owned(),
            )),
            Some(("POST", path)) if path.contains("/push?") => {
                let line = format!(r#"{{"status":"built: digest: {named} size: 5"}}"#);
                Some(Say::Lines(vec![line]))
            }
            _ => None,
        });
        let outcome = in_shop(&emulator)
            .built_in()
            .docker_host(&daemon.tcp())
            .var("ACTION", "push")
            .var("SOURCE", "api:built")
            .run();
        if is_shown {
            outcome.succeeds().says("pushed as `built`");
        } else {
            outcome.fails(1).says(", and the registry shows `").says("as sha512:");
        }
    }
}
