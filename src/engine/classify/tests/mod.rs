//! What the daemon's words mean, as tables of what engines wrote when a registry answered so.

mod pulls;
mod pushes;

use super::*;

const NAME: &str = "crg.apkg.io/shop/denied";
const DIGEST: &str = "sha256:20b0eaf2527c17eeaca9ea6937c7057c9676b6f24d37c414782bb76b487a8b21";
const CONFIG: &str = "sha256:b4cc97b4e2d3c4f5a697ed9b1a2c3d4e5f60718293a4b5c6d7e8f9a0b1c2d3e4";

/// An engine, the status that it answered with (200 for a line of a stream), its words, and what they mean.
type Row = (&'static str, u16, &'static str, Means);

/// What words mean, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    Refused(Refusal),
    /// The daemon does not reach the registry.
    Network,
    Untrusted,
    NotResolved,
    NoSuchImage,
    Platform,
    NoSpace,
    Layer,
    Incomplete,
    WrongBytes,
    Plugin,
    Unknown,
}

use Means::{Network, NotResolved, Refused};

fn means(error: &Error) -> Means {
    match error {
        Error::Registry { refusal, .. } => Refused(*refusal),
        Error::RegistryUnreachable { untrusted: true, .. } => Means::Untrusted,
        Error::RegistryUnreachable { .. } => Network,
        Error::NotResolved { .. } => NotResolved,
        Error::NoSuchImage { .. } => Means::NoSuchImage,
        Error::Platform { .. } => Means::Platform,
        Error::NoSpace { .. } => Means::NoSpace,
        Error::Layer { .. } => Means::Layer,
        Error::Incomplete { .. } => Means::Incomplete,
        Error::WrongBytes { .. } => Means::WrongBytes,
        Error::Plugin { .. } => Means::Plugin,
        Error::Daemon { .. } => Means::Unknown,
        other => panic!("{other:?}"),
    }
}

/// In the words of a row, `IMAGE` stands for what was asked for, `SHOP` for its repository, `BLOB` for another digest.
fn said(of: Of<'_>, row: &str, status: u16) -> Error {
    let words = row
        .replace("IMAGE", &format!("{NAME}@{DIGEST}"))
        .replace("SHOP", NAME)
        .replace("URL", "https://crg.apkg.io/v2/shop/denied")
        .replace("DIGEST", DIGEST)
        .replace("BLOB", CONFIG);
    let asked = DaemonRequest {
        what: "moving",
        name: NAME,
        of,
    };
    let status = (status != 200).then(|| StatusCode::from_u16(status).unwrap());
    Error::said(&asked, &words, status)
}

fn assert_means(is_push: bool, rows: &[(&str, u16, &str, Means)]) {
    let digest = Digest::parse(DIGEST).unwrap();
    let of = if is_push { Of::Push } else { Of::Pull(&digest) };
    for (engine, status, words, expected) in rows {
        assert_eq!(
            means(&said(of, words, *status)),
            *expected,
            "{engine}: {status} {words}"
        );
    }
}

#[test]
fn of_a_pull_whose_registry_refuses() {
    assert_means(false, pulls::REFUSED);
}

#[test]
fn of_a_pull_that_found_nothing_where_the_pipe_did() {
    assert_means(false, pulls::NOT_FOUND);
}

