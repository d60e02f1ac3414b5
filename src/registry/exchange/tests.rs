//! Whom a registry's answers may send us to, against scripted servers on real sockets.

use crate::credential::{Credential, Source};
use crate::names::{Digest, Host, Repository, Selector, Tag};
use crate::registry::{Access, Network, NetworkSettings, Payload, Registry, Remote, Scopes, SignIn, Upload};
use crate::text::Secret;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Heads of requests that came.
type Log = Arc<Mutex<Vec<String>>>;

/// The time limit of [`registry`].
const PATIENCE: Duration = Duration::from_millis(300);
/// A header of an answer that comes later than the time limit of [`registry`].
const LATE: &str = "X-Late: yes\r\n";

/// Answers each request by its head with what `answer` gives, one request a connection.
async fn serve(answer: impl Fn(&str, u16) -> String + Send + Sync + 'static) -> (u16, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let log = Log::default();
    let written = Arc::clone(&log);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let Some(head) = head(&mut socket).await else { continue };
            let answer = answer(&head, port);
            written.lock().unwrap().push(head);
            if answer.contains(LATE) {
                tokio::time::sleep(Duration::from_millis(450)).await;
            }
            let _ = socket.write_all(answer.as_bytes()).await;
            if answer.contains("Content-Length: 99999") {
                // Said more than is sent: silence.
                std::mem::forget(socket);
            }
        }
    });
    (port, log)
}

/// The head of a plain HTTP request; none of TLS.
async fn head(socket: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = socket.read_u8().await.ok()?;
        if head.is_empty() && byte == 0x16 {
            return None;
        }
        head.push(byte);
    }
    String::from_utf8(head).ok()
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

fn challenge(port: u16) -> String {
    let realm = format!("WWW-Authenticate: Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"x\"\r\n");
    answer(401, &realm, "")
}

fn registry(port: u16) -> Registry {
    patient_registry(port, 0)
}

fn patient_registry(port: u16, retries: u32) -> Registry {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let network = Network::new(NetworkSettings {
        extra_roots: Vec::new(),
        proxy: None,
        timeout: PATIENCE,
        retries,
    });
    let credential = Credential {
        source: Source::ApiToken,
        username: "ada@example.com".to_owned(),
        token: Secret::new("a-secret"),
    };
    let host = Host::parse(&format!("127.0.0.1:{port}")).unwrap();
    Registry::new(&network, &host, Some(credential))
}

fn remote(registry: &Registry, name: &str, access: Access) -> Remote {
    let repository = Repository::new(registry.0.host.clone(), name).unwrap();
    registry.remote(&repository, &Scopes::of(&repository, access))
}

