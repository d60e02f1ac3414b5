//! Layers that may not be distributed: they stay where their publisher has them, unless another image has them as its own.

use crate::support::emulator::{Emulator, Setup};
use crate::support::image::{Image, ImageBuilder};
use crate::support::shop;
use serde_json::json;

/// Two images of one layer: in the one it may not be distributed, in the other it may.
fn both() -> [Image; 2] {
    let image = |architecture: &str, created: &str| {
        let builder = ImageBuilder::new("foreign").created(json!(created));
        builder.platform("linux", architecture, None).build()
    };
    let plain = image("amd64", "2026-01-01T00:00:00Z");
    let foreign = image("amd64", "2026-02-01T00:00:00Z").with_foreign_layer();
    assert_eq!(plain.blobs()[1].digest(), foreign.blobs()[1].digest());
    [foreign, plain]
}

#[test]
fn a_layer_that_one_of_an_index_may_distribute_goes_along() {
    let [foreign, plain] = both();
    let layer = plain.blobs()[1].digest();
    for children in [[foreign.clone(), plain.clone()], [plain.clone(), foreign.clone()]] {
        let index = Image::index(children.to_vec());
        let source = Emulator::start(Setup::shop());
        source.put_image("shop/base", "1", &index);
        let target = Emulator::start(Setup::shop());
        let copies = [
            (&source, shop::copy(&source, "base:1")),
            (
                &target,
                shop::copy(&target, &format!("{}/shop/base:1", source.host()))
                    .var("SOURCE_USERNAME", Setup::EMAIL)
                    .var("SOURCE_PASSWORD", &Setup::api_token()),
            ),
        ];
        for (to, copy) in copies {
            copy.var("TARGET", "web")
                .run()
                .succeeds()
                .never_says("may not be distributed");
            assert_eq!(to.tag("shop/web", "1"), Some(index.digest()));
            assert!(to.has_blob("shop/web", &layer));
        }
        let pulled = shop::pull(&source, "base:1")
            .api_token()
            .run()
            .succeeds()
            .never_says("may not be distributed");
        let blob = format!("out/blobs/{}", layer.replace(':', "/"));
        assert!(pulled.clone_folder().join(blob).exists());
    }
}

/// Where nothing calls it otherwise it is not asked for, and the words say no more than that.
#[test]
fn a_layer_that_may_not_be_distributed_is_left_with_its_publisher() {
    let [foreign, _] = both();
    let layer = foreign.blobs()[1].digest();
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &foreign);
    shop::copy(&emulator, "base:1")
        .var("TARGET", "web")
        .run()
        .succeeds()
        .says("may not be distributed");
    assert!(!emulator.has_blob("shop/web", &layer));
    let outcome = shop::pull(&emulator, "base:1")
        .api_token()
        .var("TO", "docker-archive:out.tar")
        .run()
        .fails(2)
        .says(&format!(
            "its layer {layer} may not be distributed and is left with its publisher"
        ))
        .never_says("is not in the registry");
    assert_eq!(outcome.file("out.tar"), None);
    let asked = outcome.journal();
    assert!(asked.iter().all(|entry| !entry.path.contains(&layer)));
}
