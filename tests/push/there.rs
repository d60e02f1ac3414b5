//! What a tag is already, and does not pass for the image of the daemon.

use super::{config, push};
use crate::support::emulator::{Emulator, Setup};
use crate::support::engine::Engine;
use crate::support::image::{Image, ImageBuilder};

on_each_engine!(
    a_manifest_without_all_layers_is_another_image,
    what_cannot_be_read_is_written_over,
);

fn built(engine: &Engine, name: &str) -> Image {
    let image = ImageBuilder::new(name).layers(2, 100).docker().build();
    engine
        .docker_reading(&["load"], &image.docker_archive(&[name]))
        .succeeds();
    image
}

/// How many layers a tag has.
fn layers(emulator: &Emulator, tag: &str) -> usize {
    let manifest = emulator.manifest("shop/web", tag).expect("the tag");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    manifest["layers"].as_array().unwrap().len()
}

/// Of a registry that took a manifest with the configuration, and fewer layers than it names.
fn a_manifest_without_all_layers_is_another_image(engine: &Engine) {
    for (few, name) in [(0, "web:none"), (1, "web:some")] {
        let image = built(engine, name);
        let kept: Vec<Vec<u8>> = image.blobs()[1..=few]
            .iter()
            .map(|layer| layer.bytes.to_vec())
            .collect();
        let emulator = Emulator::start(Setup::shop());
        emulator.put_image("shop/web", "1", &image.with_layers(&kept));
        let pipe = || push(engine, &emulator, name).api_token().var("TARGET", "web");
        pipe()
            .var("TAGS", "1 2")
            .var("ON_EXISTING", "fail")
            .run()
            .fails(5)
            .says("is there already, as another image");
        pipe().var("TAGS", "1 2").run().succeeds().never_says("unchanged");
        for tag in ["1", "2"] {
            assert_eq!(config(&emulator, "shop/web", tag), image.config_digest(), "{few}");
            assert_eq!(layers(&emulator, tag), 2, "{few}");
        }
        // Whole, it is the same.
        pipe().var("TAGS", "1 2").run().succeeds().says("unchanged: `1`, `2`");
        engine.docker(&["rmi", name]).succeeds();
    }
}

fn what_cannot_be_read_is_written_over(engine: &Engine) {
    let image = built(engine, "web:unread");
    for unread in [Image::schema_1("shop/web"), Image::of_bytes("application/json", "[]")] {
        let emulator = Emulator::start(Setup::shop());
        emulator.put_image("shop/web", "1", &unread);
        emulator.put_image("shop/web", "3", &unread);
        let pipe = |on_existing: &str| {
            push(engine, &emulator, "web:unread")
                .api_token()
                .var("TARGET", "web")
                .var("TAGS", "1 2 3")
                .var("ON_EXISTING", on_existing)
                .run()
        };
        pipe("fail").fails(5).says("is there already, as another image");
        pipe("skip").succeeds().says("left alone: `1`, `3`");
        assert_eq!(config(&emulator, "shop/web", "2"), image.config_digest());
        assert_eq!(emulator.tag("shop/web", "1"), Some(unread.digest()));
        pipe("overwrite").succeeds();
        for tag in ["1", "2", "3"] {
            assert_eq!(config(&emulator, "shop/web", tag), image.config_digest());
        }
    }
    engine.docker(&["rmi", "web:unread"]).succeeds();
}
