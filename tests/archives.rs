//! Archives and layouts, against the programs that write and read them: skopeo and the Docker Engine.

mod dialects;
mod layers;
mod readers;
mod tools;

use crate::support::engine::Engine;
use crate::support::image::{Blob, Image, ImageBuilder};
use crate::support::skopeo::{Skopeo, write_layout};
use bytes::Bytes;
use crg_pipe::parts::{
    BlobSource, Compression, Compressors, Content, Descriptor, Digest, DockerArchive, DockerImage, Gzip, Layout,
    Location, Manifest, OutputImage, Slot, StoredLayer, Writer, manifest_for,
};
use flate2::write::GzEncoder;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

on_docker!(
    docker_loads_what_is_written_and_skopeo_reads_it,
    what_docker_saves_is_read_compressed_and_loaded_again,
);

fn location(text: &str) -> Location {
    Location::parse(text).unwrap().unwrap()
}

fn read(source: &BlobSource) -> Vec<u8> {
    let mut bytes = Vec::new();
    source.reader().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, source.size());
    bytes
}

/// All of an image, in the order of [`Image::walk`], is in the layout as it was.
fn assert_holds(layout: &Layout, name: Option<&str>, image: &Image) {
    let chosen = layout.choose(name).unwrap();
    let root = layout.manifest(&chosen.descriptor).unwrap();
    assert_below(layout, &root, image);
}

fn assert_below(layout: &Layout, manifest: &Manifest, image: &Image) {
    assert_eq!(
        (&manifest.bytes, manifest.media_type.as_str()),
        (image.bytes(), image.media_type())
    );
    match manifest.content().unwrap() {
        Content::Index(entries) => {
            for (entry, child) in entries.iter().zip(image.children()) {
                assert_below(layout, &layout.manifest(entry).unwrap(), child);
            }
        }
        Content::Image { config, layers } => {
            for (descriptor, blob) in [config].iter().chain(&layers).zip(image.blobs()) {
                assert_eq!(read(&layout.blob(descriptor).unwrap()), blob.bytes);
            }
        }
        Content::Other(_) => panic!("neither an index nor an image"),
    }
}

fn manifest(image: &Image) -> Manifest {
    Manifest::new(image.bytes().clone(), Some(image.media_type())).unwrap()
}

fn output(image: &Image, names: &[&str]) -> OutputImage {
    let mut manifests: Vec<Manifest> = image.walk().into_iter().map(manifest).collect();
    OutputImage {
        root: manifests.pop().unwrap(),
        below: manifests,
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        repository: None,
    }
}

fn write(location: &Location, images: &[OutputImage], blobs: &[Bytes]) {
    let sizes: Vec<(Digest, u64)> = blobs.iter().map(|blob| (Digest::of(blob), blob.len() as u64)).collect();
    let writer = Writer::create(location, images, &sizes).unwrap();
    // Several at a time, the last one first.
    std::thread::scope(|scope| {
        for blob in blobs.iter().rev() {
            let writer = &writer;
            scope.spawn(move || {
                let digest = Digest::of(blob);
                if let Slot::Fill(region) = writer.blob(&digest).unwrap() {
                    for (number, piece) in blob.chunks(1000).enumerate().rev() {
                        region.write_at(piece, number as u64 * 1000).unwrap();
                    }
                }
                writer.seal(&digest).unwrap();
            });
        }
    });
    writer.finish().unwrap();
}

fn blobs(images: &[&Image]) -> Vec<Bytes> {
    let parts = images.iter().flat_map(|image| image.walk());
    parts
        .flat_map(Image::blobs)
        .map(|blob: &Blob| blob.bytes.clone())
        .collect()
}

/// Two platforms and an attestation of the first.
fn attested(seed: &str) -> Image {
    let first = Image::small(seed);
    let second = ImageBuilder::new(seed).platform("linux", "arm64", Some("v8")).build();
    let attestation = Image::attestation_of(&first);
    Image::index(vec![first, second, attestation])
}

fn compressed(path: &Path) -> PathBuf {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&std::fs::read(path).unwrap()).unwrap();
    let compressed = path.with_extension("tar.gz");
    std::fs::write(&compressed, encoder.finish().unwrap()).unwrap();
    compressed
}

