//! The daemon's names: whose they are, and that a push leaves them as they were.

use super::{build, config, id, push};
use crate::support::emulator::{Answer, Emulator, Setup, on};
use crate::support::engine::{Engine, Kind};
use crate::support::gate::Gate;
use crate::support::image::Image;
use crate::support::pipe::Pipe;
use std::sync::Mutex;
use std::sync::mpsc::channel;

on_each_engine!(
    a_source_under_the_targets_own_name_keeps_it,
    what_the_daemon_had_under_the_targets_name_is_put_back,
    a_signal_in_the_middle_puts_the_name_back,
    a_signal_while_the_name_is_put_back_loses_nothing,
    a_missing_image_is_told_with_names_near_it,
    an_image_id_needs_a_target,
    a_name_with_a_digest_and_a_name_without_a_tag,
    an_image_whose_names_are_digests_stays,
);

fn a_source_under_the_targets_own_name_keeps_it(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let name = format!("{}/shop/api:5", emulator.host());
    let image = build(engine, &name, "push own name");
    for source in [name.clone(), format!("docker-daemon:{name}")] {
        push(engine, &emulator, &source).built_in().run().succeeds();
        assert_eq!(engine.config_digest(&name), Some(image.config_digest()));
    }
    assert_eq!(emulator.tags("shop/api"), ["5"]);
}

fn what_the_daemon_had_under_the_targets_name_is_put_back(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop().immutable("^fixed$"));
    emulator.put_image("shop/api", "fixed", &Image::small("push put back, fixed"));
    build(engine, "api:push-put-back", "push put back");
    let name = |tag: &str| format!("{}/shop/api:{tag}", emulator.host());
    let former = build(engine, &name("1"), "push put back, former");
    build(engine, &name("fixed"), "push put back, former fixed");
    let fixed = id(engine, &name("fixed"));
    let run = |tag: &str| {
        push(engine, &emulator, "api:push-put-back")
            .built_in()
            .var("TAGS", tag)
            .run()
    };
    run("1").succeeds();
    assert_eq!(
        engine.config_digest(&name("1")),
        Some(former.config_digest()),
        "after success"
    );
    run("fixed").fails(5);
    assert_eq!(id(engine, &name("fixed")), fixed, "after a refusal");
    run("unknown").succeeds();
    assert_eq!(id(engine, &name("unknown")), None, "a name that was not there goes");
}

fn a_signal_in_the_middle_puts_the_name_back(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    build(engine, "api:push-signal", "push signal");
    let name = format!("{}/shop/api:1", emulator.host());
    let former = build(engine, &name, "push signal, former");
    // The push waits at the gate until the run has ended.
    let (arrived, arrival) = channel();
    let (ended, end) = channel::<()>();
    let end = Mutex::new(end);
    let gate = Gate::before(&engine.tcp(), move |line| {
        if line.contains("/push?") {
            arrived.send(()).unwrap();
            let _ = end.lock().unwrap().recv();
        }
    });
    let running = push(engine, &emulator, "api:push-signal")
        .docker_host(&gate.tcp())
        .built_in()
        .var("TAGS", "1")
        .var("REPORT", "report.json")
        .start();
    arrival.recv().unwrap();
    assert_ne!(
        engine.config_digest(&name),
        Some(former.config_digest()),
        "the name is borrowed"
    );
    let outcome = running.signal("TERM").wait().fails(143);
    drop(ended);
    assert_eq!(
        outcome.last_line(),
        "✖ push: stopped by SIGTERM, nothing was changed (exit status 143)"
    );
    assert_eq!(outcome.report.as_ref().unwrap()["status"], 143);
    assert_eq!(engine.config_digest(&name), Some(former.config_digest()));
    assert_eq!(emulator.tags("shop/api"), <[String; 0]>::default());
}

