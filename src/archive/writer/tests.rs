use super::super::fixture::{Image, index, location};
use super::super::layout::{INDEX, REF_NAME, blob_name};
use super::super::{BlobSource, DockerArchive, Layout};
use super::*;
use crate::registry::manifest::Content;
use bytes::Bytes;
use serde_json::{Value, json};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn fill(writer: &Writer, blobs: &[Bytes]) {
    // In no order, and in pieces that come in no order.
    for blob in blobs.iter().rev() {
        let digest = Digest::of(blob);
        if let Slot::Fill(region) = writer.blob(&digest).unwrap() {
            let half = blob.len() / 2;
            region.write_at(&blob[half..], half as u64).unwrap();
            region.write_at(&blob[..half], 0).unwrap();
        }
        writer.seal(&digest).unwrap();
    }
}

fn write(location: &Location, image: &Image, names: &[&str]) -> Result<(), ArchiveError> {
    let writer = Writer::create(location, &[image.output(names)], &image.sizes())?;
    fill(&writer, &image.blobs);
    writer.finish()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = walk(folder);
    names.sort();
    names
}

fn walk(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| {
        let below = if path.is_dir() { walk(&path) } else { Vec::new() };
        let own = path.file_name().unwrap().to_string_lossy().into_owned();
        std::iter::once(own).chain(below).collect::<Vec<_>>()
    });
    below.collect()
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for transport in ["oci", "oci-archive", "docker-archive"] {
        let path = folder.path().join(transport);
        let location = location(transport, &path);
        let image = Image::new(transport, 3);
        write(&location, &image, &["crg.apkg.io/shop/api:1", "crg.apkg.io/shop/api:2"]).unwrap();
        let layout = Layout::open(&location).unwrap();
        for name in ["crg.apkg.io/shop/api:1", "crg.apkg.io/shop/api:2", "2"] {
            let chosen = layout.choose(Some(name)).unwrap();
            assert_eq!(layout.manifest(&chosen.descriptor).unwrap(), image.manifest);
        }
        let Content::Image { config, layers } = image.manifest.content().unwrap() else {
            panic!("no image");
        };
        for (descriptor, bytes) in [config].iter().chain(&layers).zip(&image.blobs) {
            let mut read = Vec::new();
            layout
                .blob(descriptor)
                .unwrap()
                .reader()
                .read_to_end(&mut read)
                .unwrap();
            assert_eq!(read, *bytes);
        }
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        if transport == "oci" {
            assert_eq!((mode(&path), mode(&path.join("blobs/sha256"))), (0o755, 0o755));
            assert_eq!(
                (mode(&path.join(INDEX)), mode(&path.join("oci-layout"))),
                (0o644, 0o644)
            );
            assert_eq!(mode(&path.join(blob_name(&image.config_digest()))), 0o644);
        } else {
            assert_eq!(mode(&path), 0o644);
        }
    }
    let archive = DockerArchive::open(&location("docker-archive", &folder.path().join("docker-archive"))).unwrap();
    let image = Image::new("docker-archive", 3);
    let read = archive.choose(Some("crg.apkg.io/shop/api:2")).unwrap();
    assert_eq!(
        (read.config_digest, read.manifest),
        (image.config_digest(), Some(image.manifest))
    );
}

/// The whole as a tar reader that is not ours sees it.
#[test]
fn archives_are_the_same_on_every_run_and_sound() {
    let folder = tempfile::tempdir().unwrap();
    let image = Image::new("x", 2);
    let [first, second] = ["1", "2"].map(|name| {
        let path = folder.path().join(name);
        write(&location("docker-archive", &path), &image, &["a:1"]).unwrap();
        std::fs::read(path).unwrap()
    });
    assert!(first == second);
    let mut archive = tar::Archive::new(&first[..]);
    let entries: Vec<(String, u64)> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.path().unwrap().display().to_string(), entry.size())
        })
        .collect();
    let fixed: Vec<&str> = entries.iter().take(5).map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        fixed,
        ["oci-layout", "index.json", "manifest.json", "blobs/", "blobs/sha256/"]
    );
    for (digest, size) in image.sizes() {
        assert!(entries.contains(&(blob_name(&digest), size)), "{entries:?}");
    }
    assert_eq!(entries.len(), 5 + 4);
}

