//! What the step's Docker daemon cannot do, and what it relays of a registry's refusal.

use super::{Case, OnEngine, Run, pull, retag, shop};
use crate::support::emulator::{Answer, on};
use crate::support::engine::Engine;
use crate::support::image::{Image, ImageBuilder};
use crate::support::scripted_daemon::{Say, ScriptedDaemon};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case {
        see: "no Docker daemon at `…`: nothing listens there<br>no Docker daemon at `…`: there is no such socket",
        status: 6,
        runs: || {
            let emulator = shop();
            ["tcp://127.0.0.1:9", "unix:///nowhere/docker.sock"]
                .map(|host| {
                    let pipe = pull(&emulator, "api:1").unset("TO").built_in();
                    pipe.docker_host(host).run().into()
                })
                .into()
        },
    },
    Case {
        see: "no Docker daemon at `…`: no answer in time<br>\
              no Docker daemon at `…`: the host's name has no address<br>\
              no Docker daemon at `…`: the connection failed",
        status: 6,
        runs: || {
            let deaf = Deaf::listen();
            let emulator = shop();
            // A link-local address without the link leads nowhere.
            [deaf.tcp().as_str(), "tcp://daemon.invalid:2375", "tcp://[fe80::1]:2375"]
                .map(|host| {
                    let pipe = pull(&emulator, "api:1").unset("TO").built_in().var("TIMEOUT", "2");
                    // With a name server that is not there: no name is looked up beyond this machine.
                    let pipe = pipe.in_step(None).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
                    pipe.docker_host(host).run().into()
                })
                .into()
        },
    },
    Case {
        see: "no Docker daemon at `…`: the socket may not be opened",
        status: 6,
        runs: || vec![closed_socket()],
    },
    Case {
        see: "the Docker daemon said nothing for … seconds: …",
        status: 6,
        runs: || {
            let silent = TcpListener::bind("127.0.0.1:0").unwrap();
            let host = format!("tcp://{}", silent.local_addr().unwrap());
            let emulator = shop();
            let pipe = pull(&emulator, "api:1").unset("TO").built_in();
            vec![pipe.docker_host(&host).var("TIMEOUT", "2").run().into()]
        },
    },
    Case {
        see: "the Docker daemon's authorization plugin forbids this: …; the daemon's words: …",
        status: 5,
        runs: || {
            let words = "authorization denied by plugin pipelines: not here";
            vec![pulled_from(|| Say::refusal(403, words))]
        },
    },
    Case {
        see: "what answers is not a Docker daemon: …<br>\
              what answers at `…` with status … is not a Docker daemon: …<br>\
              the Docker daemon at `…` wants TLS, which this pipe does not speak to a daemon: …<br>\
              the Docker daemon wrote a line that is not JSON: …",
        status: 1,
        runs: || {
            let version = ScriptedDaemon::start(|request| {
                let is_version = request.ends_with(" /version");
                is_version.then(|| Say::Json(200, "<html>".to_owned()))
            });
            let page = ScriptedDaemon::start(|_| Some(Say::Json(404, "404 page not found".to_owned())));
            let tls = ScriptedDaemon::start(|_| {
                let words = "Client sent an HTTP request to an HTTPS server.\n";
                Some(Say::Json(400, words.to_owned()))
            });
            let emulator = shop();
            let run = |daemon: &ScriptedDaemon| {
                let pipe = pull(&emulator, "api:1").unset("TO").built_in();
                pipe.docker_host(&daemon.tcp()).run().into()
            };
            vec![
                run(&version),
                run(&page),
                run(&tls),
                pulled_from(|| Say::Lines(vec!["<html>".to_owned()])),
            ]
        },
    },
    Case {
        see: "the connection to the Docker daemon at `…` broke off: …",
        status: 6,
        runs: || {
            let layer = r#"{"status":"Pulling fs layer","progressDetail":{},"id":"aaaaaaaaaaaa"}"#;
            vec![
                pulled_from(move || Say::LinesThenEnd(vec![layer.to_owned()])),
                pulled_from(|| Say::Bytes(b"")),
            ]
        },
    },
    Case {
        see: "the Docker daemon moved no byte for … seconds: …",
        status: 6,
        runs: || {
            let layer = r#"{"status":"Downloading","progressDetail":{"current":5,"total":10},"id":"aaaaaaaaaaaa"}"#;
            vec![
                pulled_from(move || Say::LinesThenSilence(vec![layer.to_owned()])),
                pulled_from(move || Say::LinesOverAndOver(vec![layer.to_owned()])),
                // It changes its mind for ever.
                pulled_from(|| {
                    let turns = ["Waiting", "Pulling fs layer"];
                    let turns = turns.map(|status| format!(r#"{{"status":"{status}","id":"aaaaaaaaaaaa"}}"#));
                    Say::LinesOverAndOver([&turns[..]; 2000].concat())
                }),
            ]
        },
    },
    Case {
        see: "the Docker daemon wrote without end (…): …",
        status: 1,
        runs: || vec![pulled_from(|| Say::Lines(vec!["x".repeat(2 << 20)]))],
    },
    Case {
        see: "the Docker daemon did not find what the registry has: …; the daemon's words: …",
        status: 6,
        runs: || {
            let words =
                "failed to resolve reference \"localhost/shop/api@sha256:38\": localhost/shop/api@sha256:38: not found";
            vec![
                pulled_from(|| Say::refusal(404, words)),
                pulled_from(|| Say::failure(words)),
            ]
        },
    },
    Case {
        see: "the Docker daemon does not reach the registry: …; the daemon's words: …<br>\
              the Docker daemon does not trust the registry: …; the daemon's words: …",
        status: 6,
        runs: || {
            let request = "failed to do request: Head \"https://crg.apkg.io/v2/shop/api/manifests/1\": ";
            let of = |words: &'static str| pulled_from(move || Say::failure(&format!("{request}{words}")));
            vec![
                of("EOF"),
                of("net/http: timeout awaiting response headers"),
                of("x509: certificate signed by unknown authority"),
            ]
        },
    },
    Case {
        see: "the registry does not have a part of the image: pulling `…`; the daemon's words: …",
        status: 4,
        runs: || {
            let words = "error pulling image configuration: download failed after attempts=1: unknown blob";
            vec![pulled_from(|| Say::failure(words))]
        },
    },
    Case {
        see: "the Docker daemon got other bytes than the image has: …; the daemon's words: …<br>\
              the Docker daemon's disk is full: …; the daemon's words: …",
        status: 1,
        runs: || {
            vec![
                pulled_from(|| Say::failure("filesystem layer verification failed for digest sha256:38")),
                pulled_from(|| Say::failure("write /var/lib/docker/tmp/1: no space left on device")),
            ]
        },
    },
    Case {
        see: "the Docker daemon refused: …; its words: …",
        status: 1,
        runs: || {
            vec![
                pulled_from(|| Say::failure("failed to register layer: archive/tar: invalid tar header")),
                pulled_from(|| Say::failure("something new")),
            ]
        },
    },
    Case {
        see: "`…` cannot be pulled into the Docker daemon: it is not a container image, but of the type `…`",
        status: 1,
        runs: || {
            let emulator = shop();
            let chart = Image::referrer_of(
                &Image::small("refusals chart"),
                "application/vnd.cncf.helm.config.v1+json",
            );
            emulator.put_image("shop/api", "chart", &chart);
            let daemon = ScriptedDaemon::start(|_| None);
            let pipe = pull(&emulator, "api:chart").unset("TO").built_in();
            let run = pipe.docker_host(&daemon.tcp()).run().into();
            assert!(daemon.requests().iter().all(|request| !request.starts_with("POST")));
            vec![run]
        },
    },
    Case {
        see: "`…` is an image for more platforms than the Docker daemon has of it (…)<br>\
              the Docker daemon has only a part of the image: pushing `…`; the daemon's words: …",
        status: 4,
        runs: || {
            let several = [("amd64", false), ("arm64", true), ("s390x", true)];
            let words = "missing content: content digest sha256:38: not found";
            vec![
                pushed_by(index_of(&several), Say::Lines(Vec::new())),
                pushed_by(BUILT.to_owned(), Say::failure(words)),
            ]
        },
    },
    Case {
        see: "`…` is an image for several platforms (…), and Docker … cannot push one of them alone: …",
        status: 1,
        runs: || vec![one_platform_by_docker_26()],
    },
    Case {
        see: "the Docker daemon says that it pushed …, and the registry has no `…`",
        status: 1,
        runs: || {
            let digest = "sha256:38e4339c777e978243d32feb3ac27ff539ae54980b801775ac7864b911beef2c";
            let named = format!(r#"{{"status":"built: digest: {digest} size: 5"}}"#);
            vec![
                pushed_by(BUILT.to_owned(), Say::Lines(vec![named])),
                pushed_by(BUILT.to_owned(), Say::Lines(Vec::new())),
            ]
        },
    },
    Case {
        see: "the Docker daemon says that it pulled `…`, but does not have it as …",
        status: 1,
        runs: || vec![pulled_from(|| Say::Lines(Vec::new()))],
    },
];

pub(super) const ON_ENGINES: &[OnEngine] = &[
    OnEngine {
        see: "the step's Docker daemon has no image `…`",
        status: 4,
        runs: |engine| {
            let emulator = shop();
            let pipe = retag(&emulator).built_in().engine(engine);
            let pipe = pipe.var("ACTION", "push").var("SOURCE", "nobody/built:this");
            vec![pipe.run().into()]
        },
    },
    OnEngine {
        see: "`…` in the Docker daemon is for …, not …",
        status: 4,
        runs: |engine| {
            let emulator = shop();
            let built = ImageBuilder::new("refusals platform").docker().build();
            engine
                .docker_reading(&["load"], &built.docker_archive(&["api:refusals-platform"]))
                .succeeds();
            let pipe = retag(&emulator).built_in().engine(engine);
            let pipe = pipe.var("ACTION", "push").var("SOURCE", "api:refusals-platform");
            vec![pipe.var("TARGET", "api").var("PLATFORM", "linux/riscv64").run().into()]
        },
    },
    OnEngine {
        see: "the registry knows no such repository: pulling `…`; the daemon's words: …<br>\
              the registry has no such image: pulling `…`; the daemon's words: …",
        status: 4,
        runs: |engine| {
            [
                ("NAME_UNKNOWN", "repository name not known"),
                ("MANIFEST_UNKNOWN", "manifest unknown"),
            ]
            .map(|(code, words)| refused(engine, "gone", "manifests/sha256:", Answer::error(404, code, words)))
            .into()
        },
    },
    OnEngine {
        see: "the registry refused access: pulling `…`; the daemon's words: …",
        status: 3,
        runs: |engine| {
            vec![pulled(
                engine,
                "denied",
                Answer::error(403, "DENIED", "no blobs for you"),
            )]
        },
    },
    OnEngine {
        see: "the registry does not accept the credential: pulling `…`; the daemon's words: …",
        status: 3,
        runs: |engine| {
            vec![pulled(
                engine,
                "unauthorized",
                Answer::error(401, "UNAUTHORIZED", "authentication required"),
            )]
        },
    },
    OnEngine {
        see: "the registry got too many requests: pulling `…`; the daemon's words: …",
        status: 5,
        runs: |engine| {
            vec![pulled(
                engine,
                "limited",
                // podman waits between its six tries.
                Answer::error(429, "TOOMANYREQUESTS", "too many requests").header("Retry-After", "0"),
            )]
        },
    },
    OnEngine {
        // containerd's image store does not pass on what the registry says.
        see: "the registry does not let the tag be overwritten: pushing `…`; the daemon's words: …<br>\
              the registry refused: pushing `…`; the daemon's words: …",
        status: 5,
        runs: |engine| {
            let emulator = shop();
            emulator.put_image("shop/api", "immutable", &Image::small("refusals other"));
            let built = ImageBuilder::new("refusals built").docker().build();
            engine
                .docker_reading(&["load"], &built.docker_archive(&["api:refusals-immutable"]))
                .succeeds();
            let refused = Answer::error(400, "TAG_IMMUTABLE", "tag immutable is immutable");
            emulator.script(on("PUT", "/manifests/immutable").signed_in(), 9, refused);
            let pipe = retag(&emulator).built_in().engine(engine);
            let pipe = pipe.var("ACTION", "push").var("SOURCE", "api:refusals-immutable");
            vec![pipe.var("TARGET", "api").var("TAGS", "immutable").run().into()]
        },
    },
];

/// A `pull` into the daemon, which is answered so when it asks for the blobs.
fn pulled(engine: &Engine, tag: &str, answer: Answer) -> Run {
    refused(engine, tag, "blobs/", answer)
}

/// A `pull` into the daemon, which is answered so when it asks for what lies below this path.
fn refused(engine: &Engine, tag: &str, path: &str, answer: Answer) -> Run {
    let emulator = shop();
    emulator.put_image("shop/api", tag, &Image::small(&format!("refusals {tag}")));
    emulator.script(on("GET|HEAD", &format!("/v2/shop/api/{path}")).signed_in(), 99, answer);
    let pipe = pull(&emulator, &format!("api:{tag}")).unset("TO");
    pipe.engine(engine).built_in().run().into()
}

/// A `pull` by a user to whom the daemon's socket is closed.
fn closed_socket() -> Run {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let emulator = shop();
    let pipe = crate::files::as_another_user(&emulator).var("IMAGES", "api:1");
    pipe.docker_host(&format!("unix://{}", path.display())).run().into()
}

/// A port at which connections are neither taken nor refused: as many wait there as its queue holds, and the kernel drops
/// whatever else comes, as a firewall does.
struct Deaf {
    address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Deaf {
    /// More than the queue of any listener of the standard library holds.
    const MOST: usize = 5000;
    /// Many times what the kernel takes to put a connection into the queue.
    const IN_VAIN: Duration = Duration::from_millis(300);

    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = || TcpStream::connect_timeout(&address, Self::IN_VAIN).ok();
        let waiting: Vec<TcpStream> = std::iter::from_fn(connections).take(Self::MOST).collect();
        assert!(waiting.len() < Self::MOST, "the queue of a listener never got full");
        Self {
            address,
            _listener: listener,
            _waiting: waiting,
        }
    }

    fn tcp(&self) -> String {
        format!("tcp://{}", self.address)
    }
}

/// An image as Docker 28 has it that the daemon has built.
const BUILT: &str = r#"{"Id":"sha256:1","RepoTags":["api:built","api:other"],"Os":"linux","Architecture":"amd64"}"#;

/// The same of an index in containerd's image store: its platforms, each with whether the daemon has it.
fn index_of(platforms: &[(&str, bool)]) -> String {
    let manifests: Vec<_> = platforms
        .iter()
        .map(|(architecture, is_there)| {
            let platform = serde_json::json!({"os": "linux", "architecture": architecture});
            let digest = crate::support::image::digest(architecture.as_bytes());
            serde_json::json!({"Kind": "image", "Available": is_there, "Descriptor": {"digest": digest, "platform": platform}})
        })
        .collect();
    let descriptor = serde_json::json!({"mediaType": "application/vnd.oci.image.index.v1+json"});
    serde_json::json!({"Id": "sha256:1", "RepoTags": ["api:built"], "Os": "linux", "Architecture": "amd64",
        "Descriptor": descriptor, "Manifests": manifests})
    .to_string()
}

/// A `push` of one platform by a daemon that knows no such thing, and tells what an index has in an export alone.
fn one_platform_by_docker_26() -> Run {
    let image = Image::multi("refusals index");
    let id = image.digest();
    let mut export = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(image.bytes().len() as u64);
    let name = format!("blobs/{}", id.replace(':', "/"));
    export.append_data(&mut header, name, &image.bytes()[..]).unwrap();
    let export = String::from_utf8(export.into_inner().unwrap()).unwrap();
    let inspected = serde_json::json!({"Id": id, "RepoTags": ["api:built"], "RepoDigests": [format!("api@{id}")],
        "Os": "linux", "Architecture": "amd64"});
    let emulator = shop();
    let daemon = ScriptedDaemon::start(move |request| match request.split_once(' ') {
        Some(("GET", path)) if path.ends_with("/get") => Some(Say::Json(200, export.clone())),
        Some(("GET", path)) if path.starts_with("/images/api:built/json") => {
            Some(Say::Json(200, inspected.to_string()))
        }
        Some(("POST", path)) => panic!("POST {path}"),
        _ => None,
    });
    let pipe = retag(&emulator).unset("TAGS").built_in().var("ACTION", "push");
    let pipe = pipe.var("SOURCE", "api:built").var("PLATFORM", "linux/arm64");
    pipe.docker_host(&daemon.tcp()).run().into()
}

/// A `pull` by a daemon that says this of it.
pub(super) fn pulled_from(say: impl Fn() -> Say + Send + Sync + 'static) -> Run {
    let emulator = shop();
    let daemon = ScriptedDaemon::start(move |request| request.starts_with("POST /images/create").then(&say));
    let pipe = pull(&emulator, "api:1").unset("TO").built_in().var("TIMEOUT", "2");
    pipe.docker_host(&daemon.tcp()).run().into()
}

/// A `push` by a daemon that has this image, and says this of the push.
fn pushed_by(image: String, say: Say) -> Run {
    let emulator = shop();
    let daemon = ScriptedDaemon::start(move |request| match request.split_once(' ') {
        Some(("GET", path)) if path.starts_with("/images/api:built/json") => Some(Say::Json(200, image.clone())),
        Some(("POST", path)) if path.contains("/push?") => Some(say.clone()),
        Some(("GET", "/version")) => {
            let version =
                r#"{"Version":"28.5.2","ApiVersion":"1.51","MinAPIVersion":"1.24","Os":"linux","Arch":"amd64"}"#;
            Some(Say::Json(200, version.to_owned()))
        }
        _ => None,
    });
    let pipe = retag(&emulator).unset("TAGS").built_in().var("ACTION", "push");
    let pipe = pipe.var("SOURCE", "api:built").docker_host(&daemon.tcp());
    pipe.run().into()
}
