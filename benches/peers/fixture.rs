//! The images that are moved: OCI layouts on disk, the same bytes on every machine.

use crate::support::image::{Image, ImageBuilder, OCI_INDEX, OCI_MANIFEST, digest};
use crate::support::skopeo::write_layout;
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
    pub(crate) name: &'static str,
    /// What it is, for the table.
    pub(crate) description: String,
    /// The layout's folder.
    pub(crate) layout: PathBuf,
    /// Of the manifest or index.
    pub(crate) digest: String,
    /// All blobs: digest and size in bytes, largest first.
    pub(crate) blobs: Vec<(String, u64)>,
}

impl Fixture {
    /// 8 layers, 340 MB in all.
    pub(crate) fn big(folder: &Path) -> Self {
        let layout = folder.join("big");
        let blobs = layout.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        let write = |bytes: &[u8], media_type: &str| {
            let digest = digest(bytes);
            std::fs::write(blobs.join(&digest[7..]), bytes).unwrap();
            json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
        };
        let mut layers = Vec::new();
        let mut diff_ids = Vec::new();
        for (number, size) in BIG.into_iter().enumerate() {
            let tar = tar_of_noise(number as u64 + 1, size);
            diff_ids.push(digest(&tar));
            let mut gzip = GzEncoder::new(Vec::with_capacity(size + size / 1000), Compression::none());
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
        Self::new("big", layout, &descriptor, blobs.collect())
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

    fn of(folder: &Path, name: &'static str, image: &Image) -> Self {
        let layout = folder.join(name);
        write_layout(&layout, image);
        let descriptor =
            json!({ "mediaType": image.media_type(), "digest": image.digest(), "size": image.bytes().len() });
        let blobs = image.walk().into_iter().flat_map(Image::blobs);
        let blobs = blobs.map(|blob| (blob.digest(), blob.bytes.len() as u64)).collect();
        Self::new(name, layout, &descriptor, blobs)
    }

    fn new(name: &'static str, layout: PathBuf, descriptor: &Value, mut blobs: Vec<(String, u64)>) -> Self {
        let mut named = descriptor.clone();
        named["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [named] });
        std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
        blobs.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        blobs.dedup();
        let fixture = Self {
            name,
            description: String::new(),
            layout,
            digest: descriptor["digest"].as_str().unwrap().to_owned(),
            blobs,
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
