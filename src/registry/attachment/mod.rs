//! What is attached to an image, told by its form: a signature, an SBOM, provenance. Nothing of it is read further, and
//! nothing is verified. Pure.
//!
//! Cosign's types: "Cosign Signature Specifications" and "Cosign Bundle Specification" (sigstore); Notation's: "Notary Project
//! Signature Specification"; BuildKit's attestations: "Image attestation storage" (Docker).

use super::any_case;
use super::lists::page;
use super::manifest::Manifest;
use crate::names::Digest;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attachment {
    Signature,
    Sbom,
    Provenance,
}

impl Attachment {
    pub(crate) const ALL: [Self; 3] = [Self::Signature, Self::Sbom, Self::Provenance];

    /// As `REQUIRE` and the report name it.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Sbom => "sbom",
            Self::Provenance => "provenance",
        }
    }

    /// As a sentence names it, without and with an article.
    const fn in_words(self) -> (&'static str, &'static str) {
        match self {
            Self::Signature => ("signature", "a signature"),
            Self::Sbom => ("SBOM", "an SBOM"),
            Self::Provenance => ("provenance", "provenance"),
        }
    }
}

/// Some of them; by default none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Attachments(u8);

impl Attachments {
    pub(crate) const ALL: Self = Self(0b111);

    pub(crate) const fn of(one: Attachment) -> Self {
        Self(1 << one as u8)
    }

    pub(crate) const fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// What is among both.
    pub(crate) const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn has(self, one: Attachment) -> bool {
        self.0 & Self::of(one).0 != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Attachment> {
        Attachment::ALL.into_iter().filter(move |one| self.has(*one))
    }

    /// `a signature and an SBOM`.
    #[must_use]
    pub(crate) fn in_words(self) -> String {
        self.joined(|one| one.in_words().1.to_owned())
    }

    /// `no signature and no SBOM`.
    #[must_use]
    pub(crate) fn denied(self) -> String {
        self.joined(|one| format!("no {}", one.in_words().0))
    }

    fn joined(self, each: impl Fn(Attachment) -> String) -> String {
        let words: Vec<String> = self.iter().map(each).collect();
        match words.as_slice() {
            [first, second, third] => format!("{first}, {second} and {third}"),
            _ => words.join(" and "),
        }
    }
}

/// Longest object that is read for its labels; a longer one counts as one without. Cosign's annotations are some kilobytes.
const LONGEST: usize = 128 * 1024;

/// What a descriptor, or the manifest that it points to, is labelled with.
#[derive(Debug, Default)]
struct Labels {
    /// `artifactType`; of a layer its `mediaType`, of a manifest without one that of its configuration.
    kind: String,
    /// What an attestation in it states.
    predicate: Option<String>,
    /// What a bundle of sigstore holds.
    content: Option<String>,
    /// Of which image an entry beside it in the index speaks.
    image: Option<String>,
    /// Of its manifest, as the list has it.
    digest: Option<String>,
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = ["artifactType", "annotations", "config", "mediaType", "digest"];
        let [artifact_type, annotations, config, media_type, digest] = any_case::fields(deserializer, names)?;
        let MediaType(config) = read(config.as_deref());
        let annotations: Annotations = read(annotations.as_deref());
        let [in_toto, plain, bundle, content, image] = annotations.0;
        let own_kind = text(artifact_type);
        // The `mediaType` of a manifest, or of a descriptor of one, says nothing of what it is for.
        let media_type = text(media_type).filter(|named| !is_manifest(named));
        Ok(Self {
            kind: own_kind.or(config).or(media_type).unwrap_or_default(),
            predicate: in_toto.or(bundle).or(plain),
            content,
            image,
            digest: text(digest),
        })
    }
}

/// That of a manifest's configuration.
#[derive(Debug, Default)]
struct MediaType(Option<String>);

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [media_type] = any_case::fields(deserializer, ["mediaType"])?;
        Ok(Self(text(media_type)))
    }
}

/// The annotations that count.
#[derive(Debug, Default)]
struct Annotations([Option<String>; 5]);

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = [
            // BuildKit's.
            "in-toto.io/predicate-type",
            // Cosign's, up to 2.
            "predicateType",
            // Sigstore's bundles.
            "dev.sigstore.bundle.predicateType",
            "dev.sigstore.bundle.content",
            "vnd.docker.reference.digest",
        ];
        Ok(Self(any_case::fields(deserializer, names)?.map(text)))
    }
}

fn text(value: Option<Box<RawValue>>) -> Option<String> {
    let text: String = serde_json::from_str(value?.get()).ok()?;
    Some(text).filter(|text| !text.is_empty())
}

/// What cannot be read is labelled with nothing.
fn read<T: serde::de::DeserializeOwned + Default>(object: Option<&RawValue>) -> T {
    let object = object.map(RawValue::get).filter(|object| object.len() <= LONGEST);
    object
        .and_then(|object| serde_json::from_str(object).ok())
        .unwrap_or_default()
}

