//! Every layer of a docker-archive is proven before it is published: what is damaged, cut or another layer never gets a
//! tag, and what a tag holds already is the same image only if its layers are sound.

use crate::support::emulator::{Emulator, Setup};
use crate::support::image::{Image, ImageBuilder, digest};
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;
use crate::support::sha512::digest_512;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    archive.into_inner().unwrap()
}

/// How an archive names its layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// As Docker did before 25.
    Numbers,
    /// As go-containerregistry: kaniko, ko, crane.
    Hex,
    /// As Docker does since 25.
    Blobs,
    /// The same with the image's manifest in an `index.json`, as an engine with containerd's store saves it.
    Manifest,
    /// The same, with configuration and layers named by SHA-512.
    Sha512,
}

/// A docker-archive of the image with these bytes as its layers.
fn archive(image: &Image, layers: &[Vec<u8>], naming: Naming) -> Vec<u8> {
    let config = &image.blobs()[0];
    let name_of = if naming == Naming::Sha512 { digest_512 } else { digest };
    let mut files = vec![("config.json".to_owned(), config.bytes.to_vec())];
    let mut names = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let hex = digest(layer)[7..].to_owned();
        let name = match naming {
            Naming::Numbers => format!("{number}/layer.tar"),
            Naming::Hex => format!("{hex}.tar.gz"),
            Naming::Blobs | Naming::Manifest | Naming::Sha512 => format!("blobs/{}", name_of(layer).replace(':', "/")),
        };
        if !files.iter().any(|(other, _)| *other == name) {
            files.push((name.clone(), layer.clone()));
        }
        names.push(name);
    }
    if matches!(naming, Naming::Manifest | Naming::Sha512) {
        let descriptors = layers.iter().map(|layer| {
            serde_json::json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": name_of(layer), "size": layer.len(),
            })
        });
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": image.media_type(), "layers": descriptors.collect::<Vec<_>>(),
            "config": { "mediaType": config.media_type, "digest": name_of(&config.bytes), "size": config.bytes.len() },
        });
        let manifest = manifest.to_string().into_bytes();
        let index = serde_json::json!({
            "schemaVersion": 2,
            "manifests": [{ "mediaType": image.media_type(), "digest": digest(&manifest), "size": manifest.len() }],
        });
        files.push((format!("blobs/sha256/{}", &digest(&manifest)[7..]), manifest));
        files.push(("index.json".to_owned(), index.to_string().into_bytes()));
    }
    let list = serde_json::json!([{ "Config": "config.json", "RepoTags": ["shop/api:1"], "Layers": names }]);
    files.push(("manifest.json".to_owned(), list.to_string().into_bytes()));
    tar(&files)
}

pub(super) fn push<'a>(emulator: &'a Emulator, archive: &[u8], tags: &str) -> Outcome<'a> {
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .built_in()
        .file("x.tar", archive)
        .var("ACTION", "push")
        .var("SOURCE", "docker-archive:x.tar")
        .var("TARGET", "api")
        .var("TAGS", tags)
        .var("RETRIES", "0")
        .run()
}

fn image() -> Image {
    ImageBuilder::new("proven layers").layers(2, 90_000).build()
}

fn altered(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 0x55;
    bytes
}

#[test]
fn no_damaged_layer_is_published() {
    let image = image();
    let [first, second] = [0, 1].map(|number| image.layer_tars()[number].clone());
    let (zipped, sound) = (gzip(&first), gzip(&second));
    let middle = zipped.len() / 2;
    let cut = |bytes: &[u8], by: usize| bytes[..bytes.len() - by].to_vec();
    let emulator = Emulator::start(Setup::shop());
    for (kind, layers) in [
        ("a flipped byte", [altered(&zipped, middle), sound.clone()]),
        ("another checksum", [altered(&zipped, zipped.len() - 5), sound.clone()]),
        ("cut", [cut(&zipped, 30), sound.clone()]),
        ("cut in the trailer", [cut(&zipped, 2), sound.clone()]),
        ("zeros behind", [[zipped.clone(), vec![0; 512]].concat(), sound.clone()]),
        ("text behind", [[&zipped[..], b"text"].concat(), sound.clone()]),
        (
            "another member behind",
            [[zipped.clone(), gzip(b"more")].concat(), sound.clone()],
        ),
        ("half of it", [gzip(&first[..first.len() / 2]), sound.clone()]),
        ("the other layer twice", [sound.clone(), sound.clone()]),
        ("swapped", [sound.clone(), zipped.clone()]),
        ("compressed twice", [gzip(&zipped), sound.clone()]),
        ("the last one, flipped", [zipped.clone(), altered(&sound, middle)]),
        ("plain, flipped", [altered(&first, 50_000), second.clone()]),
        ("plain, cut", [cut(&first, 512), second.clone()]),
        ("plain beside a flipped one", [first.clone(), altered(&sound, middle)]),
    ] {
        for naming in [Naming::Numbers, Naming::Hex, Naming::Blobs, Naming::Manifest] {
            let outcome = push(&emulator, &archive(&image, &layers, naming), "1 2")
                .fails(1)
                .says("x.tar` is damaged at `")
                .says("hint: make the archive again");
            let last = outcome.last_line();
            assert!(last.contains("nothing was changed"), "{kind}, {naming:?}: {last}");
            assert_eq!(emulator.tags("shop/api"), Vec::<String>::new(), "{kind}, {naming:?}");
        }
    }
}