#[test]
fn what_skopeo_writes_is_read() {
    let skopeo = Skopeo::new();
    let at = |name: &str| skopeo.folder().join(name);
    let multi = attested("skopeo multi");
    let single = ImageBuilder::new("skopeo single").layers(3, 20_000).build();
    for (name, image) in [("multi", &multi), ("single", &single)] {
        write_layout(&at(name), image);
        let source = format!("oci:{}", at(name).display());
        for target in [
            format!("oci:{}:{name}", at("layout").display()),
            format!("oci-archive:{}:{name}", at(&format!("{name}.tar")).display()),
        ] {
            skopeo
                .copy(&["--all", "--preserve-digests"], &source, &target)
                .succeeds();
        }
        let archive = at(&format!("{name}.tar"));
        for path in [compressed(&archive), archive] {
            let layout = Layout::open(&location(&format!("oci-archive:{}", path.display()))).unwrap();
            assert_holds(&layout, None, image);
            assert_holds(&layout, Some(name), image);
        }
        let layout = Layout::open(&location(&format!("oci:{}", at("layout").display()))).unwrap();
        assert_holds(&layout, Some(name), image);
    }
}

#[test]
fn docker_archives_of_skopeo_are_read() {
    let skopeo = Skopeo::new();
    let at = |name: &str| skopeo.folder().join(name);
    let image = ImageBuilder::new("skopeo docker-archive").layers(3, 20_000).build();
    write_layout(&at("layout"), &image);
    let archive = at("x.tar");
    let target = format!("docker-archive:{}:shop/api:1", archive.display());
    let source = format!("oci:{}", at("layout").display());
    skopeo
        .copy(&["--additional-tag", "shop/api:2"], &source, &target)
        .succeeds();
    for path in [compressed(&archive), archive] {
        let opened = DockerArchive::open(&location(&format!("docker-archive:{}", path.display()))).unwrap();
        for name in [None, Some("shop/api:1"), Some("docker.io/shop/api:2")] {
            let chosen = opened.choose(name).unwrap();
            assert_eq!(chosen.layers.len(), 3);
            repacked(&chosen);
        }
    }
}

/// Compresses its layers on the way, as they go to a registry; each is checked against the configuration.
fn repacked(image: &DockerImage) -> (Manifest, Vec<Bytes>) {
    let mut blobs = vec![image.config.clone()];
    let compressors = Compressors::default();
    let layers = image.layers.iter().map(|layer| {
        assert_eq!(layer.compression, Compression::None);
        let mut bytes = Vec::new();
        Gzip::new(layer.content.reader(), layer.diff_id.clone(), &compressors)
            .read_to_end(&mut bytes)
            .unwrap();
        let layer = StoredLayer {
            digest: Digest::of(&bytes),
            size: bytes.len() as u64,
            compression: Compression::Gzip,
        };
        blobs.push(bytes.into());
        layer
    });
    let layers: Vec<StoredLayer> = layers.collect();
    (manifest_for(&image.config, &layers), blobs)
}

#[test]
fn skopeo_reads_what_is_written_and_finds_it_the_same() {
    let skopeo = Skopeo::new();
    let multi = attested("written multi");
    let single = ImageBuilder::new("written single").layers(3, 20_000).build();
    for transport in ["oci", "oci-archive"] {
        let written = format!("{transport}:{}", skopeo.folder().join(transport).display());
        let images = [output(&multi, &["multi", "latest"]), output(&single, &["single"])];
        write(&location(&written), &images, &blobs(&[&multi, &single]));
        for (name, image) in [("multi", &multi), ("latest", &multi), ("single", &single)] {
            let source = format!("{written}:{name}");
            let raw = skopeo.run(&["inspect", "--raw", &source]).succeeds();
            assert_eq!(raw.as_bytes(), image.bytes());
            let copy = skopeo.folder().join(format!("copy-{transport}-{name}"));
            let target = format!("oci:{}:{name}", copy.display());
            skopeo
                .copy(&["--all", "--preserve-digests"], &source, &target)
                .succeeds();
            let layout = Layout::open(&location(&target)).unwrap();
            assert_holds(&layout, Some(name), image);
        }
    }
}

#[test]
fn a_layout_of_skopeo_is_added_to() {
    let skopeo = Skopeo::new();
    let [theirs, ours] = ["theirs", "ours"].map(Image::small);
    write_layout(&skopeo.folder().join("source"), &theirs);
    let layout = format!("oci:{}", skopeo.folder().join("layout").display());
    let source = format!("oci:{}", skopeo.folder().join("source").display());
    skopeo
        .copy(&["--preserve-digests"], &source, &format!("{layout}:theirs"))
        .succeeds();
    write(&location(&layout), &[output(&ours, &["ours"])], &blobs(&[&ours]));
    for (name, image) in [("theirs", &theirs), ("ours", &ours)] {
        let raw = skopeo
            .run(&["inspect", "--raw", &format!("{layout}:{name}")])
            .succeeds();
        assert_eq!(raw.as_bytes(), image.bytes());
    }
}

