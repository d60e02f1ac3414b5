//! Small images made in memory, the same bytes on every run: what registries hold, what daemons load.

mod odd;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::Write as _;

/// `application/vnd.oci.image.manifest.v1+json`
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// `application/vnd.oci.image.index.v1+json`
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// `application/vnd.docker.distribution.manifest.v2+json`
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// `application/vnd.docker.distribution.manifest.list.v2+json`
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The digest of bytes, as `sha256:…`.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold("sha256:".to_owned(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
}

/// A blob of an image: a layer or its config.
#[derive(Debug, Clone)]
pub struct Blob {
    /// As the manifest's descriptor has it.
    pub media_type: String,
    /// The content.
    pub bytes: Bytes,
}

impl Blob {
    /// The content's digest.
    pub fn digest(&self) -> String {
        digest(&self.bytes)
    }

    fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest(), "size": self.bytes.len() })
    }
}

/// An image as a registry holds it: one platform, or an index with its children.
#[derive(Debug, Clone)]
pub struct Image {
    media_type: String,
    bytes: Bytes,
    blobs: Vec<Blob>,
    children: Vec<Image>,
    platform: Value,
    annotations: Value,
    layer_tars: Vec<Vec<u8>>,
}

impl Image {
    /// One platform (linux/amd64), one layer, OCI; another seed gives another digest.
    pub fn small(seed: &str) -> Self {
        ImageBuilder::new(seed).build()
    }

    /// linux/amd64 and linux/arm64/v8 under one OCI index.
    pub fn multi(seed: &str) -> Self {
        Self::index(vec![
            ImageBuilder::new(seed).build(),
            ImageBuilder::new(seed).platform("linux", "arm64", Some("v8")).build(),
        ])
    }

    /// An OCI index over images, or over other indexes.
    pub fn index(children: Vec<Image>) -> Self {
        Self::list(OCI_INDEX, children)
    }

    /// A Docker manifest list.
    pub fn docker_list(children: Vec<Image>) -> Self {
        Self::list(DOCKER_LIST, children)
    }

    fn list(media_type: &str, children: Vec<Image>) -> Self {
        let manifests: Vec<Value> = children.iter().map(Image::descriptor).collect();
        // Two spaces and a final newline: who writes it anew changes the digest and is caught.
        let text = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": manifests });
        Self {
            media_type: media_type.to_owned(),
            bytes: Bytes::from(format!("{}\n", serde_json::to_string_pretty(&text).unwrap())),
            blobs: Vec::new(),
            children,
            platform: Value::Null,
            annotations: Value::Null,
            layer_tars: Vec::new(),
        }
    }

    /// The same in an index that does not say for which platform it is.
    #[must_use]
    pub fn silent(self) -> Self {
        Self {
            platform: Value::Null,
            ..self
        }
    }

    /// An attestation as `BuildKit` puts it beside an image into an index: platform unknown/unknown, and the
    /// annotations that name the image it speaks of.
    pub fn attestation_of(image: &Image) -> Self {
        Self::attestation_with(image, &["https://slsa.dev/provenance/v0.2"])
    }

    /// The same with a layer for each of these predicates.
    pub fn attestation_with(image: &Image, predicates: &[&str]) -> Self {
        let key = "in-toto.io/predicate-type";
        let attestation = Self::statements_of(image, "application/vnd.in-toto+json", key, predicates);
        Self {
            platform: json!({ "architecture": "unknown", "os": "unknown" }),
            annotations: json!({
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": image.digest(),
            }),
            ..attestation
        }
    }

    /// What cosign up to 2 keeps under `sha256-….att`: an envelope for each statement.
    pub fn envelopes_of(image: &Image, predicates: &[&str]) -> Self {
        Self::statements_of(
            image,
            "application/vnd.dsse.envelope.v1+json",
            "predicateType",
            predicates,
        )
    }

    /// A layer for each statement, annotated under `key` with what it states.
    fn statements_of(image: &Image, media_type: &str, key: &str, predicates: &[&str]) -> Self {
        let statement = |predicate: &&str| {
            json!({
                "_type": "https://in-toto.io/Statement/v0.1",
                "predicateType": predicate,
                "subject": [{ "digest": { "sha256": image.digest().trim_start_matches("sha256:") } }],
            })
        };
        let layers: Vec<Blob> = predicates
            .iter()
            .map(|predicate| Blob {
                media_type: media_type.to_owned(),
                bytes: Bytes::from(statement(predicate).to_string()),
            })
            .collect();
        let descriptors = layers.iter().zip(predicates).map(|(layer, predicate)| {
            let mut descriptor = layer.descriptor();
            descriptor["annotations"] = json!({ key: predicate });
            descriptor
        });
        let more = json!({ "layers": descriptors.collect::<Vec<_>>() });
        let config = Blob {
            media_type: "application/vnd.oci.image.config.v1+json".to_owned(),
            bytes: Bytes::from(
                json!({
                    "architecture": "unknown", "os": "unknown", "config": {},
                    "rootfs": { "type": "layers", "diff_ids": layers.iter().map(Blob::digest).collect::<Vec<_>>() },
                })
                .to_string(),
            ),
        };
        Self::from_blobs(OCI_MANIFEST, config, layers, &more)
    }

