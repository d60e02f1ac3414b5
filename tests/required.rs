//! What is attached to an image: `check` and `copy` show it, and `REQUIRE` asks for it.

mod forms;
mod real;

use crate::support::emulator::{Answer, Emulator, Entry, Fault, Setup, on};
use crate::support::image::{Image, ImageBuilder, OCI_INDEX};
use crate::support::pipe::Pipe;
use forms::{FORMS, referred_to};
use serde_json::{Value, json};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";
const SPDX: &str = "https://spdx.dev/Document";
const SLSA: &str = "https://slsa.dev/provenance/v1";
const ALL: &str = "signature sbom provenance";

fn check(emulator: &Emulator) -> Pipe<'_> {
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .api_token()
        .var("ACTION", "check")
        .var("IMAGES", "base:1")
        .var("RETRIES", "0")
        .var("REPORT", "report.json")
}

/// From one emulator to another.
fn copy<'a>(from: &Emulator, to: &'a Emulator) -> Pipe<'a> {
    Pipe::new()
        .workspace("shop")
        .registry(to)
        .api_token()
        .var("ACTION", "copy")
        .var("SOURCE", &format!("{}/shop/base:1", from.host()))
        .var("SOURCE_USERNAME", Setup::EMAIL)
        .secret("SOURCE_PASSWORD", &Setup::api_token())
        .var("RETRIES", "0")
        .var("REPORT", "report.json")
}

fn bundle(image: &Image, predicate: &str) -> Image {
    let annotations =
        json!({ "dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": predicate });
    Image::attached_to(image, BUNDLE, &annotations)
}

fn fallback(image: &Image) -> String {
    image.digest().replacen(':', "-", 1)
}

/// Two platforms, and what BuildKit puts beside each.
fn attested(of_amd: &[&str], of_arm: &[&str]) -> Image {
    let (amd, arm) = platforms();
    let mut children = vec![amd.clone(), arm.clone()];
    for (image, predicates) in [(amd, of_amd), (arm, of_arm)] {
        if !predicates.is_empty() {
            children.push(Image::attestation_with(&image, predicates));
        }
    }
    Image::index(children)
}

fn platforms() -> (Image, Image) {
    let arm = ImageBuilder::new("attached").platform("linux", "arm64", Some("v8"));
    (Image::small("attached"), arm.build())
}

/// A registry that has an image in this form.
fn furnished(has_api: bool, furnish: fn(&Emulator) -> Image) -> (Emulator, Image) {
    let emulator = Emulator::start(Setup::shop().with(|settings| settings.referrers = has_api));
    // A subject may come before what refers to it.
    emulator.put_image("shop/base", "other", &Image::small("attached"));
    let image = furnish(&emulator);
    emulator.put_image("shop/base", "1", &image);
    (emulator, image)
}

