//! What `check` finds out about one image, and its row: its manifest is read, and what tells its platforms and their
//! sizes; no layer.

use super::super::required::{has, unmet};
use super::super::select_platform::root;
use super::row::{CheckRow, Mark, by};
use crate::credential::Source;
use crate::explain::failure::{Failure, FailureKind};
use crate::explain::{Page, RunError};
use crate::names::platform::Platform;
use crate::names::{Digest, Reference, Selector};
use crate::registry::manifest::{self, Content, Descriptor};
use crate::registry::{self, Attachments, Manifest, Remote};
use crate::session::Session;
use crate::text::Quoted;
use crate::text::bytes;
use crate::transfer::{ContentSource, attached};

/// Most platforms of one image whose sizes are read.
const MOST_SIZES: usize = 16;
/// Most platforms that a row names.
const MOST_NAMED: usize = 6;

/// An image that is there and may be pulled.
#[derive(Debug)]
pub(super) struct ImageFound<E = Failure> {
    pub(super) digest: Digest,
    /// What served; `None` for no credential.
    pub(super) source: Option<Source>,
    pub(super) shape: Shape,
    /// What was found attached to it; `None` if the registry did not tell.
    pub(super) attached: Option<Attachments>,
    /// What it lacks of what is required.
    pub(super) unmet: Option<E>,
    /// Whether that is a platform.
    pub(super) has_no_platform: bool,
}

impl<E> ImageFound<E> {
    pub(super) fn explained<F>(self, explain: impl FnOnce(E) -> F) -> ImageFound<F> {
        let Self {
            digest,
            source,
            shape,
            attached,
            unmet,
            has_no_platform,
        } = self;
        ImageFound {
            digest,
            source,
            shape,
            attached,
            unmet: unmet.map(explain),
            has_no_platform,
        }
    }
}

/// What an image is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// Each platform with the compressed bytes of its layers and configuration, as far as they were read.
    Platforms(Vec<(String, Option<u64>)>),
    /// Something that has no platform, with the bytes that it points to.
    Artifact(u64),
    /// An index that names no platforms, with how many manifests.
    Index(usize),
}

impl Shape {
    /// Platforms and size for the report on the commit. Platforms share layers, so that of several each has its own size.
    pub(super) fn for_report(&self) -> (Vec<String>, Option<u64>) {
        match self {
            Self::Platforms(platforms) => match platforms.as_slice() {
                [(platform, size)] => (vec![platform.clone()], *size),
                several => (several.iter().map(sized).collect(), None),
            },
            Self::Artifact(size) => (Vec::new(), Some(*size)),
            Self::Index(_) => (Vec::new(), None),
        }
    }
}

/// Looks for an image with the first credential that its repository lets in. `platforms` are those that the clone's files take
/// it for.
pub(super) async fn look(
    session: &Session,
    image: &Reference,
    required: Attachments,
    platforms: &[&Platform],
) -> Result<ImageFound<RunError>, RunError> {
    let (remote, manifest) = session.read(image, registry::Access::Pull).await?;
    let shape = shape(&remote, image, &manifest).await?;
    let lacking = lacking(&remote, image, &manifest, &shape, platforms).await?;
    let attached = attached(&remote, &manifest, None, required, None).await;
    let is_known = !attached.has.is_empty() || attached.unknown.is_none();
    Ok(ImageFound {
        digest: manifest.digest,
        source: remote.source(),
        shape,
        attached: is_known.then_some(attached.has),
        has_no_platform: lacking.is_some(),
        unmet: lacking.or_else(|| unmet(image, required, attached)),
    })
}

