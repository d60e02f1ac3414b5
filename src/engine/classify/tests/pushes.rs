//! What engines wrote of a push.

use super::Means::{self, Network, Refused};
use super::Refusal::{Denied, Immutable, NameUnknown, Other, TooManyRequests, Unauthorized, Unstated};
use super::Row;

/// A registry that refuses.
pub(super) const REFUSED: &[Row] = &[
    (
        "20.10",
        200,
        "denied: requested access to the resource is denied\nunauthorized: authentication required\n",
        Refused(Denied),
    ),
    (
        "20.10",
        200,
        "error parsing HTTP 403 response body: unexpected end of JSON input: \"\"",
        Refused(Denied),
    ),
    (
        "20.10",
        200,
        "error parsing HTTP 413 response body: unexpected end of JSON input: \"\"",
        Refused(Other),
    ),
    (
        "20.10",
        200,
        "name unknown: repository name not known",
        Refused(NameUnknown),
    ),
    ("20.10", 200, "tag invalid: tag 1 is immutable", Refused(Immutable)),
    ("20.10", 200, "unknown: it cannot be overwritten", Refused(Immutable)),
    ("20.10", 200, "unsupported: not so", Refused(Other)),
    ("20.10", 200, "tag invalid: not so", Refused(Other)),
    (
        "26, containerd",
        200,
        "unexpected status from HEAD request to URL/blobs/BLOB: 403 Forbidden",
        Refused(Denied),
    ),
    // Another repository's name in a URL is no reason.
    (
        "26, containerd",
        200,
        "unexpected status from POST request to URL/blobs/uploads/?mount=BLOB&from=shop/unauthorized: 404 Not Found",
        Refused(NameUnknown),
    ),
    (
        "26, containerd",
        200,
        "failed commit on ref \"manifest-app@DIGEST\": unexpected status from PUT request to URL/manifests/1: 400 Bad Request",
        Refused(Other),
    ),
    (
        "26, containerd",
        200,
        "failed commit on ref \"manifest-app@DIGEST\": unexpected status from PUT request to URL/manifests/1: 409 Conflict",
        Refused(Other),
    ),
    (
        "28, containerd",
        200,
        "unknown: failed commit on ref \"manifest-app@DIGEST\": unexpected status from PUT request to URL/manifests/1: 403 Forbidden",
        Refused(Denied),
    ),
    (
        "26, containerd",
        200,
        "failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://crg.apkg.io/token: \
                 401 Unauthorized",
        Refused(Unauthorized),
    ),
    (
        "28, containerd",
        200,
        "error from registry: tag 1 is immutable",
        Refused(Immutable),
    ),
    (
        "28, containerd",
        200,
        "error from registry: not for you",
        Refused(Unstated),
    ),
    (
        "podman 4.3",
        200,
        "trying to reuse blob BLOB at destination: failed to read from destination repository shop/denied: 403 (Forbidden)",
        Refused(Denied),
    ),
    (
        "podman 4.3",
        200,
        "trying to reuse blob BLOB at destination: Requesting bearer token: invalid status code from registry 403 (Forbidden)",
        Refused(Denied),
    ),
    (
        "podman 4.3",
        200,
        "writing blob: uploading layer chunked: StatusCode: 413, ",
        Refused(Other),
    ),
    (
        "podman 5.8",
        500,
        "writing manifest: uploading manifest 1 to SHOP: StatusCode: 403, \"\"",
        Refused(Denied),
    ),
    (
        "podman 5.8",
        500,
        "writing blob: initiating layer upload to /v2/shop/denied/blobs/uploads/ in crg.apkg.io: unauthorized",
        Refused(Unauthorized),
    ),
    (
        "podman 5.8",
        500,
        "writing manifest: uploading manifest 1 to SHOP: toomanyrequests: slow down",
        Refused(TooManyRequests),
    ),
    (
        "podman 5.8",
        500,
        "Uploading manifest failed, attempted the following formats: application/vnd.docker.distribution.manifest.v2+json\
                 (writing manifest: uploading manifest 1 to SHOP: tag invalid: not so)",
        Refused(Other),
    ),
    (
        "any",
        200,
        "manifest blob unknown: blob unknown to registry",
        Refused(Other),
    ),
];

/// What does not get there.
pub(super) const NOT_SENT: &[Row] = &[
    (
        "20.10",
        200,
        "received unexpected HTTP status: 500 Internal Server Error",
        Network,
    ),
    ("20.10", 200, "EOF", Network),
    ("20.10", 200, "Put \"URL/manifests/1\": EOF", Network),
    (
        "26, containerd",
        200,
        "failed commit on ref \"manifest-app@DIGEST\": unexpected status from PUT request to URL/manifests/1: 500 Internal \
                 Server Error",
        Network,
    ),
    (
        "28, containerd",
        200,
        "pushing with mount from shop/denied: failed to do request: Post \"URL/blobs/uploads/?mount=BLOB\": EOF",
        Network,
    ),
    (
        "28, containerd",
        200,
        "failed commit on ref \"manifest-app@DIGEST\": failed to do request: Put \"URL/manifests/1\": readfrom tcp \
                 127.0.0.1:1->127.0.0.1:2: write tcp 127.0.0.1:1->127.0.0.1:2: use of closed network connection",
        Network,
    ),
    (
        "podman 5.8",
        500,
        "trying to reuse blob BLOB at destination: Requesting bearer token: received unexpected HTTP status: 500 Internal \
                 Server Error",
        Network,
    ),
    (
        "26, containerd",
        200,
        "missing content: content digest BLOB: not found\nNote: You're trying to push a manifest list/index which \
                 references multiple platform specific manifests, but not all of them are available locally or available to the \
                 remote repository.\nMake sure you have all the referenced content and try again.",
        Means::Incomplete,
    ),
    (
        "28, containerd",
        200,
        "image with reference SHOP:1 was found but does not provide the specified platform (linux/arm64)",
        Means::Platform,
    ),
    (
        "28",
        200,
        "image with reference SHOP:1 was found but its platform (linux/s390x) does not match the specified platform \
                 (linux/arm64)",
        Means::Platform,
    ),
    (
        "20.10",
        200,
        "An image does not exist locally with the tag: SHOP",
        Means::NoSuchImage,
    ),
    ("28, containerd", 200, "tag does not exist: SHOP:1", Means::NoSuchImage),
    (
        "podman 5.4",
        404,
        "failed to find image SHOP:1: SHOP:1: image not known",
        Means::NoSuchImage,
    ),
];
