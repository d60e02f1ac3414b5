//! What is no image as builds make them: what `BuildKit` exports as a cache (the layers of a build, and a configuration of its
//! own kind), old manifests, layers that stay with their publisher.

use super::{Blob, Image, ImageBuilder, OCI_INDEX, OCI_MANIFEST};
use bytes::Bytes;
use serde_json::{Value, json};

impl Image {
    /// With `image-manifest=true`: a manifest, as an image has one.
    pub fn cache(seed: &str) -> Self {
        let (config, layers) = parts(seed, 2);
        Self::from_blobs(OCI_MANIFEST, config, layers, &Value::Null)
    }

    /// With `image-manifest=false`: an index of so many layers and the configuration.
    pub fn cache_index(seed: &str, layers: usize) -> Self {
        let (config, mut blobs) = parts(seed, layers);
        blobs.push(config);
        let entries: Vec<Value> = blobs.iter().map(Blob::descriptor).collect();
        let text = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
        Self {
            blobs,
            ..Self::of_bytes(OCI_INDEX, &text.to_string())
        }
    }

    /// Whatever a registry keeps as a manifest, with nothing below it.
    pub fn of_bytes(media_type: &str, text: &str) -> Self {
        Self {
            bytes: Bytes::from(text.to_owned()),
            media_type: media_type.to_owned(),
            ..Self::index(Vec::new())
        }
    }

    /// The same with its first layer as one that may not be distributed.
    #[must_use]
    pub fn with_foreign_layer(&self) -> Self {
        let mut text: Value = serde_json::from_slice(&self.bytes).unwrap();
        text["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
        text["layers"][0]["urls"] = json!(["https://publisher.example/layer"]);
        Self {
            bytes: Bytes::from(text.to_string()),
            ..self.clone()
        }
    }

    /// An image of Docker's schema 1.
    pub fn schema_1(name: &str) -> Self {
        let text = json!({
            "schemaVersion": 1, "name": name, "tag": "1", "architecture": "amd64", "fsLayers": [], "history": [],
            "signatures": [],
        });
        Self::of_bytes(
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            &text.to_string(),
        )
    }
}

fn parts(seed: &str, layers: usize) -> (Blob, Vec<Blob>) {
    let image = ImageBuilder::new(seed).layers(layers, 50).build();
    let config = Blob {
        media_type: "application/vnd.buildkit.cacheconfig.v0".to_owned(),
        bytes: Bytes::from(json!({ "layers": [], "records": [], "seed": seed }).to_string()),
    };
    (config, image.blobs[1..].to_vec())
}
