//! What belongs to an image without being below it: signatures, SBOMs and attestations that refer to it, and cosign's tags.
//!
//! OCI distribution specification, "Listing Referrers" and "Referrers Tag Schema"; cosign's tags: `sha256-<digest>.sig`,
//! `.att` and `.sbom`, beside the image.

use super::graph::{Graph, too_much};
use super::source::ContentSource;
use super::{Destination, Mover, TransferError};
use crate::names::{Digest, Selector, Tag};
use crate::registry::manifest::Content;
use crate::registry::{Attachment, Attachments, Manifest, Referrer, Remote, fallback_tag};
use bytes::Bytes;
use std::collections::HashSet;

/// What refers to what refers to an image is followed so far: a signature of an SBOM is two.
const DEEPEST: usize = 4;
/// Most manifests that may refer to one image.
pub(super) const MOST: usize = 1000;
/// The endings of cosign's tags, with what is under them.
pub(super) const COSIGN: [(&str, Attachments); 3] = [
    ("sig", Attachments::of(Attachment::Signature)),
    (
        "att",
        Attachments::of(Attachment::Sbom).and(Attachments::of(Attachment::Provenance)),
    ),
    ("sbom", Attachments::of(Attachment::Sbom)),
];

/// What belongs to an image, as its source has it.
#[derive(Debug, Default)]
pub(crate) struct Referrers {
    /// Each subject that is referred to, with what refers to it.
    listed: Vec<(Digest, Vec<Referrer>)>,
    /// Cosign's tags, and what they point to.
    pub tags: Vec<(Tag, Manifest)>,
}

impl Referrers {
    /// How many manifests these are, without those of tags.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        self.listed.iter().map(|(_, listed)| listed.len()).sum()
    }

    /// What refers to one manifest.
    pub(super) fn of(&self, subject: &Digest) -> &[Referrer] {
        let mut listed = self.listed.iter();
        let found = listed.find(|(of, _)| of == subject);
        found.map_or(&[], |(_, listed)| listed.as_slice())
    }
}

/// One of cosign's tags beside a manifest.
pub(super) fn cosign_tag(subject: &Digest, ending: &str) -> Option<Tag> {
    Tag::parse(&format!("{}.{ending}", fallback_tag(subject))).ok()
}