/// The refusal that a pull for one of the platforms ends with, if one does.
async fn lacking(
    remote: &Remote,
    image: &Reference,
    manifest: &Manifest,
    shape: &Shape,
    platforms: &[&Platform],
) -> Result<Option<RunError>, RunError> {
    let has = |wanted: &Platform| match shape {
        Shape::Platforms(known) => known
            .iter()
            .any(|(text, _)| Platform::parse(text).is_ok_and(|platform| platform.satisfies(wanted))),
        Shape::Artifact(_) | Shape::Index(_) => false,
    };
    for wanted in platforms.iter().filter(|wanted| !has(wanted)) {
        let content_source = ContentSource::Registry(remote.clone());
        match root(
            &image.to_string(),
            &content_source,
            manifest.clone(),
            Some(wanted),
            true,
        )
        .await
        {
            Ok(_) => {}
            Err(missing @ RunError::NoPlatform { .. }) => return Ok(Some(missing)),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

async fn shape(remote: &Remote, image: &Reference, manifest: &Manifest) -> Result<Shape, RunError> {
    match content(image, manifest)? {
        Content::Image { config, layers } => {
            let size = size(&config, &layers);
            if config.size > manifest::LARGEST as u64 || !config.media_type.contains("image") {
                return Ok(Shape::Artifact(size));
            }
            let config = remote.small_blob(&config.digest).await?;
            Ok(match manifest::config_platform(&config) {
                Some(platform) => Shape::Platforms(vec![(platform_text(&platform), Some(size))]),
                None => Shape::Artifact(size),
            })
        }
        Content::Index(entries) => {
            // Attestations have no platform.
            let with_platform: Vec<(String, Digest)> = entries
                .iter()
                .filter_map(|entry| Some((platform_text(entry.platform.as_ref()?), entry.digest.clone())))
                .collect();
            if with_platform.is_empty() {
                return Ok(Shape::Index(entries.len()));
            }
            let mut platforms = Vec::new();
            for (number, (platform, digest)) in with_platform.into_iter().enumerate() {
                if number >= MOST_SIZES {
                    platforms.push((platform, None));
                    continue;
                }
                let read = remote.manifest(&Selector::Digest(digest)).await?;
                let size = match content(image, &read)? {
                    Content::Image { config, layers } => Some(size(&config, &layers)),
                    Content::Index(_) | Content::Other(_) => None,
                };
                platforms.push((platform, size));
            }
            Ok(Shape::Platforms(platforms))
        }
        Content::Other(blobs) => {
            let size = blobs.iter().fold(0, |sum: u64, blob| sum.saturating_add(blob.size));
            Ok(Shape::Artifact(size))
        }
    }
}

fn content(image: &Reference, manifest: &Manifest) -> Result<Content, RunError> {
    manifest.content().map_err(|what| {
        RunError::told(
            FailureKind::Other,
            Page::ImageDamaged,
            format!(
                "the manifest {} of `{image}` is not valid: {what}",
                manifest.digest.short()
            ),
            "push the image again",
        )
    })
}

/// A platform as the image states it, fit for a line.
fn platform_text(platform: &Platform) -> String {
    Quoted::new(&platform.to_string()).to_string()
}

/// What a daemon fetches for it.
fn size(config: &Descriptor, layers: &[Descriptor]) -> u64 {
    let own = layers.iter().filter(|layer| !layer.is_foreign());
    config
        .size
        .saturating_add(own.fold(0, |sum, layer| sum.saturating_add(layer.size)))
}

/// The row of an image. `named_in` is where the clone names it, if it was found there.
pub(super) fn row(image: &Reference, named_in: Option<String>, found: &Result<ImageFound, Failure>) -> CheckRow {
    match found {
        Ok(found) => {
            let credential = by(found.source);
            let detail = format!(
                "{}; {}{}; may be pulled {credential}",
                found.digest.short(),
                words(&found.shape),
                has(found.attached.unwrap_or_default())
            );
            let row = match &found.unmet {
                None => CheckRow::new("image", image.to_string(), Mark::Good, detail),
                Some(failure) => {
                    let what = if found.has_no_platform {
                        "is not there for a platform that your files take"
                    } else {
                        "does not meet `REQUIRE`"
                    };
                    let detail = format!("{detail}; {what}");
                    CheckRow::failed("image", image.to_string(), detail, failure.clone())
                }
            };
            row.with_places(named_in)
        }
        Err(failure) => {
            let detail = match failure.kind {
                FailureKind::Credential => "may not be pulled",
                FailureKind::Refused => "was refused",
                FailureKind::NotFound => "is not there",
                FailureKind::Unreachable => "could not be asked for",
                FailureKind::Variables | FailureKind::Other => "cannot be used",
            };
            CheckRow::failed("image", image.to_string(), detail, failure.clone()).with_places(named_in)
        }
    }
}

/// `linux/amd64 4.2 MiB`.
fn sized((platform, size): &(String, Option<u64>)) -> String {
    match size {
        Some(size) => format!("{platform} {}", bytes(*size)),
        None => platform.clone(),
    }
}

fn words(shape: &Shape) -> String {
    match shape {
        Shape::Platforms(platforms) => {
            let named = platforms.iter().take(MOST_NAMED).map(sized);
            let named = named.collect::<Vec<_>>().join(", ");
            match platforms.len().saturating_sub(MOST_NAMED) {
                0 => named,
                more => format!("{named} and {more} more platforms"),
            }
        }
        Shape::Artifact(size) => format!("no platform, {}", bytes(*size)),
        Shape::Index(manifests) => format!(
            "an index of {}, no platforms",
            crate::text::count(*manifests, "manifest")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{Host, Namespace};

    fn image() -> Reference {
        let namespace = Namespace {
            registry: Host::bitbucket(),
            workspace: Some("shop".to_owned()),
        };
        Reference::parse("base:1", &namespace).unwrap()
    }

    #[test]
    fn a_row_tells_what_there_is() {
        let many = (1..=8).map(|n| (format!("linux/{n}"), None)).collect();
        for (shape, source, text) in [
            (
                Shape::Platforms(vec![
                    ("linux/amd64".to_owned(), Some(2048)),
                    ("linux/arm64".to_owned(), Some(1024)),
                ]),
                Some(Source::BuiltIn),
                "linux/amd64 2.0 KiB, linux/arm64 1.0 KiB; may be pulled with the built-in credential",
            ),
            (
                Shape::Platforms(many),
                Some(Source::ApiToken),
                "linux/1, linux/2, linux/3, linux/4, linux/5, linux/6 and 2 more platforms; may be pulled with the API token",
            ),
            (
                Shape::Artifact(12),
                None,
                "no platform, 12 B; may be pulled without a credential",
            ),
            (
                Shape::Index(1),
                None,
                "an index of 1 manifest, no platforms; may be pulled without a credential",
            ),
        ] {
            let digest = Digest::of(b"x");
            let found = ImageFound {
                digest,
                source,
                shape,
                attached: Some(Attachments::default()),
                unmet: None,
                has_no_platform: false,
            };
            let row = row(&image(), Some("Dockerfile:3".to_owned()), &Ok(found));
            let expected = format!("{}; {text}; named in Dockerfile:3", Digest::of(b"x").short());
            assert_eq!((row.detail.as_str(), row.mark), (expected.as_str(), Mark::Good));
            assert_eq!(row.subject, "crg.apkg.io/shop/base:1");
        }
    }

    #[test]
    fn the_report_gets_what_was_read() {
        let platform = |name: &str, size| (name.to_owned(), size);
        for (shape, platforms, size) in [
            (
                Shape::Platforms(vec![platform("linux/amd64", Some(2048))]),
                vec!["linux/amd64"],
                Some(2048),
            ),
            (
                Shape::Platforms(vec![platform("linux/amd64", Some(2048)), platform("linux/arm64", None)]),
                vec!["linux/amd64 2.0 KiB", "linux/arm64"],
                None,
            ),
            (Shape::Artifact(12), vec![], Some(12)),
            (Shape::Index(1), vec![], None),
        ] {
            let (named, total) = shape.for_report();
            assert_eq!((named.iter().map(String::as_str).collect(), total), (platforms, size));
        }
    }

    #[test]
    fn a_failed_row_says_of_which_kind() {
        for (kind, text) in [
            (FailureKind::Credential, "may not be pulled"),
            (FailureKind::NotFound, "is not there"),
            (FailureKind::Unreachable, "could not be asked for"),
            (FailureKind::Other, "cannot be used"),
        ] {
            let row = row(&image(), None, &Err(Failure::new(kind, Page::NoReason, "m", "h")));
            assert_eq!((row.detail.as_str(), row.mark), (text, Mark::Failed));
            assert_eq!(row.failure.map(|failure| failure.message), Some("m".to_owned()));
        }
    }
}
