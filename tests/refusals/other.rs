//! What is wrong with images and archives as they are named, and with files.

use super::by_daemon::pulled_from;
use super::{Case, Run, pull, retag, shop};
use crate::files::as_another_user;
use crate::support::emulator::Emulator;
use crate::support::image::Image;
use crate::support::pipe::Pipe;
use crate::support::scripted_daemon::Say;
use serde_json::{Value, json};
use std::os::unix::fs::{PermissionsExt, symlink};

pub(super) const CASES: &[Case] = &[
    Case {
        see: "`IMAGES`: `pull` needs images, and there is no Dockerfile and no compose file in `…` to find them in<br>\
              `IMAGES`: `pull` needs images, and none of `…` was found in … (looked at in `…`)",
        status: 2,
        runs: || {
            let emulator = shop();
            let pipe = || pull(&emulator, "").unset("IMAGES").built_in();
            vec![
                pipe().run().no_connection().into(),
                pipe().file("Dockerfile", "FROM node:20\n").run().no_connection().into(),
            ]
        },
    },
    Case {
        see: "`SOURCE_USERNAME`: it is for one registry, but the images are on …<br>\
              `SOURCE_USERNAME`: it is for one registry, but the sources are on …",
        status: 2,
        runs: || with_source("docker.io/library/node quay.io/shop/app"),
    },
    Case {
        see: "`SOURCE_USERNAME`: no image is on another registry<br>`SOURCE_USERNAME`: no source is on another registry",
        status: 2,
        runs: || with_source("api:1=web"),
    },
    Case {
        see: "`…` is `…`: source and target are the same",
        status: 2,
        runs: || {
            let emulator = shop();
            let images = copy(&emulator).unset("SOURCE").var("IMAGES", "base:1=web api:1=api:1");
            [copy(&emulator), images]
                .map(|pipe| pipe.run().no_connection().into())
                .into()
        },
    },
    Case {
        see: "`…` is not there for …<br>the image is for another platform: …; the daemon's words: …",
        status: 4,
        runs: || {
            let emulator = shop();
            let pipe = copy(&emulator).var("TARGET", "web").var("PLATFORM", "linux/s390x");
            let words = "no matching manifest for linux/s390x in the manifest list entries";
            vec![pipe.run().into(), pulled_from(|| Say::refusal(404, words))]
        },
    },
    Case {
        see: "there is no `…`<br>there is no `…`; there is `…`",
        status: 4,
        runs: || {
            vec![
                pushed("oci:missing", |pipe| pipe),
                pushed("docker-archive:a:b.tar", |pipe| pipe.file("a:b.tar", "")),
            ]
        },
    },
    Case {
        see: "`…` has several images: …",
        status: 2,
        runs: || {
            let images = [entry(&image("one"), Some("1")), entry(&image("two"), Some("2"))];
            vec![pushed("oci:image", |pipe| layout(pipe, &images, &[]))]
        },
    },
    Case {
        see: "`…` has no image `…`, but …<br>\
              `…` has no image `…`; its images have no names<br>\
              `…` lists no image",
        status: 4,
        runs: || {
            let named = [entry(&image("one"), Some("1"))];
            let unnamed = image("one").docker_archive(&[]);
            vec![
                pushed("oci:image:2", |pipe| layout(pipe, &named, &[])),
                pushed("docker-archive:x.tar:web", |pipe| pipe.file("x.tar", unnamed)),
                pushed("oci:image:2", |pipe| layout(pipe, &[], &[])),
            ]
        },
    },
    Case {
        see: "`…` cannot be read as `…:`: …<br>`…` is compressed with …, and only gzip is read",
        status: 2,
        runs: || {
            let archive = image("one").docker_archive(&["api:1"]);
            let bzip2 = b"BZh91AY&SY".repeat(100);
            let exported = tar(&[("bin/sh", b"#!"), ("etc/passwd", b"root")]);
            vec![
                pushed("oci-archive:x.tar", |pipe| pipe.file("x.tar", archive)),
                pushed("docker-archive:x.tar", |pipe| pipe.file("x.tar", exported)),
                pushed("docker-archive:x.tar", |pipe| pipe.file("x.tar", bzip2)),
            ]
        },
    },
    Case {
        see: "`…` is empty<br>`…` is not a tar",
        status: 2,
        runs: || {
            ["", "<html>"]
                .map(|text| pushed("oci-archive:x.tar", |pipe| pipe.file("x.tar", text.repeat(500))))
                .into()
        },
    },
    Case {
        see: "`…` is damaged at `…`: …<br>\
              `…` does not have `…`<br>\
              `…` has neither `…` nor its own end: it was cut short<br>\
              `…` has wrong bytes under the digest …: …<br>\
              `…` has a layer compressed with …: `…`<br>\
              `…` is not safe to use: its entry `…` …",
        status: 1,
        runs: damaged,
    },
    Case {
        see: "`…` can be read in two ways: its entry `…` …",
        status: 1,
        runs: || {
            let archive = tar(&[("manifest.json", b"[]"), ("manifest.json", b"[ ]")]);
            vec![pushed("docker-archive:x.tar", |pipe| pipe.file("x.tar", archive))]
        },
    },
    Case {
        see: "`…` has not all of the image: of what its index names, … not there",
        status: 1,
        runs: || {
            let image = Image::multi("refusals other");
            let (root, there) = ([entry(&image, None)], parts(&image.children()[0]));
            let index = vec![(image.digest(), image.bytes().to_vec())];
            vec![pushed("oci:image", |pipe| {
                layout(pipe, &root, &[there, index].concat())
            })]
        },
    },
    Case {
        see: "`…` cannot be used: its entry `…` …",
        status: 1,
        runs: || {
            vec![pushed("oci:image", |pipe| {
                let pipe = layout(pipe, &[entry(&image("one"), None)], &[]);
                symlink("/nowhere/blobs", pipe.clone_folder().join("image/blobs")).unwrap();
                pipe
            })]
        },
    },
    Case {
        see: "a `docker-archive` cannot hold this image: …",
        status: 2,
        runs: || {
            let emulator = shop();
            let chart = Image::referrer_of(&image("one"), "application/vnd.example.chart");
            emulator.put_image("shop/api", "chart", &chart);
            let pipe = pull(&emulator, "api:chart").var("TO", "docker-archive:chart.tar");
            vec![pipe.built_in().run().into()]
        },
    },
    Case {
        see: "`…` cannot be written: …<br>\
              `…` cannot be read: …<br>\
              `…` was left alone, since it may not be read: …",
        status: 1,
        runs: || {
            let emulator = shop();
            let in_the_way = retag(&emulator).built_in().var("REPORT", "report.json/x");
            let closed = |file: &str| {
                let pipe = as_another_user(&emulator).file(file, "{}");
                std::fs::set_permissions(pipe.clone_folder().join(file), PermissionsExt::from_mode(0o600)).unwrap();
                pipe
            };
            let archive = closed("x.tar").var("ACTION", "push").var("TARGET", "base");
            vec![
                in_the_way.file("report.json", "").run().no_connection().into(),
                archive.var("SOURCE", "docker-archive:x.tar").run().into(),
                closed(".docker/config.json").var("ACTION", "login").run().into(),
            ]
        },
    },
    Case {
        see: "`…` was left alone: …<br>\
              `…` is longer than any Docker configuration<br>\
              `…` is a link out of its folder, or to nothing<br>\
              `…` is not a file",
        status: 1,
        runs: || {
            let emulator = shop();
            let login = || retag(&emulator).api_token().var("ACTION", "login");
            let linked = login().file(".docker/x", "");
            symlink("/nowhere", linked.clone_folder().join(".docker/config.json")).unwrap();
            [
                login().file(".docker/config.json", "{"),
                login()
                    .file("crg.yml", "kind: Deployment\n")
                    .var("PULL_SECRET", "crg.yml"),
                login().file(".docker/config.json", " ".repeat(2 << 20)),
                linked,
                login().file(".docker/config.json/x", ""),
            ]
            .map(|pipe| pipe.run().into())
            .into()
        },
    },
];

