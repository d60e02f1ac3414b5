//! Sources of cache that are there and cannot be pulled: a build only takes longer without them, and no pull fails of one.

use crate::support::emulator::{Answer, Emulator, Setup, on};
use crate::support::engine::Engine;
use crate::support::image::{Image, ImageBuilder};
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;

on_each_engine!(a_source_of_cache_that_is_no_image_stops_no_daemon);

/// What a source of cache is in the registry, and what is said of it for the daemon and for a docker-archive; nothing where
/// it is taken.
struct Row {
    what: &'static str,
    cache: fn(&Emulator) -> Image,
    daemon: &'static str,
    archive: &'static str,
    layout: &'static str,
    /// The exit status where a service needs it: in the daemon, in a docker-archive.
    needed: (i32, i32),
}

const NO_IMAGE: &str = "it is not a container image, but of the type `application/vnd.buildkit.cacheconfig.v0`";
const NO_PLATFORM: &str = "is not there for linux/amd64";

fn arm() -> Image {
    ImageBuilder::new("cache arm").platform("linux", "arm64", None).build()
}

fn rows() -> Vec<Row> {
    let row = |what, cache| Row {
        what,
        cache,
        daemon: NO_IMAGE,
        archive: NO_PLATFORM,
        layout: "",
        needed: (1, 4),
    };
    vec![
        Row {
            archive: "so it is not a container image",
            needed: (1, 2),
            ..row("a manifest", |_| Image::cache("cache manifest"))
        },
        row("an index of layers", |_| Image::cache_index("cache index", 2)),
        row("an index of one layer", |_| Image::cache_index("cache index", 1)),
        row("an index of no layer", |_| Image::cache_index("cache index", 0)),
        Row {
            daemon: NO_PLATFORM,
            needed: (4, 4),
            ..row("an image for another platform", |_| Image::index(vec![arm()]))
        },
        Row {
            daemon: "404 MANIFEST_UNKNOWN",
            archive: "404 MANIFEST_UNKNOWN",
            layout: "404 MANIFEST_UNKNOWN",
            needed: (4, 4),
            ..row("an index without its manifests", |emulator| {
                let image = Image::multi("cache gone");
                let gone = Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
                for child in image.children() {
                    emulator.script(on("GET|HEAD", &child.digest()).signed_in(), 1000, gone.clone());
                }
                image
            })
        },
        Row {
            daemon: "is an image of Docker's schema 1",
            archive: "is an image of Docker's schema 1",
            layout: "is an image of Docker's schema 1",
            needed: (1, 1),
            ..row("schema 1", |_| Image::schema_1("shop/base"))
        },
        Row {
            daemon: "gave an unexpected answer",
            archive: "gave an unexpected answer",
            layout: "gave an unexpected answer",
            needed: (1, 1),
            ..row("no manifest", |_| Image::of_bytes("application/json", "[1, 2]"))
        },
        Row {
            daemon: "sent other bytes than asked for",
            archive: "sent other bytes than asked for",
            layout: "sent other bytes than asked for",
            needed: (1, 1),
            ..row("a damaged manifest", |emulator| {
                let image = Image::small("cache damaged");
                let other = Answer::new(200)
                    .header("Content-Type", image.media_type())
                    .header("Docker-Content-Digest", &image.digest())
                    .body(Image::small("cache other").bytes().clone());
                emulator.script(on("GET", "/manifests/cache$").signed_in(), 1000, other);
                image
            })
        },
    ]
}

/// A registry with the source of cache, and an image that is needed.
fn prepared(row: &Row) -> Emulator {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &Image::small("cache needed"));
    let cache = (row.cache)(&emulator);
    emulator.put_image("shop/base", "cache", &cache);
    emulator
}

/// A pull of a clone that names both; `is_needed`: the source of cache is the image of a service besides.
fn pull(emulator: &Emulator, is_needed: bool) -> Pipe<'_> {
    let host = emulator.host();
    let compose = format!(
        "services:\n  a:\n    build:\n      context: .\n      cache_from: ['{host}/shop/base:cache']\n  b: {{image: '{host}/shop/base:1'}}\n"
    );
    let needed = if is_needed {
        format!("  c: {{image: '{host}/shop/base:cache'}}\n")
    } else {
        String::new()
    };
    super::pipe(emulator)
        .unset("TO")
        .file("compose.yml", compose + &needed)
        .var("REPORT", "report.json")
        .var("OUTPUT_ENV", "crg.env")
}

/// Only the image that is needed came, and the report says so.
fn assert_left_out(outcome: Outcome<'_>, row: &Row, why: &str) {
    let outcome = outcome
        .says(why)
        .says("; a build only takes longer without it")
        .never_says("ERROR");
    let warnings = outcome.plain().matches("a build only takes longer").count();
    assert_eq!(warnings, 1, "{}: {}", row.what, outcome.output);
    let images = &outcome.report.as_ref().unwrap()["images"];
    let rows: Vec<(&str, &str)> = images
        .as_array()
        .unwrap()
        .iter()
        .map(|image| {
            let name = image["reference"].as_str().unwrap().rsplit_once(':').unwrap().1;
            (name, image["outcome"].as_str().unwrap())
        })
        .collect();
    assert_eq!(rows, [("cache", "not-started"), ("1", "pulled")], "{}", row.what);
    let env = outcome.file("crg.env").unwrap();
    assert!(
        env.contains("CRG_PIPE_TAGS_1='1'\nCRG_PIPE_COUNT='2'\n"),
        "{}: {env}",
        row.what
    );
}

