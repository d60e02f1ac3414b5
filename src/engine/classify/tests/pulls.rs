//! What engines wrote of a pull.

use super::Means::{self, NotResolved, Refused};
use super::Refusal::{Denied, ManifestUnknown, NameUnknown, PartUnknown, TooManyRequests, Unauthorized, Unstated};
use super::Row;

/// A registry that refuses.
pub(super) const REFUSED: &[Row] = &[
    ("20.10", 500, "unauthorized", Refused(Unauthorized)),
    (
        "20.10",
        500,
        "unauthorized: authentication required",
        Refused(Unauthorized),
    ),
    (
        "20.10",
        500,
        "Head \"URL/manifests/1\": unauthorized: access denied for user",
        Refused(Unauthorized),
    ),
    (
        "20.10",
        500,
        "Get \"https://crg.apkg.io/v2/\": no basic auth credentials",
        Refused(Unauthorized),
    ),
    (
        "20.10",
        404,
        "pull access denied for SHOP, repository does not exist or may require 'docker login': denied: not for you",
        Refused(Denied),
    ),
    (
        "20.10",
        404,
        "pull access denied for SHOP, repository does not exist or may require 'docker login': unauthorized: no",
        Refused(Unauthorized),
    ),
    (
        "20.10",
        404,
        "pull access denied, repository does not exist or may require authorization: server message: \
                 insufficient_scope: authorization failed",
        Refused(Denied),
    ),
    ("20.10", 500, "manifest unknown", Refused(ManifestUnknown)),
    (
        "20.10",
        404,
        "manifest for IMAGE not found: manifest unknown: gone",
        Refused(ManifestUnknown),
    ),
    (
        "20.10",
        404,
        "repository SHOP not found: name unknown: repository name not known",
        Refused(NameUnknown),
    ),
    (
        "20.10",
        404,
        "name unknown: The repository with name 'x' does not exist in this workspace",
        Refused(NameUnknown),
    ),
    ("20.10", 500, "toomanyrequests: slow down", Refused(TooManyRequests)),
    (
        "20.10",
        200,
        "error pulling image configuration: download failed after attempts=6: unauthorized",
        Refused(Unauthorized),
    ),
    (
        "20.10",
        200,
        "error pulling image configuration: download failed after attempts=1: denied: no blobs for you",
        Refused(Denied),
    ),
    (
        "20.10",
        200,
        "error pulling image configuration: download failed after attempts=1: unknown blob",
        Refused(PartUnknown),
    ),
    (
        "26, containerd",
        500,
        "failed to resolve reference \"IMAGE\": unexpected status from HEAD request to URL/manifests/DIGEST: 401 Unauthorized",
        Refused(Unauthorized),
    ),
    (
        "28, containerd",
        500,
        "unknown: failed to resolve reference \"IMAGE\": unexpected status from HEAD request to URL/manifests/DIGEST: 403 Forbidden",
        Refused(Denied),
    ),
    (
        "26, containerd",
        500,
        "failed to resolve reference \"IMAGE\": unexpected status from HEAD request to URL/manifests/DIGEST: 429 Too Many Requests",
        Refused(TooManyRequests),
    ),
    (
        "26, containerd",
        200,
        "failed to copy: httpReadSeeker: failed open: unexpected status code URL/blobs/BLOB: 403 Forbidden - \
                 Server message: denied: not for you",
        Refused(Denied),
    ),
    (
        "26, containerd",
        200,
        "failed to copy: httpReadSeeker: failed open: unexpected status code URL/blobs/BLOB: 401 Unauthorized - \
                 Server message: unauthorized",
        Refused(Unauthorized),
    ),
    (
        "28, containerd",
        200,
        "error from registry: unauthorized\nunauthorized",
        Refused(Unauthorized),
    ),
    (
        "28, containerd",
        200,
        "error from registry: no blobs for you",
        Refused(Unstated),
    ),
    // With the status of the Engine API the same words are clear.
    ("29", 401, "error from registry: bad credentials", Refused(Unauthorized)),
    ("29", 403, "error from registry: no blobs for you", Refused(Denied)),
    ("29", 429, "error from registry: slow down", Refused(TooManyRequests)),
    ("podman 5.8", 401, "bad credentials", Refused(Unauthorized)),
    ("podman 5.8", 403, "not for you", Refused(Denied)),
    ("podman 5.8", 403, "denied: not for you", Refused(Denied)),
    ("podman 5.8", 404, "manifest unknown", Refused(ManifestUnknown)),
    (
        "podman 5.8",
        404,
        "name unknown: repository name not known",
        Refused(NameUnknown),
    ),
    ("podman 5.8", 404, "blob unknown", Refused(PartUnknown)),
    (
        "podman 5.8",
        429,
        "toomanyrequests: slow down",
        Refused(TooManyRequests),
    ),
    (
        "podman 4.3",
        200,
        "initializing source docker://IMAGE: reading manifest DIGEST in SHOP: denied: not for you",
        Refused(Denied),
    ),
    (
        "podman 4.3",
        200,
        "parsing image configuration: unable to retrieve auth token: invalid username/password: unauthorized",
        Refused(Unauthorized),
    ),
    (
        "podman 4.3",
        200,
        "parsing image configuration: Error fetching blob: invalid status code from registry 403 (Forbidden)",
        Refused(Denied),
    ),
    (
        "podman 4.3",
        200,
        "parsing image configuration: Error fetching blob: invalid status code from registry 404 (Not Found)",
        Refused(PartUnknown),
    ),
    (
        "podman 4.3",
        200,
        "parsing image configuration: too many requests to registry",
        Refused(TooManyRequests),
    ),
];