#[tokio::test]
async fn a_challenge_of_another_host_gets_no_credential() {
    let (elsewhere, asked) = serve(|head, port| {
        if head.contains("/token") {
            answer(200, "", r#"{"token": "stolen"}"#)
        } else {
            challenge(port)
        }
    })
    .await;
    let (port, _) = serve(move |head, port| {
        if head.starts_with("GET /token") {
            answer(200, "", r#"{"token": "t"}"#)
        } else if head.to_lowercase().contains("authorization: bearer t\r\n") {
            answer(202, &format!("Location: http://127.0.0.1:{elsewhere}/upload\r\n"), "")
        } else {
            challenge(port)
        }
    })
    .await;
    let remote = remote(&registry(port), "shop/api", Access::PullPush);
    let upload = remote.begin_upload().await.unwrap();
    remote.cancel_upload(upload).await.unwrap_err();
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 1, "{asked:#?}");
    assert!(asked[0].starts_with("DELETE /upload"), "{asked:#?}");
    assert!(!asked[0].to_lowercase().contains("authorization"), "{asked:#?}");
}

#[tokio::test]
async fn not_now_is_no_way_to_sign_in() {
    for status in [429, 408] {
        let calls = AtomicUsize::new(0);
        let (port, _) = serve(move |_, port| match calls.fetch_add(1, Ordering::SeqCst) {
            0 => answer(status, "", ""),
            _ => challenge(port),
        })
        .await;
        let registry = registry(port);
        registry.greet().await.unwrap_err();
        let sign_in = registry.greet().await.unwrap();
        assert!(matches!(sign_in, SignIn::Token(_)), "{status}: {sign_in:?}");
    }
}

#[tokio::test]
async fn no_token_is_made_while_its_registry_rests() {
    let times: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let asked = Arc::clone(&times);
    let (realm, _) = serve(move |_, _| {
        asked.lock().unwrap().push(Instant::now());
        answer(200, "", r#"{"token": "t", "expires_in": 1}"#)
    })
    .await;
    let refused: Arc<Mutex<Option<Instant>>> = Arc::default();
    let told = Arc::clone(&refused);
    let (port, _) = serve(move |head, _| {
        if !head.to_lowercase().contains("authorization: bearer t\r\n") {
            challenge(realm)
        } else if head.contains("/shop/busy/") {
            *told.lock().unwrap() = Some(Instant::now());
            answer(429, "Retry-After: 1\r\n", "")
        } else {
            answer(200, "", "")
        }
    })
    .await;
    let registry = registry(port);
    let look = async |name: &str| {
        let remote = remote(&registry, name, Access::Pull);
        remote.has_blob(&Digest::of(b"x")).await
    };
    look("shop/busy").await.unwrap_err();
    look("shop/api").await.unwrap();
    let refused = refused.lock().unwrap().unwrap();
    let times = times.lock().unwrap();
    assert_eq!(times.len(), 2);
    assert!(times[1] >= refused + Duration::from_secs(1), "it expires on its way");
}

const PAGE: &str = "Content-Type: text/html\r\n";

#[tokio::test]
async fn a_page_in_the_place_of_an_answer_may_be_a_wish_for_a_sign_in() {
    let manifest = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let (elsewhere, asked) = serve(|head, _| {
        let kind = if head.contains("/json") { "" } else { PAGE };
        answer(200, kind, "<html>Sign in</html>")
    })
    .await;
    let sent = |to: &str| answer(302, &format!("Location: http://127.0.0.1:{elsewhere}/{to}\r\n"), "");
    for (what, anonymous) in [
        ("a page", answer(200, PAGE, "<html>Sign in</html>")),
        ("a page of a write's status", answer(201, PAGE, "<html>Sign in</html>")),
        ("a page elsewhere", sent("sso")),
        ("anything elsewhere", sent("json")),
    ] {
        let (port, log) = serve(move |head, port| {
            if head.starts_with("GET /token") {
                answer(200, "", r#"{"token": "t"}"#)
            } else if head.to_lowercase().contains("authorization: bearer t\r\n") {
                answer(200, "", manifest)
            } else if head.starts_with("GET /v2/ ") {
                challenge(port)
            } else {
                anonymous.clone()
            }
        })
        .await;
        let read = remote(&registry(port), "shop/api", Access::Pull);
        let read = read.manifest(&Selector::Tag(Tag::latest())).await.unwrap();
        assert_eq!(read.bytes, manifest, "{what}");
        assert_eq!(log.lock().unwrap().len(), 4, "{what}");
    }
    for head in asked.lock().unwrap().iter() {
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
    }
}

#[tokio::test]
async fn a_portal_never_counts_as_a_registry() {
    let (elsewhere, _) = serve(|_, _| answer(200, PAGE, "<html>")).await;
    let moved = answer(302, &format!("Location: http://127.0.0.1:{elsewhere}/sso\r\n"), "");
    for page in [answer(200, PAGE, "<html>"), moved] {
        let (port, log) = serve(move |_, _| page.clone()).await;
        let remote = remote(&registry(port), "shop/api", Access::PullPush);
        remote.manifest(&Selector::Tag(Tag::latest())).await.unwrap_err();
        // Once for a host.
        remote.manifest(&Selector::Tag(Tag::latest())).await.unwrap_err();
        remote.begin_upload().await.unwrap_err();
        let there = remote.has_blob(&Digest::of(b"x")).await;
        assert!(!there.unwrap_or(false), "a page is no blob");
        let log = log.lock().unwrap();
        let greeted = log.iter().filter(|head| head.starts_with("GET /v2/ ")).count();
        assert_eq!(greeted, 1, "{log:#?}");
    }
}

/// Accepts and says nothing; gives its port and how many have come.
async fn silence() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            open.push(socket);
        }
    });
    (port, count)
}