fn a_source_of_cache_that_is_no_image_stops_no_daemon(engine: &Engine) {
    for row in &rows() {
        let emulator = prepared(row);
        let name = |tag: &str| format!("{}/shop/base:{tag}", emulator.host());
        let outcome = pull(&emulator, false).engine(engine).run().succeeds();
        assert_left_out(outcome, row, row.daemon);
        assert!(engine.inspect(&name("1"), "{{.Id}}").is_some(), "{}", row.what);
        assert_eq!(engine.inspect(&name("cache"), "{{.Id}}"), None, "{}", row.what);
        pull(&emulator, true)
            .engine(engine)
            .run()
            .fails(row.needed.0)
            .says(row.daemon)
            .never_says("a build only takes longer");
    }
}

#[test]
fn a_source_of_cache_that_is_no_image_stops_no_archive() {
    for row in &rows() {
        let emulator = prepared(row);
        let archive = |is_needed| pull(&emulator, is_needed).var("TO", "docker-archive:images.tar");
        let outcome = archive(false).run().succeeds();
        let tar = std::fs::read(outcome.clone_folder().join("images.tar")).unwrap();
        let holds = |text: &str| tar.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(holds("/shop/base:1\"") && !holds("/shop/base:cache"), "{}", row.what);
        assert_left_out(outcome.says("1 image in "), row, row.archive);
        let outcome = archive(true).run().fails(row.needed.1).says(row.archive);
        assert_eq!(outcome.file("images.tar"), None, "{}", row.what);

        // `check` makes it an error of no image either.
        let check = pull(&emulator, false).var("ACTION", "check").run().succeeds();
        if row.layout.is_empty() {
            check.never_says("a build only takes longer");
        } else {
            check.says("a build only takes longer without it");
        }

        // A layout holds whatever is whole.
        let layout = pull(&emulator, false).var("TO", "oci:images").run().succeeds();
        if row.layout.is_empty() {
            layout.says("2 images in ").never_says("a build only takes longer");
        } else {
            assert_left_out(layout.says("1 image in "), row, row.layout);
        }
    }
}

/// What a registry refuses, and what does not answer, fails as it does of any other image.
#[test]
fn a_source_of_cache_that_is_refused_is_an_error() {
    for (answer, status) in [
        (Answer::error(403, "DENIED", "not for you"), 3),
        (Answer::error(429, "TOOMANYREQUESTS", "not now"), 5),
        (Answer::new(503), 6),
    ] {
        let emulator = Emulator::start(Setup::shop());
        let image = Image::multi("cache refused");
        emulator.put_image("shop/base", "1", &Image::small("cache needed"));
        emulator.put_image("shop/base", "cache", &image);
        emulator.script(on("GET", "/manifests/sha256:").signed_in(), 1000, answer);
        pull(&emulator, false)
            .var("TO", "docker-archive:images.tar")
            .run()
            .fails(status)
            .never_says("a build only takes longer");
    }
}

/// The tag goes to the image that is needed, where the source of cache is the same one for another platform.
#[test]
fn a_source_of_cache_takes_no_tag_from_an_image_that_is_needed() {
    let emulator = Emulator::start(Setup::shop());
    let host = emulator.host();
    emulator.put_image("shop/base", "1", &Image::index(vec![arm()]));
    let compose = format!(
        "services:\n  a:\n    build:\n      context: .\n      cache_from: ['{host}/shop/base:1']\n  b: {{image: '{host}/shop/base:1', platform: linux/arm64}}\n"
    );
    super::pipe(&emulator)
        .file("compose.yml", compose)
        .var("TO", "docker-archive:images.tar")
        .run()
        .succeeds()
        .says("1 image in ");
}

/// Its place in the report and in the lines for the step is the one that it was asked for at.
#[test]
fn an_image_of_two_platforms_is_told_once_of_an_archive() {
    let emulator = Emulator::start(Setup::shop());
    let host = emulator.host();
    let (multi, api) = (Image::multi("two platforms"), Image::small("after it"));
    emulator.put_image("shop/base", "1", &multi);
    emulator.put_image("shop/api", "1", &api);
    let compose = format!(
        "services:\n  a: {{image: '{host}/shop/base:1', platform: linux/amd64}}\n  \
         b: {{image: '{host}/shop/base:1', platform: linux/arm64}}\n  c: {{image: '{host}/shop/api:1'}}\n"
    );
    for (to, digest) in [
        ("oci:images", multi.digest()),
        ("docker-archive:images.tar", multi.children()[0].digest()),
    ] {
        let outcome = super::pipe(&emulator)
            .file("compose.yml", &compose)
            .var("TO", to)
            .var("REPORT", "report.json")
            .var("OUTPUT_ENV", "crg.env")
            .run()
            .succeeds()
            .says("2 images in ");
        let images = outcome.report.as_ref().unwrap()["images"].as_array().unwrap();
        let told: Vec<_> = images
            .iter()
            .map(|image| (&image["digest"], &image["outcome"]))
            .collect();
        let pulled = serde_json::Value::from("pulled");
        assert_eq!(
            told,
            [(&digest.clone().into(), &pulled), (&api.digest().into(), &pulled)],
            "{to}"
        );
        let env = outcome.file("crg.env").unwrap();
        for line in [
            format!("CRG_PIPE_DIGEST_0='{digest}'\n"),
            format!("CRG_PIPE_DIGEST_1='{}'\n", api.digest()),
            "CRG_PIPE_COUNT='2'\n".to_owned(),
        ] {
            assert!(env.contains(&line), "{to}: {env}");
        }
    }
}
