//! `push` from a real Docker Engine to the emulator: what the daemon pushes, what is settled without it, and what the
//! daemon's names are afterwards.

use crate::support::emulator::{Answer, Emulator, Role, Setup, TokenForm, User, api_token, on};
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::image::{Image, ImageBuilder};
use crate::support::pipe::Pipe;
use std::sync::Mutex;
use std::sync::mpsc::channel;

fn push<'a>(emulator: &'a Emulator, source: &str) -> Pipe<'a> {
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .engine(Engine::shared())
        .var("ACTION", "push")
        .var("SOURCE", source)
        .var("RETRIES", "0")
}

/// Gives the daemon an image under a name, as `docker build -t` does.
fn build(name: &str, seed: &str) -> Image {
    let image = ImageBuilder::new(seed).docker().build();
    let archive = image.docker_archive(&[name]);
    Engine::shared().docker_reading(&["load"], &archive).succeeds();
    image
}

fn id(name: &str) -> Option<String> {
    Engine::shared().inspect(name, "{{.Id}}")
}

/// The daemon's names for an image.
fn names(name: &str) -> String {
    Engine::shared().inspect(name, "{{json .RepoTags}}").unwrap_or_default()
}

/// The configuration's digest of what a tag is.
fn config(emulator: &Emulator, package: &str, tag: &str) -> String {
    let manifest = emulator.manifest(package, tag).expect("the tag");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    manifest["config"]["digest"].as_str().unwrap().to_owned()
}

/// How often the daemon wrote manifests, and how often the pipe did.
fn writes(emulator: &Emulator) -> (usize, usize) {
    let of = |ours: bool| {
        let journal = emulator.journal();
        let writes = journal
            .iter()
            .filter(|entry| entry.method == "PUT" && entry.path.contains("/manifests/"));
        writes
            .filter(|entry| {
                entry
                    .user_agent
                    .as_deref()
                    .is_some_and(|agent| agent.starts_with("crg-pipe"))
                    == ours
            })
            .count()
    };
    (of(false), of(true))
}

#[test]
fn target_and_tag_follow_from_the_name_in_the_daemon() {
    let emulator = Emulator::start(Setup::shop());
    let image = build("api:push-defaults", "push defaults");
    let before = names("api:push-defaults");
    let outcome = push(&emulator, "api:push-defaults")
        .built_in()
        .api_token()
        .var("OUTPUT_ENV", "crg.env")
        .var("REPORT", "report.json")
        .run()
        .succeeds()
        .says("pushing `api:push-defaults` as `")
        .says("with the built-in credential");
    let digest = emulator.tag("shop/api", "push-defaults").unwrap();
    let host = emulator.host();
    assert_eq!(config(&emulator, "shop/api", "push-defaults"), image.config_digest());
    assert_eq!(writes(&emulator), (1, 0));
    assert_eq!(
        outcome.file("crg.env").unwrap(),
        format!(
            "CRG_PIPE_REFERENCE='{host}/shop/api@{digest}'\nCRG_PIPE_DIGEST='{digest}'\n\
             CRG_PIPE_TAGS='push-defaults'\nCRG_PIPE_COUNT='1'\n"
        )
    );
    let report = outcome.report.as_ref().unwrap();
    assert_eq!(report["images"][0]["digest"], digest);
    assert_eq!(report["images"][0]["outcome"], "pushed");
    assert_eq!(report["images"][0]["credential"], "built-in");
    assert!(report["images"][0]["bytes"].as_u64().unwrap() > 0, "{report}");
    let last = outcome.last_line();
    assert!(last.starts_with("✔ push: `api:push-defaults` → `"), "{last}");
    assert!(
        last.contains(&format!(
            "{host}/shop/api` ({}) pushed as `push-defaults`",
            &digest[..19]
        )),
        "{last}"
    );
    assert_eq!(names("api:push-defaults"), before, "the daemon's names are as before");
}