#[tokio::test]
async fn who_is_silent_is_waited_for_once_by_all() {
    let (silent, registry_asked) = silence().await;
    let (realm, realm_asked) = silence().await;
    let (port, _) = serve(move |_, _| challenge(realm)).await;
    for (port, asked) in [(silent, registry_asked), (port, realm_asked)] {
        let remote = remote(&registry(port), "shop/api", Access::Pull);
        let looks = (0..10_u8).map(|number| {
            let digest = Digest::of(&[number]);
            let remote = &remote;
            async move { remote.has_blob(&digest).await }
        });
        for looked in join_all(looks).await {
            let told = looked.unwrap_err().to_string();
            assert!(told.contains("silent"), "{told}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

/// A repository of a registry that lets an upload begin.
async fn begun(port: u16) -> (Remote, Upload) {
    let remote = remote(&registry(port), "shop/api", Access::PullPush);
    let upload = remote.begin_upload().await.unwrap();
    (remote, upload)
}

#[tokio::test]
async fn a_refusal_that_never_ends_does_not_hold_an_upload() {
    let (port, _) = serve(|head, _| {
        if head.starts_with("PUT") {
            "HTTP/1.1 403 x\r\nContent-Length: 99999\r\n\r\nno".to_owned()
        } else {
            answer(202, "Location: /upload\r\n", "")
        }
    })
    .await;
    let (remote, upload) = begun(port).await;
    let body = Payload {
        stream: stream::once(async { Ok(Bytes::from_static(b"x")) }).boxed(),
        size: Some(1),
    };
    let digest = Digest::of(b"x");
    let put = remote.put_blob(&digest, &upload, body);
    let refused = tokio::time::timeout(Duration::from_secs(10), put)
        .await
        .expect("an end");
    assert!(refused.unwrap_err().to_string().contains("403"));
}

#[tokio::test]
async fn a_registry_may_take_long_to_store_what_it_has() {
    let (port, _) = serve(|head, _| {
        if head.starts_with("PUT") {
            answer(201, LATE, "")
        } else {
            answer(202, "Location: /upload\r\n", "")
        }
    })
    .await;
    let (remote, upload) = begun(port).await;
    let digest = Digest::of(b"x");
    let closed = remote.close_upload(&digest, &upload).await;
    closed.unwrap();
}

/// Sends its answer's body a byte at a time, each well within the time limit of [`registry`]; before it, what it is asked first.
async fn drip(before: impl Fn(u16) -> String + Send + Sync + 'static, path: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let Some(head) = head(&mut socket).await else { continue };
            if !head.contains(path) {
                let _ = socket.write_all(before(port).as_bytes()).await;
                continue;
            }
            tokio::spawn(async move {
                let _ = socket
                    .write_all(b"HTTP/1.1 200 x\r\nContent-Length: 1000\r\n\r\n")
                    .await;
                while socket.write_all(b" ").await.is_ok() {
                    tokio::time::sleep(PATIENCE / 10).await;
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_document_that_drips_is_given_up() {
    let manifests = drip(|_| answer(200, "", "{}"), "/manifests/").await;
    let lists = drip(|_| answer(200, "", "{}"), "/tags/list").await;
    let tokens = drip(challenge, "/token").await;
    for port in [manifests, lists, tokens] {
        let remote = remote(&registry(port), "shop/api", Access::Pull);
        let begun = Instant::now();
        let told = if port == lists {
            remote.tags(1).await.unwrap_err()
        } else {
            remote.manifest(&Selector::Tag(Tag::latest())).await.unwrap_err()
        };
        assert!(told.to_string().contains("its bytes came so slowly"), "{told}");
        let took = begun.elapsed();
        assert!((PATIENCE..10 * PATIENCE).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn a_blob_that_drips_is_given_up() {
    let port = drip(|_| answer(200, "", ""), "/blobs/").await;
    let remote = remote(&registry(port), "shop/api", Access::Pull);
    let begun = Instant::now();
    let mut read = remote.read_blob(&Digest::of(b"x"), (0, None)).await.unwrap();
    let told = loop {
        match read.chunk().await {
            Ok(bytes) => assert!(bytes.is_some(), "an end"),
            Err(error) => break error,
        }
    };
    assert!(told.to_string().contains("its bytes came so slowly"), "{told}");
    let took = begun.elapsed();
    assert!((PATIENCE..10 * PATIENCE).contains(&took), "{took:?}");
}

#[tokio::test]
async fn pauses_that_are_asked_for_have_a_total() {
    let (port, log) = serve(|_, _| answer(503, "Retry-After: 1\r\n", "")).await;
    let remote = remote(&patient_registry(port, 1000), "shop/api", Access::Pull);
    let told = remote.manifest(&Selector::Tag(Tag::latest())).await.unwrap_err();
    assert!(
        told.to_string().contains("it asked to be left alone for 301 s"),
        "{told}"
    );
    let asked = log.lock().unwrap().len();
    assert!((2..=4).contains(&asked), "{asked} requests");
}
