//! Images for several platforms: what a daemon publishes of them, what it cannot, and that a second run finds it there.

use super::{config, id, push, writes};
use crate::support::emulator::{Emulator, Setup};
use crate::support::engine::{Engine, Kind};
use crate::support::image::{Image, ImageBuilder};
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;

on_docker!(
    one_platform_of_an_index_is_pushed_or_refused,
    an_index_as_a_whole,
    attestations_beside_one_image_are_no_platform,
    an_index_that_names_no_platforms_is_pushed_by_its_configurations,
);
on_each_engine!(
    of_an_index_that_was_pulled_no_part_is_published_in_silence,
    what_was_pulled_for_a_platform_is_pushed_for_it,
    what_was_pulled_of_an_index_that_names_no_platforms_is_pushed_for_one,
);

/// Gives the daemon an index with all its platforms, which the classic store does not take.
fn load(engine: &Engine, name: &str, image: &Image) -> bool {
    if engine.kind() == Kind::Containerd {
        engine.docker_reading(&["load"], &image.oci_archive(name)).succeeds();
    }
    engine.kind() == Kind::Containerd
}

fn platform<'a>(engine: &Engine, emulator: &'a Emulator, source: &str, platform: &str) -> Pipe<'a> {
    let pipe = push(engine, emulator, source).built_in();
    pipe.var("TARGET", "api:1").var("PLATFORM", platform)
}

/// A second run of what has just been pushed: nothing moves, and no tag is in the way.
fn again<'a>(emulator: &Emulator, pipe: Pipe<'a>) -> Outcome<'a> {
    emulator.forget_requests();
    let outcome = pipe.var("ON_EXISTING", "fail").run().succeeds().says("unchanged: `1`");
    assert_eq!(writes(emulator), (0, 0));
    outcome
}

fn pull<'a>(engine: &Engine, emulator: &'a Emulator) -> Pipe<'a> {
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .engine(engine)
        .api_token()
        .var("IMAGES", "base:1")
}

fn one_platform_of_an_index_is_pushed_or_refused(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let image = Image::multi("push one platform");
    let source = "api:push-one-platform";
    if !load(engine, source, &image) {
        return one_platform_of_the_classic_store(engine, &emulator, source);
    }
    platform(engine, &emulator, source, "linux/s390x")
        .run()
        .fails(4)
        .says("is for linux/amd64, linux/arm64, not linux/s390x")
        .says("nothing was changed");
    for (number, wanted) in ["linux/amd64", "linux/arm64"].into_iter().enumerate() {
        let pipe = || platform(engine, &emulator, source, wanted);
        if engine.pushes_one_platform() {
            pipe().run().succeeds().says("pushed as `1`");
            assert_eq!(emulator.tag("shop/api", "1"), Some(image.children()[number].digest()));
            again(&emulator, pipe());
        } else {
            pipe()
                .run()
                .fails(1)
                .says("is an image for several platforms (linux/amd64, linux/arm64), and Docker 26")
                .says("cannot push one of them alone")
                .says("`docker` service of Docker 28 or newer")
                .says(&format!(
                    "docker buildx build --platform {wanted} --output type=oci,dest=image.tar"
                ))
                .says("SOURCE: oci-archive:image.tar")
                .says("nothing was changed");
            assert_eq!(emulator.tags("shop/api"), <[String; 0]>::default());
            assert_eq!(emulator.blob_bytes_received(), 0);
        }
    }
    if engine.pushes_one_platform() {
        // The tag now is the other platform's.
        let pipe = platform(engine, &emulator, source, "linux/amd64");
        pipe.var("ON_EXISTING", "fail")
            .run()
            .fails(5)
            .says("nothing was changed");
    }
}

/// There an image has one platform.
fn one_platform_of_the_classic_store(engine: &Engine, emulator: &Emulator, source: &str) {
    let image = ImageBuilder::new("push one platform")
        .platform("linux", "arm64", Some("v8"))
        .docker()
        .build();
    engine
        .docker_reading(&["load"], &image.docker_archive(&[source]))
        .succeeds();
    platform(engine, emulator, source, "linux/amd64")
        .run()
        .fails(4)
        .says("is for linux/arm64, not linux/amd64");
    let pipe = || platform(engine, emulator, source, "linux/arm64");
    pipe().run().succeeds();
    assert_eq!(config(emulator, "shop/api", "1"), image.config_digest());
    again(emulator, pipe());
}

fn an_index_as_a_whole(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let image = Image::multi("push whole index");
    if !load(engine, "api:push-whole", &image) {
        return;
    }
    let pipe = || {
        push(engine, &emulator, "api:push-whole")
            .built_in()
            .var("TARGET", "api:1")
    };
    pipe().run().succeeds().says("pushed as `1`");
    assert_eq!(emulator.tag("shop/api", "1"), Some(image.digest()));
    again(&emulator, pipe());
}

fn attestations_beside_one_image_are_no_platform(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let only = ImageBuilder::new("push attested").build();
    let image = Image::index(vec![only.clone(), Image::attestation_of(&only)]);
    if !load(engine, "api:push-attested", &image) {
        return;
    }
    let pipe = || platform(engine, &emulator, "api:push-attested", "linux/amd64");
    pipe().run().succeeds();
    let pushed = if engine.pushes_one_platform() { &only } else { &image };
    assert_eq!(emulator.tag("shop/api", "1"), Some(pushed.digest()));
    again(&emulator, pipe());
    platform(engine, &emulator, "api:push-attested", "linux/arm64")
        .run()
        .fails(4)
        .says("is for linux/amd64, not linux/arm64");
}

