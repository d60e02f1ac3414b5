//! What a run over many images prints: a line for each that is done, one hint for each cause, one line for nothing to do.

use crate::support::emulator::{Answer, Emulator, Setup, on};
use crate::support::image::Image;
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;

const MANY: usize = 30;

/// Packages that belong to another repository than the step's.
fn packages() -> Vec<String> {
    (0..MANY).map(|number| format!("shop/lib{number:02}")).collect()
}

fn start() -> Emulator {
    let setup = packages()
        .iter()
        .fold(Setup::shop(), |setup, package| setup.package(package, "shop/images"));
    let emulator = Emulator::start(setup);
    for package in packages() {
        emulator.put_image(&package, "1", &Image::small(&package));
    }
    emulator
}

fn pull<'a>(emulator: &'a Emulator, tag: &str) -> Pipe<'a> {
    let images: Vec<String> = (0..MANY).map(|number| format!("lib{number:02}:{tag}")).collect();
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .var("IMAGES", &images.join(" "))
        .var("TO", "oci:images")
        .var("REPORT", "report.json")
}

fn lines(outcome: &Outcome<'_>) -> usize {
    outcome.plain().lines().count()
}

#[test]
fn many_images_that_one_cause_refuses_are_told_once() {
    let emulator = start();
    let outcome = pull(&emulator, "1").built_in().run().fails(3);
    let plain = outcome.plain();
    assert!(lines(&outcome) < 25, "{plain}");
    assert_eq!(plain.matches("ERROR: ").count(), 1, "{plain}");
    assert_eq!(plain.matches("hint: ").count(), 1, "{plain}");
    let host = emulator.host();
    let message = format!("refused reading {MANY} images: 403 DENIED");
    let names = format!("(with the built-in credential): `{host}/shop/lib00:1`, `{host}/shop/lib01:1`");
    let outcome = outcome.says(&message).says(&names).says(", and 24 more");
    let report = outcome.report.as_ref().unwrap();
    let errors = report["errors"].as_array().unwrap();
    assert_eq!(errors.len(), MANY);
    for (number, error) in errors.iter().enumerate() {
        let image = format!("{host}/shop/lib{number:02}:1");
        assert_eq!(error["reference"], image);
        assert_eq!(error["kind"], "credential");
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .contains(&format!("`shop/lib{number:02}:1`"))
        );
        assert!(error["hint"].as_str().unwrap().contains("API token"));
        assert_eq!(report["images"][number]["reference"], image);
        assert_eq!(report["images"][number]["outcome"], "failed");
    }
}

#[test]
fn tags_that_are_not_there_are_told_together_each_with_those_that_are() {
    let emulator = start();
    let outcome = pull(&emulator, "2").api_token().run().fails(4);
    let plain = outcome.plain();
    assert!(lines(&outcome) < 25, "{plain}");
    assert_eq!(plain.matches("ERROR: ").count(), 1, "{plain}");
    outcome
        .says(&format!("refused reading {MANY} images: 404 MANIFEST_UNKNOWN"))
        .says(&format!("`{}/shop/lib00:2`: tags that are there: `1`", emulator.host()))
        .says("check the tags");
}

/// Thirty images of three packages: what is there is listed once for each.
#[test]
fn tags_that_are_there_are_listed_once_for_each_package() {
    let emulator = start();
    let images: Vec<String> = (0..MANY).map(|at| format!("lib{:02}:{}", at % 3, at + 2)).collect();
    let outcome = Pipe::new()
        .workspace("shop")
        .registry(&emulator)
        .api_token()
        .var("IMAGES", &images.join(" "))
        .var("TO", "oci:images")
        .run()
        .fails(4)
        .says(&format!("refused reading {MANY} images: 404 MANIFEST_UNKNOWN"))
        .says(&format!("`{}/shop/lib00`: tags that are there: `1`", emulator.host()));
    let plain = outcome.plain();
    assert_eq!(plain.matches("tags that are there").count(), 3, "{plain}");
    assert!(lines(&outcome) < 10, "{plain}");
}

