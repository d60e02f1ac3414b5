//! `copy`: between repositories of one registry by mounts, from other registries as streams, whole and byte for byte.

mod foreign;

use crate::support::emulator::{Answer, Combined, Emulator, Setup, TokenForm, on};
use crate::support::image::{Image, ImageBuilder};
use crate::support::pipe::Pipe;
use crate::support::shop::copy;

fn start(setup: Setup) -> Emulator {
    let emulator = Emulator::start(setup);
    emulator.put_image("shop/base", "1", &ImageBuilder::new("base").layers(8, 2000).build());
    emulator
}

#[test]
fn nine_blobs_cost_thirteen_requests_and_one_token() {
    let emulator = start(Setup::shop());
    let outcome = copy(&emulator, "base:1")
        .var("TARGET", "web:1")
        .run()
        .succeeds()
        .token_calls(1);
    let requests: Vec<String> = outcome
        .journal()
        .iter()
        .map(crate::support::emulator::Entry::line)
        .collect();
    let registry = requests.iter().filter(|line| line.contains("/v2/")).count();
    assert_eq!(registry, 13, "{requests:#?}");
    assert_eq!(emulator.tag("shop/web", "1"), emulator.tag("shop/base", "1"));
    assert_eq!(
        emulator.blob_bytes_sent() + emulator.blob_bytes_received(),
        0,
        "no byte of a blob moves"
    );

    // A finished copy ends after three requests.
    let digest_known = copy(&emulator, "base:1")
        .var("TARGET", "web:1")
        .run()
        .succeeds()
        .token_calls(1)
        .says("unchanged: `1`");
    digest_known.requests([
        "GET /v2/shop/base/manifests/1 401",
        "GET /v2/shop/base/manifests/1 200",
        "HEAD /v2/shop/web/manifests/1 200",
    ]);
}

#[test]
fn mounts_that_are_not_made_become_uploads_into_their_sessions() {
    let emulator = start(Setup::shop().with(|settings| settings.mounts = false));
    copy(&emulator, "base:1").var("TARGET", "web:1").run().succeeds();
    assert_eq!(emulator.tag("shop/web", "1"), emulator.tag("shop/base", "1"));
    assert_eq!(emulator.open_uploads(), 0);
}

/// gcr answers every mount with a session: what is there does not move again, and no session stays open.
#[test]
fn a_blob_that_is_there_is_not_uploaded_where_mounts_are_not_made() {
    let emulator = start(Setup::shop().with(|settings| settings.mounts = false));
    copy(&emulator, "base:1").var("TARGET", "web:1").run().succeeds();
    let moved = emulator.blob_bytes_received();
    copy(&emulator, "base:1")
        .var("TARGET", "web:2")
        .run()
        .succeeds()
        .says("tagged `2` (0 B moved");
    assert_eq!(emulator.blob_bytes_received(), moved);
    assert_eq!(emulator.open_uploads(), 0);
}

#[test]
fn refused_mounts_are_no_failure() {
    for status in [403, 404, 405] {
        let emulator = start(Setup::shop());
        emulator.script(
            on("POST", "mount=").signed_in(),
            9,
            Answer::error(status, "UNSUPPORTED", "no mounts"),
        );
        copy(&emulator, "base:1").var("TARGET", "web:1").run().succeeds();
        assert_eq!(
            emulator.tag("shop/web", "1"),
            emulator.tag("shop/base", "1"),
            "{status}"
        );
    }
}

#[test]
fn where_one_token_may_not_serve_both_each_side_has_its_own() {
    for combined in [Combined::OnlyFirst, Combined::Refused] {
        let emulator = start(Setup::shop().with(|settings| settings.combined = combined));
        copy(&emulator, "base:1").var("TARGET", "web:1").run().succeeds();
        assert_eq!(
            emulator.tag("shop/web", "1"),
            emulator.tag("shop/base", "1"),
            "{combined:?}"
        );
    }
    let emulator = start(Setup::shop().with(|settings| settings.token_form = TokenForm::Opaque));
    copy(&emulator, "base:1")
        .var("TARGET", "web:1")
        .run()
        .succeeds()
        .token_calls(1);
}