    /// An artifact that refers to an image by `subject`: a signature, say.
    pub fn referrer_of(image: &Image, artifact_type: &str) -> Self {
        Self::attached_to(image, artifact_type, &json!({}))
    }

    /// The same with annotations besides, as sigstore's bundles have them.
    pub fn attached_to(image: &Image, artifact_type: &str, annotations: &Value) -> Self {
        let empty = Blob {
            media_type: "application/vnd.oci.empty.v1+json".to_owned(),
            bytes: Bytes::from_static(b"{}"),
        };
        let layer = Blob {
            media_type: artifact_type.to_owned(),
            bytes: Bytes::from(format!("{artifact_type} of {}", image.digest())),
        };
        let mut more = json!({ "artifactType": artifact_type, "subject": image.plain_descriptor() });
        if annotations
            .as_object()
            .is_some_and(|annotations| !annotations.is_empty())
        {
            more["annotations"] = annotations.clone();
        }
        Self::from_blobs(OCI_MANIFEST, empty, vec![layer], &more)
    }

    fn from_blobs(media_type: &str, config: Blob, layers: Vec<Blob>, more: &Value) -> Self {
        let descriptors: Vec<Value> = layers.iter().map(Blob::descriptor).collect();
        let mut text = json!({
            "schemaVersion": 2, "mediaType": media_type, "config": config.descriptor(), "layers": descriptors,
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            text[key] = value.clone();
        }
        let mut blobs = vec![config];
        blobs.extend(layers);
        Self {
            media_type: media_type.to_owned(),
            bytes: Bytes::from(serde_json::to_string_pretty(&text).unwrap()),
            blobs,
            children: Vec::new(),
            platform: Value::Null,
            annotations: Value::Null,
            layer_tars: Vec::new(),
        }
    }

    /// Of the manifest or index.
    pub fn digest(&self) -> String {
        digest(&self.bytes)
    }

    /// Of the manifest or index.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The manifest or index, byte for byte.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Config first, then the layers; an index has none itself.
    pub fn blobs(&self) -> &[Blob] {
        &self.blobs
    }

    /// The same configuration over other layers: what a registry holds after a damaged archive was taken unseen.
    #[must_use]
    pub fn with_layers(&self, layers: &[Vec<u8>]) -> Self {
        let media_type = &self.blobs[1].media_type;
        let layers = layers.iter().map(|bytes| Blob {
            media_type: media_type.clone(),
            bytes: bytes.clone().into(),
        });
        Self::from_blobs(&self.media_type, self.blobs[0].clone(), layers.collect(), &Value::Null)
    }

    /// The layers uncompressed, lowest first, as their `diff_id`s have them.
    pub fn layer_tars(&self) -> &[Vec<u8>] {
        &self.layer_tars
    }

    /// The digest of the config, which Docker (without containerd's store) calls the image's ID.
    pub fn config_digest(&self) -> String {
        self.blobs.first().expect("an index has no config").digest()
    }

    /// What an index lists.
    pub fn children(&self) -> &[Image] {
        &self.children
    }

    /// This image and all below it, children first: the order in which a registry takes them.
    pub fn walk(&self) -> Vec<&Image> {
        let mut all: Vec<&Image> = self.children.iter().flat_map(Image::walk).collect();
        all.push(self);
        all
    }

    fn plain_descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest(), "size": self.bytes.len() })
    }

    fn descriptor(&self) -> Value {
        let mut descriptor = self.plain_descriptor();
        for (key, value) in [("platform", &self.platform), ("annotations", &self.annotations)] {
            if !value.is_null() {
                descriptor[key] = value.clone();
            }
        }
        descriptor
    }

    /// An OCI archive as `docker save` of containerd's image store writes it, under the daemon's name `name:tag`.
    pub fn oci_archive(&self, name: &str) -> Vec<u8> {
        let (_, tag) = name.rsplit_once(':').expect("a tag");
        let name = format!("docker.io/library/{name}");
        let mut entry = self.plain_descriptor();
        entry["annotations"] = json!({ "io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag });
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry] });
        let file = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec(), 0o644);
        let blob = |bytes: &[u8]| file(&format!("blobs/{}", digest(bytes).replace(':', "/")), bytes);
        let mut files = vec![
            file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
            file("index.json", index.to_string().as_bytes()),
        ];
        for image in self.walk() {
            files.extend(image.blobs.iter().map(|part| blob(&part.bytes)));
            files.push(blob(&image.bytes));
        }
        tar_of(&files)
    }

    /// What `docker save` writes and `docker load` reads, under the given `name:tag`s. One platform only.
    pub fn docker_archive(&self, names: &[&str]) -> Vec<u8> {
        let config = self.blobs.first().expect("an index cannot be a docker-archive");
        let hex = |blob: &Blob| blob.digest().trim_start_matches("sha256:").to_owned();
        let config_name = format!("{}.json", hex(config));
        let mut files = vec![(config_name.clone(), config.bytes.to_vec(), 0o644)];
        let mut layer_names = Vec::new();
        for (number, layer) in self.layer_tars.iter().enumerate() {
            let name = format!("{number}/layer.tar");
            files.push((name.clone(), layer.clone(), 0o644));
            layer_names.push(name);
        }
        let manifest = json!([{ "Config": config_name, "RepoTags": names, "Layers": layer_names }]);
        files.push(("manifest.json".to_owned(), manifest.to_string().into_bytes(), 0o644));
        tar_of(&files)
    }
}