/// Archives of which something is missing or altered.
fn damaged() -> Vec<Run> {
    let image = image("one");
    let root = || [entry(&image, None)];
    let whole = parts(&image);
    let mut altered = whole.clone();
    altered[1].1[0] ^= 1;
    let archive = image.oci_archive("api:1");
    let blobs = archive.chunks(512).position(|header| header.starts_with(b"blobs/"));
    let cut = archive[..512 * blobs.expect("blobs follow the index")].to_vec();
    let packed = |config: &str, layer: &[u8]| {
        let list = json!([{ "Config": config, "RepoTags": ["api:1"], "Layers": ["layer.tar"] }]).to_string();
        tar(&[
            ("manifest.json", list.as_bytes()),
            ("config.json", &image.blobs()[0].bytes),
            ("layer.tar", layer),
        ])
    };
    vec![
        pushed("oci:image", |pipe| {
            layout(pipe, &root(), &whole).file("image/index.json", "{")
        }),
        pushed("oci:image", |pipe| layout(pipe, &root(), &whole[1..])),
        pushed("oci-archive:x.tar", |pipe| pipe.file("x.tar", cut)),
        pushed("oci:image", |pipe| layout(pipe, &root(), &altered)),
        pushed("docker-archive:x.tar", |pipe| {
            pipe.file("x.tar", packed("config.json", b"BZh91AY&SY"))
        }),
        pushed("docker-archive:x.tar", |pipe| {
            pipe.file("x.tar", packed("../config.json", b""))
        }),
    ]
}

