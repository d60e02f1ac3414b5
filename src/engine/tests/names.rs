//! Images and their names.

use super::*;

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
                r#"[{"RepoTags":["a:1","<none>:<none>"]},{"RepoTags":null},{"RepoTags":["b:2","b@sha256:1"]}]"#
                    .to_owned(),
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
        // Docker 28 names the digests among the tags, in containerd's image store; the last tag takes its own with it.
        (image(&format!("{name},{own}"), &own), Untagged::KeptLast),
        (
            image(&format!("{name},{other}"), &format!("{own},{other}")),
            Untagged::Gone,
        ),
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

/// What it does not tell by itself is read out of its export, which comes in pieces and may be cut.
#[tokio::test]
async fn an_index_is_read_out_of_an_export() {
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"m","digest":"{DIGEST}","size":5,"platform":{{"os":"linux","architecture":"arm64"}}}}]}}"#
    );
    let id = Digest::of(index.as_bytes());
    let mut export = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(index.len() as u64);
    let name = format!("blobs/{}", id.as_str().replace(':', "/"));
    export.append_data(&mut header, name, index.as_bytes()).unwrap();
    let export = String::from_utf8(export.into_inner().unwrap()).unwrap();
    let newer = VERSION.replace("1.44", "1.51");
    let inspected = format!(r#"{{"Id":"{id}","RepoDigests":["api@{id}"],"Os":"linux","Architecture":"amd64"}}"#);
    let classic = inspected.replace(&format!("api@{id}"), &format!("api@{DIGEST}"));
    let halves = |end: usize| Answer::Chunks(vec![export[..550].to_owned(), export[550..end].to_owned()]);
    for (version, inspected, exported, expected) in [
        (VERSION, &inspected, Some(halves(export.len())), Ok("linux/arm64")),
        // Not asked for: it tells, or its ID is no manifest's.
        (newer.as_str(), &inspected, None, Ok("linux/amd64")),
        (VERSION, &classic, None, Ok("linux/amd64")),
        (VERSION, &inspected, Some(halves(600)), Err("ends in its midst")),
        (
            VERSION,
            &inspected,
            Some(Answer::Json(200, "{}".repeat(300))),
            Err("no tar archive"),
        ),
        (VERSION, &inspected, Some(Answer::Silence("blobs")), Err("said nothing")),
        (
            VERSION,
            &inspected,
            Some(Answer::Json(500, r#"{"message":"no"}"#.to_owned())),
            Err("its words: no"),
        ),
    ] {
        let mut script = vec![("GET /version ", Answer::Json(200, version.to_owned()))];
        script.extend(exported.map(|answer| ("GET /v1.44/images/sha256:", answer)));
        script.push(("GET /v1.", Answer::Json(200, inspected.clone())));
        let daemon = Daemon::start(script).await;
        let engine = daemon.connect().await.unwrap();
        let local = engine.inspect("api:1").await.unwrap().unwrap();
        match (engine.with_manifests(local).await, expected) {
            (Ok(local), Ok(platform)) => assert_eq!(local.platforms()[0].to_string(), platform),
            (Err(error), Err(says)) => assert!(error.message().contains(says), "{says}: {error}"),
            (found, _) => panic!("{found:?}, not {expected:?}"),
        }
    }
}

/// Whether images that share layers wait for each other follows from where the daemon has its images.
#[tokio::test]
async fn the_store_of_containerd_is_known_by_its_driver() {
    for (status, info, is_containerds) in [
        (
            200,
            r#"{"Driver":"overlayfs","DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]]}"#,
            true,
        ),
        (
            200,
            r#"{"Driver":"overlay2","DriverStatus":[["Backing Filesystem","extfs"],["Native Overlay Diff","true"]]}"#,
            false,
        ),
        (200, r#"{"DriverStatus":[["driver-type"],[],"x",null]}"#, false),
        (200, r#"{"DriverStatus":null}"#, false),
        (200, "{}", false),
        (200, "[]", false),
        (200, "no JSON", false),
        (404, r#"{"message":"page not found"}"#, false),
        (
            403,
            r#"{"message":"authorization denied by plugin pipelines: no"}"#,
            false,
        ),
    ] {
        let daemon = Daemon::start(vec![("GET /v1.44/info ", Answer::Json(status, info.to_owned()))]).await;
        let engine = daemon.connect().await.unwrap();
        assert_eq!(engine.has_containerd_store().await, is_containerds, "{info}");
    }
}
