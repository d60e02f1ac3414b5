//! What comes with an answer or in its place: encodings, warnings, redirects of what is written, indexes that say little.

use super::Action::{Check, Copy, Login, Mirror, Pull, Push, Retag};
use super::{Cell, Row, SOME, check};
use crate::support::emulator::{Answer, Emulator, Fault, Setup, on};
use crate::support::image::{Image, ImageBuilder, OCI_MANIFEST};
use crate::support::pipe::Pipe;
use crate::support::shop;
use serde_json::json;
use std::io::Write as _;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn encoded(bytes: &[u8]) -> Answer {
    Answer::new(200)
        .header("Content-Encoding", "gzip")
        .header("Content-Type", OCI_MANIFEST)
        .body(gzip(bytes))
}

const AS_GZIP: &str = "encoded as `gzip`";

#[test]
fn an_encoding_that_comes_all_the_same_is_named() {
    check(&[
        Row {
            what: "manifests are encoded",
            setup: Setup::shop,
            prepare: |emulator| {
                let manifest = emulator.manifest("shop/base", "1").unwrap();
                emulator.script(on("GET", "/manifests/").signed_in(), 1000, encoded(&manifest));
            },
            variables: &[],
            cells: &[
                Cell(Pull, 1, 2, AS_GZIP),
                Cell(Retag, 1, 2, AS_GZIP),
                Cell(Push, 1, 2, AS_GZIP),
                Cell(Copy, 1, 3, AS_GZIP),
                Cell(Check, 1, SOME, AS_GZIP),
            ],
        },
        Row {
            what: "manifests are said to be encoded, and are not",
            setup: Setup::shop,
            prepare: |emulator| {
                let manifest = emulator.manifest("shop/base", "1").unwrap();
                let answer = encoded(b"").body(manifest);
                emulator.script(on("GET", "base/manifests/").signed_in(), 1000, answer);
            },
            variables: &[],
            cells: &[Cell(Pull, 0, SOME, ""), Cell(Copy, 0, SOME, "")],
        },
        Row {
            what: "tokens are encoded",
            setup: Setup::shop,
            prepare: |emulator| {
                emulator.script(on("GET", "/token"), 1000, encoded(b"{\"token\":\"t\"}"));
            },
            variables: &[],
            cells: &[Cell(Pull, 1, 1, AS_GZIP), Cell(Login, 1, 1, AS_GZIP)],
        },
        Row {
            what: "refusals are encoded",
            setup: Setup::shop,
            prepare: |emulator| {
                let answer = Answer {
                    status: 403,
                    ..encoded(b"{\"errors\":[]}")
                };
                emulator.script(on("GET", "/manifests/").signed_in(), 1000, answer);
            },
            variables: &[],
            cells: &[Cell(Pull, 3, SOME, "“(its words came encoded as gzip)”")],
        },
        Row {
            what: "layers are encoded",
            setup: Setup::shop,
            prepare: |emulator| {
                let answer = encoded(b"some bytes of a layer, which is not what was asked for");
                emulator.script(on("GET", "/blobs/").signed_in(), 1000, answer);
            },
            variables: &[],
            cells: &[
                Cell(Pull, 1, SOME, AS_GZIP),
                Cell(Pull, 1, SOME, "must leave bodies as they are"),
            ],
        },
    ]);
    // A storage that says so of what is a compressed layer anyway.
    let image = Image::small("encoded");
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/base", "1", &image);
    for blob in image.blobs() {
        let path = format!("/blobs/{}", blob.digest());
        let answer = Answer::new(200)
            .header("Content-Encoding", "gzip")
            .body(blob.bytes.clone());
        emulator.script(on("GET", &path).signed_in(), 10, answer);
    }
    shop::pull(&emulator, "base:1").api_token().run().succeeds();
}