/// From 8 GiB on a size does not fit into a tar's octal digits. The file is a hole: it takes no space.
#[test]
fn a_layer_of_more_than_8_gib_has_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let location = location("oci-archive", &folder.path().join("x.tar"));
    let image = Image::new("x", 1);
    let large = (Digest::of(b"large"), (9 << 30) + 1);
    let sizes = [vec![large.clone()], image.sizes()].concat();
    let writer = Writer::create(&location, &[image.output(&["1"])], &sizes).unwrap();
    let Slot::Fill(region) = writer.blob(&large.0).unwrap() else {
        panic!("no place");
    };
    region.write_at(b"end", large.1 - 3).unwrap();
    writer.seal(&large.0).unwrap();
    fill(&writer, &image.blobs);
    writer.finish().unwrap();
    let mut end = String::new();
    let descriptor = crate::registry::manifest::Descriptor {
        media_type: String::new(),
        digest: large.0.clone(),
        size: large.1,
        platform: None,
    };
    let layout = Layout::open(&location).unwrap();
    let BlobSource::Region(region) = layout.blob(&descriptor).unwrap() else {
        panic!("no region");
    };
    region.reader_from(large.1 - 3).read_to_string(&mut end).unwrap();
    assert_eq!(end, "end");
    let chosen = layout.choose(None).unwrap();
    assert_eq!(layout.manifest(&chosen.descriptor).unwrap(), image.manifest);
    let theirs = tar::Archive::new(std::fs::File::open(&location.path).unwrap());
    let sizes: Vec<u64> = { theirs }
        .entries_with_seek()
        .unwrap()
        .map(|entry| entry.unwrap().size())
        .collect();
    assert!(sizes.contains(&large.1), "{sizes:?}");
}

