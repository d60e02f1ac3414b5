//! Registries that send more than anybody needs: a run ends with a reason, and never needs more than 64 MiB for it.

use crate::support::emulator::{Answer, Emulator, Setup, on};
use crate::support::image::{Image, ImageBuilder, OCI_INDEX, OCI_MANIFEST};
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// In KiB. The kernel gives no more than this to a run, whose stacks count too: an allocation above it aborts.
const MOST: usize = 64 * 1024;
/// As large as a document may be.
const DOCUMENT: usize = 4 * 1024 * 1024;

fn limited<'a>() -> Pipe<'a> {
    let shell = format!("ulimit -d {MOST} && exec {}", env!("CARGO_BIN_EXE_crg-pipe"));
    Pipe::of(&["/bin/sh", "-c", &shell])
}

fn copy<'a>(emulator: &'a Emulator, images: &str) -> Pipe<'a> {
    limited()
        .workspace("shop")
        .registry(emulator)
        .api_token()
        .var("ACTION", "copy")
        .var("IMAGES", images)
        .var("RETRIES", "0")
        .patience(120)
}

/// It was not the kernel that ended it.
fn ends_with_a_reason(outcome: Outcome<'_>, status: i32, reason: &str) {
    outcome.fails(status).says(reason);
}

/// A text as long as a document may be, by so many bytes.
fn filled_up(document: &Value, left: usize) -> String {
    let mut document = document.clone();
    let free = DOCUMENT - document.to_string().len() - left;
    document["annotations"] = json!({ "fill": "x".repeat(free) });
    document.to_string()
}

fn manifest(image: &Image, left: usize) -> Answer {
    let document: Value = serde_json::from_slice(image.bytes()).unwrap();
    Answer::new(200)
        .header("Content-Type", image.media_type())
        .body(filled_up(&document, left))
}

#[test]
fn pages_of_tags_without_an_end() {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &Image::small("memory"));
    // Some thirty thousand long names a page.
    let mut tags = String::from("\"1\"");
    for number in 0..(DOCUMENT - 100) / 131 - 1 {
        let _ = write!(tags, ",\"{number:0>128}\"");
    }
    let page = |next: &str| {
        Answer::new(200)
            .header("Link", &format!("</v2/shop/base/tags/list?{next}>; rel=\"next\""))
            .body(format!("{{\"tags\":[{tags}]}}"))
    };
    for (asked, next) in [("last=b", "last=a"), ("last=a", "last=b"), ("n=", "last=a")] {
        emulator.script(
            on("GET", &format!("/tags/list.{asked}")).signed_in(),
            10_000,
            page(next),
        );
    }
    // All of them are kept, or none is.
    ends_with_a_reason(copy(&emulator, "base:*=web").run(), 1, "is too much for one run");
    ends_with_a_reason(copy(&emulator, "base:none*=web").run(), 1, "gave more than 500000 tags");
    let prune = copy(&emulator, "base").var("ACTION", "prune").var("KEEP", "1");
    ends_with_a_reason(prune.run(), 1, "is too much for one run");
}

#[test]
fn large_manifests_of_many_images() {
    let emulator = Emulator::start(Setup::shop());
    let image = Image::small("memory");
    emulator.put_image("shop/base", "1", &image);
    emulator.script(
        on("GET", "shop/base/manifests/").signed_in(),
        10_000,
        manifest(&image, 100),
    );
    let images: Vec<String> = (0..40).map(|number| format!("base:v{number}=web:v{number}")).collect();
    for concurrency in ["1", "8", "32"] {
        let run = copy(&emulator, &images.join(" ")).var("CONCURRENCY", concurrency).run();
        ends_with_a_reason(
            run,
            1,
            "is too much for one run, which holds 32 MiB of manifests and lists",
        );
    }
}

#[test]
fn more_parts_than_an_image_has() {
    let emulator = Emulator::start(Setup::shop());
    let parts = |count: usize| {
        let part = |number: usize| {
            json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": format!("sha256:{number:064x}"), "size": 1,
            })
        };
        (0..count).map(part).collect::<Vec<_>>()
    };
    let image = |count: usize| {
        let config = json!({ "mediaType": "", "digest": format!("sha256:{:064x}", 7), "size": 1 });
        let layers = parts(count);
        let document = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers });
        Answer::new(200)
            .header("Content-Type", OCI_MANIFEST)
            .body(document.to_string())
    };
    emulator.script(on("GET", "manifests/many").signed_in(), 10, image(20_000));
    ends_with_a_reason(
        copy(&emulator, "base:many=web").run(),
        1,
        "it lists more than 10000 parts",
    );
    // As many as one may have, of as many images as may move at a time.
    emulator.script(on("GET", "base/manifests/v").signed_in(), 100, image(9_000));
    let images: Vec<String> = (0..32).map(|number| format!("base:v{number}=web:v{number}")).collect();
    let run = copy(&emulator, &images.join(" ")).var("CONCURRENCY", "32").run();
    ends_with_a_reason(run, 1, "is too much for one run");
}