fn of_an_index_that_was_pulled_no_part_is_published_in_silence(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let image = Image::multi("push part of an index");
    emulator.put_image("shop/base", "1", &image);
    pull(engine, &emulator).run().succeeds();
    let name = format!("{}/shop/base:1", emulator.host());
    let before = id(engine, &name);
    let pipe = || push(engine, &emulator, &name).api_token().var("TARGET", "web:1");
    let amd64 = &image.children()[0];
    match engine.kind() {
        // It is an image for one platform there.
        Kind::Classic | Kind::Podman => {
            pipe().run().succeeds();
            assert_eq!(config(&emulator, "shop/web", "1"), amd64.config_digest());
        }
        Kind::Containerd if engine.pushes_one_platform() => {
            pipe()
                .run()
                .succeeds()
                .says("of which the Docker daemon has linux/amd64: it publishes linux/amd64 alone")
                .says("`ACTION: copy` takes all platforms");
            assert_eq!(emulator.tag("shop/web", "1"), Some(amd64.digest()));
        }
        Kind::Containerd => {
            pipe()
                .run()
                .fails(4)
                .says("the Docker daemon has only a part of the image")
                .says("pull it with `PLATFORM` and push that, or use `ACTION: copy`")
                .says("nothing was changed");
            assert_eq!(emulator.tags("shop/web"), <[String; 0]>::default());
            platform(engine, &emulator, &name, "linux/amd64")
                .api_token()
                .run()
                .fails(1)
                .says("cannot push one of them alone")
                .says("pull it with the same `PLATFORM`");
        }
    }
    assert_eq!(id(engine, &name), before, "the daemon has it as before");
    if engine.kind() != Kind::Containerd || engine.pushes_one_platform() {
        again(&emulator, pipe());
    }
}

/// The cure that is told for what is only in part there.
fn what_was_pulled_for_a_platform_is_pushed_for_it(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let image = Image::multi("push pulled platform");
    emulator.put_image("shop/base", "1", &image);
    pull(engine, &emulator).var("PLATFORM", "linux/arm64").run().succeeds();
    let name = format!("{}/shop/base:1", emulator.host());
    let pipe = |wanted| {
        let pipe = push(engine, &emulator, &name).api_token();
        pipe.var("TARGET", "web:1").var("PLATFORM", wanted)
    };
    pipe("linux/amd64").run().fails(4).says("not linux/amd64");
    pipe("linux/arm64").run().succeeds();
    assert_eq!(config(&emulator, "shop/web", "1"), image.children()[1].config_digest());
    again(&emulator, pipe("linux/arm64"));
}

/// An index whose entries name no platforms, for 64 bits and two kinds of 32, with an attestation; and these three.
fn unnamed(seed: &str) -> (Image, [Image; 3]) {
    let of = |architecture, variant| {
        let builder = ImageBuilder::new(seed).platform("linux", architecture, variant);
        builder.build()
    };
    let images = [of("arm", Some("v6")), of("arm", Some("v7")), of("amd64", None)];
    let mut entries = vec![Image::attestation_of(&images[2])];
    entries.extend(images.iter().cloned().map(Image::silent));
    (Image::index(entries), images)
}

fn an_index_that_names_no_platforms_is_pushed_by_its_configurations(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let (index, [v6, v7, amd64]) = unnamed("push unnamed");
    let source = "api:push-unnamed";
    if !load(engine, source, &index) {
        return;
    }
    platform(engine, &emulator, source, "linux/s390x")
        .run()
        .fails(if engine.pushes_one_platform() { 4 } else { 1 })
        .says("nothing was changed");
    for (wanted, image) in [
        ("linux/arm/v7", &v7),
        ("linux/arm/v6", &v6),
        // What Docker means by it.
        ("linux/arm", &v7),
        ("linux/amd64", &amd64),
    ] {
        let pipe = || platform(engine, &emulator, source, wanted);
        if engine.pushes_one_platform() {
            pipe().run().succeeds().says("pushed as `1`");
            assert_eq!(emulator.tag("shop/api", "1"), Some(image.digest()), "{wanted}");
            again(&emulator, pipe());
        } else {
            pipe().run().fails(1).says("cannot push one of them alone");
            assert_eq!(emulator.tags("shop/api"), <[String; 0]>::default());
        }
    }
}

fn what_was_pulled_of_an_index_that_names_no_platforms_is_pushed_for_one(engine: &Engine) {
    let emulator = Emulator::start(Setup::shop());
    let (index, [_, v7, _]) = unnamed("push pulled unnamed");
    emulator.put_image("shop/base", "1", &index);
    pull(engine, &emulator).var("PLATFORM", "linux/arm/v7").run().succeeds();
    let name = format!("{}/shop/base:1", emulator.host());
    let pipe = |wanted| {
        let pipe = push(engine, &emulator, &name).api_token();
        pipe.var("TARGET", "web:1").var("PLATFORM", wanted)
    };
    for other in ["linux/amd64", "linux/arm/v6"] {
        pipe(other).run().fails(4).says(&format!("not {other}"));
    }
    // podman does not tell the variant: it may be any.
    let wanted = if engine.kind() == Kind::Podman {
        pipe("linux/arm/v7")
            .run()
            .fails(4)
            .says("is for linux/arm, not linux/arm/v7");
        "linux/arm"
    } else {
        "linux/arm/v7"
    };
    pipe(wanted).run().succeeds();
    assert_eq!(config(&emulator, "shop/web", "1"), v7.config_digest());
    again(&emulator, pipe(wanted));
}
