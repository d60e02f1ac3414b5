//! Sources of cache whose blobs do not come: a build only takes longer without them, and no pull fails of one.

use crate::support::emulator::{Answer, Emulator, Setup, on};
use crate::support::engine::Engine;
use crate::support::image::{Image, ImageBuilder};
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;

on_each_engine!(a_source_of_cache_that_is_damaged_stops_no_daemon);

/// What the registry answers for the last layer of the source of cache, and whether every daemon tells that from a connection
/// that breaks.
fn answers() -> Vec<(&'static str, Answer, bool)> {
    let size = cache().blobs().last().unwrap().bytes.len();
    vec![
        (
            "missing",
            Answer::error(404, "BLOB_UNKNOWN", "blob unknown to registry"),
            true,
        ),
        ("other bytes", Answer::new(200).body(vec![b'x'; size]), true),
        ("fewer bytes", Answer::new(200).body(vec![b'x'; size - 1]), false),
    ]
}

fn cache() -> Image {
    ImageBuilder::new("cache lost").layers(2, 300).build()
}

/// A clone that names a source of cache and, where something `is_needed`, an image of a service.
fn pull<'a>(emulator: &'a Emulator, answer: &Answer, is_needed: bool) -> Pipe<'a> {
    let host = emulator.host();
    let cache = cache();
    emulator.put_image("shop/base", "cache", &cache);
    emulator.put_image("shop/base", "1", &Image::small("needed beside it"));
    let layer = cache.blobs().last().unwrap().digest();
    emulator.script(
        on("GET|HEAD", &format!("/blobs/{layer}")).signed_in(),
        1000,
        answer.clone(),
    );
    let needed = if is_needed {
        format!("  b: {{image: '{host}/shop/base:1'}}\n")
    } else {
        String::new()
    };
    super::pipe(emulator)
        .unset("TO")
        .file(
            "compose.yml",
            format!(
                "services:\n  a:\n    build:\n      context: .\n      cache_from: ['{host}/shop/base:cache']\n{needed}"
            ),
        )
        .var("REPORT", "report.json")
}

fn assert_lost(outcome: &Outcome<'_>, rows: &[(&str, &str)]) {
    let text = outcome.plain();
    assert!(!text.contains("ERROR"), "{text}");
    assert_eq!(
        text.matches("; a build only takes longer without it").count(),
        1,
        "{text}"
    );
    let images = outcome.report.as_ref().unwrap()["images"].as_array().unwrap();
    let told: Vec<(&str, &str)> = images
        .iter()
        .map(|image| {
            let name = image["reference"].as_str().unwrap().rsplit_once(':').unwrap().1;
            (name, image["outcome"].as_str().unwrap())
        })
        .collect();
    assert_eq!(told, rows, "{text}");
}

fn a_source_of_cache_that_is_damaged_stops_no_daemon(engine: &Engine) {
    for (what, answer, _) in answers().into_iter().filter(|(_, _, is_told)| *is_told) {
        let emulator = Emulator::start(Setup::shop());
        let outcome = pull(&emulator, &answer, true).engine(engine).run().succeeds();
        assert_lost(&outcome, &[("cache", "failed"), ("1", "pulled")]);
        outcome.says("1 image in the step's Docker daemon");
        let name = format!("{}/shop/base:1", emulator.host());
        assert!(engine.inspect(&name, "{{.Id}}").is_some(), "{what}");
        let outcome = pull(&emulator, &answer, false).engine(engine).run().succeeds();
        assert_lost(&outcome, &[("cache", "failed")]);
        outcome.says("✔ pull: nothing to pull: ");
    }
}

#[test]
fn a_source_of_cache_that_is_damaged_stops_no_archive() {
    for (what, answer, _) in answers() {
        for to in ["docker-archive:images.tar", "oci-archive:images.tar", "oci:images"] {
            let emulator = Emulator::start(Setup::shop());
            let outcome = pull(&emulator, &answer, true).var("TO", to).run().succeeds();
            assert_lost(&outcome, &[("cache", "failed"), ("1", "pulled")]);
            let index = if to == "oci:images" {
                std::fs::read(outcome.clone_folder().join("images/index.json")).unwrap()
            } else {
                std::fs::read(outcome.clone_folder().join("images.tar")).unwrap()
            };
            let holds = |text: &str| index.windows(text.len()).any(|part| part == text.as_bytes());
            let cache = if to.starts_with("docker") {
                "/shop/base:cache\""
            } else {
                "\"cache\""
            };
            assert!(!holds(cache), "{what} {to}");
            outcome.says(&format!("1 image in `{to}`"));

            let outcome = pull(&emulator, &answer, false).var("TO", to).run().succeeds();
            assert_lost(&outcome, &[("cache", "failed")]);
            assert!(!outcome.clone_folder().join("images.tar").exists(), "{what} {to}");
            assert!(
                !outcome.clone_folder().join("images/index.json").exists(),
                "{what} {to}"
            );
            outcome.says(&format!(
                "✔ pull: nothing to pull: no build fails without the images that the files name, and none of \
                                   them can be used; `{to}` is as it was ("
            ));
        }
    }
}

/// Where all that is named only makes a build faster and is not there, no archive of no images is written.
#[test]
fn no_archive_is_made_of_no_image() {
    let emulator = Emulator::start(Setup::shop());
    let host = emulator.host();
    for to in ["docker-archive:images.tar", "oci-archive:images.tar", "oci:images"] {
        let outcome = super::pipe(&emulator)
            .file(
                "compose.yml",
                format!("services:\n  a:\n    build:\n      context: .\n      cache_from: ['{host}/shop/base:gone']\n"),
            )
            .var("TO", to)
            .run()
            .succeeds()
            .says("; a build only takes longer without it")
            .says(&format!("; `{to}` is as it was ("));
        for path in ["images.tar", "images"] {
            assert!(!outcome.clone_folder().join(path).exists(), "{to}");
        }
    }
}

/// What is of the way and not of the image fails the run, as of any other image.
#[test]
fn a_source_of_cache_that_does_not_get_through_is_an_error() {
    for (answer, status) in [
        (Answer::error(403, "DENIED", "not for you"), 3),
        (Answer::error(429, "TOOMANYREQUESTS", "not now"), 5),
        (Answer::new(503), 6),
    ] {
        let emulator = Emulator::start(Setup::shop());
        pull(&emulator, &answer, true)
            .var("TO", "docker-archive:images.tar")
            .run()
            .fails(status)
            .never_says("a build only takes longer");
    }
}
