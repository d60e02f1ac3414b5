//! What a manifest says of itself, read so that no other reader can see another image in the same bytes.
//!
//! Go's JSON, which most registries and engines read with, takes a key in any case of its letters, and of two keys the
//! last: a document of two kinds, or with a second spelling of a key, is one image here and another there (CVE-2021-41190).

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, IntoDeserializer as _, MapAccess, SeqAccess, Visitor,
};
use std::fmt;
use std::marker::PhantomData;

/// What kind of manifest a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DocumentKind {
    /// `config` and `layers`.
    Image,
    /// `manifests`.
    Index,
    /// `blobs`: the artifact manifest of release candidates of OCI 1.1, and of ORAS before.
    Artifact,
    /// `fsLayers`: Docker's schema 1.
    Schema1,
}

/// The media types of manifests that are known, each with the shape that it promises.
const MEDIA_TYPES: [(&str, DocumentKind); 9] = [
    ("application/vnd.oci.image.manifest.v1+json", DocumentKind::Image),
    ("application/vnd.oci.image.index.v1+json", DocumentKind::Index),
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        DocumentKind::Image,
    ),
    (
        "application/vnd.docker.distribution.manifest.list.v2+json",
        DocumentKind::Index,
    ),
    ("application/vnd.oci.artifact.manifest.v1+json", DocumentKind::Artifact),
    (
        "application/vnd.cncf.oras.artifact.manifest.v1+json",
        DocumentKind::Artifact,
    ),
    (
        "application/vnd.docker.distribution.manifest.v1+json",
        DocumentKind::Schema1,
    ),
    (
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        DocumentKind::Schema1,
    ),
    ("application/vnd.docker.distribution.manifest.v1", DocumentKind::Schema1),
];

/// The shape that a media type promises; `None` for one that is no manifest's.
pub(super) fn promised(media_type: &str) -> Option<DocumentKind> {
    let of_type = |(known, _): &&(&str, DocumentKind)| known.eq_ignore_ascii_case(media_type);
    MEDIA_TYPES.iter().find(of_type).map(|(_, shape)| *shape)
}

impl DocumentKind {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Image => "an image",
            Self::Index => "an index",
            Self::Artifact => "an artifact",
            Self::Schema1 => "an image of Docker's schema 1",
        }
    }

    /// The media type of a document that names none.
    pub(super) const fn usual_type(self) -> &'static str {
        match self {
            Self::Image => "application/vnd.oci.image.manifest.v1+json",
            Self::Index => "application/vnd.oci.image.index.v1+json",
            Self::Artifact => "application/vnd.oci.artifact.manifest.v1+json",
            Self::Schema1 => "application/vnd.docker.distribution.manifest.v1+json",
        }
    }
}

/// A manifest as it stands there, as far as it is looked at; its descriptors as `D`.
#[derive(Deserialize)]
pub(super) struct Document<D> {
    #[serde(rename = "schemaVersion")]
    schema_version: Option<u64>,
    #[serde(rename = "mediaType")]
    pub(super) media_type: Option<String>,
    pub(super) manifests: Option<Few<D>>,
    pub(super) config: Option<D>,
    pub(super) layers: Option<Few<D>>,
    pub(super) blobs: Option<Few<D>>,
    #[serde(rename = "fsLayers")]
    fs_layers: Option<IgnoredAny>,
    pub(super) subject: Option<D>,
}

/// Most entries of one list. Docker stacks 127 layers, and the largest indexes have some hundred images.
const MOST_ENTRIES: usize = 10_000;

/// A list of a manifest, with an end: each entry costs more memory than text.
pub(super) struct Few<D>(pub(super) Vec<D>);

impl<'de, D: Deserialize<'de>> Deserialize<'de> for Few<D> {
    fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
        deserializer.deserialize_seq(FewVisitor(PhantomData))
    }
}

struct FewVisitor<D>(PhantomData<D>);

impl<'de, D: Deserialize<'de>> Visitor<'de> for FewVisitor<D> {
    type Value = Few<D>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element()? {
            if entries.len() == MOST_ENTRIES {
                return Err(A::Error::custom(format!("it lists more than {MOST_ENTRIES} parts")));
            }
            entries.push(entry);
        }
        Ok(Few(entries))
    }
}

#[derive(Deserialize)]
pub(super) struct DescriptorFields {
    #[serde(rename = "mediaType", default)]
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    pub(super) platform: Option<RawPlatform>,
}

pub(super) type RawDescriptor = Spelled<DescriptorFields>;

#[derive(Deserialize)]
pub(super) struct PlatformFields {
    #[serde(default)]
    pub(super) os: String,
    #[serde(default)]
    pub(super) architecture: String,
    pub(super) variant: Option<String>,
}

pub(super) type RawPlatform = Spelled<PlatformFields>;

impl<'de, D: Deserialize<'de>> Document<D> {
    /// Reads a document.
    ///
    /// # Errors
    /// What the JSON lacks.
    pub(super) fn read(bytes: &'de [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice::<Spelled<Self>>(bytes).map(|Spelled(document)| document)
    }

