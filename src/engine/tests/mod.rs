//! The engine against a scripted daemon on a real socket: what is asked, what each answer means, when patience ends.

mod names;
mod transfers;

use super::error::Cause;
use super::*;
use crate::names::{Digest, Host};
use crate::registry::manifest::Descriptor;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const DIGEST: &str = "sha256:38e4339c777e978243d32feb3ac27ff539ae54980b801775ac7864b911beef2c";
const VERSION: &str = r#"{"Version":"25.0.5","ApiVersion":"1.44","MinAPIVersion":"1.24","Os":"linux","Arch":"amd64"}"#;

/// Answers to a request line's beginning; the first that fits serves.
type Script = Vec<(&'static str, Answer)>;

#[derive(Debug, Clone)]
enum Answer {
    /// Status and JSON body.
    Json(u16, String),
    /// 200 with these chunks; then the end.
    Chunks(Vec<String>),
    /// 200 with this line every twentieth of a second, so many times; then the end.
    Over(String, usize),
    /// 200 with each of these lines after two thirds of the patience; then the end.
    Slowly(Vec<String>),
    /// The answer after so long.
    Late(Duration, Box<Answer>),
    /// 200 with one chunk; then silence.
    Silence(&'static str),
    /// 200 with one chunk; then the connection is closed amid the stream.
    Break(&'static str),
    /// No answer at all.
    Nothing,
}

struct Daemon {
    address: Address,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Daemon {
    async fn start(script: Script) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, script.clone(), Arc::clone(&log)));
            }
        });
        Self {
            address: Address::Tcp {
                host: "127.0.0.1".to_owned(),
                port,
            },
            asked,
        }
    }

    async fn connect(&self) -> Result<Engine, Error> {
        Engine::connect(self.address.clone(), settings()).await
    }

    /// Request lines and `X-Registry-Auth` headers, without those of connecting.
    fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|line| !line.contains("/_ping ") && !line.contains(" /version "))
            .cloned()
            .collect()
    }
}

