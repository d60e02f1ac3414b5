//! What daemons answer of an image, and what follows from it.

use super::*;
use crate::names::Host;

const SINGLE: &str = "sha256:20b0eaf2527c17eeaca9ea6937c7057c9676b6f24d37c414782bb76b487a8b21";

fn parsed(json: &str) -> LocalImage {
    serde_json::from_str::<Inspected>(json).unwrap().into()
}

fn digest(of: &str) -> Digest {
    Digest::of(of.as_bytes())
}

fn platform(text: &str) -> Platform {
    Platform::parse(text).unwrap()
}

/// An index of Docker 28 with containerd's image store: each platform with whether the daemon has it, and an attestation.
fn index(parts: &[(&str, bool)]) -> LocalImage {
    let of = |text: &str| digest(text).to_string();
    let images = parts.iter().map(|(text, there)| {
        let (architecture, variant) = text.split_once('/').unwrap_or((text, ""));
        let platform = format!(r#"{{"architecture":"{architecture}","os":"linux","variant":"{variant}"}}"#);
        format!(
            r#"{{"ID":"x","Descriptor":{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":422,
            "platform":{platform}}},"Available":{there},"Kind":"image","ImageData":{{"Platform":{platform}}}}}"#,
            of(text)
        )
    });
    let attestation = format!(
        r#"{{"ID":"x","Descriptor":{{"digest":"{}","platform":{{"architecture":"unknown","os":"unknown"}}}},"Available":false,
        "Kind":"attestation","AttestationData":{{"For":"x"}}}}"#,
        of("attestation")
    );
    let manifests: Vec<String> = images.chain([attestation]).collect();
    parsed(&format!(
        r#"{{"Id":"{}","RepoTags":["r/x:1"],"Os":"linux","Architecture":"amd64","Manifests":[{}],
        "Descriptor":{{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:9d","size":730}}}}"#,
        of("index"),
        manifests.join(",")
    ))
}

#[test]
fn a_size_that_is_none_is_not_told() {
    for (told, size) in [
        ("", 0),
        (r#""Size":null,"#, 0),
        (r#""Size":-1,"#, 0),
        (r#""Size":0,"#, 0),
        (r#""Size":123456789012,"#, 123_456_789_012),
    ] {
        let image = parsed(&format!(r#"{{"Id":"x",{told}"Os":"linux","Architecture":"amd64"}}"#));
        assert_eq!(image.size, size, "{told}");
    }
}

#[test]
fn an_image_is_known_by_the_daemons_own_name_for_it() {
    let digest = digest("manifest");
    let hub = |path| Repository::new(Host::parse("docker.io").unwrap(), path).unwrap();
    let bitbucket = Repository::new(Host::parse("crg.apkg.io").unwrap(), "shop/base").unwrap();
    for (repository, known) in [
        (bitbucket, "crg.apkg.io/shop/base"),
        (hub("library/node"), "node"),
        (hub("bitnami/redis"), "bitnami/redis"),
        // As podman spells them.
        (hub("library/node"), "docker.io/library/node"),
        (hub("bitnami/redis"), "docker.io/bitnami/redis"),
    ] {
        let image = parsed(&format!(
            r#"{{"Id":"x","RepoTags":["{known}:1"],"RepoDigests":["{known}@{digest}"],"Os":"linux","Architecture":"amd64"}}"#
        ));
        assert!(image.is(&repository, &digest), "{known}");
        let tagged = |tag| image.is_tagged(&repository, &Tag::parse(tag).unwrap());
        assert!(tagged("1") && !tagged("2"), "{known}");
        assert!(!image.is(&hub("library/other"), &digest), "{known}");
    }
}

/// As 20.10, 26 and 28 answered of the same image, which was pulled by its digest.
#[test]
fn a_digest_is_no_tag() {
    let repository = Repository::new(Host::parse("127.0.0.1:5000").unwrap(), "shop/single").unwrap();
    for (tags, id, is_of_containerd) in [
        ("[]", "sha256:b4cc97b4e2d3", false),
        ("null", "sha256:b4cc97b4e2d3", false),
        ("[]", SINGLE, true),
        (
            r#"["127.0.0.1:5000/shop/single@sha256:20b0eaf2527c17eeaca9ea6937c7057c9676b6f24d37c414782bb76b487a8b21"]"#,
            SINGLE,
            true,
        ),
    ] {
        let image = parsed(&format!(
            r#"{{"Id":"{id}","RepoTags":{tags},"RepoDigests":["127.0.0.1:5000/shop/single@{SINGLE}"]}}"#
        ));
        assert_eq!(image.repo_tags, <[String; 0]>::default(), "{tags}");
        assert_eq!(image.is_of_containerd(), is_of_containerd, "{tags} {id}");
        assert!(image.is(&repository, &Digest::parse(SINGLE).unwrap()), "{tags}");
    }
}

#[test]
fn what_is_published_follows_from_what_the_daemon_has() {
    let amd64 = platform("linux/amd64");
    for (parts, wanted, published, partial) in [
        (&[("amd64", true), ("arm64", true)][..], None, None, false),
        (
            &[("amd64", true), ("arm64", true)],
            Some("linux/arm64"),
            Some("arm64"),
            false,
        ),
        (
            &[("amd64", true), ("arm64", true)],
            Some("linux/arm64/v8"),
            Some("arm64"),
            false,
        ),
        (&[("amd64", true), ("arm64", true)], Some("linux/s390x"), None, false),
        (&[("amd64", true), ("arm64", false)], None, Some("amd64"), true),
        (&[("amd64", true), ("arm64", false)], Some("linux/arm64"), None, true),
        (&[("amd64", false), ("arm64", true)], None, Some("arm64"), true),
        (&[("amd64", false), ("arm64", true), ("s390x", true)], None, None, true),
        (&[("amd64", false)], None, None, true),
        // One platform beside its attestation, as a build makes it.
        (&[("amd64", true)], None, None, false),
        (&[("amd64", true)], Some("linux/amd64"), Some("amd64"), false),
    ] {
        let image = index(parts);
        let wanted = wanted.map(platform);
        let found = image.published(wanted.as_ref(), &amd64);
        let found = found.map(|manifest| manifest.digest.clone());
        assert_eq!(found, published.map(digest), "{parts:?} for {wanted:?}");
        assert_eq!(image.is_partial(), partial, "{parts:?}");
        assert!(image.is_of_containerd(), "{parts:?}");
    }
}

#[test]
fn an_image_serves_the_platforms_that_are_there() {
    for (image, platforms) in [
        (index(&[("amd64", true), ("arm64", true)]), "linux/amd64 linux/arm64"),
        (index(&[("amd64", false), ("arm64", true)]), "linux/arm64"),
        (index(&[("amd64", false)]), ""),
        (
            parsed(r#"{"Id":"x","Os":"linux","Architecture":"arm64","Variant":"v8"}"#),
            "linux/arm64",
        ),
        // Not an index, though the daemon lists its one manifest.
        (
            parsed(
                r#"{"Id":"x","Os":"linux","Architecture":"amd64","Descriptor":{"mediaType":"application/vnd.oci.image.manifest.v1+json"},
                "Manifests":[{"Kind":"image","Available":true}]}"#,
            ),
            "linux/amd64",
        ),
    ] {
        let found: Vec<String> = image.platforms().iter().map(ToString::to_string).collect();
        assert_eq!(found.join(" "), platforms);
        for wanted in ["linux/amd64", "linux/arm64", "linux/s390x"] {
            assert_eq!(
                image.serves(&platform(wanted)),
                platforms.contains(wanted),
                "{wanted} of {platforms}"
            );
        }
    }
}

/// What serves a platform and is not chosen for it is another image too.
#[test]
fn others_are_all_but_the_one_that_is_chosen() {
    for (parts, wanted, has_others) in [
        (vec![("amd64", true)], "linux/amd64", false),
        (vec![("amd64", true), ("arm64", true)], "linux/amd64", true),
        (vec![("amd64", true), ("arm64", false)], "linux/amd64", true),
        (vec![("arm/v6", true), ("arm/v7", true)], "linux/arm", true),
        (vec![("arm/v7", true)], "linux/arm", false),
    ] {
        let image = index(&parts);
        assert_eq!(
            image.has_others(&platform(wanted)),
            has_others,
            "{parts:?} for {wanted}"
        );
    }
}

/// Docker before 28 tells an index by its export alone.
#[test]
fn the_manifests_of_an_index_are_its_own_words() {
    let entry = |of: &str, platform: &str| {
        format!(
            r#"{{"mediaType":"m","digest":"{}","size":5,"platform":{platform}}}"#,
            digest(of)
        )
    };
    let (amd64, arm64) = (
        entry("amd64", r#"{"os":"linux","architecture":"amd64"}"#),
        entry("arm64", r#"{"os":"linux","architecture":"arm64","variant":"v8"}"#),
    );
    let attestation = entry("a", r#"{"os":"unknown","architecture":"unknown"}"#);
    let index = |entries: &[&str]| format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
    let single = format!(
        r#"{{"schemaVersion":2,"config":{{"digest":"{}","size":5}},"layers":[]}}"#,
        digest("config")
    );
    let (unnamed, silent) = (
        entry("u", "null"),
        format!(r#"{{"digest":"{}","size":5}}"#, digest("s")),
    );
    for (manifest, platforms, has_others, is_unnamed) in [
        (
            index(&[&amd64, &attestation, &arm64, &attestation]),
            "linux/amd64 linux/arm64",
            true,
            false,
        ),
        (index(&[&amd64, &attestation]), "linux/amd64", false, false),
        (index(&[&arm64]), "linux/arm64", true, false),
        (index(&[&unnamed, &attestation]), "linux/amd64", false, false),
        (index(&[&silent]), "linux/amd64", false, false),
        (index(&[&silent, &unnamed]), "linux/amd64", false, true),
        (index(&[&arm64, &silent]), "linux/arm64", true, true),
        (single, "linux/amd64", false, false),
        ("none".to_owned(), "linux/amd64", false, false),
    ] {
        let image = parsed(r#"{"Id":"x","Os":"linux","Architecture":"amd64"}"#).with_manifests(manifest.as_bytes());
        let found: Vec<String> = image.platforms().iter().map(ToString::to_string).collect();
        assert_eq!(found.join(" "), platforms, "{manifest}");
        assert_eq!(image.has_others(&platform("linux/amd64")), has_others, "{manifest}");
        assert_eq!(image.is_unnamed, is_unnamed, "{manifest}");
        assert!(!image.is_partial(), "{manifest}");
    }
}

#[test]
fn a_daemon_tells_how_many_layers_an_image_has() {
    for (root_fs, layers) in [
        (
            r#","RootFS":{"Type":"layers","Layers":["sha256:1","sha256:1"]}"#,
            Some(2),
        ),
        (r#","RootFS":{"Type":"layers","Layers":[]}"#, Some(0)),
        (r#","RootFS":{"Type":"layers","Layers":null}"#, Some(0)),
        // An image of nothing: Docker leaves the list out.
        (r#","RootFS":{"Type":"layers"}"#, Some(0)),
        ("", None),
    ] {
        let local = parsed(&format!(r#"{{"Id":"x","Os":"linux","Architecture":"amd64"{root_fs}}}"#));
        assert_eq!(local.layers, layers, "{root_fs}");
    }
}
