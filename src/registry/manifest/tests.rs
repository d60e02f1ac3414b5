use super::*;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
const JWS: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// `D` in a text stands for a descriptor.
fn read(content_type: Option<&str>, text: &str) -> Result<Manifest, NotAManifest> {
    let descriptor = format!(r#"{{"mediaType":"m","digest":"{}","size":1}}"#, Digest::of(b"x"));
    Manifest::new(
        Bytes::from(
            text.replace(":D", &format!(":{descriptor}"))
                .replace("[D", &format!("[{descriptor}")),
        ),
        content_type,
    )
}

#[test]
fn a_manifest_forges_no_line_and_fills_no_log() {
    let long = "x".repeat(1_000_000);
    for json in [
        r#"{"schemaVersion": 2, "config": {"digest": "sha256:\u001b[31m\nERROR: forged", "size": 1}}"#.to_owned(),
        format!(r#"{{"schemaVersion": 2, "layers": [], "config": {{"digest": "{long}", "size": 1}}}}"#),
        format!(r#"{{"schemaVersion": 2, "manifests": "{long}"}}"#),
        format!(r#"{{"schemaVersion": 2, "manifests": [], "mediaType": "{long}"}}"#),
    ] {
        let manifest = Manifest::new(Bytes::from(json), None);
        let what = manifest
            .map_err(|what| what.to_string())
            .and_then(|manifest| manifest.content().map(|_| String::new()));
        let what = what.expect_err("no manifest");
        assert!(what.len() < 1000 && !what.contains(char::is_control), "{what}");
    }
}

#[test]
fn a_manifest_is_of_one_kind_and_of_the_second_schema() {
    let both = "claims to be both";
    let neither = "neither `config` nor `manifests` nor `blobs`";
    let letters = "in other letters";
    let no_json = "not JSON of the right form";
    for (text, wrong) in [
        (r#"{"schemaVersion":2,"config":D,"layers":[]}"#, ""),
        (r#"{"schemaVersion":2,"config":D,"layers":[D]}"#, ""),
        (r#"{"schemaVersion":2,"config":D,"layers":null}"#, ""),
        (
            r#"{"schemaVersion":2,"config":D,"layers":[D],"manifests":null,"blobs":null,"fsLayers":null}"#,
            "",
        ),
        (r#"{"schemaVersion":2,"manifests":[D]}"#, ""),
        (r#"{"schemaVersion":2,"manifests":[]}"#, ""),
        (
            r#"{"schemaVersion":2,"blobs":[D],"annotations":{"Digest":"x","Config":"y"}}"#,
            "",
        ),
        (
            r#"{"blobs":[D],"mediaType":"application/vnd.oci.artifact.manifest.v1+json"}"#,
            "",
        ),
        // What a gateway says to everybody, and what else is no manifest.
        (r#"{"message":"please sign in"}"#, neither),
        (r#"{"schemaVersion":2}"#, neither),
        (
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"}"#,
            neither,
        ),
        (
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":null}"#,
            neither,
        ),
        (r#"{"schemaVersion":2,"subject":D}"#, neither),
        (r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#, neither),
        ("{}", neither),
        ("", no_json),
        ("null", no_json),
        ("[]", no_json),
        ("<html>", no_json),
        (r#""config""#, no_json),
        // Two kinds.
        (r#"{"schemaVersion":2,"config":D,"layers":[],"manifests":[]}"#, both),
        (r#"{"schemaVersion":2,"config":D,"manifests":[D]}"#, both),
        (r#"{"schemaVersion":2,"layers":[D],"manifests":[D]}"#, both),
        (r#"{"schemaVersion":2,"config":D,"layers":[],"blobs":[D]}"#, both),
        (r#"{"schemaVersion":2,"manifests":[D],"blobs":[]}"#, both),
        (r#"{"schemaVersion":2,"config":D,"layers":[],"fsLayers":[]}"#, both),
        (r#"{"schemaVersion":1,"manifests":[D],"fsLayers":[]}"#, both),
        // One kind, in letters that only some readers take for it.
        (r#"{"schemaVersion":2,"Config":D,"layers":[]}"#, letters),
        (r#"{"schemaVersion":2,"config":D,"layers":[],"Manifests":[D]}"#, letters),
        (r#"{"schemaVersion":2,"config":D,"layers":[],"MANIFESTS":[D]}"#, letters),
        (r#"{"schemaVersion":2,"manifests":[D],"Layers":[D]}"#, letters),
        (r#"{"schemaVersion":2,"manifests":[D],"manifest\u017f":[D]}"#, letters),
        (r#"{"schemaVersion":2,"config":D,"layers":[],"FSLayers":[]}"#, letters),
        (r#"{"schemaVersion":2,"config":D,"layers":[D],"layerſ":[D]}"#, letters),
        (r#"{"SchemaVersion":2,"config":D,"layers":[D]}"#, letters),
        (
            r#"{"schemaVersion":2,"mediatype":"x","config":D,"layers":[D]}"#,
            letters,
        ),
        (r#"{"schemaVersion":2,"blobs":[D],"Blobs":[D]}"#, letters),
        (r#"{"schemaVersion":2,"config":D,"layers":[],"Subject":D}"#, letters),
        (
            r#"{"schemaVersion":2,"config":{"digest":"x","Digest":"y","size":1},"layers":[]}"#,
            letters,
        ),
        (
            r#"{"schemaVersion":2,"config":D,"layers":[{"digest":"x","size":1,"SIZE":2}]}"#,
            letters,
        ),
        (
            r#"{"schemaVersion":2,"manifests":[{"digest":"x","size":1,"platform":{"OS":"linux"}}]}"#,
            letters,
        ),
        // The same key twice.
        (r#"{"schemaVersion":2,"schemaVersion":2,"manifests":[]}"#, no_json),
        (r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#, no_json),
        // Half a kind, and another schema.
        (r#"{"schemaVersion":2,"layers":[D]}"#, "`layers` and no `config`"),
        (r#"{"config":D,"layers":[]}"#, "no `schemaVersion`"),
        (r#"{"manifests":[]}"#, "no `schemaVersion`"),
        (
            r#"{"schemaVersion":1,"config":D,"layers":[]}"#,
            "`schemaVersion` is 1, not 2",
        ),
        (r#"{"schemaVersion":3,"manifests":[]}"#, "`schemaVersion` is 3, not 2"),
        (r#"{"schemaVersion":3,"blobs":[]}"#, "`schemaVersion` is 3, not 2"),
        (r#"{"schemaVersion":"2","manifests":[]}"#, no_json),
        (r#"{"schemaVersion":2,"manifests":{}}"#, no_json),
        (r#"{"schemaVersion":2,"config":[],"layers":[]}"#, no_json),
        (
            r#"{"schemaVersion":2,"config":["m","sha256:x",1],"layers":[]}"#,
            no_json,
        ),
    ] {
        match (read(None, text), wrong) {
            (Ok(manifest), "") => assert!(manifest.content().is_ok(), "{text}"),
            (Ok(_), wrong) => panic!("expected `{wrong}`: {text}"),
            (Err(what), wrong) => assert!(!wrong.is_empty() && what.to_string().contains(wrong), "{text}: {what}"),
        }
    }
}

#[test]
fn schema_1_is_told_from_what_is_no_manifest() {
    let signed = r#"{"schemaVersion":1,"name":"shop/base","tag":"1","architecture":"amd64","fsLayers":[{"blobSum":"x"}],
        "history":[{"v1Compatibility":"{}"}],"signatures":[]}"#;
    for (content_type, text, is_it) in [
        (Some(JWS), signed, true),
        (
            Some("application/vnd.docker.distribution.manifest.v1+json"),
            signed,
            true,
        ),
        (Some("application/json"), signed, true),
        (None, signed, true),
        (Some(IMAGE), r#"{"schemaVersion":1}"#, true),
        (None, r#"{"fsLayers":[]}"#, true),
        (Some(JWS), r#"{"message":"please sign in"}"#, false),
        (Some(JWS), r#"{"schemaVersion":2,"config":D,"layers":[]}"#, false),
    ] {
        let found = read(content_type, text);
        assert_eq!(
            found == Err(NotAManifest::Schema1),
            is_it,
            "{content_type:?} {text}: {found:?}"
        );
        assert!(found.is_err());
    }
}

#[test]
fn the_media_type_is_one_of_a_manifest_and_of_this_one() {
    let of = |own: &str| {
        if own.is_empty() {
            String::new()
        } else {
            format!(r#","mediaType":"{own}""#)
        }
    };
    let image = |own: &str| format!(r#"{{"schemaVersion":2,"config":D,"layers":[]{}}}"#, of(own));
    let index = |own: &str| format!(r#"{{"schemaVersion":2,"manifests":[]{}}}"#, of(own));
    let artifact = |own: &str| format!(r#"{{"schemaVersion":2,"blobs":[]{}}}"#, of(own));
    for (content_type, text, media_type) in [
        // A header of no manifest counts for nothing where the document says what it is.
        ("", image(DOCKER), Some(DOCKER)),
        ("binary/octet-stream", image(DOCKER), Some(DOCKER)),
        ("application/octet-stream", image(DOCKER), Some(DOCKER)),
        ("text/html; charset=utf-8", image(IMAGE), Some(IMAGE)),
        ("application/json", index(LIST), Some(LIST)),
        ("application/x-gzip", index(INDEX), Some(INDEX)),
        (
            "binary/octet-stream",
            image("application/vnd.example+json"),
            Some("application/vnd.example+json"),
        ),
        // Nor where it does not.
        ("binary/octet-stream", image(""), Some(IMAGE)),
        ("application/json", index(""), Some(INDEX)),
        ("", artifact(""), Some(ARTIFACT)),
        // One of a manifest does.
        (IMAGE, image(""), Some(IMAGE)),
        (DOCKER, image(""), Some(DOCKER)),
        (
            "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
            image(""),
            Some(IMAGE),
        ),
        (IMAGE, image(IMAGE), Some(IMAGE)),
        (IMAGE, image("application/vnd.example+json"), Some(IMAGE)),
        (LIST, index(""), Some(LIST)),
        // It must not be that of another one.
        (IMAGE, image(DOCKER), None),
        (DOCKER, image(IMAGE), None),
        (INDEX, index(LIST), None),
        (INDEX, image(""), None),
        (INDEX, image(IMAGE), None),
        (IMAGE, index(""), None),
        (IMAGE, index(INDEX), None),
        (LIST, image(""), None),
        (ARTIFACT, image(""), None),
        (JWS, index(""), None),
        ("", image(INDEX), None),
        ("application/json", index(IMAGE), None),
        ("", artifact(IMAGE), None),
        // It goes into a header.
        ("application/json", image("application/json\u{1b}[31m"), None),
        ("application/json", image("a b"), None),
    ] {
        let found = read(Some(content_type), &text).map(|manifest| manifest.media_type);
        assert_eq!(found.as_deref().ok(), media_type, "{content_type}, {text}: {found:?}");
    }
}

#[test]
fn a_subject_is_read() {
    for (text, subject) in [
        (
            r#"{"schemaVersion":2,"manifests":[],"subject":D}"#,
            Ok(Some(Digest::of(b"x"))),
        ),
        (r#"{"schemaVersion":2,"manifests":[],"subject":null}"#, Ok(None)),
        (r#"{"schemaVersion":2,"manifests":[]}"#, Ok(None)),
        (
            r#"{"schemaVersion":2,"manifests":[],"subject":{"digest":"md5:1","size":1}}"#,
            Err(()),
        ),
    ] {
        assert_eq!(read(None, text).unwrap().subject().map_err(|_| ()), subject, "{text}");
    }
}