/// Builds an image of one platform.
#[derive(Debug, Clone)]
pub struct ImageBuilder {
    seed: String,
    os: String,
    architecture: String,
    variant: Option<String>,
    layers: usize,
    layer_bytes: usize,
    docker: bool,
    files: Vec<(String, Vec<u8>, u32)>,
    config: Value,
    created: Value,
}

impl ImageBuilder {
    /// linux/amd64, one layer of a few bytes, OCI.
    pub fn new(seed: &str) -> Self {
        Self {
            seed: seed.to_owned(),
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            variant: None,
            layers: 1,
            layer_bytes: 100,
            docker: false,
            files: Vec::new(),
            config: json!({ "Cmd": ["/none"] }),
            created: json!("2026-01-01T00:00:00Z"),
        }
    }

    /// Another platform.
    #[must_use]
    pub fn platform(mut self, os: &str, architecture: &str, variant: Option<&str>) -> Self {
        os.clone_into(&mut self.os);
        architecture.clone_into(&mut self.architecture);
        self.variant = variant.map(str::to_owned);
        self
    }

    /// So many layers, each of about `bytes` after compression.
    #[must_use]
    pub fn layers(mut self, count: usize, bytes: usize) -> Self {
        self.layers = count;
        self.layer_bytes = bytes;
        self
    }

    /// Docker schema 2 in place of OCI.
    #[must_use]
    pub fn docker(mut self) -> Self {
        self.docker = true;
        self
    }

    /// One more file, in the first layer.
    #[must_use]
    pub fn file(mut self, path: &str, bytes: &[u8], mode: u32) -> Self {
        self.files
            .push((path.trim_start_matches('/').to_owned(), bytes.to_vec(), mode));
        self
    }

    /// The `config` object of the image config (`Entrypoint`, `Env`, …) in place of the default.
    #[must_use]
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// When the image was made, as its config says; another date is another image.
    #[must_use]
    pub fn created(mut self, created: Value) -> Self {
        self.created = created;
        self
    }

    /// The image.
    pub fn build(&self) -> Image {
        let mut tars = Vec::new();
        let mut layers = Vec::new();
        for number in 0..self.layers {
            let mut files = vec![(
                format!("layer-{number}.bin"),
                noise(
                    &format!("{}/{}/{number}", self.seed, self.architecture),
                    self.layer_bytes,
                ),
                0o644,
            )];
            if number == 0 {
                files.extend(self.files.iter().cloned());
            }
            let layer = tar_of(&files);
            layers.push(Blob {
                media_type: if self.docker {
                    "application/vnd.docker.image.rootfs.diff.tar.gzip"
                } else {
                    "application/vnd.oci.image.layer.v1.tar+gzip"
                }
                .to_owned(),
                bytes: gzip(&layer),
            });
            tars.push(layer);
        }
        let diff_ids: Vec<String> = tars.iter().map(|layer| digest(layer)).collect();
        let history: Vec<Value> = (0..self.layers)
            .map(|number| json!({ "created": "2026-01-01T00:00:00Z", "created_by": format!("layer {number}") }))
            .collect();
        let mut config = json!({
            "architecture": self.architecture, "os": self.os, "created": self.created,
            "config": self.config, "rootfs": { "type": "layers", "diff_ids": diff_ids }, "history": history,
        });
        let mut platform = json!({ "architecture": self.architecture, "os": self.os });
        if let Some(variant) = &self.variant {
            config["variant"] = json!(variant);
            platform["variant"] = json!(variant);
        }
        let (manifest_type, config_type) = if self.docker {
            (DOCKER_MANIFEST, "application/vnd.docker.container.image.v1+json")
        } else {
            (OCI_MANIFEST, "application/vnd.oci.image.config.v1+json")
        };
        let config = Blob {
            media_type: config_type.to_owned(),
            bytes: Bytes::from(config.to_string()),
        };
        Image {
            platform,
            layer_tars: tars,
            ..Image::from_blobs(manifest_type, config, layers, &Value::Null)
        }
    }
}

/// Bytes that do not compress, the same for the same seed.
fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 32);
    let mut block = Sha256::digest(seed);
    while bytes.len() < length {
        bytes.extend_from_slice(&block);
        block = Sha256::digest(block);
    }
    bytes.truncate(length);
    bytes
}

fn tar_of(files: &[(String, Vec<u8>, u32)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(0);
        archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().into()
}