fn attached(report: Option<&Value>) -> Vec<String> {
    let attached = report.unwrap()["images"][0]["attached"].as_array().cloned();
    attached
        .unwrap_or_default()
        .iter()
        .map(|one| one.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_is_required_is_found_in_each_form_or_missing() {
    for (what, has_api, furnish, has) in FORMS {
        let (source, image) = furnished(*has_api, *furnish);
        let target = Emulator::start(Setup::shop());
        let missing: Vec<&str> = ALL.split(' ').filter(|one| !has.contains(one)).collect();
        let runs = [
            check(&source).var("REQUIRE", ALL).run(),
            copy(&source, &target).var("REQUIRE", ALL).run(),
        ];
        for outcome in runs {
            let text = format!("{what}:\n{}", outcome.output);
            assert_eq!(attached(outcome.report.as_ref()), *has, "{text}");
            assert_eq!(outcome.status, if missing.is_empty() { 0 } else { 5 }, "{text}");
            for one in ["signature", "SBOM", "provenance"] {
                let is_missing = missing.iter().any(|missing| missing.eq_ignore_ascii_case(one));
                let said = outcome
                    .plain()
                    .lines()
                    .any(|line| line.contains("`REQUIRE` asks for") && line.contains(&format!("no {one}")));
                assert_eq!(said, is_missing, "{one}: {text}");
            }
        }
        let is_copied = target.tag("shop/base", "1") == Some(image.digest());
        assert_eq!(is_copied, missing.is_empty(), "{what}");
        assert_eq!(
            target.has_blob("shop/base", &image.walk()[0].config_digest()),
            is_copied,
            "{what}"
        );
        // What it has may be required.
        if !has.is_empty() {
            check(&source).list("REQUIRE", has).run().succeeds().says("; has ");
            copy(&source, &target).list("REQUIRE", has).run().succeeds();
        }
    }
}

#[test]
fn what_check_shows_costs_little() {
    let (source, image) = furnished(true, |emulator| {
        let image = Image::small("attached");
        let signature = bundle(&image, SIGN);
        referred_to(emulator, image, &[signature])
    });
    let of = |path: String| format!("GET /v2/shop/base/{path}");
    let begin = [
        "GET /v2/ 401".to_owned(),
        of("manifests/1 200".to_owned()),
        of(format!("blobs/{} 200", image.config_digest())),
        of(format!("referrers/{} 200", image.digest())),
    ];
    // Who attests with cosign's tags signs with one too.
    let tag = |ending: &str| of(format!("manifests/{}.{ending} 404", fallback(&image)));
    let requests = |outcome: &crate::support::outcome::Outcome<'_>| {
        let entries = outcome.journal();
        let own = entries.iter().filter(|entry| entry.path.starts_with("/v2/"));
        own.map(Entry::line).collect::<Vec<_>>()
    };
    let outcome = check(&source).run().succeeds().says("; has a signature; may be pulled");
    assert_eq!(attached(outcome.report.as_ref()), ["signature"]);
    assert_eq!(requests(&outcome), [&begin[..], &[tag("att"), tag("sbom")]].concat());
    // Nothing more is asked for than is required.
    let outcome = check(&source).var("REQUIRE", "Signature").run().succeeds();
    assert_eq!(requests(&outcome), begin);

    let (source, image) = furnished(true, |_| Image::small("attached"));
    let outcome = check(&source).run().succeeds().never_says("; has ");
    let tag = |ending: &str| of(format!("manifests/{}.{ending} 404", fallback(&image)));
    assert_eq!(requests(&outcome), [&begin[..], &[tag("sig")]].concat());
    assert_eq!(outcome.report.as_ref().unwrap()["images"][0]["attached"], json!([]));
}

#[test]
fn copy_looks_only_where_it_is_asked_to() {
    let (source, image) = furnished(true, |emulator| {
        let image = attested(&[SLSA], &[SLSA]);
        let signature = bundle(&image, SIGN);
        referred_to(emulator, image, &[signature])
    });
    let target = Emulator::start(Setup::shop());
    let asks = |source: &Emulator| {
        let requests = source.requests();
        let is_ask = |line: &&String| line.contains("/referrers/") || line.contains("/manifests/sha256-");
        requests.iter().filter(is_ask).cloned().collect::<Vec<_>>()
    };
    let outcome = copy(&source, &target).run().succeeds().never_says("; has ");
    assert_eq!(asks(&source), [] as [&str; 0]);
    assert_eq!(outcome.report.as_ref().unwrap()["images"][0]["attached"], Value::Null);

    // With what refers to it, it is shown at the cost of no list.
    let target = Emulator::start(Setup::shop());
    source.forget_requests();
    let outcome = copy(&source, &target)
        .var("REFERRERS", "true")
        .run()
        .succeeds()
        .says("; has a signature and provenance) → ");
    let mut asked = asks(&source);
    let count = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), count, "{asked:#?}");
    assert_eq!(attached(outcome.report.as_ref()), ["signature", "provenance"]);

    // Of one platform, what its index has counts.
    let target = Emulator::start(Setup::shop());
    let outcome = copy(&source, &target)
        .var("PLATFORM", "linux/arm64")
        .var("REFERRERS", "true")
        .var("REQUIRE", "signature, provenance")
        .run()
        .succeeds();
    assert_eq!(attached(outcome.report.as_ref()), ["signature", "provenance"]);
    assert_eq!(target.tag("shop/base", "1"), Some(image.children()[1].digest()));
    let (half, _) = furnished(true, |_| attested(&[SLSA], &[]));
    copy(&half, &target)
        .var("PLATFORM", "linux/amd64")
        .var("REQUIRE", "provenance")
        .run()
        .succeeds();
    copy(&half, &target)
        .var("PLATFORM", "linux/arm64")
        .var("REQUIRE", "provenance")
        .run()
        .fails(5)
        .says("has no provenance, which `REQUIRE` asks for");
}

