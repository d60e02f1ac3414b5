//! What must move, decided before anything does. Pure: the reads that it decides on have been made.

use crate::engine::LocalImage;
use crate::names::platform::Platform;
use crate::names::{Digest, Repository};
use crate::registry::Manifest;
use crate::registry::manifest::{Content, entry_for, platforms};

/// Which manifest a daemon pulls for an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pulled {
    /// This one, whole or as the daemon's platform has it.
    Manifest(Digest),
    /// This one, if its configuration (named here) is of the platform that is wanted.
    IfConfig {
        /// The manifest.
        manifest: Digest,
        /// Its configuration.
        config: Digest,
    },
}

/// An image that has no manifest for a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoPlatform {
    /// The platforms that it has.
    pub(super) available: Vec<String>,
}

/// Chooses the manifest to pull by digest. The daemon takes its own platform out of an index; another one is pulled as
/// its own manifest, so that the daemon's `platform` parameter is not needed (Pipelines' daemon refuses it).
///
/// # Errors
/// [`NoPlatform`].
pub(super) fn pulled(
    manifest: &Manifest,
    content: &Content,
    wanted: Option<&Platform>,
    daemon: &Platform,
) -> Result<Pulled, NoPlatform> {
    let other = wanted.filter(|wanted| !daemon.satisfies(wanted));
    match content {
        Content::Index(entries) => {
            let available = platforms(entries);
            match (other, entry_for(entries, other.unwrap_or(daemon))) {
                (Some(_), Some(entry)) => Ok(Pulled::Manifest(entry.digest.clone())),
                (None, Some(_)) => Ok(Pulled::Manifest(manifest.digest.clone())),
                // An index that names no platforms at all leaves it to the daemon.
                (None, None) if available.is_empty() => Ok(Pulled::Manifest(manifest.digest.clone())),
                (_, None) => Err(NoPlatform { available }),
            }
        }
        Content::Other(_) => Err(NoPlatform { available: Vec::new() }),
        Content::Image { config, .. } => Ok(match wanted {
            None => Pulled::Manifest(manifest.digest.clone()),
            Some(_) => Pulled::IfConfig {
                manifest: manifest.digest.clone(),
                config: config.digest.clone(),
            },
        }),
    }
}

/// Whether a manifest of `target` is the daemon's image: the daemon knows it by that digest (it pushed or pulled it), or
/// the manifest's configuration is the image, whose ID is its configuration's digest. With containerd's store the ID is
/// the manifest's digest itself.
#[must_use]
pub(super) fn is_same_image(manifest: &Manifest, target: &Repository, local: &LocalImage) -> bool {
    if local.is(target, &manifest.digest) || manifest.digest.as_str() == local.id {
        return true;
    }
    matches!(manifest.content(), Ok(Content::Image { config, .. }) if config.digest.as_str() == local.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Host;
    use bytes::Bytes;

    fn amd64() -> Platform {
        Platform::parse("linux/amd64").unwrap()
    }

    fn arm64() -> Platform {
        Platform::parse("linux/arm64").unwrap()
    }

    fn manifest(json: &serde_json::Value) -> Manifest {
        Manifest::new(Bytes::from(json.to_string()), None).unwrap()
    }

    fn index(architectures: &[&str]) -> Manifest {
        let entries: Vec<_> = architectures
            .iter()
            .map(|architecture| {
                serde_json::json!({"mediaType": "m", "size": 1, "digest": Digest::of(architecture.as_bytes()).as_str(),
                    "platform": {"os": if *architecture == "unknown" { "unknown" } else { "linux" }, "architecture": architecture}})
            })
            .collect();
        manifest(
            &serde_json::json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}),
        )
    }

    fn image(config: &[u8]) -> Manifest {
        manifest(
            &serde_json::json!({"schemaVersion": 2, "config": {"mediaType": "c", "size": 1, "digest": Digest::of(config).as_str()}, "layers": []}),
        )
    }

    #[test]
    fn the_manifest_to_pull_follows_from_platform_and_daemon() {
        let both = index(&["amd64", "arm64", "unknown"]);
        let of = |manifest: &Manifest, wanted: Option<Platform>, daemon: Platform| {
            pulled(manifest, &manifest.content().unwrap(), wanted.as_ref(), &daemon)
        };
        let whole = Ok(Pulled::Manifest(both.digest.clone()));
        assert_eq!(of(&both, None, amd64()), whole);
        assert_eq!(of(&both, Some(amd64()), amd64()), whole, "the daemon's own platform");
        assert_eq!(
            of(&both, Some(arm64()), amd64()),
            Ok(Pulled::Manifest(Digest::of(b"arm64")))
        );
        let available = || {
            Err(NoPlatform {
                available: vec!["linux/amd64".to_owned()],
            })
        };
        assert_eq!(of(&index(&["amd64", "unknown"]), Some(arm64()), amd64()), available());
        assert_eq!(of(&index(&["amd64"]), None, arm64()), available());
        let nameless = index(&["unknown"]);
        assert_eq!(
            of(&nameless, None, amd64()),
            Ok(Pulled::Manifest(nameless.digest.clone()))
        );
        let single = image(b"c");
        assert_eq!(of(&single, None, amd64()), Ok(Pulled::Manifest(single.digest.clone())));
        let checked = Pulled::IfConfig {
            manifest: single.digest.clone(),
            config: Digest::of(b"c"),
        };
        assert_eq!(of(&single, Some(arm64()), amd64()), Ok(checked));
    }

    #[test]
    fn an_image_is_the_same_by_digest_or_by_configuration() {
        let target = Repository::new(Host::bitbucket(), "shop/api").unwrap();
        let known = image(b"c");
        let local = |id: &str, digests: &[String]| LocalImage {
            id: id.to_owned(),
            repo_tags: Vec::new(),
            repo_digests: digests.to_vec(),
            platform: amd64(),
        };
        let by_digest = format!("{target}@{}", known.digest);
        let elsewhere = format!("crg.apkg.io/shop/other@{}", known.digest);
        for (local, same) in [
            (local(Digest::of(b"c").as_str(), &[]), true),
            (local(Digest::of(b"d").as_str(), &[]), false),
            (local(Digest::of(b"d").as_str(), &[by_digest]), true),
            (local(Digest::of(b"d").as_str(), &[elsewhere]), false),
            (local(known.digest.as_str(), &[]), true),
        ] {
            assert_eq!(is_same_image(&known, &target, &local), same, "{local:?}");
        }
    }
}
