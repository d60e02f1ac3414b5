//! Whether a target has a blob is asked by the request that opens its upload, where the registry makes mounts; nowhere is a
//! blob sent that is there.

use crate::support::distribution::Distribution;
use crate::support::emulator::{Answer, Emulator, Setup, on};
use crate::support::image::{Image, ImageBuilder, digest};
use crate::support::pipe::Pipe;
use crate::support::skopeo::write_layout;
use std::collections::BTreeMap;

/// A configuration and eight layers.
fn image(seed: &str) -> Image {
    ImageBuilder::new(seed).layers(8, 2000).build()
}

/// The same layers under another configuration.
fn other(seed: &str) -> Image {
    let config = serde_json::json!({ "Cmd": ["/other"] });
    ImageBuilder::new(seed).layers(8, 2000).config(config).build()
}

/// From one registry into another, which is what the run asks.
fn copy<'a>(from: &Emulator, to: &'a Emulator, tag: &str) -> Pipe<'a> {
    Pipe::new()
        .workspace("shop")
        .registry(to)
        .api_token()
        .var("ACTION", "copy")
        .var("SOURCE", &format!("{}/shop/base:{tag}", from.host()))
        .var("SOURCE_USERNAME", Setup::EMAIL)
        .var("SOURCE_PASSWORD", &Setup::api_token())
        .var("TARGET", &format!("web:{tag}"))
        .var("RETRIES", "0")
}

fn source() -> Emulator {
    let source = Emulator::start(Setup::shop());
    source.put_image("shop/base", "1", &image("base"));
    source.put_image("shop/base", "2", &other("base"));
    source
}

/// How many requests of each kind about blobs there were since the last look.
fn blob_requests(lines: &[String]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        let kind = match line.split_once(' ') {
            Some(("HEAD", path)) if path.contains("/blobs/") => "look",
            Some(("POST", path)) if path.contains("/blobs/uploads/") && path.contains("mount=") => "mount",
            Some(("POST", path)) if path.contains("/blobs/uploads/") => "session",
            Some(("PUT" | "PATCH", path)) if path.contains("/blobs/uploads/") => "upload",
            Some(("DELETE", path)) if path.contains("/blobs/uploads/") => "given up",
            _ => continue,
        };
        *counts.entry(kind).or_default() += 1;
    }
    counts
}

fn told(emulator: &Emulator) -> BTreeMap<&'static str, usize> {
    let counts = blob_requests(&emulator.requests());
    emulator.forget_requests();
    counts
}

#[test]
fn a_blob_costs_two_requests_and_one_that_is_there_a_single_one() {
    let (from, to) = (source(), Emulator::start(Setup::shop()));
    copy(&from, &to, "1").run().succeeds();
    assert_eq!(to.tag("shop/web", "1"), from.tag("shop/base", "1"));
    assert_first(&told(&to));

    copy(&from, &to, "2").run().succeeds();
    assert_little_is_asked(&told(&to));
    assert_eq!(to.open_uploads(), 0);
}

/// The first one finds out: a look before it and a mount after it. Where that takes more than a moment, on a busy machine too,
/// others look as well.
fn assert_first(counts: &BTreeMap<&str, usize>) {
    assert_eq!(
        (counts["mount"], counts["upload"], counts.len()),
        (10, 9, 3),
        "{counts:?}"
    );
    assert!((1..=9).contains(&counts["look"]), "{counts:?}");
}

/// Where only the configuration is new: a layer that is there may have told before it.
fn assert_little_is_asked(counts: &BTreeMap<&str, usize>) {
    let of = |kind: &str| counts.get(kind).copied().unwrap_or_default();
    assert_eq!((of("upload"), of("session")), (1, 0), "{counts:?}");
    assert!(of("look") <= 1 && (9..=10).contains(&of("mount")), "{counts:?}");
}

#[test]
fn what_is_there_stays_where_it_is_whatever_a_registry_makes_of_mounts() {
    for (told_of, refusal) in [
        ("a session each time", None),
        ("an unknown source", Some((404, "NAME_UNKNOWN"))),
        ("no such method", Some((405, "UNSUPPORTED"))),
        ("a bad request", Some((400, "UNSUPPORTED"))),
        ("no right to the source", Some((403, "DENIED"))),
    ] {
        let from = source();
        let to = Emulator::start(Setup::shop().with(|settings| settings.mounts = false));
        if let Some((status, code)) = refusal {
            let answer = Answer::error(status, code, "no mounts");
            to.script(on("POST", "mount=").signed_in(), 100, answer);
        }
        copy(&from, &to, "1").run().succeeds();
        assert_eq!(told(&to)["upload"], 9, "{told_of}");
        copy(&from, &to, "2").run().succeeds();
        let again = told(&to);
        assert_eq!((again["upload"], again["look"]), (1, 9), "{told_of}: {again:?}");
        assert_eq!(to.open_uploads(), 0, "{told_of}");
        assert_eq!(to.tag("shop/web", "2"), from.tag("shop/base", "2"), "{told_of}");
    }
}

/// A blob that finds out and is there already.
#[test]
fn a_registry_without_mounts_is_known_by_what_it_has() {
    let (from, to) = (
        source(),
        Emulator::start(Setup::shop().with(|settings| settings.mounts = false)),
    );
    copy(&from, &to, "1").run().succeeds();
    told(&to);
    // The tag alone is gone.
    copy(&from, &to, "1").var("TARGET", "web:again").run().succeeds();
    let again = told(&to);
    assert_eq!((again.get("upload"), again["look"]), (None, 9), "{again:?}");
    assert_eq!(to.open_uploads(), 0);
}