fn docker_loads_what_is_written_and_skopeo_reads_it(engine: &Engine) {
    let skopeo = Skopeo::new();
    let first = ImageBuilder::new("loaded first").layers(3, 20_000).build();
    let second = ImageBuilder::new("loaded second").docker().layers(2, 500).build();
    let path = skopeo.folder().join("x.tar");
    let written = format!("docker-archive:{}", path.display());
    let names = ["crg.apkg.io/shop/loaded:1", "crg.apkg.io/shop/loaded:latest"];
    let other = "localhost:5000/loaded:2";
    let images = [output(&first, &names), output(&second, &[other])];
    write(&location(&written), &images, &blobs(&[&first, &second, &first]));

    let load = ["load", "--input", path.to_str().unwrap()];
    engine.docker(&load).succeeds();
    for (name, image) in [(names[0], &first), (names[1], &first), (other, &second)] {
        assert_eq!(engine.config_digest(name), Some(image.config_digest()), "{name}");
        let source = format!("{written}:{name}");
        let config = skopeo.run(&["inspect", "--raw", "--config", &source]).succeeds();
        assert_eq!(config.as_bytes(), image.blobs()[0].bytes, "{name}");
        // Copied whole: skopeo checks each layer against the configuration.
        let target = format!("dir:{}", skopeo.folder().join("copy").display());
        skopeo.copy(&[], &source, &target).succeeds();
    }
    // The same file as an OCI archive: nothing of the image is lost.
    let tag = format!("oci-archive:{}:1", path.display());
    let raw = skopeo.run(&["inspect", "--raw", &tag]).succeeds();
    assert_eq!(raw.as_bytes(), first.bytes());
}

fn what_docker_saves_is_read_compressed_and_loaded_again(engine: &Engine) {
    let skopeo = Skopeo::new();
    // The first layer of both is the same: old engines save the second as a link.
    let images = ["saved first", "saved second"].map(|seed| {
        ImageBuilder::new("saved")
            .layers(if seed.ends_with("first") { 2 } else { 3 }, 300_000)
            .config(serde_json::json!({ "Cmd": [seed], "Healthcheck": { "Test": ["NONE"] } }))
            .build()
    });
    let names = ["saved/first:1", "saved/second:2"];
    for (image, name) in images.iter().zip(names) {
        engine
            .docker_reading(&["load"], &image.docker_archive(&[name]))
            .succeeds();
    }
    let path = skopeo.folder().join("saved.tar");
    let save = [&["save", "--output", path.to_str().unwrap()], &names[..]].concat();
    engine.docker(&save).succeeds();
    for path in [compressed(&path), path] {
        let archive = DockerArchive::open(&location(&format!("docker-archive:{}", path.display()))).unwrap();
        assert_eq!(archive.images().count(), 2);
        for (image, name) in images.iter().zip(names) {
            let saved = archive.choose(Some(name)).unwrap();
            assert_eq!(saved.config_digest.as_str(), image.config_digest());
            let (manifest, blobs) = repacked(&saved);
            let layout = skopeo.folder().join(format!("layout-{}", manifest.digest.short()));
            let layout = format!("oci:{}", layout.display().to_string().replace("sha256:", ""));
            let written = OutputImage {
                root: manifest,
                below: Vec::new(),
                names: Vec::new(),
                repository: None,
            };
            write(&location(&layout), &[written], &blobs);
            // skopeo and Docker take what became of it for the same image.
            let loaded = skopeo.folder().join("again.tar");
            let target = format!("docker-archive:{}:{name}-again", loaded.display());
            skopeo.copy(&[], &layout, &target).succeeds();
            engine.docker(&["load", "--input", loaded.to_str().unwrap()]).succeeds();
            let id = engine.config_digest(&format!("{name}-again"));
            assert_eq!(id, Some(image.config_digest()));
            std::fs::remove_file(loaded).unwrap();
        }
    }
}

/// A blob of a plain archive can be read from several places at a time.
#[test]
fn blobs_of_a_plain_archive_are_regions() {
    let skopeo = Skopeo::new();
    let image = ImageBuilder::new("regions").layers(1, 100_000).build();
    let written = format!("oci-archive:{}", skopeo.folder().join("x.tar").display());
    write(&location(&written), &[output(&image, &["1"])], &blobs(&[&image]));
    let layout = Layout::open(&location(&written)).unwrap();
    let Content::Image { layers, .. } = manifest(&image).content().unwrap() else {
        panic!("no image");
    };
    let layer: &Descriptor = &layers[0];
    let BlobSource::Region(region) = layout.blob(layer).unwrap() else {
        panic!("no region");
    };
    let mut end = Vec::new();
    region.reader_from(layer.size - 10).read_to_end(&mut end).unwrap();
    let whole = &image.blobs()[1].bytes;
    assert_eq!(end, whole[whole.len() - 10..]);
}
