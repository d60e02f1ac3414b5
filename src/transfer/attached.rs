//! Whether a signature, an SBOM and provenance are attached to an image, by what refers to it, by cosign's tags, and by the
//! attestations beside it in its index.

use super::graph::too_much;
use super::referrers::{COSIGN, MOST, Referrers, cosign_tag};
use super::{Content, TransferError};
use crate::names::{Digest, Selector};
use crate::registry::attachment::{attestations, of_descriptor, of_manifest};
use crate::registry::{Attachment, Attachments, Manifest, Remote};

/// What is attached to an image.
#[derive(Debug)]
pub(crate) struct Attached {
    pub has: Attachments,
    /// Why not all that might be there is known.
    pub unknown: Option<TransferError>,
}

/// Manifests that are read at a glance, where lists do not say what is in them.
const GLANCES: usize = 3;
/// Deepest index that is looked into: within two others. Nobody is known to make more than one level.
const DEEPEST: usize = 2;

/// Looks for what is `required` of an image; where nothing is, at what one or two requests show. An image of several platforms
/// has what is attached to its index, or to each of its images; `only` is the one that counts. `known` is what was listed already.
pub(crate) async fn attached(
    remote: &Remote,
    manifest: &Manifest,
    only: Option<&Digest>,
    required: Attachments,
    known: Option<&Referrers>,
) -> Attached {
    let is_glance = required.is_empty();
    let wanted = if is_glance { Attachments::ALL } else { required };
    let mut look = AttachmentSearch {
        remote,
        known,
        is_glance,
        by_tag: false,
        reads: 0,
        images: 0,
        unknown: None,
    };
    let mut has = look.at(&manifest.digest, wanted).await;
    if !is_glance {
        has = has.and(look.below(manifest, only, wanted.without(has), 0).await);
    } else if let Some((attestation, _)) = attestations(manifest)
        .iter()
        .find(|(_, image)| only.is_none_or(|only| only == image))
    {
        has = has.and(look.inside(attestation).await);
    }
    let AttachmentSearch { unknown, .. } = look;
    Attached { has, unknown }
}

/// A look at one image, as far as it has come.
struct AttachmentSearch<'a> {
    remote: &'a Remote,
    known: Option<&'a Referrers>,
    is_glance: bool,
    /// Whether a list under the fallback tag was met.
    by_tag: bool,
    reads: usize,
    /// Images of indexes that were looked at.
    images: usize,
    unknown: Option<TransferError>,
}

impl AttachmentSearch<'_> {
    /// What each image of an index has, of what is wanted; of an index within it, what that or each of its images has.
    async fn below(
        &mut self,
        index: &Manifest,
        only: Option<&Digest>,
        wanted: Attachments,
        depth: usize,
    ) -> Attachments {
        let Ok(Content::Index(entries)) = index.content() else {
            return Attachments::default();
        };
        let attestations = attestations(index);
        let images = entries.iter().filter(|entry| {
            let is_attestation = attestations.iter().any(|(own, _)| *own == entry.digest);
            !entry.is_blob() && !is_attestation && only.is_none_or(|only| *only == entry.digest)
        });
        let mut each = None;
        for image in images {
            let wanted = each.unwrap_or(wanted);
            // What one of them does not have, the others do not make up for.
            if wanted.is_empty() {
                break;
            }
            if self.images == MOST {
                self.unknown.get_or_insert_with(|| {
                    too_much(index, &format!("more than {MOST} manifests that may be referred to"))
                });
                return Attachments::default();
            }
            self.images += 1;
            let mut own = Attachments::default();
            for (attestation, _) in attestations.iter().filter(|(_, of)| *of == image.digest) {
                own = own.and(self.inside(attestation).await);
            }
            let rest = wanted.without(own);
            if !rest.is_empty() {
                own = own.and(self.at(&image.digest, rest).await);
            }
            let rest = wanted.without(own);
            if image.is_index() && depth < DEEPEST && !rest.is_empty() {
                let within = self.remote.manifest(&Selector::Digest(image.digest.clone())).await;
                own = own.and(match within {
                    Ok(within) => Box::pin(self.below(&within, None, rest, depth + 1)).await,
                    Err(error) => self.does_not_know(TransferError::Referrer(error)),
                });
            }
            each = Some(wanted.within(own));
        }
        each.unwrap_or_default()
    }

    /// What is attached to one manifest, of what is wanted.
    async fn at(&mut self, subject: &Digest, wanted: Attachments) -> Attachments {
        let asked;
        let listed = if let Some(known) = self.known {
            known.of(subject)
        } else {
            let list = self.remote.referrers(subject, &mut self.by_tag).await;
            asked = list.unwrap_or_else(|error| self.does_not_know(error.into()));
            &asked
        };
        let mut has = Attachments::default();
        let mut unsaid = Vec::new();
        for referrer in listed {
            match of_descriptor(&referrer.descriptor) {
                Some(found) => has = has.and(found),
                None => unsaid.push(&referrer.digest),
            }
        }
        for digest in unsaid {
            if wanted.without(has).is_empty() {
                return has;
            }
            has = has.and(self.inside(digest).await);
        }
        for (ending, holds) in COSIGN {
            if wanted.without(has).within(holds).is_empty() {
                continue;
            }
            // Who attests with cosign's tags signs with one too.
            if self.is_glance && ending != "sig" && !has.has(Attachment::Signature) {
                break;
            }
            if let Some(manifest) = self.tagged(subject, ending).await {
                has = has.and(if ending == "att" { of_manifest(&manifest) } else { holds });
            }
        }
        has
    }

    /// What one of cosign's tags points to.
    async fn tagged(&mut self, subject: &Digest, ending: &str) -> Option<Manifest> {
        let tag = cosign_tag(subject, ending)?;
        if let Some(known) = self.known {
            let found = known.tags.iter().find(|(known, _)| *known == tag);
            return found.map(|(_, manifest)| manifest.clone());
        }
        let found = self.remote.find(&tag).await;
        found.unwrap_or_else(|error| self.does_not_know(error.into()))
    }

    /// What a manifest says of itself.
    async fn inside(&mut self, digest: &Digest) -> Attachments {
        if self.is_glance && self.reads == GLANCES {
            return Attachments::default();
        }
        self.reads += 1;
        match self.remote.manifest(&Selector::Digest(digest.clone())).await {
            Ok(manifest) => of_manifest(&manifest),
            Err(error) => self.does_not_know(TransferError::Referrer(error)),
        }
    }

    /// Keeps the first reason, and goes on without.
    fn does_not_know<T: Default>(&mut self, error: TransferError) -> T {
        tracing::debug!("what is attached to the image is not all known: {error}");
        self.unknown.get_or_insert(error);
        T::default()
    }
}
