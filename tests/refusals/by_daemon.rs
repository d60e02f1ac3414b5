//! What the step's Docker daemon cannot do, and what it relays of a registry's refusal.

use super::{Case, OnEngine, Run, pull, retag, shop};
use crate::support::emulator::{Answer, on};
use crate::support::engine::Engine;
use crate::support::image::{Image, ImageBuilder};
use crate::support::pipe::Pipe;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
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
        runs: || vec![as_another_user()],
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
            let host = daemon(|path| match path {
                "/_ping" => (200, "OK"),
                "/version" => (
                    200,
                    r#"{"Version": "25.0.5", "ApiVersion": "1.44", "Os": "linux", "Arch": "amd64"}"#,
                ),
                _ if path.ends_with("/json") => (404, r#"{"message": "No such image"}"#),
                _ => (
                    403,
                    r#"{"message": "authorization denied by plugin pipelines: not here"}"#,
                ),
            });
            let emulator = shop();
            let pipe = pull(&emulator, "api:1").unset("TO").built_in();
            vec![pipe.docker_host(&host).run().into()]
        },
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
fn as_another_user() -> Run {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let emulator = shop();
    let binary = env!("CARGO_BIN_EXE_crg-pipe");
    let user = [
        "setpriv",
        "--reuid",
        "165536",
        "--regid",
        "165536",
        "--clear-groups",
        binary,
    ];
    let pipe = Pipe::of(&user).env("PATH", "/usr/bin:/bin");
    std::fs::set_permissions(pipe.clone_folder(), PermissionsExt::from_mode(0o777)).unwrap();
    let pipe = pipe.workspace("shop").registry(&emulator).built_in();
    let pipe = pipe.var("IMAGES", "api:1").var("RETRIES", "0");
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

/// A daemon that answers each path with this status and body; it lives as long as the test process.
fn daemon(answer: fn(&str) -> (u16, &'static str)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let head: Vec<String> = BufReader::new(&client)
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let target = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
            let (status, body) = answer(target.split('?').next().unwrap_or_default());
            let length = body.len();
            // A client that has gone needs none.
            let _ = write!(
                client,
                "HTTP/1.1 {status} -\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    format!("tcp://{address}")
}
