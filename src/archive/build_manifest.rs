//! The manifest of an image that comes from a docker-archive, which has none.

use super::compression::Compression;
use crate::names::Digest;
use crate::registry::Manifest;
use serde_json::{Value, json};

/// A layer as it was stored in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLayer {
    /// Digest of the bytes as stored.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// How they are compressed.
    pub compression: Compression,
}

/// The manifest for a configuration, whose bytes stay as they are, and its layers, lowest first.
///
/// It is Docker's schema 2, as `docker push` makes it: the configuration is Docker's, with fields such as `Healthcheck`
/// that the OCI configuration does not have and that Podman and others drop from images of OCI media types. Only a layer
/// compressed with zstd makes it an OCI manifest: schema 2 has no media type for it.
#[must_use]
pub fn manifest_for(config: &[u8], layers: &[StoredLayer]) -> Manifest {
    let is_oci = layers.iter().any(|layer| layer.compression == Compression::Zstd);
    let (media_type, config_type) = if is_oci {
        (
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.oci.image.config.v1+json",
        )
    } else {
        (
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.docker.container.image.v1+json",
        )
    };
    let layer_type = |compression| match (is_oci, compression) {
        (true, Compression::None) => "application/vnd.oci.image.layer.v1.tar",
        (true, Compression::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
        (_, Compression::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
        (false, Compression::None) => "application/vnd.docker.image.rootfs.diff.tar",
        (false, Compression::Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
    };
    let descriptor = |media_type: &str, digest: &Digest, size: u64| -> Value {
        json!({ "mediaType": media_type, "size": size, "digest": digest.as_str() })
    };
    let layers = layers
        .iter()
        .map(|layer| descriptor(layer_type(layer.compression), &layer.digest, layer.size));
    let document = json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor(config_type, &Digest::of(config), config.len() as u64),
        "layers": layers.collect::<Vec<Value>>(),
    });
    let bytes = document.to_string().into_bytes();
    Manifest {
        digest: Digest::of(&bytes),
        media_type: media_type.to_owned(),
        bytes: bytes.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::manifest::Content;

    #[test]
    fn schema_2_unless_a_layer_is_compressed_with_zstd() {
        let config = br#"{"architecture":"amd64","os":"linux"}"#;
        let layer = |compression| StoredLayer {
            digest: Digest::of(b"layer"),
            size: 5,
            compression,
        };
        for (layers, kind, media_types) in [
            (
                vec![layer(Compression::Gzip), layer(Compression::None)],
                "docker",
                ["docker.image.rootfs.diff.tar.gzip", "docker.image.rootfs.diff.tar"],
            ),
            (
                vec![layer(Compression::Gzip), layer(Compression::Zstd)],
                "oci",
                ["oci.image.layer.v1.tar+gzip", "oci.image.layer.v1.tar+zstd"],
            ),
        ] {
            let manifest = manifest_for(config, &layers);
            assert_eq!(manifest, Manifest::new(manifest.bytes.clone(), None).unwrap());
            let Content::Image { config: stated, layers } = manifest.content().unwrap() else {
                panic!("no image");
            };
            assert_eq!((stated.digest, stated.size), (Digest::of(config), config.len() as u64));
            assert!(stated.media_type.contains(kind), "{}", stated.media_type);
            let stated: Vec<&str> = layers.iter().map(|layer| layer.media_type.as_str()).collect();
            assert_eq!(stated, media_types.map(|end| format!("application/vnd.{end}")));
        }
        assert_eq!(manifest_for(config, &[]), manifest_for(config, &[]));
    }
}
