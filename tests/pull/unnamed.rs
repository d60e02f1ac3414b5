//! An index whose entries name no platforms: each one's configuration tells for which it is.

use super::{platform, pull};
use crate::support::emulator::{Emulator, Setup};
use crate::support::engine::Engine;
use crate::support::image::{Image, ImageBuilder};

on_each_engine!(
    an_index_that_names_no_platforms_is_pulled_by_its_configurations,
    variants_that_an_index_does_not_name_are_told_apart,
);

fn image(seed: &str, architecture: &str, variant: Option<&str>) -> Image {
    let builder = ImageBuilder::new(seed).platform("linux", architecture, variant);
    builder.build()
}

/// Each platform that is wanted, none for the daemon's own, with what comes for it; and one that is not there.
fn check(
    engine: &Engine,
    index: &Image,
    tag: &str,
    rows: &[(Option<&str>, &str, &Image)],
    (none, there): (&str, &str),
) {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", tag, index);
    let name = format!("{}/shop/base:{tag}", emulator.host());
    let run = |wanted: Option<&str>| {
        let run = pull(engine, &emulator, &format!("base:{tag}")).api_token();
        match wanted {
            Some(platform) => run.var("PLATFORM", platform).run(),
            None => run.run(),
        }
    };
    for (wanted, found, image) in rows {
        run(*wanted).succeeds();
        assert_eq!(platform(engine, &name).as_deref(), Some(*found), "{wanted:?}");
        assert_eq!(engine.config_digest(&name), Some(image.config_digest()), "{wanted:?}");
    }
    run(Some(none))
        .fails(4)
        .says(&format!("is not there for {none}"))
        .says(&format!("it is there for {there};"));
}

fn an_index_that_names_no_platforms_is_pulled_by_its_configurations(engine: &Engine) {
    let arm = image("pull unnamed", "arm64", Some("v8"));
    let amd = Image::small("pull unnamed");
    let index = Image::index(vec![
        Image::attestation_of(&amd),
        arm.clone().silent(),
        amd.clone().silent(),
    ]);
    let rows = [
        (None, "linux/amd64", &amd),
        (Some("linux/arm64"), "linux/arm64", &arm),
        (Some("linux/amd64"), "linux/amd64", &amd),
    ];
    check(
        engine,
        &index,
        "unnamed",
        &rows,
        ("linux/s390x", "linux/arm64, linux/amd64"),
    );
}

fn variants_that_an_index_does_not_name_are_told_apart(engine: &Engine) {
    let [v6, v7] = ["v6", "v7"].map(|variant| image("pull variants", "arm", Some(variant)));
    let amd = Image::small("pull variants");
    // One of them is named, as where two indexes were made one.
    let index = Image::index(vec![
        v6.clone().silent(),
        Image::attestation_of(&v6),
        amd.clone(),
        v7.clone().silent(),
        Image::attestation_of(&v7),
    ]);
    let rows = [
        (Some("linux/arm/v7"), "linux/arm", &v7),
        (Some("linux/arm"), "linux/arm", &v7),
        (Some("linux/arm/v6"), "linux/arm", &v6),
        (None, "linux/amd64", &amd),
        (Some("linux/amd64"), "linux/amd64", &amd),
    ];
    let there = "linux/amd64, linux/arm/v6, linux/arm/v7";
    check(engine, &index, "variants", &rows, ("linux/arm/v8", there));
}
