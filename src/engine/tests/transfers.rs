//! Pulls and pushes: what is asked, what each end means, when patience ends.

use super::*;
use crate::engine::transfer::Pushed;
use futures_util::future::join_all;

const PUSH: &str = "POST /v1.44/images/crg.apkg.io/shop/base/push?tag=1 ";
const PODMAN: &str = r#"{"Version":"5.8.6","ApiVersion":"1.44","MinAPIVersion":"4.0.0","Os":"linux","Arch":"amd64",
    "Components":[{"Name":"Podman Engine","Version":"5.8.6"},{"Name":"Conmon"}]}"#;

fn lines(lines: &[&str]) -> Answer {
    Answer::Chunks(lines.iter().map(|line| (*line).to_owned()).collect())
}

fn moving(current: u64) -> String {
    format!("{{\"status\":\"Downloading\",\"progressDetail\":{{\"current\":{current},\"total\":10}},\"id\":\"a\"}}\n")
}

async fn pull(daemon: &Daemon) -> Result<(), Error> {
    let engine = daemon.connect().await.unwrap();
    let auth = RegistryAuth::anonymous();
    engine.pull(&base(), &digest(), &[], &auth, |_| ()).await
}

async fn push(daemon: &Daemon) -> Result<Pushed, Error> {
    let engine = daemon.connect().await.unwrap();
    let auth = RegistryAuth::anonymous();
    engine.push(&base(), &tag("1"), None, &auth, |_| ()).await
}