#[test]
fn lists_of_referrers_that_are_large_or_long() {
    let image = Image::multi("memory");
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &image);
    let referrer = |number: usize| json!({ "mediaType": OCI_MANIFEST, "digest": format!("sha256:{number:064x}"), "size": 1, "artifactType": "a/b" });
    let list = |descriptors: Vec<Value>, left: usize| {
        let list = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors });
        let list = if left == 0 {
            list.to_string()
        } else {
            filled_up(&list, left)
        };
        Answer::new(200).header("Content-Type", OCI_INDEX).body(list)
    };
    let run = || copy(&emulator, "base:1=web").var("REFERRERS", "true").run();
    emulator.script(
        on("GET", "/referrers/").signed_in(),
        100,
        list((0..9_000).map(referrer).collect(), 0),
    );
    ends_with_a_reason(run(), 1, "gave more than 1000 manifests while listing what refers to");
    // One of four megabytes for each of thirty images: none is too much for itself.
    let images: Vec<Image> = (0..30).map(|number| Image::small(&format!("m{number}"))).collect();
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &Image::index(images.clone()));
    for (number, image) in images.iter().enumerate() {
        let mut one = referrer(number);
        one["annotations"] = json!({ "fill": "x".repeat(DOCUMENT - 1000) });
        let path = format!("/referrers/{}", image.digest());
        emulator.script(on("GET", &path).signed_in(), 100, list(vec![one], 0));
    }
    let run = copy(&emulator, "base:1=web").var("REFERRERS", "true").run();
    ends_with_a_reason(run, 1, "is too much for one run");
}

/// A text of megabytes whose tree of values would take a hundred.
#[test]
fn a_configuration_that_unfolds() {
    let emulator = Emulator::start(Setup::shop());
    for field in ["os", "rootfs", "config"] {
        let nested = vec![json!([]); (DOCUMENT - 1000) / 3];
        let image = ImageBuilder::new(field)
            .config(json!({ field: nested, "architecture": "amd64" }))
            .build();
        emulator.put_image("shop/base", field, &image);
        let pull = limited()
            .workspace("shop")
            .registry(&emulator)
            .api_token()
            .var("IMAGES", &format!("base:{field}"))
            .var("TO", "docker-archive:out.tar")
            .var("PLATFORM", "linux/amd64");
        let outcome = pull.run();
        assert!([0, 1, 4].contains(&outcome.status), "{field}: {}", outcome.output);
    }
}

#[test]
fn a_thousand_images_need_no_more() {
    let emulator = Emulator::start(Setup::shop());
    for number in 0..1000 {
        let image = ImageBuilder::new(&format!("m{}", number % 50)).layers(8, 64).build();
        emulator.put_image("shop/base", &format!("v{number}"), &image);
    }
    copy(&emulator, "base:*=web")
        .run()
        .succeeds()
        .says("1000 images copied");
    assert_eq!(emulator.tags("shop/web").len(), 1000);
}

#[test]
fn more_images_than_one_run_takes() {
    let emulator = Emulator::start(Setup::shop());
    let images: Vec<String> = (0..5001).map(|number| format!("b:{number}")).collect();
    for action in ["pull", "copy", "check"] {
        let run = limited()
            .workspace("shop")
            .registry(&emulator)
            .api_token()
            .var("ACTION", action)
            .var("IMAGES", &images.join(" "))
            .run();
        ends_with_a_reason(run, 2, "it names 5001 images, and one run takes at most 5000");
    }
    // A pattern shows it only when its list is there.
    let tags: Vec<String> = (0..5001).map(|number| number.to_string()).collect();
    let page = Answer::new(200).json(&json!({ "name": "shop/base", "tags": tags }));
    emulator.script(on("GET", "/tags/list").signed_in(), 100, page);
    let run = copy(&emulator, "base:*=web").run();
    ends_with_a_reason(run, 2, "5001 images are to be copied in one step, more than 5000");
}