    /// The one kind that it is.
    ///
    /// # Errors
    /// It is none, or several, or one that lacks what it must have.
    pub(super) fn shape(&self) -> Result<DocumentKind, String> {
        let is_image = self.config.is_some() || self.layers.is_some();
        let shapes = [
            (is_image, DocumentKind::Image),
            (self.manifests.is_some(), DocumentKind::Index),
            (self.blobs.is_some(), DocumentKind::Artifact),
            (self.fs_layers.is_some(), DocumentKind::Schema1),
        ];
        let mut shapes = shapes.into_iter().filter(|(is_it, _)| *is_it).map(|(_, shape)| shape);
        let shape = match (shapes.next(), shapes.next(), self.schema_version) {
            (Some(one), Some(other), _) => {
                let (one, other) = (one.in_words(), other.in_words());
                return Err(format!("the manifest claims to be both {one} and {other}"));
            }
            (Some(DocumentKind::Schema1), None, _) | (None, None, Some(1)) => return Ok(DocumentKind::Schema1),
            (Some(shape), None, _) => shape,
            (None, ..) => {
                return Err("it is not a manifest: it has neither `config` nor `manifests` nor `blobs`".to_owned());
            }
        };
        if shape == DocumentKind::Image && self.config.is_none() {
            return Err("the manifest has `layers` and no `config`".to_owned());
        }
        match self.schema_version {
            Some(2) => Ok(shape),
            // Artifact manifests have none.
            None if shape == DocumentKind::Artifact => Ok(shape),
            Some(other) => Err(format!("the manifest's `schemaVersion` is {other}, not 2")),
            None => Err("the manifest has no `schemaVersion`".to_owned()),
        }
    }

    /// Whether it can be a list of referrers: an OCI index, and nothing besides. One of none may have `null` for its entries.
    pub(super) fn is_oci_index(&self) -> bool {
        let is_more =
            self.config.is_some() || self.layers.is_some() || self.blobs.is_some() || self.fs_layers.is_some();
        let own = self.media_type.as_deref();
        self.schema_version == Some(2) && !is_more && own.is_none_or(|own| own == DocumentKind::Index.usual_type())
    }

    /// The media type, by what it came with and what it says itself: a known type of a manifest comes before any other, and
    /// the document's own before what is none.
    ///
    /// # Errors
    /// One of them says what the document is not, or they say different things.
    pub(super) fn agreed_type(&self, content_type: Option<&str>, shape: DocumentKind) -> Result<String, String> {
        let bare = |text: &str| text.split(';').next().unwrap_or(text).trim().to_owned();
        let header = content_type.map(bare).filter(|named| !named.is_empty());
        let own = self.media_type.clone().filter(|named| !named.is_empty());
        let known = |named: &Option<String>| named.clone().filter(|named| promised(named).is_some());
        let (known_header, known_own) = (known(&header), known(&own));
        for named in [&known_header, &known_own].into_iter().flatten() {
            if let Some(other) = promised(named).filter(|promised| *promised != shape) {
                let (other, is) = (other.in_words(), shape.in_words());
                return Err(format!("the manifest is called {other} by its media type and is {is}"));
            }
        }
        if let (Some(header), Some(own)) = (&known_header, &known_own)
            && !header.eq_ignore_ascii_case(own)
        {
            return Err(format!("the manifest came as `{header}` and calls itself `{own}`"));
        }
        Ok(known_header.or(own).unwrap_or_else(|| shape.usual_type().to_owned()))
    }
}

/// An object, none of whose keys is one that counts in other letters.
pub(super) struct Spelled<T>(pub(super) T);

/// The keys of an object that count.
trait Keys {
    const KEYS: &'static [&'static str];
}

impl<D> Keys for Document<D> {
    const KEYS: &'static [&'static str] = &[
        "schemaVersion",
        "mediaType",
        "manifests",
        "config",
        "layers",
        "blobs",
        "fsLayers",
        "subject",
    ];
}

impl Keys for DescriptorFields {
    const KEYS: &'static [&'static str] = &["mediaType", "digest", "size", "urls", "platform"];
}

impl Keys for PlatformFields {
    const KEYS: &'static [&'static str] = &["os", "architecture", "variant"];
}

impl<'de, T: Deserialize<'de> + Keys> Deserialize<'de> for Spelled<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object(PhantomData))
    }
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Keys> Visitor<'de> for Object<T> {
    type Value = Spelled<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(Spelling { map, keys: T::KEYS })).map(Spelled)
    }
}

/// Passes on what an object holds, and looks at its keys.
struct Spelling<A> {
    map: A,
    keys: &'static [&'static str],
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Spelling<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let Some(key) = self.map.next_key::<String>()? else {
            return Ok(None);
        };
        let meant = self
            .keys
            .iter()
            .find(|meant| **meant != key && folded(meant) == folded(&key));
        if let Some(meant) = meant {
            return Err(A::Error::custom(format!("a key is `{meant}` in other letters")));
        }
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// A key as Go compares it: two letters outside ASCII count as `s` and `k` too.
fn folded(key: &str) -> String {
    let plain = |letter| match letter {
        'ſ' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    key.chars().map(plain).collect()
}
