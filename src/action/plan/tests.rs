//! What is to move, as tables.

use super::*;
use crate::engine::LocalManifest;
use crate::names::Host;
use bytes::Bytes;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const CACHE: &str = "application/vnd.buildkit.cacheconfig.v0";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn platform(text: &str) -> Platform {
    Platform::parse(text).unwrap()
}

fn amd64() -> Platform {
    platform("linux/amd64")
}

fn arm64() -> Platform {
    platform("linux/arm64")
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn manifest(json: &serde_json::Value) -> Manifest {
    Manifest::new(Bytes::from(json.to_string()), None).unwrap()
}

fn index(architectures: &[&str]) -> Manifest {
    let entries: Vec<_> = architectures
        .iter()
        .map(|architecture| {
            serde_json::json!({"mediaType": "m", "size": 1, "digest": digest(architecture).as_str(),
                "platform": {"os": if *architecture == "unknown" { "unknown" } else { "linux" }, "architecture": architecture}})
        })
        .collect();
    manifest(
        &serde_json::json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}),
    )
}

fn image(config: &str) -> Manifest {
    manifest(
        &serde_json::json!({"schemaVersion": 2, "config": {"mediaType": CONFIG, "size": 1, "digest": digest(config).as_str()},
            "layers": []}),
    )
}

#[test]
fn the_manifest_to_pull_follows_from_platform_and_daemon() {
    let both = index(&["amd64", "arm64", "unknown"]);
    let of = |manifest: &Manifest, wanted: Option<Platform>, daemon: Platform| {
        pulled(manifest, &manifest.content().unwrap(), wanted.as_ref(), &daemon)
    };
    let entry = |digest: &Digest, of: &str, platform: Option<Platform>| {
        Ok(Pulled {
            digest: digest.clone(),
            parts: Parts::Of(self::digest(of)),
            platform,
            config: None,
        })
    };
    let whole = entry(&both.digest, "amd64", Some(amd64()));
    assert_eq!(of(&both, None, amd64()), whole);
    assert_eq!(of(&both, Some(amd64()), amd64()), whole, "the daemon's own platform");
    assert_eq!(
        of(&both, Some(arm64()), amd64()),
        entry(&digest("arm64"), "arm64", Some(arm64()))
    );
    let available = || {
        Err(NotPulled::NoPlatform {
            available: vec!["linux/amd64".to_owned()],
        })
    };
    assert_eq!(of(&index(&["amd64", "unknown"]), Some(arm64()), amd64()), available());
    assert_eq!(of(&index(&["amd64"]), None, arm64()), available());
    let nameless = index(&["unknown"]);
    assert_eq!(of(&nameless, None, amd64()), entry(&nameless.digest, "unknown", None));
    let single = image("c");
    for (wanted, config) in [(None, None), (Some(arm64()), Some(digest("c")))] {
        let expected = Pulled {
            digest: single.digest.clone(),
            parts: Parts::Layers(Vec::new()),
            platform: wanted.clone(),
            config,
        };
        assert_eq!(of(&single, wanted, amd64()), Ok(expected));
    }
    assert!(matches!(of(&index(&[]), None, amd64()), Err(NotPulled::NoImage(_))));
    for types in [&[LAYER, CACHE][..], &[CACHE], &[LAYER, LAYER, CACHE]] {
        let entries: Vec<_> = types
            .iter()
            .map(|kind| serde_json::json!({"mediaType": kind, "size": 1, "digest": digest(kind).as_str()}))
            .collect();
        let cache = manifest(&serde_json::json!({"schemaVersion": 2, "manifests": entries}));
        let media_type = Quoted::new(CACHE);
        let no_image = Err(NotPulled::NoImage(NoImage { media_type }));
        assert_eq!(of(&cache, None, amd64()), no_image);
        assert_eq!(of(&cache, Some(arm64()), amd64()), no_image);
    }
    let artifact = serde_json::json!({"mediaType": "application/vnd.oci.artifact.manifest.v1+json", "blobs": []});
    assert!(matches!(
        of(&manifest(&artifact), None, amd64()),
        Err(NotPulled::NoImage(_))
    ));
}

#[test]
fn what_is_no_image_is_told_by_its_types() {
    for (config, layers, says) in [
        (CONFIG, &[LAYER][..], None),
        (CONFIG, &[], None),
        (
            "application/vnd.docker.container.image.v1+json",
            &["application/vnd.docker.image.rootfs.diff.tar.gzip"],
            None,
        ),
        (
            CONFIG,
            &["application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"],
            None,
        ),
        (
            CONFIG,
            &["application/vnd.oci.image.layer.nondistributable.v1.tar"],
            None,
        ),
        ("application/octet-stream", &["application/octet-stream"], None),
        ("", &[""], None),
        // One layer of another kind does not make it another thing.
        (CONFIG, &[LAYER, "application/vnd.example.extra"], None),
        (
            "application/vnd.cncf.helm.config.v1+json",
            &["application/vnd.cncf.helm.chart.content.v1.tar+gzip"],
            Some("vnd.cncf.helm.config.v1+json"),
        ),
        (
            "application/vnd.oci.empty.v1+json",
            &["application/vnd.example"],
            Some("vnd.oci.empty"),
        ),
        (
            "application/vnd.docker.plugin.v1+json",
            &["application/vnd.docker.image.rootfs.diff.tar.gzip"],
            Some("plugin"),
        ),
        // An attestation and a signature, as buildx and cosign write them.
        (CONFIG, &["application/vnd.in-toto+json"], Some("in-toto")),
        (
            CONFIG,
            &["application/vnd.dev.cosign.simplesigning.v1+json"],
            Some("cosign"),
        ),
        (
            "application/vnd.wasm.config.v0+json",
            &["application/wasm"],
            Some("wasm"),
        ),
    ] {
        let descriptor = |media_type: &str| Descriptor {
            media_type: media_type.to_owned(),
            digest: digest(media_type),
            size: 1,
            platform: None,
        };
        let layers: Vec<Descriptor> = layers.iter().map(|layer| descriptor(layer)).collect();
        match (is_image(&descriptor(config), &layers), says) {
            (Ok(()), None) => {}
            (Err(no_image), Some(says)) => {
                let text = no_image.to_string();
                assert!(
                    text.starts_with("it is not a container image") && text.contains(says),
                    "{text}"
                );
            }
            (found, _) => panic!("{config} {layers:?}: {found:?}"),
        }
    }
}