#[tokio::test]
async fn a_pull_asks_by_digest_and_adds_up() {
    let daemon = Daemon::start(vec![(
        "POST /v1.44/images/create",
        lines(&[
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
        .pull(&base(), &digest(), &[], &auth, |progress| moved.push(progress.moved()))
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
async fn a_platform_is_named_as_the_api_wants_it() {
    let version = r#"{"Version":"28.5.2","ApiVersion":"1.51","MinAPIVersion":"1.24","Os":"linux","Arch":"amd64"}"#;
    let daemon = Daemon::start(vec![
        ("GET /version ", Answer::Json(200, version.to_owned())),
        (
            "POST /v1.51/images/",
            lines(&["{\"status\":\"Pushed\",\"id\":\"a\"}\n"]),
        ),
    ])
    .await;
    let engine = daemon.connect().await.unwrap();
    let auth = RegistryAuth::anonymous();
    let platform = Platform::parse("linux/arm/v7").unwrap();
    let pushed = engine.push(&base(), &tag("1"), Some(&platform), &auth, |_| ()).await;
    assert!(pushed.is_ok(), "{pushed:?}");
    let asked = daemon.asked();
    let (_, platform) = asked[0].split_once("&platform=").unwrap();
    let platform = percent_encoding::percent_decode_str(platform.trim())
        .decode_utf8()
        .unwrap();
    let platform: serde_json::Value = serde_json::from_str(&platform).unwrap();
    assert_eq!(
        platform,
        serde_json::json!({"os": "linux", "architecture": "arm", "variant": "v7"})
    );
}

#[tokio::test]
async fn a_push_is_judged_by_its_last_line() {
    let begun = r#"{"status":"Pushing","progressDetail":{"current":9,"total":9},"id":"a"}"#;
    let aux = format!(r#"{{"progressDetail":{{}},"aux":{{"Tag":"1","Digest":"{DIGEST}","Size":5}}}}"#);
    let summary = format!(r#"{{"status":"1: digest: {DIGEST} size: 5"}}"#);
    let instead = r#"{"progressDetail":{},"aux":{"manifestPushedInsteadOfIndex":true}}"#;
    for (ends, digest, instead_of_index) in [
        (&[begun, &aux][..], Some(digest()), false),
        (&[begun, &summary], Some(digest()), false),
        (&[instead, begun, &summary], Some(digest()), true),
        // It has ended without an error all the same.
        (&[begun], None, false),
        (&[], None, false),
    ] {
        let daemon = Daemon::start(vec![(PUSH, lines(&[&(ends.join("\n") + "\n")]))]).await;
        let expected = Pushed {
            digest,
            instead_of_index,
            of_unknown_size: Vec::new(),
        };
        assert_eq!(push(&daemon).await, Ok(expected), "{ends:?}");
    }
}

/// A daemon that ends a stream in its midst, or with what is none of its lines.
#[tokio::test]
async fn what_is_no_end_of_a_stream_is_told() {
    let preparing = "{\"status\":\"Preparing\",\"id\":\"a\"}\n";
    let denied = "{\"errorDetail\":{\"message\":\"denied: no\"},\"error\":\"denied: no\"}\n";
    for (answer, says, transient) in [
        (lines(&[preparing, denied]), "the registry refused access", false),
        (lines(&["<html>\n"]), "a line that is not JSON", false),
        (
            lines(&[preparing, "{\"status\":\"Push"]),
            "a line that is not JSON",
            false,
        ),
        (Answer::Break(preparing), "broke off", true),
        (Answer::Break("{\"status\":\"Push"), "broke off", true),
        (
            lines(&[&"x".repeat(stream::LONGEST_LINE), "x"]),
            "wrote without end",
            false,
        ),
    ] {
        let daemon = Daemon::start(vec![(PUSH, answer)]).await;
        let error = push(&daemon).await.expect_err(says);
        assert!(error.message().contains(says), "{error}");
        assert_eq!(error.is_transient(), transient, "{error}");
    }
}

/// What is told without end ends: by its lines, its bytes, the changes that move nothing, and at last by the time.
#[tokio::test]
async fn no_daemon_tells_for_ever() {
    let padded = format!("{{\"status\":\"{}\"}}\n", "x".repeat(1 << 19));
    let turns =
        ["Waiting", "Extracting", "Downloading"].map(|status| format!("{{\"status\":\"{status}\",\"id\":\"a\"}}\n"));
    let counting = |current: usize| moving(current as u64).replace(":10}", ":1000}");
    let silent = |lines: Vec<String>| Answer::Chunks(lines);
    let runs = [
        (
            "lines",
            silent(vec!["{}\n".repeat(31_000)]),
            "wrote without end (more than",
        ),
        ("bytes", silent(vec![padded; 10]), "wrote without end (more than"),
        (
            "time",
            Answer::Slowly((1..30).map(counting).collect()),
            "wrote without end (for",
        ),
        (
            "changes",
            Answer::Over(turns.concat().repeat(300), 40),
            "moved no byte for",
        ),
    ]
    .map(|(what, answer, says)| async move {
        let daemon = Daemon::start(vec![("POST /v1.44/images/create", answer)]).await;
        let start = Instant::now();
        let error = pull(&daemon).await.expect_err(what);
        assert!(error.message().contains(says), "{what}: {error}");
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{what}: {:?}",
            start.elapsed()
        );
    });
    // Most of it is waiting.
    join_all(runs).await;
}

#[tokio::test]
async fn a_refusal_by_status_has_the_registrys_words() {
    let detail = |words: &str| format!(r#"{{"errorDetail":{{"message":"{words}"}},"error":"{words}"}}"#);
    for (status, body, expected) in [
        (
            404,
            r#"{"message":"manifest for crg.apkg.io/shop/base@sha256:38 not found: manifest unknown: gone"}"#
                .to_owned(),
            Refusal::ManifestUnknown,
        ),
        (
            403,
            r#"{"message":"error from registry: not for you"}"#.to_owned(),
            Refusal::Denied,
        ),
        (
            401,
            r#"{"message":"error from registry: who"}"#.to_owned(),
            Refusal::Unauthorized,
        ),
        // podman from 5 on: the lines of a stream, with a status.
        (
            500,
            detail("writing blob: initiating layer upload: denied: no"),
            Refusal::Denied,
        ),
        (
            500,
            format!("{{\"status\":\"The push refers\"}}\n{}\n", detail("unauthorized")),
            Refusal::Unauthorized,
        ),
    ] {
        let daemon = Daemon::start(vec![("POST /v1.44/images/create", Answer::Json(status, body.clone()))]).await;
        match pull(&daemon).await {
            Err(error @ Error::Registry { refusal, .. }) => {
                assert_eq!(refusal, expected, "{body}");
                assert!(error.message().contains("the daemon's words: "), "{error}");
            }
            other => panic!("{body}: {other:?}"),
        }
    }
    let daemon = Daemon::start(vec![(PUSH, Answer::Json(502, "<html>".to_owned()))]).await;
    let error = push(&daemon).await.expect_err("502");
    assert!(
        error.message().contains("with status 502 is not a Docker daemon"),
        "{error}"
    );
}

/// What comes of a transfer within five times its patience; `None` where it goes on.
async fn within(answer: Answer) -> Option<Result<(), Error>> {
    let daemon = Daemon::start(vec![("POST /v1.44/images/create", answer)]).await;
    tokio::time::timeout(settings().timeout * 3, pull(&daemon)).await.ok()
}

#[tokio::test]
async fn a_network_that_stalls_ends_a_pull_and_a_daemon_at_work_does_not() {
    let silence = |line: String| Answer::Silence(Box::leak(line.into_boxed_str()));
    let status = |status: &str| format!("{{\"status\":\"{status}\",\"progressDetail\":{{}},\"id\":\"a\"}}\n");
    let cases = [
        (silence(moving(5)), true),
        // containerd's image store says the same ten times a second.
        (Answer::Over(moving(5), 60), true),
        (Answer::Over(moving(5) + &moving(5).replace("\"a\"", "\"b\""), 60), true),
        // The registry gives no byte of a layer.
        (silence(status("Pulling fs layer")), true),
        (Answer::Over(status("Pulling fs layer"), 60), true),
        (
            silence("{\"status\":\"Pulling from shop/base\",\"id\":\"1\"}\n".to_owned()),
            true,
        ),
        (silence(moving(5).replace("Downloading", "Extracting")), false),
        (silence(status("Download complete")), false),
        (Answer::Over(status("Download complete"), 60), false),
    ];
    let tried = cases.map(|(answer, stalls)| async move {
        let named = format!("{answer:?}");
        (within(answer).await, stalls, named)
    });
    for (ended, stalls, named) in join_all(tried).await {
        match (ended, stalls) {
            (Some(Err(error @ Error::Stalled { is_network: true, .. })), true) => {
                assert!(error.message().contains("moved no byte"), "{error}");
                assert!(error.is_transient(), "{error}");
            }
            (None, false) => {}
            (other, _) => panic!("{named}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_moves_slowly_is_waited_for() {
    // Each line within the patience, all of them beyond it.
    let slow: Vec<String> = (0..4).map(moving).collect();
    let daemon = Daemon::start(vec![("POST /v1.44/images/create", Answer::Slowly(slow))]).await;
    assert_eq!(pull(&daemon).await, Ok(()));
}

#[tokio::test]
async fn a_layer_that_waits_for_its_turn_waits_for_other_transfers() {
    let waiting = "{\"status\":\"Waiting\",\"progressDetail\":{},\"id\":\"b\"}\n";
    let slow: Vec<String> = (0..4).map(moving).collect();
    let daemon = Daemon::start(vec![
        ("POST /v1.44/images/create", Answer::Silence(waiting)),
        (PUSH, Answer::Slowly(slow)),
    ])
    .await;
    let engine = daemon.connect().await.unwrap();
    let (base, digest, tag, auth) = (base(), digest(), tag("1"), RegistryAuth::anonymous());
    let begun = Instant::now();
    let waits = engine.pull(&base, &digest, &[], &auth, |_| ());
    let moves = engine.push(&base, &tag, None, &auth, |_| ());
    let (waited, moved) = tokio::join!(waits, moves);
    assert!(moved.is_ok(), "{moved:?}");
    assert!(matches!(waited, Err(Error::Stalled { .. })), "{waited:?}");
    // Four lines, and only then its own patience.
    assert!(begun.elapsed() > settings().timeout * 3, "{:?}", begun.elapsed());
}

/// podman answers a push when it is done, and a pull when the registry has answered it.
#[tokio::test]
async fn a_head_that_comes_late_is_waited_for_where_it_is_known_to() {
    let late = || {
        let summary = format!("{{\"status\":\"1: digest: {DIGEST} size: 5\"}}\n");
        Answer::Late(settings().timeout * 3, Box::new(Answer::Chunks(vec![summary])))
    };
    for (version, comes) in [(PODMAN, true), (VERSION, false)] {
        let script = vec![
            ("GET /version ", Answer::Json(200, version.to_owned())),
            ("POST /v1.44/images/create", late()),
            (PUSH, late()),
        ];
        let daemon = Daemon::start(script).await;
        let (pushed, pulled) = tokio::join!(push(&daemon), pull(&daemon));
        assert_eq!(pushed.is_ok(), comes, "{version}");
        assert_eq!(pulled.is_ok(), comes, "{version}");
        assert!(
            comes || matches!(pulled, Err(Error::Stalled { is_network: false, .. })),
            "{pulled:?}"
        );
    }
}

#[tokio::test]
async fn an_old_docker_is_told_apart_where_a_layer_is_of_zstd() {
    let words = "failed to register layer: Error processing tar file(exit status 1): archive/tar: invalid tar header";
    let failed = format!("{{\"errorDetail\":{{\"message\":\"{words}\"}},\"error\":\"{words}\"}}\n");
    let old = VERSION.replace("25.0.5", "20.10.24");
    let layer = |media_type: &str| Descriptor {
        media_type: media_type.to_owned(),
        digest: digest(),
        size: 1,
        platform: None,
    };
    for (version, layers, may_be_zstd) in [
        (
            old.as_str(),
            vec![layer("application/vnd.oci.image.layer.v1.tar+zstd")],
            true,
        ),
        (
            old.as_str(),
            vec![layer("application/vnd.oci.image.layer.v1.tar+gzip")],
            false,
        ),
        (old.as_str(), vec![], true),
        (
            VERSION,
            vec![layer("application/vnd.oci.image.layer.v1.tar+zstd")],
            false,
        ),
        (
            PODMAN,
            vec![layer("application/vnd.oci.image.layer.v1.tar+zstd")],
            false,
        ),
    ] {
        let daemon = Daemon::start(vec![
            ("GET /version ", Answer::Json(200, version.to_owned())),
            ("POST /v1.44/images/create", lines(&[&failed])),
        ])
        .await;
        let engine = daemon.connect().await.unwrap();
        let auth = RegistryAuth::anonymous();
        let error = engine.pull(&base(), &digest(), &layers, &auth, |_| ()).await;
        let error = error.expect_err(version);
        assert!(matches!(error, Error::Layer { .. }), "{error:?}");
        let hint = error.hint().unwrap();
        assert_eq!(hint.contains("zstd"), may_be_zstd, "{version} {layers:?}: {hint}");
    }
}