#[test]
fn the_daemon_pushes_once_and_the_other_tags_are_set_in_the_registry() {
    let emulator = Emulator::start(Setup::shop());
    build("localbuild:push-tags", "push tags");
    push(&emulator, "localbuild:push-tags")
        .api_token()
        .var("TARGET", "web")
        .list("TAGS", &["1.4.2", "1.4", "latest"])
        .run()
        .succeeds()
        .says("pushed as `1.4.2`")
        .says("tagged `1.4`, `latest`");
    assert_eq!(writes(&emulator), (1, 2));
    let digest = emulator.tag("shop/web", "1.4.2");
    assert!(digest.is_some());
    assert_eq!(emulator.tags("shop/web"), ["1.4", "1.4.2", "latest"]);
    assert_eq!(emulator.tag("shop/web", "latest"), digest);

    // Again, with a tag more: the image is there, so the daemon has nothing to push.
    let bytes = emulator.blob_bytes_received();
    emulator.forget_requests();
    push(&emulator, "localbuild:push-tags")
        .api_token()
        .var("TARGET", "web")
        .var("TAGS", "latest 1.4.2 stable")
        .run()
        .succeeds()
        .says("tagged `stable`; unchanged: `latest`, `1.4.2`");
    assert_eq!(writes(&emulator), (0, 1));
    assert_eq!(emulator.tag("shop/web", "stable"), digest);
    assert_eq!(emulator.blob_bytes_received(), 0, "{bytes} before");
}

#[test]
fn a_second_run_is_green_where_tags_are_immutable() {
    let emulator = Emulator::start(
        Setup::shop()
            .immutable(".*")
            .with(|settings| settings.immutable_takes_same = false),
    );
    build("api:push-again", "push again");
    push(&emulator, "api:push-again").built_in().run().succeeds();
    let digest = emulator.tag("shop/api", "push-again").unwrap();
    emulator.forget_requests();
    for on_existing in ["overwrite", "skip", "fail"] {
        let outcome = push(&emulator, "api:push-again")
            .built_in()
            .var("ON_EXISTING", on_existing)
            .var("OUTPUT_ENV", "crg.env")
            .run()
            .succeeds()
            .says("unchanged: `push-again`");
        assert!(outcome.file("crg.env").unwrap().contains(&digest));
    }
    assert_eq!(writes(&emulator), (0, 0));

    // A daemon that never pushed it (a new step that built the same image) knows it by its configuration.
    let name = format!("{}/shop/api:push-again", emulator.host());
    Engine::shared().docker(&["rmi", &name]);
    push(&emulator, "api:push-again")
        .built_in()
        .run()
        .succeeds()
        .says("unchanged: `push-again`");
    assert_eq!(writes(&emulator), (0, 0));

    // Another image under the same tag is refused, and the cause is named.
    build("api:push-again", "push again, changed");
    push(&emulator, "api:push-again")
        .built_in()
        .run()
        .fails(5)
        .says("immutable")
        .says("Container settings")
        .says("nothing was changed (exit status 5: refused)");
    assert_eq!(emulator.tag("shop/api", "push-again"), Some(digest));
}

#[test]
fn on_existing_is_settled_before_anything_is_pushed() {
    let emulator = Emulator::start(Setup::shop());
    let old = Image::small("push existing, old");
    emulator.put_image("shop/api", "1", &old);
    build("api:push-existing", "push existing");
    push(&emulator, "api:push-existing")
        .built_in()
        .var("TAGS", "new 1")
        .var("ON_EXISTING", "fail")
        .run()
        .fails(5)
        .says("/shop/api:1` is there already")
        .says("nothing was changed");
    assert_eq!(emulator.blob_bytes_received(), 0);
    assert_eq!(emulator.tags("shop/api"), ["1"]);

    let outcome = push(&emulator, "api:push-existing")
        .built_in()
        .var("TAGS", "1 new")
        .var("ON_EXISTING", "skip")
        .var("REPORT", "report.json")
        .var("OUTPUT_ENV", "crg.env")
        .run()
        .succeeds()
        .says("pushed as `new`; left alone: `1`");
    assert_eq!(emulator.tag("shop/api", "1"), Some(old.digest()));
    let images = &outcome.report.as_ref().unwrap()["images"];
    assert_eq!(
        (&images[0]["outcome"], &images[1]["outcome"]),
        (&"skipped".into(), &"pushed".into())
    );
    let env = outcome.file("crg.env").unwrap();
    assert!(env.contains("CRG_PIPE_TAGS='new'"), "{env}");
    assert!(
        env.contains(&format!(
            "CRG_PIPE_DIGEST='{}'",
            emulator.tag("shop/api", "new").unwrap()
        )),
        "{env}"
    );

    // All of them point elsewhere: nothing to do, and that is no failure.
    emulator.forget_requests();
    push(&emulator, "api:push-existing")
        .built_in()
        .var("TAGS", "1")
        .var("ON_EXISTING", "skip")
        .run()
        .succeeds()
        .says("left alone: `1`");
    assert_eq!(writes(&emulator), (0, 0));
}

