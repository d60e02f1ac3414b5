use super::*;
use crate::action::{Outcome, SeenImage};
use crate::clone::ClonePlace;
use crate::clone::pipelines::ImageProblem;
use crate::credential::Source;
use crate::explain::Page;
use crate::explain::failure::{Failure, FailureKind};
use crate::names::{Digest, Host, Repository, Tag};
use crate::text::Secret;
use crate::text::hide;
use std::path::PathBuf;

fn record(image: usize, tag: &str, outcome: Outcome, credential: Option<Source>) -> Record {
    Record {
        image,
        goes_along: false,
        repository: Repository::new(Host::bitbucket(), "shop/api").unwrap(),
        tag: Some(Tag::parse(tag).unwrap()),
        digest: (outcome != Outcome::Failed).then(|| Digest::of(b"api")),
        bytes: 1 << 20,
        took: Duration::from_secs(1),
        outcome,
        credential,
        reason: None,
        attached: None,
    }
}

fn passed(records: &[Record], seen: &[SeenImage]) -> Value {
    let done = Done {
        records: records.to_vec(),
        seen: seen.to_vec(),
        ..Done::default()
    };
    let ended = Ended {
        action: "copy",
        result: Ok("2 images copied"),
        done: &done,
    };
    report(&ended, Duration::from_millis(1234), None)
}

fn failed(failures: Vec<Failure>) -> Value {
    let failures = Failures::of(failures).unwrap();
    let ended = Ended {
        action: "pull",
        result: Err(&failures),
        done: &Done::default(),
    };
    report(&ended, Duration::ZERO, Some("https://bitbucket.org/shop/api"))
}

fn titles(report: &Value) -> Vec<&str> {
    let data = report["data"].as_array().unwrap();
    data.iter().map(|entry| entry["title"].as_str().unwrap()).collect()
}

#[test]
fn what_was_done_is_told_image_by_image() {
    let digest = Digest::of(b"api");
    let shape = |platforms: &[&str], size| SeenImage {
        digest: digest.clone(),
        platforms: platforms.iter().map(|&platform| platform.to_owned()).collect(),
        size,
    };
    for (outcome, shapes, told) in [
        (Outcome::Tagged, vec![], format!("tagged, {digest}")),
        (
            Outcome::Pulled,
            vec![shape(&["linux/amd64", "linux/arm64/v8"], Some(3 << 20))],
            format!("pulled, {digest}, linux/amd64, linux/arm64/v8, 3.0 MiB"),
        ),
        (
            Outcome::Same,
            vec![shape(&[], Some(12))],
            format!("same, {digest}, 12 B"),
        ),
        (Outcome::Failed, vec![shape(&[], Some(12))], "failed".to_owned()),
    ] {
        let report = passed(&[record(0, "1", outcome, None)], &shapes);
        assert_eq!(report["data"][3]["title"], "crg.apkg.io/shop/api:1");
        assert_eq!(report["data"][3]["value"], told);
        assert_eq!(report["result"], "PASSED");
        assert_eq!(report["title"], "crg-pipe: copy");
        assert_eq!(report["details"], "2 images copied");
        assert_eq!(report.get("link"), None);
    }
}

#[test]
fn what_it_cost_and_who_signed_in() {
    let records = [
        record(0, "1", Outcome::Tagged, Some(Source::BuiltIn)),
        record(0, "2", Outcome::Tagged, Some(Source::BuiltIn)),
        record(1, "1", Outcome::Tagged, Some(Source::ApiToken)),
    ];
    let report = passed(&records, &[]);
    let data: Vec<String> = report["data"].as_array().unwrap()[..4]
        .iter()
        .map(|entry| format!("{} {} {}", entry["title"], entry["type"], entry["value"]))
        .collect();
    assert_eq!(
        data,
        [
            r#""Duration" "DURATION" 1234"#,
            r#""Images" "NUMBER" 2"#,
            r#""Moved" "TEXT" "3.0 MiB""#,
            r#""Signed in with" "TEXT" "the built-in credential, the API token""#,
        ]
    );
    assert_eq!(titles(&passed(&[], &[])), ["Duration"]);
}

#[test]
fn there_are_never_more_than_ten_entries() {
    for (count, shown) in [(6, 10), (7, 10), (8, 10), (500, 10), (5, 9)] {
        let records: Vec<Record> = (0..count)
            .map(|number| record(number, &format!("t{number}"), Outcome::Tagged, Some(Source::BuiltIn)))
            .collect();
        let report = passed(&records, &[]);
        let titles = titles(&report);
        assert_eq!(titles.len(), shown, "{count}");
        assert_eq!(titles.contains(&"More, named above"), count > 6, "{titles:?}");
        let details = report["details"].as_str().unwrap();
        assert!(details.chars().count() <= LONGEST_DETAILS);
        assert_eq!(details.contains("shop/api:t6: tagged"), count > 6, "{details}");
    }
}

#[test]
fn what_went_wrong_is_told_with_its_advice_and_within_bounds() {
    let hint = "make a token";
    let report = failed(vec![
        Failure::new(FailureKind::Credential, Page::NoReason, "no right", hint),
        Failure::new(FailureKind::NotFound, Page::NoReason, "no tag", hint),
    ]);
    assert_eq!(report["result"], "FAILED");
    assert_eq!(report["details"], "no right\nmake a token\nno tag");
    assert_eq!(report["link"], "https://bitbucket.org/shop/api");
    let long = failed(vec![Failure::new(
        FailureKind::Other,
        Page::NoReason,
        "ü".repeat(5000),
        "x",
    )]);
    let details = long["details"].as_str().unwrap();
    assert_eq!(details.chars().count(), LONGEST_DETAILS);
    assert!(details.ends_with("ü…"), "{details}");
}

#[test]
fn no_secret_is_reported_not_even_where_it_is_cut() {
    let secret = "insights-secret-that-nobody-may-read";
    hide(&Secret::new(secret));
    let message = format!("{}{secret}", "x".repeat(LONGEST_DETAILS - 10));
    let report = failed(vec![Failure::new(FailureKind::Other, Page::NoReason, message, secret)]).to_string();
    assert!(!report.contains("insights-s"), "{report}");
}

#[test]
fn findings_are_marked_a_hundred_at_a_time() {
    let finding = |line, letters| ImageFinding {
        place: ClonePlace {
            file: PathBuf::from("bitbucket-pipelines.yml"),
            line,
        },
        image: format!("crg.apkg.io/shop/build:{}", "1".repeat(letters)),
        problem: ImageProblem::NoCredential,
    };
    for (count, requests) in [
        (0, vec![]),
        (1, vec![1]),
        (100, vec![100]),
        (201, vec![100, 100, 1]),
        (1500, vec![100; 10]),
    ] {
        let findings: Vec<ImageFinding> = (0..count).map(|line| finding(Some(line + 1), 1)).collect();
        let bodies = annotations(&findings);
        let sizes: Vec<usize> = bodies.iter().map(|body| body.as_array().unwrap().len()).collect();
        assert_eq!(sizes, requests, "{count}");
    }
    let marks = annotations(&[finding(Some(7), 600), finding(None, 600)]);
    assert_eq!(marks[0][0]["line"], 7);
    assert_eq!(marks[0][1].get("line"), None);
    assert_ne!(marks[0][0]["external_id"], marks[0][1]["external_id"]);
    assert!(marks[0][0]["summary"].as_str().unwrap().chars().count() <= LONGEST_LINE);
}