fn a_signal_while_the_name_is_put_back_loses_nothing(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    build(engine, "api:push-signal-back", "push signal back");
    let name = format!("{}/shop/api:1", emulator.host());
    let former = build(engine, &name, "push signal back, former");
    // The first putting back waits at the gate until the run has ended; the second one passes.
    let back = format!("/images/{}/tag?", id(engine, &name).unwrap());
    let (arrived, arrival) = channel();
    let (ended, end) = channel::<()>();
    let end = Mutex::new(Some(end));
    let gate = Gate::before(&engine.tcp(), move |line| {
        let first = line.contains(&back).then(|| end.lock().unwrap().take()).flatten();
        if let Some(end) = first {
            arrived.send(()).unwrap();
            let _ = end.recv();
        }
    });
    let running = push(engine, &emulator, "api:push-signal-back")
        .docker_host(&gate.tcp())
        .built_in()
        .var("TAGS", "1")
        .start();
    arrival.recv().unwrap();
    let outcome = running.signal("TERM").wait().fails(143);
    assert_eq!(
        engine.config_digest(&name),
        Some(former.config_digest()),
        "{}",
        outcome.plain()
    );
    let last = outcome.last_line();
    assert!(last.contains("stopped by SIGTERM, only `"), "{last}");
    drop(ended);
}

fn a_missing_image_is_told_with_names_near_it(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    build(engine, "api:push-near-1", "push near");
    push(engine, &emulator, "api:push-near-2")
        .built_in()
        .run()
        .fails(4)
        .no_connection()
        .says("the step's Docker daemon has no image `api:push-near-2`")
        .says(match engine.kind() {
            Kind::Podman => "`localhost/api:push-near-1`",
            _ => "`api:push-near-1`",
        })
        .says("docker build -t api:push-near-2 .");
}

fn an_image_id_needs_a_target(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let image = build(engine, "something:push-id", "push id");
    let id = id(engine, "something:push-id").unwrap();
    for source in [id.clone(), id[7..19].to_owned()] {
        push(engine, &emulator, &source)
            .built_in()
            .var("TARGET", "api:by-id")
            .run()
            .succeeds();
        assert_eq!(config(&emulator, "shop/api", "by-id"), image.config_digest());
    }
    push(engine, &emulator, &id)
        .built_in()
        .run()
        .fails(2)
        .no_connection()
        .says("it is an image ID, which names no target")
        .says("TARGET");
}

fn a_name_with_a_digest_and_a_name_without_a_tag(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let image = Image::small("push pulled");
    emulator.put_image("shop/base", "1", &image);
    let by_digest = format!("{}/shop/base@{}", emulator.host(), image.digest());
    Pipe::new()
        .workspace("shop")
        .registry(&emulator)
        .engine(engine)
        .api_token()
        .var("IMAGES", &by_digest)
        .run()
        .succeeds();
    push(engine, &emulator, &by_digest)
        .api_token()
        .var("TARGET", "web:mirrored")
        .run()
        .succeeds();
    assert_eq!(config(&emulator, "shop/web", "mirrored"), image.config_digest());
    // Pushed from where it came, it is there already.
    push(engine, &emulator, &by_digest)
        .api_token()
        .var("TAGS", "1 2")
        .run()
        .succeeds()
        .says("tagged `2`; unchanged: `1`");
    assert_eq!(emulator.tag("shop/base", "2"), Some(image.digest()));

    build(engine, "push-untagged:latest", "push untagged");
    push(engine, &emulator, "push-untagged")
        .api_token()
        .var("TARGET", "web")
        .run()
        .succeeds()
        .says("pushed as `latest`");
}

/// What has no tag is known by its digests alone, which containerd's image store counts among the tags.
fn an_image_whose_names_are_digests_stays(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let image = Image::small("push digests alone");
    emulator.put_image("shop/base", "1", &image);
    let by_digest = format!("{}/shop/base@{}", emulator.host(), image.digest());
    let pull = Pipe::new()
        .workspace("shop")
        .registry(&emulator)
        .engine(engine)
        .api_token();
    pull.var("IMAGES", &by_digest).run().succeeds();
    let before = id(engine, &by_digest);
    assert!(before.is_some());
    for (target, tags) in [("web:1", None), ("base:2", None), ("web", Some("2 3")), ("web:1", None)] {
        let pipe = push(engine, &emulator, &by_digest).api_token().var("TARGET", target);
        let pipe = match tags {
            Some(tags) => pipe.var("TAGS", tags),
            None => pipe,
        };
        let outcome = pipe.run().succeeds();
        assert_eq!(id(engine, &by_digest), before, "{target}: {}", outcome.plain());
    }
    // A push that is refused gives its name back too.
    emulator.script(
        on("PUT", "/manifests/").signed_in(),
        9,
        Answer::error(403, "DENIED", "not for you"),
    );
    push(engine, &emulator, &by_digest)
        .api_token()
        .var("TARGET", "api:9")
        .run()
        .fails(5);
    assert_eq!(id(engine, &by_digest), before, "after a refusal");
}
