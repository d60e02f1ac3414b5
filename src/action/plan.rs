//! What must move, decided before anything does. Pure: the reads that it decides on have been made.

use crate::engine::LocalImage;
use crate::input::OnExisting;
use crate::names::platform::Platform;
use crate::names::{Digest, Repository, Tag};
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

/// What to do with one tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagStep {
    /// Set it, moving it if it is there.
    Set,
    /// It is there with the right digest.
    Same,
    /// It points elsewhere and stays.
    Skip,
    /// It points elsewhere, and that fails the run.
    Refuse,
}

/// Decides on a tag by where it points now.
#[must_use]
pub(super) fn tag_step(existing: Option<&Digest>, is_same: bool, on_existing: OnExisting) -> TagStep {
    match (existing, on_existing) {
        (Some(_), _) if is_same => TagStep::Same,
        (None, _) | (_, OnExisting::Overwrite) => TagStep::Set,
        (_, OnExisting::Skip) => TagStep::Skip,
        (_, OnExisting::Fail) => TagStep::Refuse,
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

/// A push, settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PushPlan {
    /// What happens to each tag, in the order asked for.
    pub(super) tags: Vec<(Tag, TagStep, Option<Digest>)>,
    /// The manifest of the registry that is this image already, if there is one: then the daemon pushes nothing.
    pub(super) there: Option<Manifest>,
}

impl PushPlan {
    /// From what each tag is now.
    #[must_use]
    pub(super) fn of(
        found: Vec<(Tag, Option<Manifest>)>,
        target: &Repository,
        local: &LocalImage,
        on_existing: OnExisting,
    ) -> Self {
        let mut there = None;
        let mut tags = Vec::new();
        for (tag, manifest) in found {
            let same = manifest
                .as_ref()
                .is_some_and(|manifest| is_same_image(manifest, target, local));
            let digest = manifest.as_ref().map(|manifest| manifest.digest.clone());
            tags.push((tag, tag_step(digest.as_ref(), same, on_existing), digest));
            if same && there.is_none() {
                there = manifest;
            }
        }
        Self { tags, there }
    }

    /// The tags with this step.
    pub(super) fn with(&self, step: TagStep) -> impl Iterator<Item = (&Tag, Option<&Digest>)> {
        self.tags
            .iter()
            .filter(move |(_, of_tag, _)| *of_tag == step)
            .map(|(tag, _, digest)| (tag, digest.as_ref()))
    }
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
    fn on_existing_decides_only_where_the_tag_points_elsewhere() {
        use OnExisting::{Fail, Overwrite, Skip};
        use TagStep::{Refuse, Same, Set};
        let there = Digest::of(b"x");
        for (existing, same, on_existing, step) in [
            (None, false, Overwrite, Set),
            (None, false, Skip, Set),
            (None, false, Fail, Set),
            (Some(&there), true, Overwrite, Same),
            (Some(&there), true, Skip, Same),
            (Some(&there), true, Fail, Same),
            (Some(&there), false, Overwrite, Set),
            (Some(&there), false, Skip, TagStep::Skip),
            (Some(&there), false, Fail, Refuse),
        ] {
            assert_eq!(
                tag_step(existing, same, on_existing),
                step,
                "{existing:?} {same} {on_existing:?}"
            );
        }
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
        let plan = PushPlan::of(
            vec![
                (Tag::parse("1").unwrap(), Some(image(b"old"))),
                (Tag::parse("2").unwrap(), Some(known.clone())),
                (Tag::parse("3").unwrap(), None),
            ],
            &target,
            &local(Digest::of(b"c").as_str(), &[]),
            OnExisting::Skip,
        );
        assert_eq!(
            plan.tags.iter().map(|(_, step, _)| *step).collect::<Vec<_>>(),
            [TagStep::Skip, TagStep::Same, TagStep::Set]
        );
        assert_eq!(plan.there, Some(known));
    }
}