#[test]
fn a_sound_layer_is_published_as_it_is_stored() {
    let image = image();
    let [first, second] = [0, 1].map(|number| image.layer_tars()[number].clone());
    let (head, tail) = first.split_at(30_000);
    for layers in [
        [gzip(&first), gzip(&second)],
        // As eStargz has it.
        [[gzip(head), gzip(tail)].concat(), gzip(&second)],
    ] {
        for naming in [Naming::Numbers, Naming::Hex, Naming::Blobs, Naming::Manifest] {
            let emulator = Emulator::start(Setup::shop());
            let bytes = archive(&image, &layers, naming);
            push(&emulator, &bytes, "1").succeeds();
            for layer in &layers {
                assert!(emulator.has_blob("shop/api", &digest(layer)), "{naming:?}");
            }
            // What is there is not sent again, under whichever tag.
            emulator.forget_requests();
            push(&emulator, &bytes, "1 2")
                .succeeds()
                .says("tagged `2`; unchanged: `1`");
            assert_eq!(emulator.blob_bytes_received(), 0, "{naming:?}");
            emulator.forget_requests();
            push(&emulator, &archive(&image, &layers, Naming::Hex), "3").succeeds();
            let layers = emulator
                .requests()
                .iter()
                .filter(|line| line.starts_with("PATCH"))
                .count();
            assert_eq!(layers, 0, "{naming:?}: {:#?}", emulator.requests());
        }
    }
}

#[test]
fn a_sound_archive_replaces_damaged_layers_of_a_tag() {
    let image = image();
    let [first, second] = [0, 1].map(|number| image.layer_tars()[number].clone());
    let sound = [gzip(&first), gzip(&second)];
    let middle = sound[0].len() / 2;
    for damaged in [
        [altered(&sound[0], middle), sound[1].clone()],
        [sound[1].clone(), sound[1].clone()],
        [[sound[0].clone(), vec![0; 512]].concat(), sound[1].clone()],
        [sound[0].clone(), altered(&sound[1], middle)],
    ] {
        for (layers, naming) in [
            (sound.clone(), Naming::Numbers),
            (sound.clone(), Naming::Hex),
            (sound.clone(), Naming::Manifest),
            ([first.clone(), second.clone()], Naming::Numbers),
            ([first.clone(), sound[1].clone()], Naming::Numbers),
        ] {
            let emulator = Emulator::start(Setup::shop());
            let before = image.with_layers(&damaged);
            emulator.put_image("shop/api", "1", &before);
            push(&emulator, &archive(&image, &layers, naming), "1")
                .succeeds()
                .says("tagged `1`");
            let now = emulator.tag("shop/api", "1").unwrap();
            assert_ne!(now, before.digest(), "{naming:?}");
            // And that is the same image from then on.
            push(&emulator, &archive(&image, &layers, naming), "1")
                .succeeds()
                .says("unchanged: `1`");
        }
    }
}

#[test]
fn a_plain_layer_is_the_same_whoever_compressed_it() {
    let image = image();
    let emulator = Emulator::start(Setup::shop());
    emulator.put_image("shop/api", "1", &image);
    let plain = archive(&image, image.layer_tars(), Naming::Numbers);
    push(&emulator, &plain, "1").succeeds().says("unchanged: `1`");
    assert_eq!(emulator.tag("shop/api", "1"), Some(image.digest()));
    // A layer that the registry has lost is none that is the same.
    emulator.lose_blob("shop/api", &image.blobs()[2].digest());
    push(&emulator, &plain, "1").succeeds().says("tagged `1`");
    // Where nothing may be overwritten, a damaged tag stays and says so.
    let damaged = image.with_layers(&[gzip(b"other"), gzip(b"layers")]);
    emulator.put_image("shop/api", "2", &damaged);
    push(&emulator, &plain, "2").succeeds().says("tagged `2`");
    emulator.put_image("shop/api", "3", &damaged);
    Pipe::new()
        .workspace("shop")
        .registry(&emulator)
        .built_in()
        .file("x.tar", &plain)
        .var("ACTION", "push")
        .var("SOURCE", "docker-archive:x.tar")
        .var("TARGET", "api:3")
        .var("ON_EXISTING", "fail")
        .run()
        .fails(5)
        .says("is there already, as another image");
    assert_eq!(emulator.tag("shop/api", "3"), Some(damaged.digest()));
}

#[test]
fn layers_that_are_named_by_sha512_are_published_so() {
    let image = image();
    let layers: Vec<Vec<u8>> = image.layer_tars().iter().map(|layer| gzip(layer)).collect();
    let archived = archive(&image, &layers, Naming::Sha512);
    for by_sha512 in [false, true] {
        let emulator = Emulator::start(Setup::shop().with(|settings| settings.names_by_sha512 = by_sha512));
        push(&emulator, &archived, "1").succeeds().says("tagged `1`");
        let manifest = emulator.manifest("shop/api", "1").unwrap();
        for blob in layers.iter().map(Vec::as_slice).chain([&image.blobs()[0].bytes[..]]) {
            let name = digest_512(blob);
            assert!(String::from_utf8_lossy(&manifest).contains(&name), "{name}");
            assert!(emulator.has_blob("shop/api", &name), "{name}");
        }
        push(&emulator, &archived, "1").succeeds().says("unchanged: `1`");
    }
    // What is damaged is not published so either.
    let damaged = [altered(&layers[0], 100), layers[1].clone()];
    let emulator = Emulator::start(Setup::shop());
    push(&emulator, &archive(&image, &damaged, Naming::Sha512), "1").fails(1);
    assert_eq!(emulator.tag("shop/api", "1"), None);
}
