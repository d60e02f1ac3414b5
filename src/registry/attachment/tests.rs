use super::*;
use bytes::Bytes;
use serde_json::{Value, json};

const NOTHING: Attachments = Attachments(0);
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

fn none() -> Value {
    json!({})
}

fn of_bundle(predicate: &str) -> Value {
    json!({ "dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": predicate })
}

/// What a descriptor with these labels says, and the manifest that it points to.
fn says(kind: &str, annotations: &Value, found: Option<Attachments>) {
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let descriptor = json!({ "mediaType": media_type, "artifactType": kind, "annotations": annotations });
    assert_eq!(of_descriptor(&raw(&descriptor)), found, "{descriptor}");
    // By `artifactType` or by the type of its configuration; where that says nothing, nothing is found.
    let config = |media_type: &str| json!({ "mediaType": media_type, "digest": Digest::of(b"{}").as_str(), "size": 2 });
    let found = found.unwrap_or_default();
    let mut own = json!({
        "schemaVersion": 2, "artifactType": kind, "annotations": annotations,
        "config": config("application/vnd.oci.empty.v1+json"), "layers": [],
    });
    assert_eq!(of_manifest(&manifest(&own)), found, "{own}");
    own["artifactType"] = Value::Null;
    own["config"] = config(kind);
    assert_eq!(of_manifest(&manifest(&own)), found, "{own}");
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

fn manifest(value: &Value) -> Manifest {
    Manifest::new(Bytes::from(value.to_string()), None).unwrap()
}

#[test]
fn a_descriptor_says_what_is_attached_or_leaves_it_to_its_manifest() {
    let of_buildkit = |predicate: &str| json!({ "in-toto.io/predicate-type": predicate });
    for (kind, annotations, found) in [
        // Cosign 3, and GitHub's attestations.
        (
            BUNDLE,
            of_bundle("https://sigstore.dev/cosign/sign/v1"),
            Some(SIGNATURE),
        ),
        (BUNDLE, of_bundle("https://spdx.dev/Document"), Some(SBOM)),
        (BUNDLE, of_bundle("https://spdx.dev/Document/v2.3"), Some(SBOM)),
        (BUNDLE, of_bundle("https://cyclonedx.org/bom"), Some(SBOM)),
        (BUNDLE, of_bundle("https://cyclonedx.org/bom/v1.6"), Some(SBOM)),
        (BUNDLE, of_bundle("https://slsa.dev/provenance/v1"), Some(PROVENANCE)),
        (
            BUNDLE,
            json!({ "dev.sigstore.bundle.content": "message-signature" }),
            Some(SIGNATURE),
        ),
        (
            "application/vnd.dev.sigstore.bundle+json;version=0.2",
            of_bundle("https://slsa.dev/provenance/v1"),
            Some(PROVENANCE),
        ),
        (
            BUNDLE,
            of_bundle("https://cosign.sigstore.dev/attestation/vuln/v1"),
            Some(NOTHING),
        ),
        (BUNDLE, of_bundle("https://openvex.dev/ns/v0.2.0"), Some(NOTHING)),
        (BUNDLE, json!({ "dev.sigstore.bundle.content": "dsse-envelope" }), None),
        (BUNDLE, none(), None),
        (BUNDLE, json!(null), None),
        (BUNDLE, json!("text"), None),
        (BUNDLE, json!({ "dev.sigstore.bundle.predicateType": 1 }), None),
        // BuildKit.
        (
            "application/vnd.in-toto+json",
            of_buildkit("https://spdx.dev/Document"),
            Some(SBOM),
        ),
        (
            "application/vnd.in-toto+json",
            of_buildkit("https://slsa.dev/provenance/v0.2"),
            Some(PROVENANCE),
        ),
        (
            "application/vnd.in-toto+json",
            of_buildkit("https://slsa.dev/provenance/v1"),
            Some(PROVENANCE),
        ),
        (
            "application/vnd.in-toto+json",
            of_buildkit("https://in-toto.io/Provenance/v0.1"),
            Some(PROVENANCE),
        ),
        ("application/vnd.in-toto+json", none(), None),
        ("application/vnd.docker.attestation.manifest.v1+json", none(), None),
        // Cosign up to 2.
        (
            "application/vnd.dsse.envelope.v1+json",
            json!({ "predicateType": "https://slsa.dev/provenance/v0.2" }),
            Some(PROVENANCE),
        ),
        (
            "application/vnd.dsse.envelope.v1+json",
            json!({ "predicateType": "https://cyclonedx.org/bom" }),
            Some(SBOM),
        ),
        ("application/vnd.dsse.envelope.v1+json", none(), None),
        (
            "application/vnd.dev.cosign.artifact.sig.v1+json",
            none(),
            Some(SIGNATURE),
        ),
        (
            "application/vnd.dev.cosign.simplesigning.v1+json",
            none(),
            Some(SIGNATURE),
        ),
        ("application/vnd.dev.cosign.artifact.sbom.v1+json", none(), Some(SBOM)),
        ("application/vnd.dev.cosign.artifact.att.v1+json", none(), None),
    ] {
        says(kind, &annotations, found);
    }
}

#[test]
fn a_type_says_it_too_and_nearly_is_not_enough() {
    for (kind, annotations, found) in [
        ("application/vnd.cncf.notary.signature", none(), Some(SIGNATURE)),
        ("application/spdx+json", none(), Some(SBOM)),
        ("text/spdx", none(), Some(SBOM)),
        ("text/spdx+json", none(), Some(SBOM)),
        ("application/vnd.cyclonedx+json", none(), Some(SBOM)),
        ("application/vnd.CycloneDX+xml; version=1.5", none(), Some(SBOM)),
        ("application/vnd.syft+json", none(), Some(SBOM)),
        ("application/vnd.goharbor.harbor.sbom.v1", none(), Some(SBOM)),
        ("application/vnd.in-toto.provenance+dsse", none(), Some(PROVENANCE)),
        ("application/vnd.in-toto.spdx+dsse", none(), Some(SBOM)),
        ("application/vnd.example.signature", none(), Some(NOTHING)),
        ("application/vnd.cncf.helm.config.v1+json", none(), Some(NOTHING)),
        // Nearly.
        (BUNDLE, of_bundle("https://slsa.dev/provenances/v1"), Some(NOTHING)),
        (
            BUNDLE,
            of_bundle("https://slsa.dev/verification_summary/v1"),
            Some(NOTHING),
        ),
        (BUNDLE, of_bundle("http://slsa.dev/provenance/v1"), Some(NOTHING)),
        ("", none(), None),
        ("application/vnd.oci.empty.v1+json", none(), None),
        ("application/vnd.oci.image.config.v1+json", none(), None),
    ] {
        says(kind, &annotations, found);
    }
}

#[test]
fn what_has_no_labels_says_nothing() {
    for (text, found) in [
        ("null", None),
        ("[]", None),
        ("{}", None),
        (r#"{"artifactType":null}"#, None),
        (r#"{"artifactType":["application/spdx+json"]}"#, None),
        (r#"{"artifactType":"application/spdx+json","ArtifactType":"a/b"}"#, None),
        (r#"{"mediaType":"application/spdx+json"}"#, Some(SBOM)),
        (r#"{"mediaType":"application/vnd.oci.image.index.v1+json"}"#, None),
    ] {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        assert_eq!(of_descriptor(&raw), found, "{text}");
    }
    let long = json!({ "artifactType": "application/spdx+json", "annotations": { "a": "a".repeat(LONGEST) } });
    assert_eq!(of_descriptor(&raw(&long)), None);
    // As deep as it is long: read once, not once a level.
    let deep = format!("{}1{}", r#"{"config":"#.repeat(10_000), "}".repeat(10_000));
    assert_eq!(of_descriptor(&RawValue::from_string(deep).unwrap()), None);
}

#[test]
fn layers_say_it_each() {
    let layer = |predicate: &str| json!({ "mediaType": "application/vnd.in-toto+json", "digest": Digest::of(b"x").as_str(), "size": 1, "annotations": { "in-toto.io/predicate-type": predicate } });
    let config = json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(b"{}").as_str(), "size": 2 });
    let (spdx, slsa) = ("https://spdx.dev/Document", "https://slsa.dev/provenance/v1");
    for (predicates, found) in [
        (&[][..], NOTHING),
        (&[spdx], SBOM),
        (&[slsa, spdx], SBOM.and(PROVENANCE)),
        (&["https://example.org/scan/v1"], NOTHING),
    ] {
        let layers: Vec<Value> = predicates.iter().map(|predicate| layer(predicate)).collect();
        let own = json!({ "schemaVersion": 2, "config": config, "layers": layers });
        assert_eq!(of_manifest(&manifest(&own)), found, "{own}");
    }
    let index = json!({ "schemaVersion": 2, "manifests": [] });
    assert_eq!(of_manifest(&manifest(&index)), NOTHING);
}

#[test]
fn an_index_names_its_attestations() {
    let (image, attestation) = (Digest::of(b"image"), Digest::of(b"attestation"));
    let entry = |digest: &Digest, annotations: Value| {
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        json!({ "mediaType": media_type, "digest": digest.as_str(), "size": 1, "annotations": annotations })
    };
    let marked =
        json!({ "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image.as_str() });
    let index = json!({ "schemaVersion": 2, "manifests": [
        entry(&image, json!({ "org.example": "a" })),
        entry(&attestation, marked),
        entry(&Digest::of(b"other"), json!({ "vnd.docker.reference.digest": "not a digest" })),
    ] });
    assert_eq!(attestations(&manifest(&index)), [(attestation, image)]);
}

#[test]
fn several_are_told_in_one_order() {
    for (some, words, denied) in [
        (NOTHING, "", ""),
        (SIGNATURE, "a signature", "no signature"),
        (
            PROVENANCE.and(SBOM),
            "an SBOM and provenance",
            "no SBOM and no provenance",
        ),
        (
            Attachments::ALL,
            "a signature, an SBOM and provenance",
            "no signature, no SBOM and no provenance",
        ),
    ] {
        assert_eq!((some.in_words().as_str(), some.denied().as_str()), (words, denied));
    }
    assert_eq!(Attachments::ALL.without(SBOM).within(SBOM.and(SIGNATURE)), SIGNATURE);
}