/// Several packages that are misspelt get what the clone's files name, as one does.
#[test]
fn names_that_are_near_are_suggested_for_several_packages() {
    let emulator = start();
    let host = emulator.host();
    let dockerfile = format!("FROM {host}/shop/lib00:1\nFROM {host}/shop/lib01:1\n");
    for pipe in [Pipe::new().api_token(), Pipe::new().api_token().built_in()] {
        let outcome = pipe
            .workspace("shop")
            .registry(&emulator)
            .file("Dockerfile", &dockerfile)
            .var("IMAGES", "lbi00:1 lib0:1 other:1")
            .var("TO", "oci:images")
            .run()
            .fails(4)
            .says("refused reading 3 images: 404 NAME_UNKNOWN");
        for wanted in ["lbi00", "lib0"] {
            let near = format!("`{host}/shop/lib00`, `{host}/shop/lib01`: did you mean that?");
            let line = format!("`{host}/shop/{wanted}:1`: files of this repository name {near}");
            assert!(outcome.plain().contains(&line), "{line}\n{}", outcome.output);
        }
        assert_eq!(outcome.plain().matches("did you mean").count(), 2, "{}", outcome.output);
    }
}

#[test]
fn different_causes_are_told_apart_and_what_had_no_turn_is_in_the_report() {
    let emulator = start();
    let outcome = Pipe::new()
        .workspace("shop")
        .registry(&emulator)
        .api_token()
        .var("IMAGES", "lib00:1 lib01:2 none:1 lib02:2 gone:1")
        .var("TO", "oci:images")
        .var("OUTPUT_ENV", "crg.env")
        .var("REPORT", "report.json")
        .run()
        .fails(4)
        .says("refused reading 2 images: 404 MANIFEST_UNKNOWN")
        .says("refused reading 2 images: 404 NAME_UNKNOWN")
        .says("has no packages of these names");
    let report = outcome.report.as_ref().unwrap();
    let outcomes: Vec<&str> = report["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["not-started", "failed", "failed", "failed", "failed"]);
    assert_eq!(report["errors"].as_array().unwrap().len(), 4);
}

#[test]
fn a_line_for_each_image_and_none_for_nothing_to_do() {
    let emulator = start();
    let images: Vec<String> = packages()
        .iter()
        .map(|package| format!("{}/{package}:1", emulator.host()))
        .collect();
    let images: Vec<String> = images
        .iter()
        .map(|image| format!("{image}=web:{}", &image[image.len() - 4..image.len() - 2]))
        .collect();
    let copy = || {
        Pipe::of_shop(&emulator, "copy")
            .var("IMAGES", &images.join(" "))
            .run()
            .succeeds()
    };
    let first = copy();
    let plain = first.plain();
    assert_eq!(lines(&first), MANY + 2, "{plain}");
    assert!(
        plain.starts_with("INFO: copying 30 images, 14 KiB, with the API token\n"),
        "{plain}"
    );
    for number in 1..=MANY {
        assert!(plain.contains(&format!("\nINFO: [{number}/{MANY}] `")), "{plain}");
    }
    assert!(first.last_line().starts_with("✔ copy: 30 images copied ("), "{plain}");
    let again = copy();
    assert_eq!(lines(&again), 1, "{}", again.plain());
    let last = again.last_line();
    assert!(last.starts_with("✔ copy: 30 images unchanged (0 B moved, "), "{last}");
    assert!(last.ends_with(" s, API token)"), "{last}");
}

#[test]
fn a_wrong_package_is_not_called_a_wrong_tag() {
    let emulator = Emulator::start(Setup::shop());
    let host = emulator.host();
    // As registries answer that say of every manifest alike that they do not have it.
    let unknown = Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
    emulator.script(on("GET", "/v2/shop/bsae/manifests/").signed_in(), 9, unknown);
    Pipe::new()
        .workspace("shop")
        .registry(&emulator)
        .in_step(None)
        .api_token()
        .file("Dockerfile", format!("FROM {host}/shop/base:1\n"))
        .var("ACTION", "retag")
        .var("SOURCE", "bsae:1")
        .var("TAGS", "2")
        .run()
        .fails(4)
        .says("the workspace `shop` has no package `bsae`: check the name")
        .says(&format!(
            "files of this repository name `{host}/shop/base`: did you mean that?"
        ));
}

/// A copy's header has the size of all images, shared blobs once; the manifests below an index are asked for once all the same.
#[test]
fn the_header_of_a_copy_has_the_size_of_all_images() {
    let emulator = Emulator::start(Setup::shop());
    let several = Image::multi("several");
    let child = &several.children()[0];
    emulator.put_image("shop/base", "1", &Image::small("one"));
    emulator.put_image("shop/base", "2", child);
    emulator.put_image("shop/base", "3", &several);
    let one = Image::small("one");
    let mut blobs: Vec<(String, usize)> = one
        .blobs()
        .iter()
        .chain(several.children().iter().flat_map(Image::blobs))
        .map(|blob| (blob.digest(), blob.bytes.len()))
        .collect();
    blobs.sort_unstable();
    blobs.dedup();
    let size: usize = blobs.iter().map(|(_, size)| size).sum();
    let copied = Pipe::of_shop(&emulator, "copy")
        .var("IMAGES", "base:1=web:1 base:2=web:2 base:3=web:3")
        .run()
        .succeeds();
    let amount = match size {
        0..1024 => format!("{size} B"),
        _ => format!("{:.1} KiB", f64::from(u32::try_from(size).unwrap()) / 1024.0),
    };
    copied.says(&format!("INFO: copying 3 images, {amount}, with the API token\n"));
    for child in &several.children()[1..] {
        let asked = format!("GET /v2/shop/base/manifests/{} 200", child.digest());
        let requests = emulator.requests();
        assert_eq!(
            requests.iter().filter(|line| **line == asked).count(),
            1,
            "{requests:?}"
        );
    }
}

#[test]
fn a_child_that_is_missing_fails_its_image_alone_and_the_size_is_the_least() {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &Image::small("one"));
    emulator.put_image("shop/base", "2", &Image::multi("several"));
    let gone = Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
    emulator.script(on("GET", "/v2/shop/base/manifests/sha256:").signed_in(), 9, gone);
    Pipe::of_shop(&emulator, "copy")
        .var("IMAGES", "base:1=web:1 base:2=web:2")
        .run()
        .fails(4)
        .says("INFO: copying 2 images, at least ")
        .says("only `");
    assert!(emulator.tag("shop/web", "1").is_some());
    assert!(emulator.tag("shop/web", "2").is_none());
}

