//! An image that the daemon has already, but for another platform than is asked for.

use super::{platform, pull};
use crate::support::distribution::Distribution;
use crate::support::emulator::{Emulator, Setup};
use crate::support::engine::{Engine, Kind};
use crate::support::image::Image;
use crate::support::skopeo::Skopeo;

on_each_engine!(an_index_that_is_there_for_another_platform_is_pulled_for_this_one);

/// `docker pull --platform` knows an index by its own digest, whichever platform it took.
fn an_index_that_is_there_for_another_platform_is_pulled_for_this_one(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let registry = Distribution::setup().start();
    let image = Image::multi("pull other platform");
    let name = format!("{}/tools/other:1", registry.host());
    Skopeo::new().push(&image, &name).succeeds();
    engine.docker(&["pull", "--platform", "linux/arm64", &name]).succeeds();
    let own = || pull(engine, &emulator, &name).api_token();

    own()
        .run()
        .succeeds()
        .says("✔ pull: 1 image in the step's Docker daemon: `");
    assert_eq!(platform(engine, &name).as_deref(), Some("linux/amd64"));
    let digests = engine.inspect(&name, "{{json .RepoDigests}}").unwrap();
    // The classic store keeps the index's digest for the image that it has by it.
    let known = match engine.kind() {
        Kind::Containerd => image.digest(),
        _ => image.children()[0].digest(),
    };
    assert!(digests.contains(&known), "{digests}");
    // What is not known to be there is asked for again, and nothing moves.
    own().run().succeeds().says(if engine.knows_each_by_its_index() {
        "already in the step's Docker daemon: `"
    } else {
        " (0 B moved, "
    });

    // The other way round: what is there for this machine is not there for another.
    let other = own().var("PLATFORM", "linux/arm64").run().succeeds();
    assert_eq!(
        platform(engine, &name).as_deref(),
        Some("linux/arm64"),
        "{}",
        other.plain()
    );
    if engine.kind() == Kind::Containerd {
        // By now the index has both: the tag alone moves back.
        let outcome = own().var("REPORT", "report.json").run().succeeds().says("tagging `");
        assert_eq!(outcome.report.as_ref().unwrap()["images"][0]["outcome"], "tagged");
    }
}