#[test]
fn a_source_under_the_targets_own_name_keeps_it() {
    let emulator = Emulator::start(Setup::shop());
    let name = format!("{}/shop/api:5", emulator.host());
    let image = build(&name, "push own name");
    for source in [name.clone(), format!("docker-daemon:{name}")] {
        push(&emulator, &source).built_in().run().succeeds();
        assert_eq!(id(&name), Some(image.config_digest()));
    }
    assert_eq!(emulator.tags("shop/api"), ["5"]);
}

#[test]
fn what_the_daemon_had_under_the_targets_name_is_put_back() {
    let emulator = Emulator::start(Setup::shop().immutable("^fixed$"));
    emulator.put_image("shop/api", "fixed", &Image::small("push put back, fixed"));
    build("api:push-put-back", "push put back");
    let name = |tag: &str| format!("{}/shop/api:{tag}", emulator.host());
    let former = build(&name("1"), "push put back, former");
    build(&name("fixed"), "push put back, former fixed");
    let fixed = id(&name("fixed"));
    let run = |tag: &str| push(&emulator, "api:push-put-back").built_in().var("TAGS", tag).run();
    run("1").succeeds();
    assert_eq!(id(&name("1")), Some(former.config_digest()), "after success");
    run("fixed").fails(5);
    assert_eq!(id(&name("fixed")), fixed, "after a refusal");
    run("unknown").succeeds();
    assert_eq!(id(&name("unknown")), None, "a name that was not there goes");
}

#[test]
fn a_signal_in_the_middle_puts_the_name_back() {
    let emulator = Emulator::start(Setup::shop());
    build("api:push-signal", "push signal");
    let name = format!("{}/shop/api:1", emulator.host());
    let former = build(&name, "push signal, former");
    // The push waits at the gate until the run has ended.
    let (arrived, arrival) = channel();
    let (ended, end) = channel::<()>();
    let end = Mutex::new(end);
    let gate = Gate::before(&Engine::shared().tcp(), move |line| {
        if line.contains("/push?") {
            arrived.send(()).unwrap();
            let _ = end.lock().unwrap().recv();
        }
    });
    let running = push(&emulator, "api:push-signal")
        .docker_host(&gate.tcp())
        .built_in()
        .var("TAGS", "1")
        .var("REPORT", "report.json")
        .start();
    arrival.recv().unwrap();
    assert_ne!(id(&name), Some(former.config_digest()), "the name is borrowed");
    let outcome = running.signal("TERM").wait().fails(143);
    drop(ended);
    assert_eq!(
        outcome.last_line(),
        "✖ push: stopped by SIGTERM, nothing was changed (exit status 143)"
    );
    assert_eq!(outcome.report.as_ref().unwrap()["status"], 143);
    assert_eq!(id(&name), Some(former.config_digest()));
    assert_eq!(emulator.tags("shop/api"), <[String; 0]>::default());
}