#[test]
fn images_share_their_blobs_and_an_index_takes_all_below() {
    let folder = tempfile::tempdir().unwrap();
    let (amd64, arm64) = (Image::new("amd64", 1), Image::new("arm64", 1));
    let root = index(&[&amd64.manifest, &arm64.manifest]);
    let both = OutputImage {
        root: root.clone(),
        below: vec![amd64.manifest.clone(), arm64.manifest.clone()],
        names: vec!["multi".to_owned()],
        repository: None,
    };
    let blobs = [amd64.sizes(), arm64.sizes(), amd64.sizes()].concat();
    for transport in ["oci", "oci-archive"] {
        let location = location(transport, &folder.path().join(transport));
        let images = [both.clone(), amd64.output(&["amd64"])];
        let writer = Writer::create(&location, &images, &blobs).unwrap();
        fill(&writer, &amd64.blobs);
        fill(&writer, &arm64.blobs);
        writer.finish().unwrap();
        let layout = Layout::open(&location).unwrap();
        assert_eq!(
            layout
                .manifest(&layout.choose(Some("multi")).unwrap().descriptor)
                .unwrap(),
            root
        );
        let child = layout.choose(Some("amd64")).unwrap().descriptor.clone();
        assert_eq!(layout.manifest(&child).unwrap(), amd64.manifest);
    }
    let docker = location("docker-archive", &folder.path().join("x.tar"));
    let error = Writer::create(&docker, &[both], &blobs).expect_err("an index");
    assert!(
        error.to_string().contains("cannot hold this image: it is an index"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("`oci-archive:FILE`"));
    // `docker load` refuses an archive with a chart or a signature as a whole.
    let of_types = |config: &str, layer: &str| {
        let text = String::from_utf8(amd64.manifest.bytes.to_vec()).unwrap();
        let text = text
            .replace("application/vnd.oci.image.config.v1+json", config)
            .replace("application/vnd.oci.image.layer.v1.tar+gzip", layer);
        let root = Manifest::new(text.into(), Some(&amd64.manifest.media_type)).unwrap();
        let image = OutputImage {
            root,
            ..amd64.output(&[])
        };
        Writer::create(&docker, &[image], &amd64.sizes()).map(drop)
    };
    let (oci, gzip) = (
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar+gzip",
    );
    for (config, layer, named) in [
        (
            "application/vnd.cncf.helm.config.v1+json",
            gzip,
            "vnd.cncf.helm.config.v1+json",
        ),
        (oci, "application/vnd.dev.cosign.simplesigning.v1+json", "simplesigning"),
    ] {
        let error = of_types(config, layer).expect_err(named).to_string();
        assert!(
            error.contains("so it is not a container image") && error.contains(named),
            "{error}"
        );
    }
    let docker_type = "application/vnd.docker.container.image.v1+json";
    of_types(docker_type, "application/vnd.docker.image.rootfs.diff.tar.gzip").unwrap();
    let error = Writer::create(&docker, &[amd64.output(&[])], &amd64.sizes()[..1]).expect_err("a foreign layer");
    assert!(error.to_string().contains("is left with its publisher"), "{error}");
    assert_eq!(
        names(folder.path())
            .iter()
            .filter(|name| name.contains("x.tar"))
            .count(),
        0
    );
}

#[test]
fn nothing_appears_before_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let image = Image::new("x", 1);
    for transport in ["oci-archive", "docker-archive"] {
        let path = folder.path().join("out.tar");
        std::fs::write(&path, "older").unwrap();
        let location = location(transport, &path);
        let writer = Writer::create(&location, &[image.output(&["a:1"])], &image.sizes()).unwrap();
        fill(&writer, &image.blobs[..1]);
        assert_eq!(names(folder.path()).len(), 2);
        let error = writer.finish().expect_err("a blob is missing");
        assert!(error.to_string().contains("does not have `blobs/sha256/"), "{error}");
        assert_eq!(names(folder.path()), ["out.tar"]);
        assert_eq!(std::fs::read(&path).unwrap(), b"older");
        write(&location, &image, &["a:1"]).unwrap();
        assert_eq!(names(folder.path()), ["out.tar"]);
        std::fs::remove_file(path).unwrap();
    }

    let layout = location("oci", &folder.path().join("a/b"));
    let writer = Writer::create(&layout, &[image.output(&["1"])], &image.sizes()).unwrap();
    for (digest, _) in image.sizes() {
        writer.blob(&digest).unwrap();
    }
    drop(writer);
    assert_eq!(names(folder.path()), Vec::<String>::new());

    let writer = Writer::create(&layout, &[image.output(&["1"])], &image.sizes()).unwrap();
    fill(&writer, &image.blobs[..1]);
    writer.blob(&Digest::of(&image.blobs[1])).unwrap();
    writer.finish().expect_err("a blob is missing");
    let hex = image.config_digest().as_str()[7..].to_owned();
    let mut left = ["a", "b", "blobs", "sha256", &hex].map(str::to_owned);
    left.sort();
    assert_eq!(names(folder.path()), left);
}

#[test]
fn a_layout_is_added_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layout");
    let location = location("oci", &path);
    let (first, second) = (Image::new("first", 2), Image::new("second", 1));
    write(&location, &first, &["1", "latest"]).unwrap();
    let mut index: Value = serde_json::from_slice(&std::fs::read(path.join(INDEX)).unwrap()).unwrap();
    index["annotations"] = json!({ "theirs": "kept" });
    index["manifests"][0]["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    std::fs::write(path.join(INDEX), index.to_string()).unwrap();
    std::fs::write(path.join("README"), "theirs").unwrap();
    write(&location, &second, &["2", "latest"]).unwrap();
    write(&location, &second, &[]).unwrap();

    let layout = Layout::open(&location).unwrap();
    let digest = |name| layout.choose(Some(name)).unwrap().descriptor.digest.clone();
    assert_eq!(
        (digest("1"), digest("2")),
        (first.manifest.digest.clone(), second.manifest.digest.clone())
    );
    assert_eq!(digest("latest"), second.manifest.digest);
    let index: Value = serde_json::from_slice(&std::fs::read(path.join(INDEX)).unwrap()).unwrap();
    assert_eq!(index["annotations"]["theirs"], "kept");
    assert_eq!(index["manifests"][0]["platform"]["os"], "linux");
    let tags: Vec<&Value> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["annotations"][REF_NAME])
        .collect();
    assert_eq!(tags, ["1", "2", "latest"]);
    assert!(path.join("README").exists());
}