fn image(seed: &str) -> Image {
    Image::small(&format!("refusals other {seed}"))
}

/// A `copy` of `api:1`, which is to be told where.
fn copy(emulator: &Emulator) -> Pipe<'_> {
    retag(emulator).unset("TAGS").built_in().var("ACTION", "copy")
}

/// A `pull` and a `copy` of these images with a credential for another registry.
fn with_source(images: &str) -> Vec<Run> {
    let emulator = shop();
    let sources = images.split('=').next().unwrap_or_default();
    [
        pull(&emulator, sources).built_in(),
        copy(&emulator).unset("SOURCE").var("IMAGES", images),
    ]
    .map(|pipe| pipe.var("SOURCE_USERNAME", "ada").var("SOURCE_PASSWORD", "of-another"))
    .map(|pipe| pipe.run().no_connection().into())
    .into()
}

/// A `push` of what is made in the clone.
fn pushed(source: &str, make: impl for<'a> FnOnce(Pipe<'a>) -> Pipe<'a>) -> Run {
    let emulator = shop();
    let pipe = retag(&emulator).unset("TAGS").built_in().var("ACTION", "push");
    make(pipe.var("SOURCE", source).var("TARGET", "api")).run().into()
}

/// An image in the `index.json` of a layout.
fn entry(image: &Image, name: Option<&str>) -> Value {
    let mut entry = json!({
        "mediaType": image.media_type(), "digest": image.digest(), "size": image.bytes().len(),
    });
    if let Some(name) = name {
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    }
    entry
}

/// All blobs of an image of one platform, the manifest last.
fn parts(image: &Image) -> Vec<(String, Vec<u8>)> {
    let blobs = image.blobs().iter().map(|blob| (blob.digest(), blob.bytes.to_vec()));
    blobs.chain([(image.digest(), image.bytes().to_vec())]).collect()
}

/// The layout `image` with these images and blobs.
fn layout<'a>(pipe: Pipe<'a>, images: &[Value], blobs: &[(String, Vec<u8>)]) -> Pipe<'a> {
    let index = json!({ "schemaVersion": 2, "manifests": images }).to_string();
    let pipe = pipe.file("image/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    blobs
        .iter()
        .fold(pipe.file("image/index.json", index), |pipe, (digest, bytes)| {
            pipe.file(&format!("image/blobs/{}", digest.replace(':', "/")), bytes)
        })
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}