fn is_manifest(media_type: &str) -> bool {
    media_type.contains(".manifest.") || media_type.contains(".image.index.")
}

/// What a descriptor of a referrer says it is; `None` where only its manifest tells. Cosign's own lists under the fallback tag
/// have the type alone, without annotations (cosign#4641).
#[must_use]
pub(crate) fn of_descriptor(descriptor: &RawValue) -> Option<Attachments> {
    classify(&read(Some(descriptor)))
}

/// What a manifest says it is, by itself or by its layers: BuildKit's and cosign's attestations are a layer each.
#[must_use]
pub(crate) fn of_manifest(manifest: &Manifest) -> Attachments {
    let mut found = Attachments::default();
    // Without its layers, of which there may be many.
    if let Ok(labels) = serde_json::from_slice::<Labels>(&manifest.bytes) {
        found = found.and(classify(&labels).unwrap_or_default());
    }
    // What has no layers has none that say more.
    let _ = page::read(&manifest.bytes, "layers", |layer| {
        found = found.and(of_descriptor(layer).unwrap_or_default());
        Ok(())
    });
    found
}

/// The attestations that an index has beside its images, each with the image that it is of.
#[must_use]
pub(crate) fn attestations(index: &Manifest) -> Vec<(Digest, Digest)> {
    let mut found = Vec::new();
    let _ = page::read(&index.bytes, "manifests", |entry| {
        let labels: Labels = read(Some(entry));
        let parsed = |digest: Option<String>| Digest::parse(&digest?).ok();
        if let (Some(own), Some(image)) = (parsed(labels.digest), parsed(labels.image)) {
            found.push((own, image));
        }
        Ok(())
    });
    found
}

/// What an image of the index is signed or described with, by the labels of what is attached; `None` where they do not say. The
/// predicate comes first: a bundle or an envelope holds anything.
fn classify(labels: &Labels) -> Option<Attachments> {
    if let Some(predicate) = &labels.predicate {
        return Some(of_predicate(predicate));
    }
    if labels.content.as_deref() == Some("message-signature") {
        return Some(Attachments::of(Attachment::Signature));
    }
    let kind = labels.kind.to_ascii_lowercase();
    if let Some((_, found)) = KINDS.iter().find(|(begin, _)| kind.starts_with(begin)) {
        return Some(*found);
    }
    let says_nothing = kind.is_empty() || WRAPPERS.iter().any(|wrapper| kind.starts_with(wrapper));
    (!says_nothing).then(Attachments::default)
}

/// How types begin that say what it is.
const KINDS: [(&str, Attachments); 12] = [
    ("application/vnd.dev.cosign.artifact.sig.", SIGNATURE),
    ("application/vnd.dev.cosign.simplesigning.", SIGNATURE),
    ("application/vnd.cncf.notary.", SIGNATURE),
    ("application/vnd.dev.cosign.artifact.sbom.", SBOM),
    ("application/spdx", SBOM),
    ("text/spdx", SBOM),
    ("application/vnd.cyclonedx", SBOM),
    ("application/vnd.syft", SBOM),
    ("application/vnd.goharbor.harbor.sbom.", SBOM),
    ("application/vnd.in-toto.provenance", PROVENANCE),
    ("application/vnd.in-toto.spdx", SBOM),
    ("application/vnd.in-toto.cyclonedx", SBOM),
];

/// How types begin of what holds anything.
const WRAPPERS: [&str; 7] = [
    "application/vnd.dev.sigstore.bundle",
    "application/vnd.in-toto+",
    "application/vnd.dsse.envelope.",
    "application/vnd.docker.attestation.manifest.",
    "application/vnd.dev.cosign.artifact.att.",
    "application/vnd.oci.empty.",
    "application/vnd.oci.image.config.",
];

const SIGNATURE: Attachments = Attachments::of(Attachment::Signature);
const SBOM: Attachments = Attachments::of(Attachment::Sbom);
const PROVENANCE: Attachments = Attachments::of(Attachment::Provenance);

/// What an attestation with this predicate is; other kinds (scans, VEX, test results) are none of these.
fn of_predicate(predicate: &str) -> Attachments {
    // Without the version that may be at the end.
    const PREDICATES: [(&str, Attachments); 7] = [
        ("https://sigstore.dev/cosign/sign", SIGNATURE),
        ("https://spdx.dev/document", SBOM),
        ("https://cyclonedx.org/bom", SBOM),
        ("https://cyclonedx.org/schema", SBOM),
        ("https://syft.dev/bom", SBOM),
        ("https://slsa.dev/provenance", PROVENANCE),
        ("https://in-toto.io/provenance", PROVENANCE),
    ];
    let predicate = predicate.to_ascii_lowercase();
    let is_it = |begin| {
        predicate
            .strip_prefix(begin)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let found = PREDICATES.iter().find(|(begin, _)| is_it(*begin));
    found.map_or_else(Attachments::default, |(_, found)| *found)
}

#[cfg(test)]
mod tests;
