//! Images without a daemon: `pull` with `TO`, `push` from archives and layouts.

use crate::support::emulator::{Answer, Emulator, Setup, on};
use crate::support::engine::Engine;
use crate::support::image::{Image, ImageBuilder, digest};
use crate::support::pipe::Pipe;
use crate::support::skopeo::Skopeo;
use std::io::Write as _;

on_docker!(
    an_archive_of_several_images_loads_in_docker,
    what_docker_saves_is_compressed_and_keeps_its_configuration,
);

fn start() -> Emulator {
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &ImageBuilder::new("base").layers(3, 300_000).build());
    emulator.put_image("shop/base", "multi", &Image::multi("multi"));
    emulator.put_image("shop/api", "1", &ImageBuilder::new("api").layers(2, 1000).build());
    emulator
}

fn pipe<'a>(emulator: &'a Emulator, action: &str) -> Pipe<'a> {
    Pipe::of_shop(emulator, action).var("RETRIES", "0")
}

#[test]
fn layouts_and_archives_hold_what_the_registry_has() {
    let emulator = start();
    for (to, transport) in [("oci:out", "oci"), ("oci-archive:out.tar", "oci-archive")] {
        for tag in ["1", "multi"] {
            let outcome = pipe(&emulator, "pull")
                .var("IMAGES", &format!("base:{tag}"))
                .var("TO", to)
                .run()
                .succeeds();
            let path = outcome.clone_folder().join(to.split_once(':').unwrap().1);
            let reference = format!("{transport}:{}:{tag}", path.display());
            assert_eq!(
                Skopeo::new()
                    .run(&["inspect", "--raw", &reference])
                    .succeeds()
                    .as_bytes(),
                &emulator.manifest("shop/base", tag).unwrap()[..],
                "{to} {tag}"
            );
        }
    }
}

fn an_archive_of_several_images_loads_in_docker(engine: &Engine) {
    let emulator = start();
    let outcome = pipe(&emulator, "pull")
        .list("IMAGES", &["base:1", "base:multi", "api:1"])
        .var("TO", "docker-archive:images.tar")
        .run()
        .succeeds()
        .says("3 images in `docker-archive:");
    let path = outcome.clone_folder().join("images.tar");
    engine.docker(&["load", "--input", path.to_str().unwrap()]).succeeds();
    let id = engine
        .config_digest(&format!("{}/shop/base:1", emulator.host()))
        .unwrap();
    let image = ImageBuilder::new("base").layers(3, 300_000).build();
    assert_eq!(id, image.config_digest());
}

#[test]
fn a_layout_is_added_to_and_what_it_has_is_not_fetched_again() {
    let emulator = start();
    let folder = tempfile::tempdir().unwrap();
    let to = format!("oci:{}", folder.path().join("layout").display());
    pipe(&emulator, "pull")
        .var("IMAGES", "base:1")
        .var("TO", &to)
        .run()
        .succeeds();
    emulator.forget_requests();
    pipe(&emulator, "pull")
        .var("IMAGES", "base:1 api:1")
        .var("TO", &to)
        .run()
        .succeeds();
    let blobs = emulator
        .requests()
        .iter()
        .filter(|line| line.contains("/shop/base/blobs/"))
        .count();
    assert_eq!(blobs, 0, "{:#?}", emulator.requests());
    // A blob that has been damaged is fetched anew.
    let digest = ImageBuilder::new("base").layers(3, 300_000).build().config_digest();
    let file = folder
        .path()
        .join("layout/blobs/sha256")
        .join(digest.trim_start_matches("sha256:"));
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    pipe(&emulator, "pull")
        .var("IMAGES", "base:1")
        .var("TO", &to)
        .run()
        .succeeds();
    assert_ne!(std::fs::read(&file).unwrap(), bytes);
}