fn local(id: &str, digests: &[String]) -> LocalImage {
    LocalImage {
        id: id.to_owned(),
        repo_tags: Vec::new(),
        repo_digests: digests.to_vec(),
        layers: Some(0),
        platform: amd64(),
        manifests: Vec::new(),
        is_unnamed: false,
        size: 0,
    }
}

#[test]
fn an_image_is_the_same_by_digest_or_by_configuration() {
    let target = Repository::new(Host::bitbucket(), "shop/api").unwrap();
    let known = image("c");
    let by_digest = format!("{target}@{}", known.digest);
    let elsewhere = format!("crg.apkg.io/shop/other@{}", known.digest);
    for (local, same) in [
        (local(digest("c").as_str(), &[]), true),
        (local(digest("d").as_str(), &[]), false),
        (local(digest("d").as_str(), &[by_digest]), true),
        (local(digest("d").as_str(), &[elsewhere]), false),
        (local(known.digest.as_str(), &[]), true),
    ] {
        for wanted in [None, Some(amd64())] {
            let found = is_same_image(&known, &target, &local, wanted.as_ref(), &amd64());
            assert_eq!(found, same, "{local:?}");
        }
    }
}

/// A configuration says what the layers are, and not that the manifest has them.
#[test]
fn an_image_is_not_the_same_without_its_layers() {
    let target = Repository::new(Host::bitbucket(), "shop/api").unwrap();
    let of = |layers: usize| {
        let layer = serde_json::json!({"mediaType": LAYER, "size": 1, "digest": digest("layer").as_str()});
        manifest(&serde_json::json!({"schemaVersion": 2, "layers": vec![layer; layers],
            "config": {"mediaType": CONFIG, "size": 1, "digest": digest("c").as_str()}}))
    };
    for (in_daemon, in_registry, same) in [
        (Some(2), 2, true),
        (Some(0), 0, true),
        (Some(2), 1, false),
        (Some(2), 0, false),
        (Some(2), 3, false),
        (Some(0), 1, false),
        // A daemon that does not tell proves nothing.
        (None, 0, false),
        (None, 2, false),
    ] {
        let local = LocalImage {
            layers: in_daemon,
            ..local(digest("c").as_str(), &[])
        };
        let found = is_same_image(&of(in_registry), &target, &local, None, &amd64());
        assert_eq!(found, same, "{in_daemon:?} {in_registry}");
        // What the daemon has pushed or pulled by its digest is whole.
        let known = LocalImage {
            repo_digests: vec![format!("{target}@{}", of(in_registry).digest)],
            ..local
        };
        assert!(is_same_image(&of(in_registry), &target, &known, None, &amd64()));
    }
}

/// An index of `amd64` and `arm64` in the daemon, against the manifest that a tag has.
#[test]
fn of_an_index_what_would_be_published_is_the_same() {
    let target = Repository::new(Host::bitbucket(), "shop/api").unwrap();
    let (whole, one, other, strange) = (
        index(&["amd64", "arm64"]),
        image("amd64"),
        image("arm64"),
        image("strange"),
    );
    for (other_is_there, wanted, tag, same) in [
        (true, None, &whole, true),
        (true, None, &one, false),
        (true, Some(amd64()), &whole, false),
        (true, Some(amd64()), &one, true),
        (true, Some(arm64()), &other, true),
        (true, Some(arm64()), &one, false),
        // Of a part the daemon publishes its own platform, or the index where the registry has the rest.
        (false, None, &one, true),
        (false, None, &whole, true),
        (false, None, &other, false),
        (false, Some(amd64()), &one, true),
        (false, Some(amd64()), &whole, false),
        (true, None, &strange, false),
        (false, Some(amd64()), &strange, false),
    ] {
        let part = |manifest: &Manifest, platform, is_there| LocalManifest {
            digest: manifest.digest.clone(),
            platform,
            is_there,
        };
        let local = LocalImage {
            manifests: vec![part(&one, amd64(), true), part(&other, arm64(), other_is_there)],
            is_unnamed: false,
            size: 0,
            ..local(whole.digest.as_str(), &[format!("{target}@{}", whole.digest)])
        };
        let found = is_same_image(tag, &target, &local, wanted.as_ref(), &amd64());
        assert_eq!(found, same, "{other_is_there} {wanted:?} {}", tag.media_type);
    }
}
