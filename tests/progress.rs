//! What a long transfer says of itself: the bytes that have moved, in either direction, and not only whole layers.

use crate::support::emulator::{Break, Emulator, Fault, Kept, Setup, on};
use crate::support::engine::Engine;
use crate::support::image::{Image, ImageBuilder};
use crate::support::pipe::{Pipe, Running};
use crate::support::skopeo::write_layout;

on_docker!(bytes_count_while_the_daemon_moves_them);

/// Bytes of the layer: more than two kernels hold of what a registry no longer takes.
const LAYER: usize = 24 << 20;
/// So many of them come through.
const THROUGH: usize = 2 << 20;

/// A registry that takes a part of an upload and then no more, and sends a part of a layer and then no more.
fn stalling() -> Emulator {
    let emulator = Emulator::start(Setup::shop());
    let taken = Fault::Received(THROUGH, Kept::All, Break::Stall);
    let is_layer = "/blobs/uploads/.+";
    emulator.script(on("PUT|PATCH", is_layer).signed_in(), 9, taken);
    emulator
}

fn sending(image: &Image) -> Emulator {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", image);
    let layer = image.blobs()[1].digest();
    let sent = Fault::Sent(THROUGH, Break::Stall);
    emulator.script(on("GET", &format!("/blobs/{layer}")).signed_in(), 9, sent);
    emulator
}

fn pipe<'a>(emulator: &'a Emulator, action: &str, source: &str) -> Pipe<'a> {
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .api_token()
        .var("ACTION", action)
        .var("SOURCE", source)
}

/// Waits until the run says how far it is; gives MiB moved, and those that there are in all, if it says so.
fn so_far(running: Running<'_>) -> (f64, Option<f64>) {
    let outcome = running.until("iB/s").signal("INT").wait().fails(130);
    let said = outcome.plain();
    let line = said.lines().find(|line| line.contains("iB/s")).unwrap();
    let amounts = line.rsplit_once(": ").unwrap().1.split_once(", ").unwrap().0;
    let amounts = amounts.trim_end_matches(" so far");
    let number = |text: &str| {
        let (number, unit) = text.split_once(' ').unwrap();
        let number: f64 = number.parse().unwrap();
        match unit {
            "KiB" => number / 1024.0,
            "MiB" => number,
            _ => panic!("{line}"),
        }
    };
    match amounts.split_once(" of ") {
        Some((moved, total)) => (number(moved), Some(number(total))),
        None => (number(amounts), None),
    }
}

#[test]
fn bytes_count_while_they_move_in_every_action() {
    let image = ImageBuilder::new("progress").docker().layers(1, LAYER).build();
    let archive = image.docker_archive(&["web:progress"]);
    let layout = tempfile::tempdir().unwrap();
    write_layout(layout.path(), &image);
    let whole = Emulator::start(Setup::shop());
    whole.put_image("shop/base", "1", &image);

    let targets: Vec<Emulator> = (0..3).map(|_| stalling()).collect();
    let source = sending(&image);
    let from = format!("{}/shop/base:1", whole.host());
    let copy = pipe(&targets[0], "copy", &from)
        .var("SOURCE_USERNAME", Setup::EMAIL)
        .var("SOURCE_PASSWORD", &Setup::api_token())
        .var("TARGET", "web")
        .start();
    let layout = format!("oci:{}", layout.path().display());
    let whole_layers = pipe(&targets[1], "push", &layout).var("TARGET", "web:1").start();
    let plain_layers = pipe(&targets[2], "push", "docker-archive:image.tar")
        .file("image.tar", &archive)
        .var("TARGET", "web:1")
        .start();
    let to_file = pull(&source).var("TO", "oci-archive:image.tar").start();

    assert_told([
        ("copy", copy, true),
        ("push of a layout", whole_layers, true),
        ("push of plain layers", plain_layers, false),
        ("pull to a file", to_file, true),
    ]);
}

fn bytes_count_while_the_daemon_moves_them(engine: &Engine) {
    let image = ImageBuilder::new("progress").docker().layers(1, LAYER).build();
    let archive = image.docker_archive(&["web:progress"]);
    engine.docker_reading(&["load"], &archive).succeeds();
    let target = stalling();
    let from_daemon = pipe(&target, "push", "web:progress").engine(engine).start();
    // Its layers the daemon has not.
    let unknown = ImageBuilder::new("progress of a pull")
        .docker()
        .layers(1, LAYER)
        .build();
    let source = sending(&unknown);
    let to_daemon = pull(&source).engine(engine).start();
    assert_told([
        ("push from the daemon", from_daemon, false),
        ("pull to the daemon", to_daemon, true),
    ]);
}

fn pull(source: &Emulator) -> Pipe<'_> {
    Pipe::new()
        .workspace("shop")
        .registry(source)
        .api_token()
        .var("IMAGES", "base:1")
}

/// Each says what has moved, and the total where the pipe knows it.
fn assert_told<'a>(runs: impl IntoIterator<Item = (&'static str, Running<'a>, bool)>) {
    for (name, running, knows_total) in runs {
        let (moved, total) = so_far(running);
        let most = total.unwrap_or(26.0);
        // A daemon tells less than it has: every tenth of a second how far it was then, and this one stalls sooner.
        let least = if name.ends_with("the daemon") { 0.1 } else { 1.0 };
        assert!((least..most).contains(&moved), "{name}: {moved} MiB of {total:?}");
        assert!(
            total.is_none_or(|total| (24.0..26.0).contains(&total)),
            "{name}: {total:?}"
        );
        assert_eq!(total.is_some(), knows_total, "{name}");
    }
}
