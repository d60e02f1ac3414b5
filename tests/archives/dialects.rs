//! Dialects of tar, as GNU tar writes them, and layouts as build tools lay them out: what other programs read is read.

use super::layers::{gzip, push, tar};
use crate::support::emulator::{Emulator, Setup};
use crate::support::image::{Image, ImageBuilder, OCI_INDEX, digest};
use crate::support::pipe::Pipe;
use crate::support::skopeo::{Skopeo, write_layout};
use serde_json::json;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::Path;
use std::process::Command;

/// Runs GNU tar in a folder.
fn gnu_tar(folder: &Path, arguments: &[&str]) {
    let output = Command::new("tar")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("tar");
    assert!(
        output.status.success(),
        "tar {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// An unpacked docker-archive; its first layer is mostly zeros, and has holes on the disk.
fn unpacked(folder: &Path) -> String {
    let zeros = vec![0; 300_000];
    let layers = [
        tar(&[
            ("first".to_owned(), b"text".repeat(1000)),
            ("zeros".to_owned(), zeros.clone()),
            ("last".to_owned(), b"end".to_vec()),
        ]),
        tar(&[("other".to_owned(), b"text".to_vec())]),
    ];
    let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    let config =
        json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let list =
        json!([{ "Config": "config.json", "RepoTags": ["shop/api:1"], "Layers": ["0/layer.tar", "1/layer.tar"] }]);
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    std::fs::write(folder.join("manifest.json"), list.to_string()).unwrap();
    for (number, layer) in layers.iter().enumerate() {
        std::fs::create_dir(folder.join(number.to_string())).unwrap();
        let file = std::fs::File::create(folder.join(format!("{number}/layer.tar"))).unwrap();
        file.set_len(layer.len() as u64).unwrap();
        for (place, block) in layer.chunks(4096).enumerate() {
            if block.iter().any(|byte| *byte != 0) {
                file.write_all_at(block, place as u64 * 4096).unwrap();
            }
        }
    }
    digest(config.to_string().as_bytes())
}

#[test]
fn every_dialect_of_gnu_tar_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("image");
    std::fs::create_dir(&root).unwrap();
    let config = unpacked(&root);
    let archive = folder.path().join("x.tar");
    let name = archive.to_str().unwrap();
    let members = ["config.json", "manifest.json", "0", "1"];
    let absolute = root.to_str().unwrap();
    let strip = format!("--transform=s,^{absolute},,");
    let snapshot = format!("--listed-incremental={}", folder.path().join("snapshot").display());
    let skopeo = Skopeo::new();
    let mut digests = Vec::new();
    for (options, read_by_skopeo) in [
        (&["--format=v7"][..], true),
        (&["--format=oldgnu"], true),
        (&["--format=gnu"], true),
        (&["--format=ustar"], true),
        (&["--format=posix"], true),
        (&["--format=gnu", "--label=images"], true),
        (&["--format=posix", "--label=images"], true),
        (&["--format=gnu", &snapshot], true),
        (&["--format=gnu", "--sparse", "--hole-detection=raw"], true),
        (&["--format=oldgnu", "--sparse", "--hole-detection=raw"], true),
        (
            &[
                "--format=posix",
                "--sparse",
                "--hole-detection=raw",
                "--sparse-version=0.0",
            ],
            true,
        ),
        (
            &[
                "--format=posix",
                "--sparse",
                "--hole-detection=raw",
                "--sparse-version=0.1",
            ],
            true,
        ),
        (
            &[
                "--format=posix",
                "--sparse",
                "--hole-detection=raw",
                "--sparse-version=1.0",
            ],
            true,
        ),
        (&["--format=gnu", "--absolute-names", &strip], false),
        (&["--format=gnu", "--blocking-factor=1"], true),
    ] {
        let all = options.contains(&"--absolute-names");
        let members = if all { vec![absolute] } else { members.to_vec() };
        gnu_tar(&root, &[&["--create", "--file", name], options, &members].concat());
        for bytes in [
            std::fs::read(&archive).unwrap(),
            gzip(&std::fs::read(&archive).unwrap()),
        ] {
            let emulator = Emulator::start(Setup::shop());
            push(&emulator, &bytes, "1").succeeds();
            let manifest = emulator.manifest("shop/api", "1").unwrap();
            let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
            assert_eq!(manifest["config"]["digest"], config, "{options:?}");
            digests.push(emulator.tag("shop/api", "1").unwrap());
        }
        if read_by_skopeo {
            let target = format!("dir:{}", skopeo.folder().join("copy").display());
            skopeo.copy(&[], &format!("docker-archive:{name}"), &target).succeeds();
        }
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "one image, however it was written");
}

/// Bazel's rules lay an image out as links to where Bazel has the blobs.
#[test]
fn a_layout_of_links_is_read_and_what_they_lead_to_is_proven() {
    let image = ImageBuilder::new("links").layers(2, 20_000).build();
    let emulator = Emulator::start(Setup::shop());
    for whole_folder in [false, true] {
        let pipe = pipe(&emulator);
        let (store, layout) = (pipe.clone_folder().join("store"), pipe.clone_folder().join("layout"));
        write_layout(&store, &image);
        std::fs::create_dir_all(layout.join("blobs")).unwrap();
        for name in ["index.json", "oci-layout"] {
            std::fs::copy(store.join(name), layout.join(name)).unwrap();
        }
        if whole_folder {
            std::fs::remove_dir(layout.join("blobs")).unwrap();
            symlink("../store/blobs", layout.join("blobs")).unwrap();
        } else {
            std::fs::create_dir(layout.join("blobs/sha256")).unwrap();
            for blob in std::fs::read_dir(store.join("blobs/sha256")).unwrap() {
                let name = blob.unwrap().file_name();
                symlink(
                    Path::new("../../../store/blobs/sha256").join(&name),
                    layout.join("blobs/sha256").join(&name),
                )
                .unwrap();
            }
        }
        pipe.run().succeeds();
        assert_eq!(emulator.tag("shop/api", "1"), Some(image.digest()));
        assert_eq!(emulator.tag("shop/api", "1"), Some(image.digest()));
    }

    // A link to what is another's leaves nothing of it anywhere.
    let emulator = Emulator::start(Setup::shop());
    let pipe = pipe(&emulator);
    let layout = pipe.clone_folder().join("layout");
    write_layout(&layout, &image);
    let layer = &image.blobs()[1];
    let place = layout.join("blobs/sha256").join(&layer.digest()[7..]);
    let secret = pipe.clone_folder().join("secret");
    std::fs::write(&secret, vec![b's'; layer.bytes.len()]).unwrap();
    std::fs::remove_file(&place).unwrap();
    symlink(&secret, &place).unwrap();
    pipe.run()
        .fails(1)
        .says("the file that its link leads to has other bytes");
    let others = image.blobs().iter().filter(|blob| blob.bytes != layer.bytes);
    let others: usize = others.map(|blob| blob.bytes.len()).sum();
    assert!(emulator.blob_bytes_received() <= others as u64);
    assert_eq!(emulator.tags("shop/api"), Vec::<String>::new());
}

fn pipe(emulator: &Emulator) -> Pipe<'_> {
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .built_in()
        .var("ACTION", "push")
        .var("SOURCE", "oci:layout")
        .var("TARGET", "api:1")
        .var("RETRIES", "0")
}

