//! The images that are moved: OCI layouts on disk, the same bytes on every machine.

use crate::support::image::{Image, ImageBuilder, OCI_INDEX, OCI_MANIFEST, digest};
use crate::support::skopeo::write_layout;
use crate::tool::Operation;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Sizes of the layers of `big`, in bytes before compression, which gains nothing: 340 MB in all.
const BIG: [usize; 8] = [
    137_000_000,
    81_000_000,
    47_000_000,
    31_000_000,
    22_000_000,
    13_000_000,
    7_000_000,
    2_000_000,
];

/// An image in a layout.
pub(crate) struct Fixture {
    /// Its tag, in the layout and in the registry.
    pub(crate) name: String,
    /// What it is, for the table.
    pub(crate) description: String,
    config: String,
    layers: Vec<String>,
    /// The layout's folder.
    pub(crate) layout: PathBuf,
    /// Of the manifest or index.
    pub(crate) digest: String,
    /// All blobs: digest and size in bytes, largest first.
    pub(crate) blobs: Vec<(String, u64)>,
    /// The same as `docker save` writes it, with plain and with compressed layers, where that is measured.
    archives: Option<[PathBuf; 2]>,
}

impl Fixture {
    /// 8 layers, 340 MB in all.
    pub(crate) fn big(folder: &Path) -> Self {
        let tars = BIG.into_iter().zip(1..);
        Self::layered(
            folder,
            "big",
            tars.map(|(size, seed)| tar_of_noise(seed, size)),
            Compression::none(),
        )
    }

    /// One of several images that share four layers of 12 MB; two of 3 MB are its own.
    pub(crate) fn shared(folder: &Path, number: usize) -> Self {
        let own = 1000 + 2 * number as u64;
        let layers = (101..105)
            .map(|seed| (seed, 12_000_000))
            .chain([(own, 3_000_000), (own + 1, 3_000_000)]);
        let name = format!("shared-{number}");
        Self::layered(
            folder,
            &name,
            layers.map(|(seed, size)| tar_of_noise(seed, size)),
            Compression::none(),
        )
    }