#[test]
fn a_name_that_passes_to_another_image_is_told() {
    let emulator = start();
    let folder = tempfile::tempdir().unwrap();
    let to = format!("oci:{}", folder.path().join("layout").display());
    let pulled = |image: &str| {
        let pipe = pipe(&emulator, "pull").var("IMAGES", image).var("TO", &to);
        pipe.run().succeeds()
    };
    let named = |image: &str| emulator.tag(image, "1").unwrap().chars().take(19).collect::<String>();
    pulled("base:1").never_says("had the name");
    pulled("base:1").never_says("had the name");
    pulled("api:1").says(&format!(
        "`{to}`: {} had the name `1`, which {} has now",
        named("shop/base"),
        named("shop/api")
    ));
    // It stays without a name, and can be chosen by its place.
    let source = format!("{to}:@0");
    pipe(&emulator, "push")
        .var("SOURCE", &source)
        .var("TARGET", "web:kept")
        .run()
        .succeeds();
    assert_eq!(emulator.tag("shop/web", "kept"), emulator.tag("shop/base", "1"));
}

#[test]
fn wrong_bytes_leave_nothing_behind() {
    let emulator = start();
    // Of a docker-archive the configuration comes first, for its platform.
    for (to, text) in [
        ("oci-archive:out.tar", "has wrong bytes"),
        ("docker-archive:out.tar", "sent other bytes"),
        ("oci:out", "has wrong bytes"),
    ] {
        emulator.script(
            on("GET", "/blobs/").signed_in(),
            1,
            Answer::new(200).body(vec![b'x'; 300_000]),
        );
        let outcome = pipe(&emulator, "pull")
            .var("IMAGES", "base:1")
            .var("TO", to)
            .run()
            .fails(1)
            .says(text);
        let left: Vec<_> = std::fs::read_dir(outcome.clone_folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(
            !left.iter().any(|name| name.to_string_lossy().contains("tar")),
            "{to}: {left:?}"
        );
        assert!(!outcome.clone_folder().join("out/index.json").exists(), "{to}");
    }
}

#[test]
fn what_was_saved_is_pushed_with_the_same_digest() {
    let emulator = start();
    for to in ["oci:out", "oci-archive:out.tar"] {
        for tag in ["1", "multi"] {
            let saved = pipe(&emulator, "pull")
                .var("IMAGES", &format!("base:{tag}"))
                .var("TO", to)
                .run()
                .succeeds();
            let (transport, path) = to.split_once(':').unwrap();
            let source = format!("{transport}:{}:{tag}", saved.clone_folder().join(path).display());
            let target = Emulator::start(Setup::shop());
            let push = || {
                pipe(&target, "push")
                    .var("SOURCE", &source)
                    .var("TARGET", "api")
                    .var("TAGS", "a b")
            };
            push().run().succeeds().says("tagged `a`, `b`");
            assert_eq!(
                target.tag("shop/api", "a"),
                emulator.tag("shop/base", tag),
                "{to} {tag}"
            );
            assert_eq!(
                target.tag("shop/api", "b"),
                emulator.tag("shop/base", tag),
                "{to} {tag}"
            );
            target.forget_requests();
            push().run().succeeds().says("unchanged: `a`, `b`");
            assert!(
                !target.requests().iter().any(|line| line.contains("/blobs/")),
                "{:#?}",
                target.requests()
            );
        }
    }
}

#[test]
fn a_layout_with_some_platforms_of_an_image_is_pushed_one_by_one() {
    let emulator = start();
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    let pulled = pipe(&emulator, "pull").var("IMAGES", "base:multi");
    pulled.var("TO", &format!("oci:{}", layout.display())).run().succeeds();
    let left_out = Image::multi("multi").children()[1].digest().replacen(':', "/", 1);
    std::fs::remove_file(layout.join("blobs").join(left_out)).unwrap();
    let push = || {
        let pipe = pipe(&emulator, "push").var("SOURCE", &format!("oci:{}:multi", layout.display()));
        pipe.var("TARGET", "web")
    };
    push()
        .run()
        .fails(1)
        .says("write in `PLATFORM` what it has, `linux/amd64`");
    push().var("PLATFORM", "linux/amd64").run().succeeds();
}

#[test]
fn what_was_saved_is_pushed_beside_another_image() {
    let emulator = start();
    let saved = pipe(&emulator, "pull")
        .var("IMAGES", "base:1")
        .var("TO", "oci:out")
        .run()
        .succeeds();
    let source = format!("oci:{}", saved.clone_folder().join("out").display());
    let tags = || [emulator.tag("shop/api", "1"), emulator.tag("shop/api", "2")];
    let (other, base) = (emulator.tag("shop/api", "1"), emulator.tag("shop/base", "1"));
    let push = |on_existing: &str| {
        pipe(&emulator, "push")
            .var("SOURCE", &source)
            .var("TARGET", "api")
            .var("TAGS", "1 2")
            .var("ON_EXISTING", on_existing)
            .var("REPORT", "report.json")
    };
    // What cannot be looked at is not taken for absent.
    emulator.script(on("GET", "/api/manifests/2").signed_in(), 1, Answer::new(500));
    push("skip").run().fails(6).says("nothing was changed");
    assert_eq!(tags(), [other.clone(), None]);

    let skipped = push("skip").run().succeeds().says("tagged `2`; left alone: `1`");
    assert_eq!(tags(), [other.clone(), base.clone()]);
    let report = skipped.report.as_ref().unwrap();
    for (place, digest) in [other, base.clone()].iter().enumerate() {
        assert_eq!(
            report["images"][place]["digest"].as_str(),
            digest.as_deref(),
            "{report}"
        );
    }
    emulator.put_image("shop/api", "2", &Image::small("another"));
    push("overwrite").run().succeeds().says("tagged `1`, `2`");
    assert_eq!(tags(), [base.clone(), base]);
}

fn what_docker_saves_is_compressed_and_keeps_its_configuration(engine: &Engine) {
    let emulator = start();
    let image = ImageBuilder::new("saved").layers(2, 700_000).build();
    engine
        .docker_reading(&["load"], &image.docker_archive(&["offline/saved:1"]))
        .succeeds();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved.tar");
    engine
        .docker(&["save", "--output", path.to_str().unwrap(), "offline/saved:1"])
        .succeeds();
    let source = format!("docker-archive:{}", path.display());
    let push = || {
        pipe(&emulator, "push")
            .var("SOURCE", &source)
            .var("TARGET", "web:saved")
    };
    push().run().succeeds().says("tagged `saved`");
    let first = emulator.tag("shop/web", "saved").unwrap();
    let id = engine.config_digest("offline/saved:1").unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&emulator.manifest("shop/web", "saved").unwrap()).unwrap();
    assert_eq!(manifest["config"]["digest"], id.as_str());
    assert!(
        manifest["layers"][0]["mediaType"].as_str().unwrap().ends_with("gzip"),
        "{manifest}"
    );
    push().run().succeeds().says("unchanged: `saved`");
    // The same bytes on every run and machine.
    pipe(&emulator, "push")
        .var("SOURCE", &source)
        .var("TARGET", "api:saved")
        .run()
        .succeeds();
    assert_eq!(emulator.tag("shop/api", "saved"), Some(first));
    engine
        .docker(&["pull", &format!("{}/shop/web:saved", emulator.host())])
        .fails_with("");
}