#[test]
fn every_form_of_image_arrives_byte_for_byte() {
    let small = Image::small("small");
    for (tag, image) in [
        ("multi", Image::multi("multi")),
        (
            "list",
            Image::docker_list(vec![
                ImageBuilder::new("a").docker().build(),
                ImageBuilder::new("b").docker().build(),
            ]),
        ),
        ("nested", Image::index(vec![Image::multi("inner"), small.clone()])),
        (
            "attested",
            Image::index(vec![small.clone(), Image::attestation_of(&small)]),
        ),
        ("docker", ImageBuilder::new("docker").docker().build()),
    ] {
        // One registry with mounts, then from another registry as streams.
        let emulator = start(Setup::shop());
        emulator.put_image("shop/base", tag, &image);
        copy(&emulator, &format!("base:{tag}"))
            .var("TARGET", "web")
            .run()
            .succeeds();
        assert_eq!(
            emulator.manifest("shop/web", tag).as_ref(),
            Some(image.bytes()),
            "{tag}"
        );

        let target = Emulator::start(Setup::shop());
        copy(&target, &format!("{}/shop/base:{tag}", emulator.host()))
            .var("SOURCE_USERNAME", Setup::EMAIL)
            .var("SOURCE_PASSWORD", &Setup::api_token())
            .run()
            .succeeds();
        assert_eq!(target.manifest("shop/base", tag).as_ref(), Some(image.bytes()), "{tag}");
        for part in image.walk() {
            for blob in part.blobs() {
                assert!(target.has_blob("shop/base", &blob.digest()), "{tag}");
            }
        }
    }
}

#[test]
fn one_platform_is_taken_out_of_an_index() {
    let emulator = start(Setup::shop());
    let image = Image::multi("multi");
    emulator.put_image("shop/base", "multi", &image);
    copy(&emulator, "base:multi")
        .var("TARGET", "web:arm")
        .var("PLATFORM", "linux/arm64")
        .run()
        .succeeds();
    let digests: Vec<String> = image.children().iter().map(Image::digest).collect();
    assert!(digests.contains(&emulator.tag("shop/web", "arm").unwrap()));
    copy(&emulator, "base:multi")
        .var("TARGET", "web:x")
        .var("PLATFORM", "linux/riscv64")
        .run()
        .fails(4)
        .says("it is there for");
    // An image that is no index has one platform, which its configuration names.
    copy(&emulator, "base:1")
        .var("TARGET", "web:y")
        .var("PLATFORM", "linux/arm64")
        .run()
        .fails(4)
        .says("it is there for linux/amd64");
    assert_eq!(emulator.tag("shop/web", "y"), None);
}

#[test]
fn a_half_copied_target_heals() {
    let emulator = start(Setup::shop());
    copy(&emulator, "base:1").var("TARGET", "web:1").run().succeeds();
    let target = Emulator::start(Setup::shop());
    let source = format!("{}/shop/base:1", emulator.host());
    // The target answers "it is there" of a blob that it has lost.
    target.script(on("HEAD", "/blobs/").signed_in(), 1, Answer::new(200));
    let healed = copy(&target, &source)
        .var("SOURCE_USERNAME", Setup::EMAIL)
        .var("SOURCE_PASSWORD", &Setup::api_token())
        .var("REPORT", "report.json")
        .run()
        .succeeds()
        .says("misses blobs");
    let report = healed.report.as_ref().unwrap();
    assert!(report["images"][0]["bytes"].as_u64().unwrap() > 8 * 2000, "{report}");
    assert_eq!(target.tag("shop/base", "1"), emulator.tag("shop/base", "1"));
}

#[test]
fn a_skipped_tag_moves_nothing_along_with_its_referrers() {
    let emulator = start(Setup::shop());
    emulator.put_image("shop/web", "1", &Image::small("other"));
    let before = emulator.requests().len();
    copy(&emulator, "base:1")
        .var("TARGET", "web:1")
        .var("ON_EXISTING", "skip")
        .var("REFERRERS", "true")
        .run()
        .succeeds()
        .says("left alone: `1` (0 B moved");
    let writes = |line: &String| !line.starts_with("GET") && !line.starts_with("HEAD");
    let written: Vec<String> = emulator.requests().into_iter().skip(before).filter(writes).collect();
    assert_eq!(written, [] as [&str; 0]);
}

#[test]
fn each_tag_of_an_image_that_fails_is_reported() {
    let emulator = start(Setup::shop().with(|settings| settings.mounts = false));
    let image = Image::small("broken");
    emulator.put_image("shop/base", "broken", &image);
    emulator.lose_blob("shop/base", &image.config_digest());
    emulator.put_image("shop/web", "there", &Image::small("other"));
    let outcome = copy(&emulator, "base:broken")
        .var("TARGET", "web")
        .var("TAGS", "there new newer")
        .var("ON_EXISTING", "skip")
        .var("REPORT", "report.json")
        .run()
        .fails(4);
    let report: serde_json::Value = serde_json::from_str(&outcome.file("report.json").unwrap()).unwrap();
    let told: Vec<String> = report["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| {
            let reference = image["reference"].as_str().unwrap();
            let tag = reference.rsplit(':').next().unwrap();
            format!("{tag} {}", image["outcome"].as_str().unwrap())
        })
        .collect();
    assert_eq!(told, ["there skipped", "new failed", "newer failed"]);
}