#[test]
fn a_retag_says_what_it_is_about_to_do_and_nothing_where_nothing_is() {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &Image::small("one"));
    let retag = |tags: &str| {
        Pipe::of_shop(&emulator, "retag")
            .var("ON_EXISTING", "skip")
            .var("SOURCE", "base:1")
            .var("TAGS", tags)
            .run()
            .succeeds()
    };
    retag("2 3")
        .says("INFO: retagging `")
        .says(") as `2`, `3`, with the API token\n");
    retag("a b c d e f g").says(") as 7 tags, with the API token\n");
    let again = retag("2 3");
    assert_eq!(lines(&again), 1, "{}", again.plain());
}

/// Each image is told when its last blob is there, be it one that it shares; and the archive as it was written.
#[test]
fn a_pull_into_a_layout_tells_each_image() {
    let emulator = start();
    let first = Pipe::of_shop(&emulator, "pull")
        .var("IMAGES", "lib00:1 lib01:1 lib02:1")
        .var("TO", "oci:out/images")
        .run()
        .succeeds();
    let plain = first.plain();
    assert!(
        plain.starts_with("INFO: pulling 3 images into `oci:out/images`, "),
        "{plain}"
    );
    for number in 1..=3 {
        assert!(plain.contains(&format!("\nINFO: [{number}/3] pulled `")), "{plain}");
    }
    assert!(
        first.last_line().starts_with("✔ pull: 3 images in `oci:out/images` ("),
        "{plain}"
    );
}

#[test]
fn the_header_of_a_push_has_its_size() {
    let emulator = Emulator::start(Setup::shop());
    let image = Image::small("one");
    let size: usize = image.blobs().iter().map(|blob| blob.bytes.len()).sum();
    let push = |source: &str, file: &str, bytes: Vec<u8>| {
        Pipe::of_shop(&emulator, "push")
            .file(file, bytes)
            .var("SOURCE", source)
            .var("TARGET", "web:1")
            .run()
            .succeeds()
    };
    let target = format!("`{}/shop/web`", emulator.host());
    push("oci-archive:one.tar", "one.tar", image.oci_archive("one:1")).says(&format!(
        "INFO: pushing `oci-archive:one.tar` to {target}, {size} B, with the API token\n"
    ));
    // Its layers are compressed on the way; what they come to is known at the end.
    let other = Image::small("other");
    let plain: usize = other.layer_tars().iter().map(Vec::len).sum();
    let bytes = u32::try_from(plain + other.blobs()[0].bytes.len()).unwrap();
    let kib = f64::from(bytes) / 1024.0;
    assert!(kib < 9.95, "{kib}");
    push(
        "docker-archive:other.tar",
        "other.tar",
        other.docker_archive(&["other:1"]),
    )
    .says(&format!(
        "INFO: pushing `docker-archive:other.tar` to {target}, {kib:.1} KiB before compression, with the API token\n"
    ));
}