#[test]
fn every_request_asks_for_bodies_as_they_are() {
    let emulator = shop::shop();
    let source = shop::shop();
    Pipe::new()
        .workspace("shop")
        .registry(&emulator)
        .api_token()
        .var("ACTION", "copy")
        .var("SOURCE", &format!("{}/shop/base:1", source.host()))
        .var("SOURCE_USERNAME", Setup::EMAIL)
        .var("SOURCE_PASSWORD", &Setup::api_token())
        .var("TARGET", "web:1")
        .run()
        .succeeds();
    for entry in emulator.journal().iter().chain(&source.journal()) {
        assert_eq!(entry.accept_encoding.as_deref(), Some("identity"), "{}", entry.line());
    }
}

#[test]
fn a_warning_of_the_registry_is_shown_once() {
    let emulator = shop::shop();
    let page = Answer::new(200)
        .header(
            "Warning",
            "299 - \"this registry moves on 1 May: \u{202e}see \\\"docs\\\"\"",
        )
        .header("Warning", "110 - \"response is stale\"")
        .json(&json!({ "name": "shop/base", "tags": ["1"] }));
    emulator.script(on("GET", "/tags/list").signed_in(), 100, page);
    let copied = Pipe::new()
        .workspace("shop")
        .registry(&emulator)
        .api_token()
        .var("ACTION", "copy")
        .var("IMAGES", "base:*=web base:1*=api")
        .run()
        .succeeds();
    let plain = copied.plain();
    let told: Vec<&str> = plain.lines().filter(|line| line.contains("moves on")).collect();
    let [line] = told[..] else { panic!("{plain}") };
    assert!(line.contains(&format!("`{}` says: “", emulator.host())), "{line}");
    assert!(line.contains("see \"docs\"”"), "{line}");
    assert!(!line.contains('\u{202e}'), "{line:?}");
    copied.never_says("stale");
}

#[test]
fn what_is_written_follows_on_the_registry_itself() {
    fn redirect(emulator: &Emulator, method: &str, times: usize, status: u16) {
        let path = on(method, "/blobs/uploads/.+").signed_in();
        emulator.script(path, times, Fault::Redirected(status, "&hop=1"));
    }
    check(&[
        Row {
            what: "each blob is redirected once",
            setup: Setup::shop,
            prepare: |emulator| redirect(emulator, "PUT", 2, 307),
            variables: &[("CONCURRENCY", "1")],
            cells: &[Cell(Push, 0, SOME, ""), Cell(Mirror, 0, SOME, "")],
        },
        Row {
            what: "a blob is redirected permanently, and again",
            setup: Setup::shop,
            prepare: |emulator| redirect(emulator, "PUT", 5, 308),
            variables: &[("CONCURRENCY", "1")],
            cells: &[Cell(Push, 0, SOME, ""), Cell(Mirror, 0, SOME, "")],
        },
        Row {
            what: "blobs are redirected without an end",
            setup: Setup::shop,
            prepare: |emulator| redirect(emulator, "PUT", 1000, 307),
            variables: &[],
            cells: &[Cell(Push, 1, SOME, "which is not followed: it is one of too many")],
        },
        Row {
            what: "blobs are redirected as if they were read",
            setup: Setup::shop,
            prepare: |emulator| redirect(emulator, "PUT", 1000, 302),
            variables: &[],
            cells: &[Cell(Push, 1, SOME, "what is written goes to the registry itself only")],
        },
        Row {
            what: "blobs are redirected elsewhere",
            setup: Setup::shop,
            prepare: |emulator| {
                let answer = Answer::new(307).header("Location", "https://storage.example/x?sig=secret");
                emulator.script(on("PUT", "/blobs/uploads/").signed_in(), 1000, answer);
            },
            variables: &[],
            cells: &[
                Cell(Push, 1, SOME, "to `https://storage.example"),
                Cell(Mirror, 1, SOME, "what is written goes to the registry itself only"),
            ],
        },
        Row {
            what: "a redirect that leads nowhere",
            setup: Setup::shop,
            prepare: |emulator| emulator.script(on("PUT", "/blobs/uploads/").signed_in(), 1000, Answer::new(307)),
            variables: &[],
            cells: &[Cell(Push, 1, SOME, "a redirect without a `Location`")],
        },
    ]);
    // What is compressed on its way is made again, too.
    for method in ["PATCH", "PUT"] {
        let image = Image::small("archived");
        let emulator = shop::shop();
        redirect(&emulator, method, 3, 307);
        let pushed = Pipe::new()
            .workspace("shop")
            .registry(&emulator)
            .api_token()
            .file("image.tar", image.docker_archive(&["web:1"]))
            .var("ACTION", "push")
            .var("SOURCE", "docker-archive:image.tar")
            .var("TARGET", "web:1")
            .var("RETRIES", "0")
            .run()
            .succeeds();
        assert!(
            pushed.journal().iter().any(|entry| entry.path.contains("hop=1")),
            "{method}"
        );
    }
}