#[test]
fn wrong_bytes_are_never_passed_on() {
    let emulator = start(Setup::shop());
    let target = Emulator::start(Setup::shop());
    emulator.script(
        on("GET", "/blobs/").signed_in(),
        1,
        Answer::new(200).body("not the blob"),
    );
    copy(&target, &format!("{}/shop/base:1", emulator.host()))
        .var("SOURCE_USERNAME", Setup::EMAIL)
        .var("SOURCE_PASSWORD", &Setup::api_token())
        .run()
        .fails(1)
        .says("has wrong bytes");
    assert_eq!(target.tag("shop/base", "1"), None);
}

#[test]
fn a_foreign_credential_goes_to_its_registry_only() {
    let emulator = start(Setup::shop());
    copy(&emulator, "base:1")
        .var("TARGET", "web:1")
        .var("SOURCE_USERNAME", "x")
        .var("SOURCE_PASSWORD", "a-password")
        .run()
        .fails(2)
        .says("no source is on another registry");
    Pipe::new()
        .workspace("shop")
        .registry(&emulator)
        .api_token()
        .var("ACTION", "copy")
        .list("IMAGES", &["quay.io/a/b:1", "ghcr.io/a/c:1"])
        .var("SOURCE_USERNAME", "x")
        .var("SOURCE_PASSWORD", "a-password")
        .run()
        .fails(2)
        .no_connection()
        .says("one pipe for each registry");
    copy(&emulator, "base:1")
        .run()
        .fails(2)
        .says("source and target are the same");
}

#[test]
fn an_unchanged_image_of_another_registry_costs_no_get_there() {
    let (source, target) = (start(Setup::shop()), Emulator::start(Setup::shop()));
    let image = format!("{}/shop/base:1", source.host());
    let mirror = || {
        let mark = source.requests().len();
        let outcome = copy(&target, &image)
            .var("SOURCE_USERNAME", Setup::EMAIL)
            .var("SOURCE_PASSWORD", &Setup::api_token())
            .run()
            .succeeds();
        assert_eq!(
            target.tag("shop/base", "1"),
            source.tag("shop/base", "1"),
            "{}",
            outcome.output
        );
        source.requests().split_off(mark)
    };
    mirror();
    let heads = [
        "HEAD /v2/shop/base/manifests/1 401",
        "HEAD /v2/shop/base/manifests/1 200",
    ];
    assert_eq!(mirror(), heads);

    // What has changed is fetched, and so is what a HEAD does not tell.
    source.put_image("shop/base", "1", &Image::small("changed"));
    let changed = mirror();
    assert_eq!(changed[..2], heads);
    assert_eq!(changed[2], "GET /v2/shop/base/manifests/1 200");
    source.script(on("HEAD", "/manifests/1").signed_in(), 1, Answer::new(405));
    assert_eq!(
        mirror()[1..],
        [
            "HEAD /v2/shop/base/manifests/1 405",
            "GET /v2/shop/base/manifests/1 200"
        ]
    );
    // A 401 that names no way to sign in.
    source.script(on("HEAD", "/manifests/1"), 1, Answer::new(401));
    assert_eq!(
        mirror(),
        [
            "HEAD /v2/shop/base/manifests/1 401",
            "GET /v2/shop/base/manifests/1 401",
            "GET /v2/shop/base/manifests/1 200"
        ]
    );
}