#[test]
fn mistakes_of_locations_are_told() {
    let emulator = start();
    pipe(&emulator, "pull")
        .var("IMAGES", "base:1")
        .var("TO", "out.tar")
        .run()
        .fails(2)
        .no_connection()
        .says("`TO` is `out.tar`: it names no form of output");
    pipe(&emulator, "push")
        .var("SOURCE", "oci:nothing")
        .var("TARGET", "api")
        .run()
        .fails(4)
        .says("nothing");
    pipe(&emulator, "push")
        .var("SOURCE", "oci-archive:x.tar:1")
        .run()
        .fails(2)
        .no_connection()
        .says("write `TARGET: package`");
    pipe(&emulator, "pull")
        .var("IMAGES", "base:multi")
        .var("TO", "oci:out")
        .var("PLATFORM", "linux/riscv64")
        .run()
        .fails(4)
        .says("it is there for");
}

#[test]
fn a_blob_that_cannot_be_had_is_asked_for_as_often_as_retries_says() {
    let emulator = start();
    let target = Emulator::start(Setup::shop());
    let asked = |emulator: &Emulator| {
        let mut blobs: Vec<String> = emulator.requests();
        blobs.retain(|line| line.starts_with("GET") && line.contains("/blobs/"));
        blobs.sort();
        let each: Vec<usize> = blobs.chunk_by(|a, b| a == b).map(<[String]>::len).collect();
        each
    };
    emulator.script(on("GET", "/blobs/").signed_in(), 1000, Answer::new(503));
    pipe(&emulator, "pull")
        .var("IMAGES", "base:1")
        .var("TO", "oci:out")
        .var("CONCURRENCY", "1")
        .var("RETRIES", "1")
        .run()
        .fails(6)
        .says("(tried 2 times)");
    assert_eq!(asked(&emulator), [2]);
    emulator.forget_requests();
    pipe(&target, "copy")
        .var("SOURCE", &format!("{}/shop/base:1", emulator.host()))
        .var("SOURCE_USERNAME", Setup::EMAIL)
        .var("SOURCE_PASSWORD", &Setup::api_token())
        .var("CONCURRENCY", "1")
        .var("RETRIES", "1")
        .run()
        .fails(6);
    assert!(
        asked(&emulator).iter().all(|times| *times == 2),
        "{:?}",
        asked(&emulator)
    );
}