async fn serve(mut socket: tokio::net::TcpStream, script: Script, log: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    loop {
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match socket.read(&mut byte).await {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        let text = String::from_utf8(std::mem::take(&mut head)).unwrap();
        let line = text.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned() + " ";
        log.lock().unwrap().push(line.clone());
        log.lock().unwrap().extend(
            text.lines()
                .filter(|line| line.to_lowercase().starts_with("x-registry"))
                .map(str::to_owned),
        );
        let answer = script
            .iter()
            .find(|(begin, _)| line.starts_with(begin))
            .map(|(_, answer)| answer.clone());
        let answer = answer.unwrap_or_else(|| match line.as_str() {
            "GET /_ping " => Answer::Json(200, "OK".to_owned()),
            "GET /version " => Answer::Json(200, VERSION.to_owned()),
            other => panic!("{other} is not in the script"),
        });
        let answer = match answer {
            Answer::Late(pause, answer) => {
                tokio::time::sleep(pause).await;
                *answer
            }
            answer => answer,
        };
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        let (text, then) = match answer {
            Answer::Json(status, body) => (
                format!(
                    "HTTP/1.1 {status} x\r\nApi-Version: {}\r\nContent-Length: {}\r\n\r\n{body}",
                    api(&script),
                    body.len()
                ),
                0,
            ),
            Answer::Chunks(chunks) => {
                let chunks: String = chunks.iter().map(|text| chunk(text)).collect();
                (format!("{chunked}{chunks}0\r\n\r\n"), 0)
            }
            Answer::Over(line, times) => {
                let _ = socket.write_all(chunked.as_bytes()).await;
                for _ in 0..times {
                    if socket.write_all(chunk(&line).as_bytes()).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                ("0\r\n\r\n".to_owned(), 0)
            }
            Answer::Slowly(lines) => {
                let _ = socket.write_all(chunked.as_bytes()).await;
                for line in lines {
                    tokio::time::sleep(settings().timeout / 2).await;
                    if socket.write_all(chunk(&line).as_bytes()).await.is_err() {
                        return;
                    }
                }
                ("0\r\n\r\n".to_owned(), 0)
            }
            Answer::Late(..) => unreachable!("it has been waited for"),
            Answer::Silence(text) => (chunked + &chunk(text), 60),
            Answer::Break(text) => {
                let _ = socket.write_all((chunked + &chunk(text)).as_bytes()).await;
                return;
            }
            Answer::Nothing => (String::new(), 60),
        };
        socket.write_all(text.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(then)).await;
    }
}

/// The version of the API that a script's daemon has.
fn api(script: &Script) -> String {
    let version = script.iter().find(|(begin, _)| *begin == "GET /version ");
    let Some((_, Answer::Json(_, version))) = version else {
        return "1.44".to_owned();
    };
    let version: serde_json::Value = serde_json::from_str(version).unwrap_or_default();
    version["ApiVersion"].as_str().unwrap_or("1.44").to_owned()
}

fn settings() -> Settings {
    Settings {
        timeout: Duration::from_millis(300),
    }
}

fn base() -> Repository {
    Repository::new(Host::parse("crg.apkg.io").unwrap(), "shop/base").unwrap()
}

fn digest() -> Digest {
    Digest::parse(DIGEST).unwrap()
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

#[tokio::test]
async fn connecting_settles_version_and_platform() {
    for (version, api, platform) in [
        (VERSION, Ok((1, 44)), "linux/amd64"),
        (
            r#"{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12","Os":"linux","Arch":"aarch64"}"#,
            Ok((1, 41)),
            "linux/arm64",
        ),
        // As new as was tried, within what the daemon takes.
        (
            r#"{"Version":"29.1","ApiVersion":"1.52","MinAPIVersion":"1.44","Os":"linux","Arch":"amd64"}"#,
            Ok(NEWEST),
            "linux/amd64",
        ),
        // A daemon that no longer takes what was tried is spoken to with its oldest.
        (
            r#"{"Version":"99","ApiVersion":"1.60","MinAPIVersion":"1.55","Os":"linux","Arch":"amd64"}"#,
            Ok((1, 55)),
            "linux/amd64",
        ),
        // podman's components have minimums of their own.
        (
            r#"{"Version":"5.4.2","ApiVersion":"1.41","MinAPIVersion":"4.0.0","Os":"linux","Arch":"amd64",
            "Components":[{"Name":"Podman Engine","Version":"5.4.2"}]}"#,
            Ok((1, 41)),
            "linux/amd64",
        ),
        ("<html>", Err("not a Docker daemon"), ""),
    ] {
        let daemon = Daemon::start(vec![("GET /version ", Answer::Json(200, version.to_owned()))]).await;
        match (daemon.connect().await, api) {
            (Ok(engine), Ok(api)) => {
                assert_eq!((engine.api, engine.platform().to_string()), (api, platform.to_owned()));
            }
            (Err(error), Err(text)) => assert!(error.message().contains(text), "{error}"),
            (other, _) => panic!("{version}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_no_daemon_is_told() {
    for (status, body, text) in [
        (400, "Client sent an HTTP request to an HTTPS server.\n", "wants TLS"),
        (404, "404 page not found", "not a Docker daemon"),
        (
            403,
            r#"{"message":"authorization denied by plugin pipelines: no"}"#,
            "authorization plugin",
        ),
    ] {
        let daemon = Daemon::start(vec![("GET /_ping ", Answer::Json(status, body.to_owned()))]).await;
        let error = daemon.connect().await.expect_err(body);
        assert!(error.message().contains(text) && error.hint().is_some(), "{error:?}");
    }
}

#[tokio::test]
async fn an_absent_daemon_is_told_apart() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let dead = folder.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let tcp = |host: &str, port| Address::Tcp {
        host: host.to_owned(),
        port,
    };
    for (address, cause) in [
        (Address::Unix(folder.path().join("none.sock")), Cause::NoSocket),
        (Address::Unix(dead), Cause::Refused),
        (tcp("127.0.0.1", closed), Cause::Refused),
        (tcp("no-such-host.invalid", 2375), Cause::NameNotResolved),
    ] {
        let settings = Settings {
            timeout: Duration::from_secs(20),
        };
        match Engine::connect(address.clone(), settings).await {
            Err(Error::Unreachable { cause: found, .. }) => assert_eq!(found, cause, "{address}"),
            other => panic!("{address}: {other:?}"),
        }
    }
    let mute = Daemon::start(vec![("GET /_ping ", Answer::Nothing)]).await;
    assert!(matches!(mute.connect().await, Err(Error::Stalled { .. })));
}
