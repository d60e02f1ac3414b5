//! Manifests as registries and archives have them, and the graph below one.

use super::fits_in_the_log;
use crate::names::Digest;
use crate::registry::Manifest;
use crate::registry::attachment::{attestations, of_manifest};
use crate::registry::manifest::{Content, LARGEST, config_platform, platforms};
use bytes::Bytes;

/// A manifest keeps its bytes, its digest is theirs, and what it points to is no more than it has room for. The first line
/// is the `Content-Type`, if it is no JSON.
pub fn manifest(bytes: &[u8]) {
    let (content_type, body) = match bytes.iter().position(|b| *b == b'\n') {
        Some(end) if bytes[0] != b'{' => (std::str::from_utf8(&bytes[..end]).ok(), &bytes[end + 1..]),
        _ => (None, bytes),
    };
    if body.len() > LARGEST {
        return;
    }
    if let Some(platform) = config_platform(body) {
        fits_in_the_log(&platform.to_string());
    }
    let manifest = match Manifest::new(Bytes::copy_from_slice(body), content_type) {
        Ok(manifest) => manifest,
        Err(why) => return fits_in_the_log(&why.to_string()),
    };
    assert_eq!(manifest.bytes, body);
    assert_eq!(manifest.digest, Digest::of(body));
    fits_in_the_log(&manifest.media_type);
    let again = Manifest::new(manifest.bytes.clone(), Some(&manifest.media_type));
    assert_eq!(again, Ok(manifest.clone()));
    // What is attached is told by its form, whatever that is; and an index names no more attestations than it has entries.
    let _ = of_manifest(&manifest);
    let attestations = attestations(&manifest);
    assert!(attestations.len() <= body.len() / 90 + 1);
    assert!(manifest.subject().is_ok() || manifest.subject().is_err_and(|why| why.len() < 1000));
    let below = match manifest.content() {
        Ok(Content::Index(entries)) => entries,
        Ok(Content::Image { config, mut layers }) => {
            layers.push(config);
            layers
        }
        Ok(Content::Other(blobs)) => blobs,
        Err(why) => return fits_in_the_log(&why),
    };
    // `{"digest":"sha256:…","size":0}` is as short as a descriptor gets.
    assert!(
        below.len() <= body.len() / 90 + 1,
        "{} descriptors in {} bytes",
        below.len(),
        body.len()
    );
    for platform in platforms(&below) {
        fits_in_the_log(&platform);
    }
    for descriptor in &below {
        assert_eq!(
            Digest::parse(descriptor.digest.as_str()).as_ref(),
            Ok(&descriptor.digest)
        );
    }
}