/// What is no answer to whether there is a signature.
fn no_answers() -> Vec<(&'static str, Fault, i32)> {
    let html = Answer::new(200)
        .header("Content-Type", "text/html")
        .body("<html>please sign in</html>");
    vec![
        ("403", Answer::error(403, "DENIED", "no").into(), 3),
        (
            "401 without a challenge",
            Answer::error(401, "UNAUTHORIZED", "no").into(),
            3,
        ),
        ("500", Answer::new(500).into(), 6),
        ("503", Answer::new(503).into(), 6),
        ("429", Answer::new(429).into(), 5),
        ("a web page", html.into(), 1),
        (
            "an image",
            Answer::new(200).json(&json!({ "schemaVersion": 2 })).into(),
            1,
        ),
        ("nothing", Answer::new(200).into(), 1),
    ]
}

#[test]
fn what_is_not_answered_is_not_known_and_never_missing() {
    // The list, the tag in its place, and each of cosign's tags.
    for asked in ["/referrers/", "/manifests/sha256-[0-9a-f]*$", "[.]sig", "[.]att"] {
        for (what, fault, status) in no_answers() {
            // Where a list answers, nothing is asked for in its place.
            let (source, image) = furnished(asked == "/referrers/", |_| Image::small("attached"));
            let target = Emulator::start(Setup::shop());
            source.script(on("GET", asked).signed_in(), 99, fault.clone());
            let text = format!("{asked} {what}");
            // Nothing fails of what nobody asked for.
            let outcome = check(&source).run();
            assert_eq!(outcome.status, 0, "{text}:\n{}", outcome.output);
            let required = if asked == "[.]att" { "sbom" } else { "signature" };
            for outcome in [
                check(&source).var("REQUIRE", required).run(),
                copy(&source, &target).var("REQUIRE", required).run(),
            ] {
                let text = format!("{text}:\n{}", outcome.output);
                assert!(outcome.plain().contains("is not known: "), "{text}");
                assert!(!outcome.plain().contains("`REQUIRE` asks for"), "{text}");
                assert_eq!(outcome.status, status, "{text}");
            }
            assert_eq!(target.tag("shop/base", "1"), None, "{text}");
            // What is found elsewhere is found.
            if asked == "/referrers/" {
                let signature = format!("{}.sig", fallback(&image));
                source.put_image("shop/base", &signature, &Image::small("signature"));
                check(&source).var("REQUIRE", required).run().succeeds();
            }
        }
    }
}

#[test]
fn a_glance_has_an_end() {
    let (source, image) = furnished(true, |_| Image::small("attached"));
    let bundles = (0..300).map(|number| {
        let bundle = Image::attached_to(
            &Image::small("attached"),
            BUNDLE,
            &json!({ "number": number.to_string() }),
        );
        source.put_untagged("shop/base", &bundle);
        json!({ "mediaType": bundle.media_type(), "digest": bundle.digest(), "size": bundle.bytes().len() })
    });
    let list = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": bundles.collect::<Vec<_>>() });
    let answer = Answer::new(200)
        .header("Content-Type", OCI_INDEX)
        .body(list.to_string());
    source.script(on("GET", "/referrers/").signed_in(), 9, answer);
    source.forget_requests();
    let outcome = check(&source).run().succeeds();
    assert!(source.requests().len() < 20, "{}", outcome.output);
    // What is required is looked for to the end.
    source.put_untagged("shop/base", &image);
    source.forget_requests();
    check(&source).var("REQUIRE", "sbom").run().fails(5).says("has no SBOM");
    assert!(source.requests().len() > 300);
}

#[test]
fn what_is_only_a_cache_needs_nothing() {
    let (source, _) = furnished(true, |_| Image::small("attached"));
    let host = source.host();
    let compose =
        format!("services:\n  web:\n    build:\n      context: .\n      cache_from: ['{host}/shop/base:1']\n");
    check(&source)
        .unset("IMAGES")
        .var("REQUIRE", ALL)
        .file("Dockerfile", "FROM scratch\n")
        .file("compose.yaml", compose)
        .run()
        .succeeds()
        .says("shop/base:1")
        .says("may be pulled");
}
