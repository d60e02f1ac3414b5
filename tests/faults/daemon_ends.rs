//! How runs with a real daemon end: rightly, refused, before a registry that stalls, with a daemon that is killed or whose
//! disk is full. Each within its time, with the words of who failed, and with a status of its own.

use crate::support::emulator::{Answer, Break, Emulator, Fault, Setup, on};
use crate::support::engine::Engine;
use crate::support::image::{Image, ImageBuilder};
use crate::support::outcome::Outcome;
use crate::support::pipe::{Pipe, Running};
use std::time::{Duration, Instant};

on_each_engine!(
    each_way_to_end,
    a_full_disk_is_told_with_its_cure,
    a_tag_that_is_set_is_told
);

const MOST_SECONDS: f64 = 45.0;

fn pipe<'a>(engine: &Engine, emulator: &'a Emulator) -> Pipe<'a> {
    let pipe = Pipe::new().workspace("shop").registry(emulator).engine(engine);
    let pipe = pipe.api_token().var("RETRIES", "0").var("TIMEOUT", "5");
    pipe.patience(90)
}

fn pull<'a>(engine: &Engine, emulator: &'a Emulator) -> Pipe<'a> {
    pipe(engine, emulator).var("IMAGES", "base:1")
}

fn push<'a>(engine: &Engine, emulator: &'a Emulator, target: &str) -> Pipe<'a> {
    pipe(engine, emulator)
        .var("ACTION", "push")
        .var("SOURCE", "built:1")
        .var("TARGET", "web")
        .var("TAGS", target)
}

fn image(seed: &str) -> Image {
    ImageBuilder::new(seed).docker().layers(2, 300_000).build()
}

/// A registry with an image to pull, whose layers stall where `stalls` says so.
fn registry(engine: &Engine, seed: &str, stalls: bool) -> Emulator {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &image(&format!("ends {} {seed}", engine.name())));
    if stalls {
        let layers = on("GET", "/blobs/sha256").signed_in();
        emulator.script(layers, 99, Fault::Sent(20_000, Break::Stall));
    }
    emulator
}

/// Waits until the daemon has asked for this.
fn until_asked(emulator: &Emulator, method: &str, path: &str) {
    let begun = Instant::now();
    let is_asked = || {
        let journal = emulator.journal();
        let by_daemon = |agent: &str| !agent.starts_with("crg-pipe");
        journal.iter().any(|entry| {
            let agent = entry.user_agent.as_deref().unwrap_or_default();
            entry.method == method && entry.path.contains(path) && by_daemon(agent)
        })
    };
    while !is_asked() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the daemon asks for no {path}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Kills the daemon amid what it was asked for.
fn killed<'a>(engine: &Engine, running: Running<'a>) -> Outcome<'a> {
    std::thread::sleep(Duration::from_millis(300));
    engine.kill();
    running
        .wait()
        .fails(6)
        .says("the Docker daemon at `tcp://127.")
        .says("broke off: pu")
        .says("definitions.services.docker.memory")
        .says("(exit status 6: unreachable)")
}