#[test]
fn a_signal_while_the_name_is_put_back_loses_nothing() {
    let emulator = Emulator::start(Setup::shop());
    build("api:push-signal-back", "push signal back");
    let name = format!("{}/shop/api:1", emulator.host());
    let former = build(&name, "push signal back, former");
    // The first putting back waits at the gate until the run has ended; the second one passes.
    let back = format!("/images/{}/tag?", former.config_digest());
    let (arrived, arrival) = channel();
    let (ended, end) = channel::<()>();
    let end = Mutex::new(Some(end));
    let gate = Gate::before(&Engine::shared().tcp(), move |line| {
        let first = line.contains(&back).then(|| end.lock().unwrap().take()).flatten();
        if let Some(end) = first {
            arrived.send(()).unwrap();
            let _ = end.recv();
        }
    });
    let running = push(&emulator, "api:push-signal-back")
        .docker_host(&gate.tcp())
        .built_in()
        .var("TAGS", "1")
        .start();
    arrival.recv().unwrap();
    let outcome = running.signal("TERM").wait().fails(143);
    assert_eq!(id(&name), Some(former.config_digest()), "{}", outcome.plain());
    let last = outcome.last_line();
    assert!(last.contains("stopped by SIGTERM, only `"), "{last}");
    drop(ended);
}

