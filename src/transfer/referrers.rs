//! What belongs to an image without being below it: signatures, SBOMs and attestations that refer to it, and cosign's tags.
//!
//! OCI distribution specification, "Listing Referrers" and "Referrers Tag Schema"; cosign's tags: `sha256-<digest>.sig`,
//! `.att` and `.sbom`, beside the image.

use super::graph::Graph;
use super::origin::Origin;
use super::{Destination, Mover};
use crate::explain::failure::{Failure, Kind};
use crate::names::{Digest, Selector, Tag};
use crate::registry::manifest::Descriptor;
use crate::registry::{Manifest, Remote, fallback_tag};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::HashSet;

/// What refers to what refers to an image is followed so far: a signature of an SBOM is two.
const DEEPEST: usize = 4;
/// Most manifests that may refer to one image.
const MOST: usize = 1000;
/// The endings of cosign's tags.
const COSIGN: [&str; 3] = ["sig", "att", "sbom"];

impl Mover<'_> {
    /// Brings all that refers to any manifest of a graph to where the graph has gone. Gives how many manifests that were.
    ///
    /// # Errors
    /// What stopped it.
    pub async fn referrers(&self, graph: &Graph, from: &Remote, to: &Destination) -> Result<usize, Failure> {
        let mut subjects: Vec<Digest> = std::iter::once(&graph.root)
            .chain(&graph.children)
            .map(|manifest| manifest.digest.clone())
            .collect();
        let mut seen: HashSet<Digest> = subjects.iter().cloned().collect();
        let mut count = 0;
        for _ in 0..DEEPEST {
            let mut next = Vec::new();
            for subject in &subjects {
                for referrer in self.referrers_of(subject, from, to).await? {
                    count += 1;
                    if seen.insert(referrer.clone()) {
                        next.push(referrer);
                    }
                }
                for ending in COSIGN {
                    count += usize::from(self.cosign_tag(subject, ending, from, to).await?);
                }
                if count > MOST {
                    let message = format!("more than {MOST} manifests refer to {}", graph.root.digest);
                    return Err(Failure::new(
                        Kind::Other,
                        message,
                        "leave `REFERRERS` out for this image",
                    ));
                }
            }
            if next.is_empty() {
                break;
            }
            subjects = next;
        }
        Ok(count)
    }

    /// Copies the manifests that refer to one digest, and lists them under the fallback tag where the target does not.
    async fn referrers_of(&self, subject: &Digest, from: &Remote, to: &Destination) -> Result<Vec<Digest>, Failure> {
        let listed = from.referrers(subject).await;
        let listed = listed.map_err(|error| self.session.explain(&error, from, false))?;
        let mut copied = Vec::new();
        let mut unknown = Vec::new();
        for entry in listed {
            let digest = entry
                .get("digest")
                .and_then(Value::as_str)
                .and_then(|text| Digest::parse(text).ok());
            let Some(digest) = digest.filter(|digest| !copied.contains(digest)) else {
                continue;
            };
            if !self.whole(&digest, from, to).await? {
                unknown.push(entry);
            }
            copied.push(digest);
        }
        if !unknown.is_empty() {
            self.list_by_tag(subject, unknown, to).await?;
        }
        Ok(copied)
    }

    /// Copies one manifest with all below it; whether the target lists it among its subject's referrers by itself.
    async fn whole(&self, digest: &Digest, from: &Remote, to: &Destination) -> Result<bool, Failure> {
        let origin = Origin::Registry(from.clone());
        let entry = Descriptor {
            media_type: String::new(),
            digest: digest.clone(),
            size: 0,
            platform: None,
        };
        let root = origin.manifest(&entry, self.session).await?;
        let graph = Graph::of(&origin, root, self.session, self.concurrency).await?;
        self.bring(&graph, &origin, to).await?;
        let selector = Selector::Digest(digest.clone());
        Ok(self
            .put(&graph.root, &selector, &graph, &origin, to)
            .await?
            .subject_is_known)
    }

    /// Adds entries to the index under the fallback tag; what stands there stays.
    async fn list_by_tag(&self, subject: &Digest, entries: Vec<Value>, to: &Destination) -> Result<(), Failure> {
        let remote = &to.remote;
        let explain = |error| self.session.explain(&error, remote, true);
        let mut listed = remote.referrers_by_tag(subject).await.map_err(explain)?;
        let before = listed.len();
        for entry in entries {
            if !listed.iter().any(|known| known.get("digest") == entry.get("digest")) {
                listed.push(entry);
            }
        }
        if listed.len() == before {
            return Ok(());
        }
        let media_type = "application/vnd.oci.image.index.v1+json";
        let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": listed });
        let (Ok(manifest), Ok(tag)) = (
            Manifest::new(Bytes::from(index.to_string()), Some(media_type)),
            Tag::parse(&fallback_tag(subject)),
        ) else {
            // An index that we wrote is one, and so is its tag; if not, nothing was lost but the list.
            return Ok(());
        };
        let put = remote.put_manifest(&Selector::Tag(tag), &manifest).await;
        put.map(|_| ()).map_err(explain)
    }

    /// Copies one of cosign's tags; whether there is one.
    async fn cosign_tag(
        &self,
        subject: &Digest,
        ending: &str,
        from: &Remote,
        to: &Destination,
    ) -> Result<bool, Failure> {
        let Ok(tag) = Tag::parse(&format!("{}.{ending}", fallback_tag(subject))) else {
            return Ok(false);
        };
        let Some(root) = self.session.look(from, &tag).await? else {
            return Ok(false);
        };
        let origin = Origin::Registry(from.clone());
        let graph = Graph::of(&origin, root, self.session, self.concurrency).await?;
        self.bring(&graph, &origin, to).await?;
        self.put(&graph.root, &Selector::Tag(tag), &graph, &origin, to).await?;
        Ok(true)
    }
}