#[test]
fn of_a_pull_whose_network_fails() {
    let mut rows: Vec<(&str, u16, &str, Means)> = vec![
        (
            "20.10",
            500,
            "received unexpected HTTP status: 500 Internal Server Error",
            Network,
        ),
        (
            "20.10",
            500,
            "received unexpected HTTP status: 503 Service Unavailable",
            Network,
        ),
        (
            "20.10",
            200,
            "error pulling image configuration: download failed after attempts=6: EOF",
            Network,
        ),
        ("20.10", 500, "Get \"URL/manifests/DIGEST\": EOF", Network),
        ("20.10", 200, "unexpected EOF", Network),
        ("podman 5.8", 500, "EOF", Network),
        ("podman 5.8", 500, "connection reset by peer", Network),
        (
            "podman 5.8",
            200,
            "unable to copy from source docker://IMAGE: writing blob: storing blob to file \
             \"/var/tmp/container_images_storage1/1\": happened during read: unexpected EOF",
            Network,
        ),
        (
            "podman 4.3",
            200,
            "initializing source docker://IMAGE: pinging container registry crg.apkg.io: Get \"https://crg.apkg.io/v2/\": EOF",
            Network,
        ),
        (
            "podman 4.3",
            200,
            "parsing image configuration: Error fetching blob: invalid status code from registry 500 (Internal Server Error)",
            Network,
        ),
        (
            "26, containerd",
            500,
            "failed to resolve reference \"IMAGE\": unexpected status from HEAD request to URL/manifests/DIGEST: 502 Bad Gateway",
            Network,
        ),
        (
            "26, containerd",
            500,
            "failed to resolve reference \"IMAGE\": unexpected status from HEAD request to URL/manifests/DIGEST: 599 Odd",
            Network,
        ),
        (
            "28, containerd",
            200,
            "error from registry: unavailable: later",
            Network,
        ),
        (
            "20.10",
            500,
            "Get \"https://crg.apkg.io/v2/\": x509: certificate signed by unknown authority",
            Means::Untrusted,
        ),
        (
            "26",
            500,
            "failed to do request: Head \"URL/manifests/1\": http: server gave HTTP response to HTTPS client",
            Means::Untrusted,
        ),
    ];
    // What Go's client says, behind a request that it names.
    let go = [
        "EOF",
        "unexpected EOF",
        "read tcp 127.0.0.1:53366->127.0.0.1:5000: read: connection reset by peer",
        "dial tcp 127.0.0.1:5000: connect: connection refused",
        "dial tcp: lookup crg.apkg.io on 10.0.0.2:53: no such host",
        "dial tcp: lookup crg.apkg.io: Temporary failure in name resolution",
        "dial tcp 10.1.2.3:443: i/o timeout",
        "net/http: TLS handshake timeout",
        "net/http: timeout awaiting response headers",
        "net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
        "context deadline exceeded",
        "http2: client connection lost",
        "http: server closed idle connection",
        "write: broken pipe",
        "readfrom tcp 127.0.0.1:36406->127.0.0.1:5000: write tcp 127.0.0.1:36406->127.0.0.1:5000: use of closed network connection",
    ];
    let go: Vec<String> = go
        .iter()
        .map(|text| format!("failed to do request: Head \"URL/manifests/DIGEST\": {text}"))
        .collect();
    rows.extend(go.iter().map(|text| ("Go", 500, text.as_str(), Network)));
    assert_means(false, &rows);
}

#[test]
fn of_a_pull_that_the_daemon_cannot_use() {
    assert_means(false, pulls::NOT_TAKEN);
}

#[test]
fn of_a_push_whose_registry_refuses() {
    assert_means(true, pushes::REFUSED);
}

#[test]
fn of_a_push_that_does_not_get_there() {
    assert_means(true, pushes::NOT_SENT);
}

#[test]
fn what_may_pass_is_tried_again() {
    let digest = Digest::parse(DIGEST).unwrap();
    for (words, transient) in [
        ("failed to resolve reference \"IMAGE\": IMAGE: not found", true),
        ("Get \"URL/manifests/DIGEST\": EOF", true),
        ("toomanyrequests: slow down", true),
        // It may be a fault of the registry, in its own words.
        ("error from registry: boom", true),
        ("manifest unknown", false),
        ("denied: no", false),
        ("unknown blob", false),
        ("x509: certificate signed by unknown authority", false),
        ("no match for platform in manifest: not found", false),
        ("failed to extract layer BLOB: unexpected EOF", false),
        ("something new", false),
    ] {
        assert_eq!(said(Of::Pull(&digest), words, 500).is_transient(), transient, "{words}");
    }
}

/// Of what the daemon has itself no registry's refusal is told.
#[test]
fn of_the_daemons_own() {
    for (status, words, expected) in [
        (404, "No such image: x:latest", Means::NoSuchImage),
        (404, "failed to find image x: x: No such image", Means::NoSuchImage),
        (403, "authorization denied by plugin pipelines: no", Means::Plugin),
        (403, "forbidden", Means::Unknown),
        (500, "denied: not so", Means::Unknown),
    ] {
        assert_eq!(means(&said(Of::Daemon, words, status)), expected, "{words}");
    }
}