/// containerd asks for a blob where the manifest did not come, and tells of that alone.
pub(super) const NOT_FOUND: &[Row] = &[
    (
        "28, containerd",
        404,
        "failed to resolve reference \"IMAGE\": IMAGE: not found",
        NotResolved,
    ),
    (
        "26, containerd",
        200,
        "crg.apkg.io/shop/denied:1: not found",
        NotResolved,
    ),
    (
        "26, containerd",
        200,
        "failed to copy: httpReadSeeker: failed open: content at URL/manifests/DIGEST not found: not found",
        NotResolved,
    ),
    ("29", 404, "not here", NotResolved),
    // A part is missing, not the image.
    (
        "26, containerd",
        200,
        "failed to copy: httpReadSeeker: failed open: content at URL/manifests/BLOB not found: not found",
        Refused(PartUnknown),
    ),
    (
        "28, containerd",
        200,
        "failed to copy: httpReadSeeker: failed open: could not fetch content descriptor BLOB \
                 (application/vnd.oci.image.config.v1+json) from remote: not found",
        Refused(PartUnknown),
    ),
];

/// What has come and is of no use.
pub(super) const NOT_TAKEN: &[Row] = &[
    (
        "20.10",
        200,
        "failed to register layer: Error processing tar file(exit status 1): unexpected EOF",
        Means::Layer,
    ),
    (
        "26",
        200,
        "failed to register layer: archive/tar: invalid tar header",
        Means::Layer,
    ),
    (
        "26",
        200,
        "layers from manifest don't match image configuration",
        Means::Layer,
    ),
    (
        "26, containerd",
        200,
        "failed to extract layer BLOB: mount callback failed on /tmp/containerd-mount1: unexpected EOF: unknown",
        Means::Layer,
    ),
    (
        "28, containerd",
        200,
        "failed to extract layer (application/vnd.oci.image.layer.v1.tar+gzip BLOB) to overlayfs as \"extract-1 \
                 BLOB\": mount callback failed on /tmp/containerd-mount1: archive/tar: invalid tar header",
        Means::Layer,
    ),
    (
        "26, containerd",
        200,
        "wrong diff id calculated on extraction \"BLOB\"",
        Means::Layer,
    ),
    (
        "podman 4.3",
        200,
        "writing blob: adding layer with blob \"BLOB\": processing tar file(archive/tar: invalid tar header): exit status 1",
        Means::Layer,
    ),
    (
        "podman 5.8",
        200,
        "unable to copy from source docker://IMAGE: writing blob: layer 0 (blob \"BLOB\"/\"\"/\"BLOB\") does not match \
                 config's DiffID \"BLOB\"",
        Means::Layer,
    ),
    (
        "20.10",
        200,
        "error pulling image configuration: image config verification failed for digest BLOB",
        Means::WrongBytes,
    ),
    (
        "20.10",
        200,
        "filesystem layer verification failed for digest BLOB",
        Means::WrongBytes,
    ),
    (
        "28, containerd",
        200,
        "failed commit on ref \"config-BLOB\": commit failed: unexpected commit digest DIGEST, expected BLOB: failed \
                 precondition",
        Means::WrongBytes,
    ),
    (
        "podman 5.8",
        500,
        "Download config.json digest DIGEST does not match expected BLOB",
        Means::WrongBytes,
    ),
    (
        "20.10",
        200,
        "write /var/lib/docker/x: no space left on device",
        Means::NoSpace,
    ),
    (
        "podman 4.3",
        200,
        "writing blob: adding layer with blob \"BLOB\": processing tar file(write /x: no space left on device)",
        Means::NoSpace,
    ),
    (
        "20.10",
        404,
        "no matching manifest for linux/arm64/v8 in the manifest list entries",
        Means::Platform,
    ),
    (
        "26, containerd",
        404,
        "no match for platform in manifest: not found",
        Means::Platform,
    ),
    (
        "podman 5.4",
        500,
        "no image found in image index for architecture \"amd64\", variant \"\", OS \"linux\"",
        Means::Platform,
    ),
    (
        "25",
        403,
        "authorization denied by plugin pipelines: --privileged=true is not allowed",
        Means::Plugin,
    ),
    ("any", 500, "something new", Means::Unknown),
    ("any", 500, "could not lock SHOP", Means::Unknown),
];