#[test]
fn a_pushed_tag_is_told_also_where_the_next_step_fails() {
    let emulator = Emulator::start(Setup::shop());
    build("api:push-unread", "push unread");
    emulator.script(
        on("GET", "/manifests/sha256").signed_in(),
        1,
        Answer::error(403, "DENIED", "not now"),
    );
    let outcome = push(&emulator, "api:push-unread")
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

#[test]
fn a_missing_image_is_told_with_names_near_it() {
    let emulator = Emulator::start(Setup::shop());
    build("api:push-near-1", "push near");
    push(&emulator, "api:push-near-2")
        .built_in()
        .run()
        .fails(4)
        .no_connection()
        .says("the step's Docker daemon has no image `api:push-near-2`")
        .says("`api:push-near-1`")
        .says("docker build -t api:push-near-2 .");
}

#[test]
fn a_missing_package_is_told_before_the_daemon_pushes() {
    let emulator = Emulator::start(Setup::shop());
    build("nothing:push", "push no package");
    push(&emulator, "nothing:push")
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

#[test]
fn who_may_only_read_is_told_so() {
    let (email, token) = ("reader@example.com", api_token("push reader"));
    let reader = User::new(email, &token).package_scopes().role("shop/api", Role::Read);
    build("web:push-reader", "push reader");
    for form in [TokenForm::Jwt, TokenForm::Opaque] {
        let setup = Setup::shop().user(reader.clone());
        let emulator = Emulator::start(setup.with(|settings| settings.token_form = form));
        push(&emulator, "web:push-reader")
            .var("ATLASSIAN_ACCOUNT_EMAIL", email)
            .var("ATLASSIAN_API_TOKEN", &token)
            .run()
            .fails(5)
            .says("write:package:bitbucket")
            .says("`reader@example.com` lacks the role Write on the repository that `web` is linked to")
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
        assert_eq!(id(&format!("{}/shop/web:push-reader", emulator.host())), None);
    }
}

#[test]
fn another_repositorys_package_needs_another_credential_than_the_built_in_one() {
    let emulator = Emulator::start(Setup::shop());
    build("base:push-other", "push other repository");
    push(&emulator, "base:push-other")
        .built_in()
        .run()
        .fails(3)
        .says("reaches only packages that are linked to this repository, `shop/api`")
        .says("ATLASSIAN_API_TOKEN: $ATLASSIAN_API_TOKEN")
        .says("nothing was changed (exit status 3: credential)");
    push(&emulator, "base:push-other")
        .built_in()
        .api_token()
        .run()
        .succeeds()
        .says("with the API token");
}

#[test]
fn an_image_id_needs_a_target() {
    let emulator = Emulator::start(Setup::shop());
    let image = build("something:push-id", "push id");
    let id = image.config_digest();
    for source in [id.clone(), id[7..19].to_owned()] {
        push(&emulator, &source)
            .built_in()
            .var("TARGET", "api:by-id")
            .run()
            .succeeds();
        assert_eq!(config(&emulator, "shop/api", "by-id"), id);
    }
    push(&emulator, &id)
        .built_in()
        .run()
        .fails(2)
        .no_connection()
        .says("it is an image ID, which names no target")
        .says("TARGET");
}

#[test]
fn the_platform_must_be_the_images() {
    let emulator = Emulator::start(Setup::shop());
    build("api:push-platform", "push platform");
    push(&emulator, "api:push-platform")
        .built_in()
        .var("PLATFORM", "linux/arm64")
        .run()
        .fails(4)
        .says("is for linux/amd64, not linux/arm64");
    push(&emulator, "api:push-platform")
        .built_in()
        .var("PLATFORM", "linux/amd64")
        .run()
        .succeeds();
}

#[test]
fn a_refused_second_tag_says_what_was_done() {
    let emulator = Emulator::start(Setup::shop());
    build("api:push-half", "push half");
    emulator.script(
        on("PUT", "/manifests/latest").signed_in(),
        1,
        Answer::error(403, "DENIED", "not this one"),
    );
    let outcome = push(&emulator, "api:push-half")
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

#[test]
fn an_immutable_tag_is_explained_whatever_the_status() {
    let source = "api:push-immutable";
    build(source, "push immutable");
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
        push(&emulator, source)
            .built_in()
            .var("TAGS", "v1")
            .run()
            .fails(5)
            .says(words)
            .says("tags like `v1` immutable")
            .says("Container settings")
            .says("nothing was changed (exit status 5: refused)");
    }
}

#[test]
fn a_layer_that_the_daemon_tries_again_is_told() {
    let emulator = Emulator::start(Setup::shop());
    build("api:push-retried", "push retried");
    emulator.script(on("POST", "/blobs/uploads/").signed_in(), 1, Answer::new(500));
    let running = push(&emulator, "api:push-retried")
        .built_in()
        .start()
        .until("a layer did not get through; the Docker daemon tries it again");
    running.signal("INT").wait().fails(130).says("stopped by SIGINT");
}

#[test]
fn a_name_with_a_digest_and_a_name_without_a_tag() {
    let emulator = Emulator::start(Setup::shop());
    let image = Image::small("push pulled");
    emulator.put_image("shop/base", "1", &image);
    let by_digest = format!("{}/shop/base@{}", emulator.host(), image.digest());
    Pipe::new()
        .workspace("shop")
        .registry(&emulator)
        .engine(Engine::shared())
        .api_token()
        .var("IMAGES", &by_digest)
        .run()
        .succeeds();
    push(&emulator, &by_digest)
        .api_token()
        .var("TARGET", "web:mirrored")
        .run()
        .succeeds();
    assert_eq!(config(&emulator, "shop/web", "mirrored"), image.config_digest());
    // Pushed from where it came, it is there already.
    push(&emulator, &by_digest)
        .api_token()
        .var("TAGS", "1 2")
        .run()
        .succeeds()
        .says("tagged `2`; unchanged: `1`");
    assert_eq!(emulator.tag("shop/base", "2"), Some(image.digest()));

    build("push-untagged:latest", "push untagged");
    push(&emulator, "push-untagged")
        .api_token()
        .var("TARGET", "web")
        .run()
        .succeeds()
        .says("pushed as `latest`");
}

#[test]
fn an_opaque_token_costs_an_upload_session_that_is_given_up() {
    let emulator = Emulator::start(Setup::shop().with(|settings| settings.token_form = TokenForm::Opaque));
    build("api:push-opaque", "push opaque");
    push(&emulator, "api:push-opaque").built_in().run().succeeds();
    assert_eq!(emulator.open_uploads(), 0);
    // Nothing to push, nothing to ask.
    emulator.forget_requests();
    push(&emulator, "api:push-opaque").built_in().run().succeeds();
    assert!(
        !emulator.requests().iter().any(|line| line.starts_with("POST")),
        "{:#?}",
        emulator.requests()
    );
}

#[test]
fn a_refusal_that_the_daemon_relays_has_the_same_advice() {
    let emulator = Emulator::start(Setup::shop());
    build("web:push-relayed", "push relayed");
    emulator.script(
        on("PUT", "/manifests/push-relayed").signed_in(),
        9,
        Answer::error(403, "DENIED", "not for you"),
    );
    push(&emulator, "web:push-relayed")
        .api_token()
        .run()
        .fails(5)
        .says("the registry refused access: pushing `")
        .says("the daemon's words: denied: not for you")
        .says("`ada@example.com` lacks the role Write on the repository that `web` is linked to")
        .says("nothing was changed (exit status 5: refused)");
}