#[allow(
    clippy::print_stdout,
    reason = "the row of the table of engines, which `--nocapture` shows"
)]
fn each_way_to_end(shared: &Engine) {
    let engine = Engine::start(shared.kind());
    let mut row = vec![engine.described()];
    let mut end = |what: &str, outcome: Outcome<'_>| {
        assert!(outcome.seconds < MOST_SECONDS, "{what}: {} s", outcome.seconds);
        row.push(format!("{what}: {} in {:.1} s", outcome.status, outcome.seconds));
    };
    let emulator = registry(&engine, "right", false);
    end("pull", pull(&engine, &emulator).run().succeeds());
    end("pull again", pull(&engine, &emulator).run().succeeds().says("already"));
    let built = image("ends built").docker_archive(&["built:1"]);
    engine.docker_reading(&["load"], &built).succeeds();
    let tags = push(&engine, &emulator, "1 latest").run().succeeds();
    end("push of two tags", tags.says("pushed as `1`").says("tagged `latest`"));
    emulator.forget_requests();
    let again = push(&engine, &emulator, "1 latest").var("ON_EXISTING", "fail").run();
    end("re-run", again.succeeds().says("unchanged: `1`, `latest`"));
    let is_write = |line: &String| line.starts_with("PUT") || line.starts_with("POST");
    assert!(!emulator.requests().iter().any(is_write), "{:#?}", emulator.requests());

    let other = image("ends refused").docker_archive(&["built:1"]);
    engine.docker_reading(&["load"], &other).succeeds();
    let refused = Answer::error(403, "DENIED", "not for you");
    emulator.script(on("PUT", "/manifests/").signed_in(), 99, refused);
    let outcome = push(&engine, &emulator, "2").run().fails(5);
    end("refused push", outcome.says("pushing `").says("nothing was changed"));
    emulator.forget_script();

    let stalled = registry(&engine, "stalled", true);
    let outcome = pull(&engine, &stalled).run().fails(6);
    let outcome = outcome
        .says("the Docker daemon moved no byte for 5 seconds")
        .says("raise `TIMEOUT`");
    end("stalled registry", outcome.says("nothing was changed"));

    emulator.script(on("PUT", "/manifests/").signed_in(), 99, Fault::Silence);
    emulator.forget_requests();
    let running = push(&engine, &emulator, "3 4").var("TIMEOUT", "60").start();
    until_asked(&emulator, "PUT", "/manifests/3");
    let outcome = killed(&engine, running).says("nothing was changed");
    end("killed amid a push", outcome);
    assert_eq!(emulator.tags("shop/web"), ["1", "latest"]);

    let engine = Engine::start(shared.kind());
    let stalled = registry(&engine, "killed", true);
    let running = pull(&engine, &stalled).var("TIMEOUT", "60").start();
    until_asked(&stalled, "GET", "/blobs/");
    let outcome = killed(&engine, running).says("nothing was changed");
    end("killed amid a pull", outcome);
    // And what comes after it finds no daemon.
    let outcome = pull(&engine, &stalled).run().fails(6).says("nothing listens there");
    end("no daemon", outcome);
    println!("{}", row.join("; "));
}

/// The registry has taken the manifest when the daemon dies, and the daemon has not said so.
fn a_tag_that_is_set_is_told(shared: &Engine) {
    let engine = Engine::start(shared.kind());
    let emulator = registry(&engine, "set", false);
    let built = image("ends set").docker_archive(&["built:1"]);
    engine.docker_reading(&["load"], &built).succeeds();
    emulator.script(on("PUT", "/manifests/3").signed_in(), 99, Fault::Unheard(Break::Stall));
    let running = push(&engine, &emulator, "3 4")
        .var("TIMEOUT", "60")
        .var("REPORT", "report.json")
        .start();
    until_asked(&emulator, "PUT", "/manifests/3");
    let outcome = killed(&engine, running)
        .says("the registry has the image all the same")
        .says("✖ push: only `");
    assert_eq!(emulator.tags("shop/web"), ["3"]);
    let images = &outcome.report.as_ref().unwrap()["images"];
    let outcomes = [&images[0]["outcome"], &images[1]["outcome"]];
    assert_eq!(outcomes, ["pushed", "failed"], "{images}");
}

fn a_full_disk_is_told_with_its_cure(shared: &Engine) {
    let engine = Engine::with_disk(shared.kind(), 24);
    let emulator = Emulator::start(Setup::shop());
    let large = ImageBuilder::new("ends full").docker().layers(3, 12 << 20).build();
    emulator.put_image("shop/base", "1", &large);
    let outcome = pull(&engine, &emulator).var("TIMEOUT", "60").run().fails(1);
    let outcome = outcome
        .says("the Docker daemon's disk is full: pulling `")
        .says("no space left on device")
        .says("docker system prune -af")
        .says("nothing was changed (exit status 1: other)");
    assert!(outcome.seconds < MOST_SECONDS, "{} s", outcome.seconds);
    let name = format!("{}/shop/base:1", emulator.host());
    assert_eq!(engine.inspect(&name, "{{.Id}}"), None);
}