#[test]
fn referrers_go_along_only_if_asked_for() {
    for (source_lists, target_lists) in [(true, true), (true, false), (false, true), (false, false)] {
        let emulator = start(Setup::shop().with(|settings| settings.referrers = source_lists));
        let image = Image::small("signed");
        emulator.put_image("shop/base", "signed", &image);
        let signature = Image::referrer_of(&image, "application/vnd.example.signature");
        let of_signature = Image::referrer_of(&signature, "application/vnd.example.countersignature");
        emulator.put_untagged("shop/base", &signature);
        emulator.put_untagged("shop/base", &of_signature);
        let fallback = |image: &Image| image.digest().replacen(':', "-", 1);
        if !source_lists {
            for (subject, referrer) in [(&image, &signature), (&signature, &of_signature)] {
                let index = Image::index(vec![referrer.clone()]);
                emulator.put_image("shop/base", &fallback(subject), &index);
            }
        }
        let cosign = Image::small("cosign");
        emulator.put_image("shop/base", &format!("{}.sig", fallback(&image)), &cosign);

        let target = Emulator::start(Setup::shop().with(|settings| settings.referrers = target_lists));
        let source = format!("{}/shop/base:signed", emulator.host());
        let pipe = || {
            copy(&target, &source)
                .var("SOURCE_USERNAME", Setup::EMAIL)
                .var("SOURCE_PASSWORD", &Setup::api_token())
        };
        pipe().run().succeeds();
        assert_eq!(target.tags("shop/base"), ["signed"]);
        // Also where the image itself is there already.
        pipe()
            .var("REFERRERS", "true")
            .run()
            .succeeds()
            .says("3 referrers copied");
        for manifest in [&signature, &of_signature, &cosign] {
            assert_eq!(
                target.manifest("shop/base", &manifest.digest()).as_ref(),
                Some(manifest.bytes()),
                "{source_lists} {target_lists}"
            );
        }
        assert_eq!(
            target.tag("shop/base", &format!("{}.sig", fallback(&image))),
            Some(cosign.digest())
        );
        let listed = target
            .manifest("shop/base", &fallback(&image))
            .map(|index| String::from_utf8_lossy(&index).into_owned());
        assert_eq!(
            listed.is_some_and(|index| index.contains(&signature.digest())),
            !target_lists
        );
    }
}

#[test]
fn half_a_list_of_tags_does_not_pass_for_a_whole_one() {
    let emulator = start(Setup::shop());
    let elsewhere = Answer::new(200)
        .header(
            "Link",
            "<http://elsewhere.example/v2/shop/base/tags/list?last=1>; rel=\"next\"",
        )
        .header("Content-Type", "application/json")
        .body(r#"{"name":"shop/base","tags":["1"]}"#);
    emulator.script(on("GET", "/tags/list").signed_in(), 1, elsewhere);
    copy(&emulator, "base:*")
        .var("TARGET", "web")
        .run()
        .fails(1)
        .says("the next page of a list must be on the registry itself");
    assert_eq!(emulator.tags("shop/web"), Vec::<String>::new());
}

#[test]
fn an_image_is_the_same_by_whichever_function_its_digest_was_made() {
    for (source_by_sha512, target_by_sha512) in [(true, true), (true, false), (false, true)] {
        let by = |by_sha512| Setup::shop().with(|settings| settings.names_by_sha512 = by_sha512);
        let (source, target) = (start(by(source_by_sha512)), Emulator::start(by(target_by_sha512)));
        let index = Image::index(vec![Image::small("one"), Image::small("two")]);
        source.put_image("shop/base", "2", &index);
        for tag in ["1", "2"] {
            let copy = || {
                copy(&target, &format!("{}/shop/base:{tag}", source.host()))
                    .var("SOURCE_USERNAME", Setup::EMAIL)
                    .var("SOURCE_PASSWORD", &Setup::api_token())
                    .var("TARGET", "web")
            };
            copy().run().succeeds().says(&format!("tagged `{tag}`"));
            assert_eq!(target.tag("shop/web", tag), source.tag("shop/base", tag));
            for existing in ["overwrite", "skip", "fail"] {
                copy()
                    .var("ON_EXISTING", existing)
                    .run()
                    .succeeds()
                    .says(&format!("unchanged: `{tag}`"));
            }
        }
        // Another image is another one all the same.
        target.put_image("shop/web", "1", &Image::small("other"));
        copy(&target, &format!("{}/shop/base:1", source.host()))
            .var("SOURCE_USERNAME", Setup::EMAIL)
            .var("SOURCE_PASSWORD", &Setup::api_token())
            .var("TARGET", "web")
            .var("ON_EXISTING", "fail")
            .run()
            .fails(5)
            .says("is there already, as another image");
    }
}

#[test]
fn referrers_that_are_not_followed_are_not_left_out_silently() {
    for (chain, whole) in [(4, true), (5, false)] {
        let emulator = start(Setup::shop().with(|settings| settings.referrers = true));
        let mut last = Image::small("signed");
        emulator.put_image("shop/base", "signed", &last);
        for number in 0..chain {
            last = Image::referrer_of(&last, &format!("application/vnd.example.{number}"));
            emulator.put_untagged("shop/base", &last);
        }
        let copied = copy(&emulator, "base:signed")
            .var("TARGET", "web")
            .var("REFERRERS", "true")
            .run();
        if whole {
            copied.succeeds().says("4 referrers copied");
        } else {
            copied
                .fails(1)
                .says("more than 4 manifests, each referring to the next, lead to sha256:");
            assert_eq!(emulator.tag("shop/web", "signed"), None);
        }
    }
}