#[test]
fn blobs_that_are_there_are_not_written_again_unless_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layout");
    let location = location("oci", &path);
    let image = Image::new("x", 3);
    write(&location, &image, &["1"]).unwrap();
    let name = |number: usize| path.join(blob_name(&Digest::of(&image.blobs[number])));
    let size = image.blobs[1].len();
    std::fs::write(name(1), vec![0; size]).unwrap();
    std::fs::write(name(2), "short").unwrap();
    let writer = Writer::create(&location, &[image.output(&["2"])], &image.sizes()).unwrap();
    let digests: Vec<Digest> = image.blobs.iter().map(|blob| Digest::of(blob)).collect();
    let verify = |digest: &Digest| match writer.blob(digest).unwrap() {
        Slot::Present(region) if region.digest(digest.algorithm()).unwrap() == *digest => true,
        Slot::Present(_) => {
            writer.distrust(digest);
            false
        }
        Slot::Fill(_) => false,
    };
    let verified: Vec<bool> = digests.iter().map(verify).collect();
    assert_eq!(verified, [true, false, false, true]);
    for (digest, is_there) in digests.iter().zip(verified) {
        assert_eq!(matches!(writer.blob(digest).unwrap(), Slot::Present(_)), is_there);
    }
    fill(&writer, &image.blobs);
    writer.finish().unwrap();
    for (number, blob) in image.blobs.iter().enumerate() {
        assert_eq!(std::fs::read(name(number)).unwrap(), *blob);
    }
    assert!(!names(&path).iter().any(|name| name.contains("part")));
}

#[test]
fn what_is_on_its_way_lies_beside_the_blobs_and_what_was_left_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layout");
    let location = location("oci", &path);
    let image = Image::new("x", 2);
    write(&location, &Image::new("other", 1), &["0"]).unwrap();
    let left = [
        format!(".{}.0123456789abcdef.part", "0".repeat(64)),
        format!("blobs/sha256/.{}.0123456789abcdef.part", "0".repeat(64)),
    ];
    for name in &left {
        std::fs::write(path.join(name), "half").unwrap();
    }
    let writer = Writer::create(&location, &[image.output(&["1"])], &image.sizes()).unwrap();
    assert!(left.iter().all(|name| !path.join(name).exists()));
    for (digest, _) in image.sizes() {
        writer.blob(&digest).unwrap();
    }
    // A second run in the same layout leaves those of the first alone.
    let second = Writer::create(&location, &[image.output(&["2"])], &image.sizes()).unwrap();
    let parts = |folder: &Path| {
        let names = std::fs::read_dir(folder).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains(".part")).count()
    };
    assert_eq!(
        (parts(&path), parts(&path.join("blobs/sha256"))),
        (image.blobs.len(), 0)
    );
    for writer in [writer, second] {
        fill(&writer, &image.blobs);
        writer.finish().unwrap();
    }
    assert!(!names(&path).iter().any(|name| name.contains(".part")));
}

#[test]
fn what_cannot_be_written_is_told_before_any_transfer() {
    let folder = tempfile::tempdir().unwrap();
    let image = Image::new("x", 1);
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("file"), "").unwrap();
    std::fs::create_dir_all(at("damaged")).unwrap();
    std::fs::write(at("damaged/index.json"), "[]").unwrap();
    std::fs::create_dir_all(at("linked")).unwrap();
    std::os::unix::fs::symlink(at("elsewhere"), at("linked/blobs")).unwrap();
    std::fs::create_dir_all(at("elsewhere")).unwrap();
    for (transport, name, text) in [
        ("oci-archive", "none/x.tar", "there is not a folder"),
        ("oci-archive", "damaged", "it is not a file"),
        ("docker-archive", "file/x.tar", "/file` is not a folder"),
        ("oci", "file", "/file` is not a folder"),
        ("oci", "damaged", "is damaged at `index.json`"),
        ("oci", "linked", "is a link out of the layout"),
    ] {
        let error = write(&location(transport, &at(name)), &image, &["a:1"]).expect_err(name);
        assert!(error.to_string().contains(text), "{name}: {error}");
    }
    let two = [image.sizes(), vec![(image.config_digest(), 1)]].concat();
    let error = Writer::create(&location("oci", &at("x")), &[], &two).expect_err("two sizes");
    assert!(error.to_string().contains("with 1 bytes"), "{error}");
}