impl Mover<'_> {
    /// Finds all that refers to an image and to the images below it, and what refers to that.
    ///
    /// # Errors
    /// A refusal, or more or deeper than one image has.
    pub(crate) async fn find_referrers(&self, root: &Manifest, from: &Remote) -> Result<Referrers, TransferError> {
        let mut subjects = self.subjects(root, from).await?;
        let mut seen: HashSet<Digest> = subjects.iter().cloned().collect();
        let mut found = Referrers::default();
        let mut by_tag = false;
        // One look more shows whether anything is left out.
        for depth in 0..=DEEPEST {
            let mut next = Vec::new();
            let above = found.count() + found.tags.len();
            for subject in subjects {
                let listed = from.referrers(&subject, &mut by_tag).await?;
                next.extend(listed.iter().map(|referrer| referrer.digest.clone()));
                for (ending, _) in COSIGN {
                    let Some(tag) = cosign_tag(&subject, ending) else {
                        continue;
                    };
                    if let Some(manifest) = from.find(&tag).await? {
                        found.tags.push((tag, manifest));
                    }
                }
                if !listed.is_empty() {
                    found.listed.push((subject, listed));
                }
                if depth == DEEPEST && found.count() + found.tags.len() > above {
                    let digest = root.digest.clone();
                    return Err(TransferError::ReferrersTooDeep { digest, most: DEEPEST });
                }
                if found.count() + found.tags.len() > MOST {
                    let digest = root.digest.clone();
                    return Err(TransferError::TooManyReferrers { digest, most: MOST });
                }
            }
            next.retain(|digest| seen.insert(digest.clone()));
            if next.is_empty() {
                break;
            }
            subjects = next;
        }
        Ok(found)
    }

    /// The digests of an image and of all manifests below it.
    async fn subjects(&self, root: &Manifest, from: &Remote) -> Result<Vec<Digest>, TransferError> {
        let source = ContentSource::Registry(from.clone());
        let mut subjects = vec![root.digest.clone()];
        let mut indexes = vec![root.clone()];
        while let Some(index) = indexes.pop() {
            // What cannot be read is told where it is brought.
            let Ok(Content::Index(entries)) = index.content() else {
                continue;
            };
            for entry in entries {
                if subjects.contains(&entry.digest) {
                    continue;
                }
                subjects.push(entry.digest.clone());
                if subjects.len() > MOST {
                    return Err(too_much(
                        root,
                        &format!("more than {MOST} manifests that may be referred to"),
                    ));
                }
                if entry.is_index() {
                    indexes.push(source.manifest(&entry).await?);
                }
            }
        }
        Ok(subjects)
    }

    /// Brings what refers to an image to where that has gone, and lists it under the fallback tag where the target does not
    /// list it by itself. Cosign's tags are the caller's, as all tags.
    ///
    /// # Errors
    /// What stopped it.
    pub(crate) async fn bring_referrers(
        &self,
        found: &Referrers,
        from: &Remote,
        to: &Destination,
    ) -> Result<(), TransferError> {
        for (subject, listed) in &found.listed {
            let mut unknown = Vec::new();
            for referrer in listed {
                if !self.whole(&referrer.digest, subject, from, to).await? {
                    unknown.push(referrer);
                }
            }
            if !unknown.is_empty() {
                self.list_by_tag(subject, &unknown, to).await?;
            }
        }
        Ok(())
    }

    /// Copies one manifest with all below it; whether the target lists it among its subject's referrers by itself.
    async fn whole(
        &self,
        digest: &Digest,
        subject: &Digest,
        from: &Remote,
        to: &Destination,
    ) -> Result<bool, TransferError> {
        let source = ContentSource::Registry(from.clone());
        let read = from.manifest(&Selector::Digest(digest.clone())).await;
        let root = read.map_err(TransferError::Referrer)?;
        // What refers to another image would be attached to that one, in a registry that nobody asked to change.
        if root.subject().ok().flatten().as_ref() != Some(subject) {
            return Err(TransferError::OtherSubject {
                digest: digest.clone(),
                subject: subject.clone(),
                place: source.name(),
            });
        }
        let graph = Graph::of(&source, root, self.concurrency).await?;
        self.bring(&graph, &source, to).await?;
        let selector = Selector::Digest(digest.clone());
        Ok(self
            .put(&graph.root, &selector, &graph, &source, to)
            .await?
            .subject_is_known)
    }

    /// Adds descriptors to the index under the fallback tag; what stands there stays.
    async fn list_by_tag(
        &self,
        subject: &Digest,
        referrers: &[&Referrer],
        to: &Destination,
    ) -> Result<(), TransferError> {
        let remote = &to.remote;
        let listed = remote.referrers_by_tag(subject).await?.unwrap_or_default();
        let new: Vec<&Referrer> = referrers
            .iter()
            .copied()
            .filter(|new| !listed.iter().any(|known| known.digest == new.digest))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let media_type = "application/vnd.oci.image.index.v1+json";
        let entries: Vec<&str> = listed
            .iter()
            .chain(new)
            .map(|referrer| referrer.descriptor.get())
            .collect();
        // The descriptors as they were listed: with all their annotations.
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"{media_type}","manifests":[{}]}}"#,
            entries.join(",")
        );
        let (Ok(manifest), Ok(tag)) = (
            Manifest::new(Bytes::from(index), Some(media_type)),
            Tag::parse(&fallback_tag(subject)),
        ) else {
            // An index that we wrote is one, and so is its tag; if not, nothing was lost but the list.
            return Ok(());
        };
        remote.put_manifest(&Selector::Tag(tag), &manifest).await?;
        Ok(())
    }
}
