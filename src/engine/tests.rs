//! The engine against a scripted daemon on a real socket: what is asked, what each answer means, when patience ends.

use super::*;
use crate::names::Host;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const DIGEST: &str = "sha256:38e4339c777e978243d32feb3ac27ff539ae54980b801775ac7864b911beef2c";
const VERSION: &str = r#"{"Version":"25.0.5","ApiVersion":"1.44","MinAPIVersion":"1.24","Os":"linux","Arch":"amd64"}"#;

/// Answers to a request line's beginning; the first that fits serves.
type Script = Vec<(&'static str, Answer)>;

#[derive(Clone)]
enum Answer {
    /// Status and JSON body.
    Json(u16, String),
    /// 200 with these chunks; then the end.
    Chunks(Vec<&'static str>),
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
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        let (text, then) = match answer {
            Answer::Json(status, body) => (
                format!(
                    "HTTP/1.1 {status} x\r\nApi-Version: 1.44\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                ),
                0,
            ),
            Answer::Chunks(chunks) => {
                let chunks: String = chunks.into_iter().map(chunk).collect();
                (format!("{chunked}{chunks}0\r\n\r\n"), 0)
            }
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
            Ok((1, 44)),
            "linux/arm64",
        ),
        (
            r#"{"Version":"99","ApiVersion":"1.60","MinAPIVersion":"1.50","Os":"linux","Arch":"amd64"}"#,
            Err("1.50"),
            "",
        ),
        ("<html>", Err("no Docker daemon"), ""),
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
        (404, "404 page not found", "no Docker daemon"),
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

#[tokio::test]
async fn a_pull_asks_by_digest_and_adds_up() {
    let daemon = Daemon::start(vec![(
        "POST /v1.44/images/create",
        Answer::Chunks(vec![
            "{\"status\":\"Pulling from shop/base\",\"id\":\"x\"}\r\n{\"status\":\"Downl",
            "oading\",\"progressDetail\":{\"current\":5,\"total\":10},\"id\":\"a\"}\r\n",
            "{\"status\":\"Pull complete\",\"id\":\"a\"}\r\n{\"status\":\"Status: Downloaded newer image\"}",
        ]),
    )])
    .await;
    let engine = daemon.connect().await.unwrap();
    let mut moved = Vec::new();
    let auth = RegistryAuth::anonymous();
    engine
        .pull(&base(), &digest(), &auth, |progress| moved.push(progress.moved()))
        .await
        .unwrap();
    assert_eq!(moved, [0, 5, 10, 10]);
    assert_eq!(
        daemon.asked(),
        [
            format!("POST /v1.44/images/create?fromImage=crg.apkg.io%2Fshop%2Fbase&tag={DIGEST} "),
            "x-registry-auth: e30=".to_owned(),
        ]
    );
}

#[tokio::test]
async fn a_push_is_judged_by_its_last_line() {
    let pushed = r#"{"status":"Pushing","progressDetail":{"current":9,"total":9},"id":"a"}
{"progressDetail":{},"aux":{"Tag":"1","Digest":"sha256:38e4339c777e978243d32feb3ac27ff539ae54980b801775ac7864b911beef2c","Size":5}}
"#;
    let push = |answer| async move {
        let daemon = Daemon::start(vec![("POST /v1.44/images/crg.apkg.io/shop/base/push?tag=1 ", answer)]).await;
        let engine = daemon.connect().await.unwrap();
        engine
            .push(&base(), &tag("1"), &RegistryAuth::anonymous(), |_| ())
            .await
    };
    assert_eq!(push(Answer::Chunks(vec![pushed])).await, Ok(digest()));
    let denied = "{\"status\":\"Preparing\",\"id\":\"a\"}\n{\"errorDetail\":{\"message\":\"denied: no\"},\"error\":\"denied: no\"}\n";
    match push(Answer::Chunks(vec![denied])).await {
        Err(Error::Registry { refusal, words, .. }) => {
            assert_eq!((refusal, words.to_string().as_str()), (Refusal::Denied, "denied: no"));
        }
        other => panic!("{other:?}"),
    }
    let silent = push(Answer::Chunks(vec!["{\"status\":\"Pushed\",\"id\":\"a\"}\n"])).await;
    assert!(
        silent.as_ref().is_err_and(|e| e.message().contains("without naming")),
        "{silent:?}"
    );
    let garbled = push(Answer::Chunks(vec!["<html>\n"])).await;
    assert!(
        garbled.as_ref().is_err_and(|e| e.message().contains("no JSON")),
        "{garbled:?}"
    );
    let broken = push(Answer::Break("{\"status\":\"Preparing\",\"id\":\"a\"}\n")).await;
    assert!(
        broken
            .as_ref()
            .is_err_and(|e| matches!(e, Error::Broken { .. }) && e.is_transient()),
        "{broken:?}"
    );
}

#[tokio::test]
async fn a_refusal_by_status_has_the_registrys_words() {
    let body = r#"{"message":"manifest for crg.apkg.io/shop/base@sha256:38 not found: manifest unknown: gone"}"#;
    let daemon = Daemon::start(vec![("POST /v1.44/images/create", Answer::Json(404, body.to_owned()))]).await;
    let engine = daemon.connect().await.unwrap();
    let error = engine
        .pull(&base(), &digest(), &RegistryAuth::anonymous(), |_| ())
        .await
        .expect_err("404");
    assert!(
        matches!(
            error,
            Error::Registry {
                refusal: Refusal::ManifestUnknown,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.message().contains("the daemon's words: manifest for"), "{error}");
}

#[tokio::test]
async fn silence_amid_bytes_ends_a_pull_and_silence_at_work_does_not() {
    let pull = |line| async move {
        let daemon = Daemon::start(vec![("POST /v1.44/images/create", Answer::Silence(line))]).await;
        let engine = daemon.connect().await.unwrap();
        let begun = Instant::now();
        let auth = RegistryAuth::anonymous();
        let (base, digest) = (base(), digest());
        let pull = engine.pull(&base, &digest, &auth, |_| ());
        (
            tokio::time::timeout(Duration::from_millis(1500), pull).await,
            begun.elapsed(),
        )
    };
    let (ended, after) =
        pull("{\"status\":\"Downloading\",\"progressDetail\":{\"current\":5,\"total\":10},\"id\":\"a\"}\n").await;
    assert!(
        matches!(ended, Ok(Err(Error::Stalled { .. }))),
        "{ended:?} after {after:?}"
    );
    let (goes_on, _) =
        pull("{\"status\":\"Extracting\",\"progressDetail\":{\"current\":5,\"total\":10},\"id\":\"a\"}\n").await;
    assert!(goes_on.is_err(), "{goes_on:?}");
}

#[tokio::test]
async fn images_are_looked_up_by_checked_names() {
    let image = r#"{"Id":"sha256:1","RepoTags":["crg.apkg.io/shop/base:1"],"RepoDigests":null,"Os":"linux","Architecture":"arm64","Variant":"v8"}"#;
    let daemon = Daemon::start(vec![
        ("GET /v1.44/images/app:1/json ", Answer::Json(200, image.to_owned())),
        (
            "GET /v1.44/images/none/json ",
            Answer::Json(404, r#"{"message":"no such image: none"}"#.to_owned()),
        ),
        (
            "GET /v1.44/images/json ",
            Answer::Json(
                200,
                r#"[{"RepoTags":["a:1","<none>:<none>"]},{"RepoTags":null},{"RepoTags":["b:2"]}]"#.to_owned(),
            ),
        ),
    ])
    .await;
    let engine = daemon.connect().await.unwrap();
    let found = engine.inspect("app:1").await.unwrap().unwrap();
    assert_eq!(
        (found.id.as_str(), found.platform.to_string().as_str()),
        ("sha256:1", "linux/arm64")
    );
    assert_eq!(engine.inspect("none").await, Ok(None));
    assert_eq!(engine.list_names().await.unwrap(), ["a:1", "b:2"]);
    let asked = daemon.asked().len();
    for odd in [
        "",
        "../containers/json?x",
        "a/../b",
        "a b",
        "a?b",
        "a%2fb",
        "a//b",
        "a\u{e4}",
    ] {
        assert_eq!(engine.inspect(odd).await, Ok(None), "{odd}");
    }
    assert_eq!(daemon.asked().len(), asked, "odd names never reach the daemon");
}

#[tokio::test]
async fn names_are_given_and_taken_but_never_an_images_last() {
    let image = |tags: &str, digests: &str| {
        Answer::Json(
            200,
            format!(r#"{{"Id":"sha256:1","RepoTags":[{tags}],"RepoDigests":[{digests}]}}"#),
        )
    };
    let name = r#""crg.apkg.io/shop/base:1""#;
    let own = format!(r#""crg.apkg.io/shop/base@{DIGEST}""#);
    let other = format!(r#""crg.apkg.io/shop/base-2@{DIGEST}""#);
    for (looked_up, outcome) in [
        (image(&format!(r#"{name},"app:1""#), ""), Untagged::Gone),
        (image(name, &other), Untagged::Gone),
        (image(name, ""), Untagged::KeptLast),
        (image(name, &own), Untagged::KeptLast),
        (Answer::Json(404, "{}".to_owned()), Untagged::Absent),
    ] {
        let daemon = Daemon::start(vec![
            ("GET /v1.44/images/crg.apkg.io/shop/base:1/json ", looked_up),
            (
                "DELETE /v1.44/images/crg.apkg.io/shop/base:1?noprune=1 ",
                Answer::Json(200, "[]".to_owned()),
            ),
        ])
        .await;
        let engine = daemon.connect().await.unwrap();
        assert_eq!(engine.untag(&base(), &tag("1")).await, Ok(outcome));
        assert_eq!(daemon.asked().len(), if outcome == Untagged::Gone { 2 } else { 1 });
    }
    let daemon = Daemon::start(vec![
        (
            "POST /v1.44/images/app:1/tag?repo=crg.apkg.io%2Fshop%2Fbase&tag=1 ",
            Answer::Json(201, String::new()),
        ),
        (
            "POST /v1.44/images/none/tag",
            Answer::Json(404, r#"{"message":"No such image: none:latest"}"#.to_owned()),
        ),
    ])
    .await;
    let engine = daemon.connect().await.unwrap();
    assert_eq!(engine.tag("app:1", &base(), &tag("1")).await, Ok(()));
    let error = engine.tag("none", &base(), &tag("1")).await.expect_err("404");
    assert_eq!(
        error,
        Error::NoSuchImage {
            name: "none".to_owned()
        }
    );
}