    /// What `docker save` makes of an image with the files of a Docker Engine, 324 MB of programs and texts.
    pub(crate) fn engine(folder: &Path) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/engine");
        let tars: Vec<Vec<u8>> = ["usr/sbin", "usr/bin", "usr/lib", "usr/share"]
            .map(|below| tar_of_files(&root, below))
            .into();
        let fixture = Self::layered(folder, "engine", tars.iter().cloned(), Compression::new(6));
        let archives = ["plain.tar", "compressed.tar"].map(|name| folder.join(name));
        let compressed = fixture
            .layers
            .iter()
            .map(|digest| std::fs::read(fixture.blob(digest)).unwrap())
            .collect();
        let config = std::fs::read(fixture.blob(&fixture.config)).unwrap();
        for (path, layers) in archives.iter().zip([tars, compressed]) {
            write_archive(path, &config, &layers);
        }
        Self {
            archives: Some(archives),
            ..fixture
        }
    }

    /// Its manifests, the root last: digest and size in bytes.
    pub(crate) fn manifests(&self) -> Vec<(String, u64)> {
        let root = std::fs::read(self.blob(&self.digest)).unwrap();
        let parsed: Value = serde_json::from_slice(&root).unwrap();
        let children = parsed["manifests"].as_array().into_iter().flatten();
        let children = children.map(|child| {
            let digest = child["digest"].as_str().unwrap().to_owned();
            (digest, child["size"].as_u64().unwrap())
        });
        children.chain([(self.digest.clone(), root.len() as u64)]).collect()
    }

    /// The archive that is pushed.
    pub(crate) fn archive(&self, operation: Operation) -> &Path {
        let archives = self.archives.as_ref().expect("an image with archives");
        &archives[usize::from(operation == Operation::PushCompressed)]
    }

    fn layered(folder: &Path, name: &str, tars: impl Iterator<Item = Vec<u8>>, level: Compression) -> Self {
        let layout = folder.join(name);
        let blobs = layout.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        let write = |bytes: &[u8], media_type: &str| {
            let digest = digest(bytes);
            std::fs::write(blobs.join(&digest[7..]), bytes).unwrap();
            json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
        };
        let mut layers = Vec::new();
        let mut diff_ids = Vec::new();
        for tar in tars {
            diff_ids.push(digest(&tar));
            let mut gzip = GzEncoder::new(Vec::with_capacity(tar.len() + tar.len() / 1000), level);
            gzip.write_all(&tar).unwrap();
            layers.push(write(
                &gzip.finish().unwrap(),
                "application/vnd.oci.image.layer.v1.tar+gzip",
            ));
        }
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {}, "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = write(
            config.to_string().as_bytes(),
            "application/vnd.oci.image.config.v1+json",
        );
        let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers });
        let descriptor = write(manifest.to_string().as_bytes(), OCI_MANIFEST);
        std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let blobs = std::iter::once(&config).chain(&layers).map(|blob| {
            (
                blob["digest"].as_str().unwrap().to_owned(),
                blob["size"].as_u64().unwrap(),
            )
        });
        let named = |blob: &Value| blob["digest"].as_str().unwrap().to_owned();
        Self {
            config: named(&config),
            layers: layers.iter().map(named).collect(),
            ..Self::new(name, layout, &descriptor, blobs.collect())
        }
    }

    /// 60 layers of 30 kB.
    pub(crate) fn many(folder: &Path) -> Self {
        Self::of(folder, "many", &ImageBuilder::new("many").layers(60, 30_000).build())
    }

    /// 4 platforms, each of 5 layers of 800 kB.
    pub(crate) fn multi(folder: &Path) -> Self {
        let platforms = [
            ("amd64", None),
            ("arm64", Some("v8")),
            ("arm", Some("v7")),
            ("s390x", None),
        ];
        let images = platforms.map(|(architecture, variant)| {
            let image = ImageBuilder::new("multi").platform("linux", architecture, variant);
            image.layers(5, 800_000).build()
        });
        Self::of(folder, "multi", &Image::index(images.into()))
    }

    /// Bytes of all blobs.
    pub(crate) fn size(&self) -> u64 {
        self.blobs.iter().map(|(_, size)| size).sum()
    }

    /// Where the layout has a blob.
    pub(crate) fn blob(&self, digest: &str) -> PathBuf {
        self.layout.join("blobs/sha256").join(&digest[7..])
    }

    fn of(folder: &Path, name: &str, image: &Image) -> Self {
        let layout = folder.join(name);
        write_layout(&layout, image);
        let descriptor =
            json!({ "mediaType": image.media_type(), "digest": image.digest(), "size": image.bytes().len() });
        let blobs = image.walk().into_iter().flat_map(Image::blobs);
        let blobs = blobs.map(|blob| (blob.digest(), blob.bytes.len() as u64)).collect();
        Self::new(name, layout, &descriptor, blobs)
    }

    fn new(name: &str, layout: PathBuf, descriptor: &Value, mut blobs: Vec<(String, u64)>) -> Self {
        let mut named = descriptor.clone();
        named["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [named] });
        std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
        blobs.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        blobs.dedup();
        let fixture = Self {
            name: name.to_owned(),
            config: String::new(),
            layers: Vec::new(),
            description: String::new(),
            layout,
            digest: descriptor["digest"].as_str().unwrap().to_owned(),
            blobs,
            archives: None,
        };
        let description = format!(
            "{} blobs, {:.1} MB in all, the largest {:.2} MB",
            fixture.blobs.len(),
            mega(fixture.size()),
            mega(fixture.blobs[0].1)
        );
        Self { description, ..fixture }
    }
}

/// Bytes in megabytes (10^6).
#[allow(clippy::cast_precision_loss, reason = "for people to read")]
pub(crate) fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// A tar with one file that does not compress (xorshift64).
fn tar_of_noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut noise = vec![0; size];
    for piece in noise.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        piece.copy_from_slice(&state.to_le_bytes()[..piece.len()]);
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(size as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    let mut archive = tar::Builder::new(Vec::with_capacity(size + 4096));
    archive.append_data(&mut header, "noise", noise.as_slice()).unwrap();
    archive.into_inner().unwrap()
}

/// A folder of a root as a layer, the same whenever it is made.
fn tar_of_files(root: &Path, below: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.mode(tar::HeaderMode::Deterministic);
    archive.follow_symlinks(false);
    let mut waiting = vec![root.join(below)];
    while let Some(path) = waiting.pop() {
        let name = path.strip_prefix(root).unwrap();
        if path.is_dir() && !path.is_symlink() {
            let mut entries: Vec<PathBuf> = std::fs::read_dir(&path)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            entries.sort_unstable();
            waiting.extend(entries.into_iter().rev());
        } else {
            archive.append_path_with_name(&path, name).unwrap();
        }
    }
    archive.into_inner().unwrap()
}

/// As `docker save` has it.
fn write_archive(path: &Path, config: &[u8], layers: &[Vec<u8>]) {
    let mut archive = tar::Builder::new(std::io::BufWriter::new(std::fs::File::create(path).unwrap()));
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        archive.append_data(&mut header, name, bytes).unwrap();
    };
    let name = format!("{}.json", &digest(config)[7..]);
    add(&name, config);
    let names: Vec<String> = (0..layers.len()).map(|number| format!("{number}/layer.tar")).collect();
    for (name, layer) in names.iter().zip(layers) {
        add(name, layer);
    }
    let list = json!([{ "Config": name, "RepoTags": ["engine:1"], "Layers": names }]);
    add("manifest.json", list.to_string().as_bytes());
    archive.finish().unwrap();
}