#[test]
fn a_signal_ends_the_reading_of_an_archive_at_once() {
    let emulator = start();
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    // One file of 64 GiB of zeros, in members of 4 MiB: more than is read in a while, and 64 MiB on the disk.
    let mut header = [0; 512];
    header[..5].copy_from_slice(b"zeros");
    header[124] = 0x80;
    header[128..136].copy_from_slice(&(64_u64 << 30).to_be_bytes());
    header[148..156].fill(b' ');
    header[156] = b'0';
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = gzip(&header);
    let member = gzip(&vec![0; 4 << 20]);
    for _ in 0..(16 << 10) {
        archive.extend(&member);
    }
    let running = pipe(&emulator, "push")
        .file("image.tar.gz", archive)
        .var("SOURCE", "docker-archive:image.tar.gz")
        .var("TARGET", "api:2")
        .var("DEBUG", "true")
        .start()
        .until("DEBUG: crg-pipe");
    std::thread::sleep(std::time::Duration::from_millis(500));
    let sent = std::time::Instant::now();
    running.signal("TERM").wait().fails(143).says("stopped by SIGTERM");
    // To the end of the archive it is minutes; a busy machine may need more than the two seconds that are promised.
    assert!(sent.elapsed().as_secs_f64() < 10.0, "{:?}", sent.elapsed());
}

#[test]
fn debug_tells_what_is_asked_of_the_daemon() {
    let emulator = start();
    pipe(&emulator, "pull")
        .var("IMAGES", "base:1")
        .docker_host("tcp://127.0.0.1:1")
        .var("DEBUG", "true")
        .run()
        .fails(6)
        .says("DEBUG: Docker daemon: GET /_ping");
}

#[test]
fn an_image_of_manifests_without_end_is_refused() {
    let emulator = start();
    let mut pipe = pipe(&emulator, "push");
    let mut entries = Vec::new();
    for number in 0..17 {
        let config = format!(r#"{{"digest": "{}", "size": 2}}"#, digest(b"{}"));
        let manifest = format!(
            r#"{{"schemaVersion": 2, "config": {config}, "number": {number}, "pad": "{}"}}"#,
            "x".repeat(4_000_000)
        );
        let digest = digest(manifest.as_bytes());
        entries.push(format!(
            r#"{{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "{digest}", "size": {}}}"#,
            manifest.len()
        ));
        pipe = pipe.file(&format!("layout/blobs/{}", digest.replace(':', "/")), manifest);
    }
    pipe = pipe.file(&format!("layout/blobs/{}", digest(b"{}").replace(':', "/")), "{}");
    let index = format!(r#"{{"schemaVersion": 2, "manifests": [{}]}}"#, entries.join(","));
    let digest = digest(index.as_bytes());
    let list = format!(
        r#"{{"schemaVersion": 2, "manifests": [{{"digest": "{digest}", "size": {}}}]}}"#,
        index.len()
    );
    pipe.file(&format!("layout/blobs/{}", digest.replace(':', "/")), index)
        .file("layout/index.json", list)
        .var("SOURCE", "oci:layout")
        .var("TARGET", "api:9")
        .run()
        .fails(1)
        .says("bytes of manifests");
    assert_eq!(emulator.tag("shop/api", "9"), None);
}