/// `platform` is optional in an index.
#[test]
fn an_index_that_names_no_platforms_is_asked_for_its_configurations() {
    let arm = ImageBuilder::new("silent")
        .platform("linux", "arm64", Some("v8"))
        .build();
    let amd = Image::small("silent");
    let index = Image::index(vec![
        Image::attestation_of(&amd),
        arm.clone().silent(),
        amd.clone().silent(),
    ]);
    for (platform, found) in [
        ("", Some(&amd)),
        ("linux/amd64", Some(&amd)),
        ("linux/arm64", Some(&arm)),
        ("linux/s390x", None),
    ] {
        for to in ["docker-archive:out.tar", "oci-archive:out.tar"] {
            let emulator = shop::shop();
            emulator.put_image("shop/base", "silent", &index);
            let pull = shop::pull(&emulator, "base:silent").api_token().var("TO", to);
            let pull = if platform.is_empty() {
                pull
            } else {
                pull.var("PLATFORM", platform)
            };
            let pulled = pull.var("REPORT", "report.json").run();
            match found {
                Some(image) => {
                    let digest = if platform.is_empty() && to.starts_with("oci") {
                        index.digest()
                    } else {
                        image.digest()
                    };
                    let pulled = pulled.succeeds();
                    let report = pulled.report.as_ref().unwrap();
                    assert_eq!(report["images"][0]["digest"], digest, "{platform} {to}");
                }
                None => {
                    pulled
                        .fails(4)
                        .says("is not there for linux/s390x")
                        .says("it is there for linux/arm64, linux/amd64; write one of these in `PLATFORM`");
                }
            }
        }
        if !platform.is_empty() {
            let emulator = shop::shop();
            emulator.put_image("shop/base", "silent", &index);
            let copied = Pipe::new()
                .workspace("shop")
                .registry(&emulator)
                .api_token()
                .var("ACTION", "copy")
                .var("SOURCE", "base:silent")
                .var("TARGET", "web:1")
                .var("PLATFORM", platform)
                .run();
            assert_eq!(copied.status == 0, found.is_some(), "{}", copied.output);
            assert_eq!(emulator.tag("shop/web", "1"), found.map(Image::digest));
        }
    }
}

/// Sizes are the registry's word until something is read: no sum of them wraps.
#[test]
fn sizes_that_nothing_has_do_not_wrap() {
    let blob = |digit: char| {
        json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": format!("sha256:{}", digit.to_string().repeat(64)),
            "size": i64::MAX,
        })
    };
    let image = Image::small("sizes");
    let config = &image.blobs()[0];
    let emulator = shop::shop();
    emulator.put_image("shop/base", "1", &image);
    let config = json!({ "mediaType": config.media_type, "digest": config.digest(), "size": config.bytes.len() });
    let layers: Vec<_> = "abcd".chars().map(blob).collect();
    let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers });
    let answer = Answer::new(200)
        .header("Content-Type", OCI_MANIFEST)
        .body(manifest.to_string());
    emulator.script(on("GET", "/manifests/1").signed_in(), 10, answer);
    shop::pull(&emulator, "base:1")
        .api_token()
        .unset("TO")
        .var("ACTION", "check")
        .run()
        .succeeds()
        .says("16777216 TiB");
    // Only a file system in memory takes files so large.
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    shop::pull(&emulator, "base:1")
        .api_token()
        .var("TO", &format!("oci:{}", memory.path().join("out").display()))
        .run()
        .fails(4)
        .says("it names this as a part of itself, and the registry does not have it");
}
