//! `push` from real engines to the emulator: what the daemon pushes, what is settled without it, and what the
//! daemon's names are afterwards.

mod names;
mod platforms;
mod refused;
mod there;

use crate::support::emulator::{Emulator, Setup, TokenForm};
use crate::support::engine::{Engine, Kind};
use crate::support::image::{Image, ImageBuilder};
use crate::support::pipe::Pipe;

on_each_engine!(
    target_and_tag_follow_from_the_name_in_the_daemon,
    the_daemon_pushes_once_and_the_other_tags_are_set_in_the_registry,
    a_second_run_is_green_where_tags_are_immutable,
    on_existing_is_settled_before_anything_is_pushed,
    an_opaque_token_costs_an_upload_session_that_is_given_up,
);

fn push<'a>(engine: &Engine, emulator: &'a Emulator, source: &str) -> Pipe<'a> {
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .engine(engine)
        .var("ACTION", "push")
        .var("SOURCE", source)
        .var("RETRIES", "0")
}

/// Gives the daemon an image under a name, as `docker build -t` does.
fn build(engine: &Engine, name: &str, seed: &str) -> Image {
    let image = ImageBuilder::new(seed).docker().build();
    let archive = image.docker_archive(&[name]);
    engine.docker_reading(&["load"], &archive).succeeds();
    image
}

fn id(engine: &Engine, name: &str) -> Option<String> {
    engine.inspect(name, "{{.Id}}")
}

/// The daemon's names for an image.
fn names(engine: &Engine, name: &str) -> String {
    engine.inspect(name, "{{json .RepoTags}}").unwrap_or_default()
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

/// A size below 10 KiB as the log has it.
fn shown(size: &str) -> String {
    let bytes: u32 = size.parse().unwrap();
    match bytes {
        0..1024 => format!("{bytes} B"),
        _ => format!("{:.1} KiB", f64::from(bytes) / 1024.0),
    }
}

fn target_and_tag_follow_from_the_name_in_the_daemon(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let image = build(engine, "api:push-defaults", "push defaults");
    let before = names(engine, "api:push-defaults");
    let size = engine.inspect("api:push-defaults", "{{.Size}}").unwrap();
    let outcome = push(engine, &emulator, "api:push-defaults")
        .built_in()
        .api_token()
        .var("OUTPUT_ENV", "crg.env")
        .var("REPORT", "report.json")
        .run()
        .succeeds()
        .says("pushing `api:push-defaults` as `")
        .says(&format!(
            ", {} in the daemon, with the built-in credential",
            shown(&size)
        ));
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
    // podman tells no amounts, and the store of containerd none of so small a layer.
    let bytes = report["images"][0]["bytes"].as_u64().unwrap();
    assert!(bytes > 0 || engine.kind() != Kind::Classic, "{report}");
    let last = outcome.last_line();
    assert!(last.starts_with("✔ push: `api:push-defaults` → `"), "{last}");
    assert!(
        last.contains(&format!(
            "{host}/shop/api` ({}) pushed as `push-defaults`",
            &digest[..19]
        )),
        "{last}"
    );
    assert_eq!(
        names(engine, "api:push-defaults"),
        before,
        "the daemon's names are as before"
    );
}

fn the_daemon_pushes_once_and_the_other_tags_are_set_in_the_registry(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    build(engine, "localbuild:push-tags", "push tags");
    push(engine, &emulator, "localbuild:push-tags")
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
    push(engine, &emulator, "localbuild:push-tags")
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

fn a_second_run_is_green_where_tags_are_immutable(engine: &Engine) {
    let emulator = Emulator::start(
        Setup::shop()
            .immutable(".*")
            .with(|settings| settings.immutable_takes_same = false),
    );
    build(engine, "api:push-again", "push again");
    push(engine, &emulator, "api:push-again").built_in().run().succeeds();
    let digest = emulator.tag("shop/api", "push-again").unwrap();
    emulator.forget_requests();
    for on_existing in ["overwrite", "skip", "fail"] {
        let outcome = push(engine, &emulator, "api:push-again")
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
    engine.docker(&["rmi", &name]);
    push(engine, &emulator, "api:push-again")
        .built_in()
        .run()
        .succeeds()
        .says("unchanged: `push-again`");
    assert_eq!(writes(&emulator), (0, 0));

    // Another image under the same tag is refused, and the cause is named.
    build(engine, "api:push-again", "push again, changed");
    push(engine, &emulator, "api:push-again")
        .built_in()
        .run()
        .fails(5)
        .says("immutable")
        .says("Container settings")
        .says("nothing was changed (exit status 5: refused)");
    assert_eq!(emulator.tag("shop/api", "push-again"), Some(digest));
}

fn on_existing_is_settled_before_anything_is_pushed(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let old = Image::small("push existing, old");
    emulator.put_image("shop/api", "1", &old);
    build(engine, "api:push-existing", "push existing");
    push(engine, &emulator, "api:push-existing")
        .built_in()
        .var("TAGS", "new 1")
        .var("ON_EXISTING", "fail")
        .run()
        .fails(5)
        .says("/shop/api:1` is there already")
        .says("nothing was changed");
    assert_eq!(emulator.blob_bytes_received(), 0);
    assert_eq!(emulator.tags("shop/api"), ["1"]);

    let outcome = push(engine, &emulator, "api:push-existing")
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
    push(engine, &emulator, "api:push-existing")
        .built_in()
        .var("TAGS", "1")
        .var("ON_EXISTING", "skip")
        .run()
        .succeeds()
        .says("left alone: `1`");
    assert_eq!(writes(&emulator), (0, 0));
}

fn an_opaque_token_costs_an_upload_session_that_is_given_up(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop().with(|settings| settings.token_form = TokenForm::Opaque));
    build(engine, "api:push-opaque", "push opaque");
    push(engine, &emulator, "api:push-opaque").built_in().run().succeeds();
    assert_eq!(emulator.open_uploads(), 0);
    // Nothing to push, nothing to ask.
    emulator.forget_requests();
    push(engine, &emulator, "api:push-opaque").built_in().run().succeeds();
    assert!(
        !emulator.requests().iter().any(|line| line.starts_with("POST")),
        "{:#?}",
        emulator.requests()
    );
}
