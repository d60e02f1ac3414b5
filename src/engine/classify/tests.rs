//! What the daemon's words mean, as a table.

use super::*;

const NAME: &str = "crg.apkg.io/shop/denied";

/// Quoted as Docker 20.10.24 wrote them against Debian's registry, and as its and containerd's sources have them.
#[test]
fn words_are_told_apart() {
    use Refusal::{Denied, Immutable, ManifestUnknown, NameUnknown, TooManyRequests, Unauthorized};
    for (words, refusal) in [
        ("denied: requested access to the resource is denied", Denied),
        (
            "denied: requested access to the resource is denied\nunauthorized: authentication required\n",
            Denied,
        ),
        ("unauthorized: authentication required", Unauthorized),
        (
            "Head \"https://crg.apkg.io/v2/shop/denied/manifests/1\": unauthorized: access denied for user",
            Unauthorized,
        ),
        (
            "pull access denied for crg.apkg.io/shop/denied, repository does not exist or may require 'docker login': \
             unauthorized: no",
            Unauthorized,
        ),
        (
            "pull access denied for crg.apkg.io/shop/denied, repository does not exist or may require 'docker login': \
             denied: requested access to the resource is denied",
            Denied,
        ),
        (
            "pull access denied, repository does not exist or may require authorization: server message: \
             insufficient_scope: authorization failed",
            Denied,
        ),
        ("no basic auth credentials", Unauthorized),
        (
            "Get \"https://crg.apkg.io/v2/\": no basic auth credentials",
            Unauthorized,
        ),
        (
            "manifest for crg.apkg.io/shop/denied:x not found: manifest unknown: manifest unknown",
            ManifestUnknown,
        ),
        (
            "repository crg.apkg.io/shop/denied not found: name unknown: package denied does not exist",
            NameUnknown,
        ),
        (
            "name unknown: The repository with name 'x' does not exist in this workspace",
            NameUnknown,
        ),
        (
            "toomanyrequests: You have reached your pull rate limit",
            TooManyRequests,
        ),
        ("unknown: tag 1.0 is immutable and cannot be overwritten", Immutable),
        ("crg.apkg.io/shop/denied:1: not found", ManifestUnknown),
        (
            "failed to resolve reference: unexpected status from HEAD request to \
             https://crg.apkg.io/v2/shop/denied/manifests/1: 401 Unauthorized",
            Unauthorized,
        ),
    ] {
        match Error::said("pulling", NAME, words) {
            Error::Registry {
                refusal: found,
                words: said,
                ..
            } => {
                assert_eq!(found, refusal, "{words}");
                assert!(said.to_string().len() > 10, "{words}");
            }
            other => panic!("{words}: {other:?}"),
        }
    }
}

#[test]
fn what_is_no_registrys_refusal_is_told_apart() {
    for (words, kind, transient) in [
        (
            "authorization denied by plugin pipelines: --privileged=true is not allowed",
            "plugin",
            false,
        ),
        (
            "write /var/lib/docker/x: no space left on device",
            "disk is full",
            false,
        ),
        (
            "no matching manifest for linux/arm64/v8 in the manifest list entries",
            "another platform",
            false,
        ),
        (
            "image with reference sha256:1 was found but its platform (linux/arm64) does not match the specified platform",
            "another platform",
            false,
        ),
        (
            "Get \"https://crg.apkg.io/v2/\": dial tcp: lookup crg.apkg.io on 10.0.0.2:53: no such host",
            "does not reach",
            true,
        ),
        (
            "Get \"http://127.0.0.1:5099/v2/\": dial tcp 127.0.0.1:5099: connect: connection refused",
            "does not reach",
            true,
        ),
        (
            "received unexpected HTTP status: 503 Service Unavailable",
            "does not reach",
            true,
        ),
        (
            "Get \"https://crg.apkg.io/v2/\": x509: certificate signed by unknown authority",
            "does not trust",
            false,
        ),
        (
            "An image does not exist locally with the tag: crg.apkg.io/shop/denied",
            "has no image",
            false,
        ),
        ("No such image: x:latest", "has no image", false),
        ("tag does not exist: crg.apkg.io/shop/denied:2", "has no image", false),
        (
            "Head \"https://crg.apkg.io/v2/shop/denied/manifests/1\": net/http: TLS handshake timeout",
            "does not reach",
            true,
        ),
        ("something new", "refused", false),
        // The layer has come whole; Docker 20.10 with one compressed with zstd.
        (
            "failed to register layer: Error processing tar file(exit status 1): unexpected EOF",
            "refused",
            false,
        ),
    ] {
        let error = Error::said("pulling", NAME, words);
        assert!(error.message().contains(kind), "{words}: {error}");
        assert_eq!(error.is_transient(), transient, "{words}");
    }
}

#[test]
fn a_layer_that_is_not_unpacked_may_be_of_zstd() {
    let of = |words| Error::said("pulling", NAME, words).hint();
    let zstd =
        of("failed to register layer: Error processing tar file(exit status 1): archive/tar: invalid tar header");
    assert!(zstd.is_some_and(|hint| hint.contains("zstd") && hint.contains("Docker 23")));
    assert_eq!(of("something new"), None);
}

#[test]
fn the_name_of_an_image_decides_nothing() {
    let error = Error::said("pulling", NAME, "could not lock crg.apkg.io/shop/denied");
    assert!(matches!(error, Error::Daemon { .. }), "{error:?}");
}