/// `BuildKit`'s cache (`image-manifest=false`) is an index of layers.
#[test]
fn an_index_of_layers_is_published_with_its_layers() {
    let image = Image::small("cache");
    let config = br#"{"layers":[],"records":[]}"#;
    let layer = &image.blobs()[1];
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        { "mediaType": layer.media_type, "digest": layer.digest(), "size": layer.bytes.len() },
        { "mediaType": "application/vnd.buildkit.cacheconfig.v0", "digest": digest(config), "size": config.len() },
    ] })
    .to_string();
    let list = json!({ "schemaVersion": 2, "manifests": [
        { "mediaType": OCI_INDEX, "digest": digest(index.as_bytes()), "size": index.len() },
    ] });
    let emulator = Emulator::start(Setup::shop());
    let name = |digest: &str| format!("layout/blobs/sha256/{}", &digest[7..]);
    pipe(&emulator)
        .file(&name(&digest(index.as_bytes())), &index)
        .file(&name(&layer.digest()), &layer.bytes)
        .file(&name(&digest(config)), config)
        .file("layout/index.json", list.to_string())
        .run()
        .succeeds();
    assert_eq!(emulator.tag("shop/api", "1"), Some(digest(index.as_bytes())));
    for blob in [layer.digest(), digest(config)] {
        assert!(emulator.has_blob("shop/api", &blob), "{blob}");
    }
}