#[test]
fn nobody_waits_long_for_the_one_that_finds_out() {
    let (from, to) = (source(), Emulator::start(Setup::shop()));
    let about_the_first = on("HEAD", &image("base").config_digest()).signed_in();
    to.script(about_the_first, 1, Answer::new(503));
    copy(&from, &to, "1").var("RETRIES", "1").run().succeeds();
    let requests = to.requests();
    let first = image("base").config_digest().replace("sha256:", "");
    let at = |method: &str, is_first: bool| -> Vec<usize> {
        let lines = requests.iter().enumerate();
        let about =
            |line: &str| line.starts_with(method) && line.contains("/blobs/") && line.contains(&first) == is_first;
        lines.filter(|(_, line)| about(line)).map(|(place, _)| place).collect()
    };
    assert_eq!(
        (at("HEAD", false).len(), at("HEAD", true).len()),
        (8, 2),
        "{requests:#?}"
    );
    // All layers have come before the first blob was asked for again.
    assert!(at("PUT", false).last() < at("HEAD", true).last(), "{requests:#?}");
}

/// Images that share a configuration or a layer, one transfer at a time or many: nobody waits for ever, nothing moves twice.
#[test]
fn many_images_at_a_time_find_it_out_once() {
    for concurrency in ["1", "2", "8"] {
        for mounts in [true, false] {
            let from = Emulator::start(Setup::shop());
            for tag in 0..12 {
                // Each of them under two tags.
                from.put_image("shop/base", &format!("t{tag}"), &image(&format!("seed {}", tag / 2)));
                from.put_image("shop/base", &format!("o{tag}"), &other(&format!("seed {}", tag / 2)));
            }
            let to = Emulator::start(Setup::shop().with(|settings| settings.mounts = mounts));
            copy(&from, &to, "1")
                .list("IMAGES", &[&format!("{}/shop/base:*", from.host())])
                .unset("SOURCE")
                .unset("TARGET")
                .var("CONCURRENCY", concurrency)
                .run()
                .succeeds();
            assert_eq!(to.tags("shop/base"), from.tags("shop/base"));
            let counts = told(&to);
            // Six seeds of eight layers and two configurations.
            assert_eq!(counts["upload"], 60, "{concurrency}, {mounts}: {counts:?}");
            assert_eq!(to.open_uploads(), 0, "{concurrency}, {mounts}");
        }
    }
}

/// The one that was to find out fails: the others do not wait for it.
#[test]
fn a_failure_of_the_first_blob_is_the_run_s() {
    let (from, to) = (source(), Emulator::start(Setup::shop()));
    from.lose_blob("shop/base", &image("base").config_digest());
    copy(&from, &to, "1").run().fails(4);
    let to = Emulator::start(Setup::shop());
    to.script(
        on("POST", "mount=").signed_in(),
        100,
        Answer::error(500, "UNKNOWN", "broken"),
    );
    copy(&from, &to, "2").run().fails(6);
    assert_eq!(told(&to).get("upload"), None);
}

#[test]
fn docker_registry_has_it_so() {
    let registry = Distribution::setup().recorded().start();
    let folder = tempfile::tempdir().unwrap();
    for (name, image) in [("one", image("base")), ("two", other("base"))] {
        write_layout(&folder.path().join(name), &image);
    }
    let push = |name: &str| {
        let source = format!("oci:{}", folder.path().join(name).display());
        registry.recorder().forget_requests();
        let pipe = Pipe::new().workspace("shop").distribution(&registry).api_token();
        let pipe = pipe.var("ACTION", "push").var("SOURCE", &source);
        pipe.var("TARGET", &format!("web:{name}")).run().succeeds();
        blob_requests(&registry.recorder().requests())
    };
    assert_first(&push("one"));
    assert_little_is_asked(&push("two"));
}

/// The answer about the largest comes last; it begins first all the same, and nothing is waited for alone at the end.
#[test]
fn the_largest_missing_blob_begins_first() {
    let layers = [2, 1, 4, 3].map(|mebi: usize| vec![u8::try_from(mebi).unwrap(); (mebi << 20) + 1]);
    let image = ImageBuilder::new("sizes").layers(4, 10).build().with_layers(&layers);
    let largest_first: Vec<String> = [2, 3, 0, 1].map(|layer: usize| digest(&layers[layer])).into();
    let has_begun = |emulator: &Emulator| {
        let mut begun = emulator.requests();
        begun.retain(|line| line.starts_with("GET") && largest_first.iter().any(|digest| line.contains(digest)));
        begun
    };
    for mounts in [true, false] {
        let from = Emulator::start(Setup::shop());
        from.put_image("shop/base", "1", &image);
        let to = Emulator::start(Setup::shop().with(|settings| settings.mounts = mounts));
        let about_the_largest = on("POST|HEAD", &largest_first[0]).signed_in();
        to.script(about_the_largest, 1, Answer::new(503));
        // One large blob at a time.
        copy(&from, &to, "1")
            .var("RETRIES", "2")
            .var("CONCURRENCY", "2")
            .run()
            .succeeds();
        let begun = has_begun(&from);
        assert_eq!(begun.len(), largest_first.len(), "{begun:?}");
        for (line, digest) in begun.iter().zip(&largest_first) {
            assert!(line.contains(digest), "with mounts {mounts}: {begun:?}");
        }
    }
}
