//! `CODE_INSIGHTS`: the report on the commit, as the API proxy of Pipelines gets it, and what becomes of a run whose report
//! cannot be sent.

use crate::support::emulator::{Answer, Emulator, Fault, Report, Setup, on};
use crate::support::image::Image;
use crate::support::pipe::Pipe;
use serde_json::Value;
use std::time::{Duration, Instant};

const COMMIT: &str = "7f9c24e8b1d0a6c35e4f8b2d9a0c1e3f5b7d9e01";
const REPORT: &str =
    "/2.0/repositories/shop/api/commit/7f9c24e8b1d0a6c35e4f8b2d9a0c1e3f5b7d9e01/reports/crg-pipe-retag";
const NO_REPORT: &str = "WARNING: there is no report on the commit: ";

fn start() -> Emulator {
    let emulator = Emulator::start(Setup::shop().api_proxy());
    emulator.put_image("shop/api", "1", &Image::multi("insights-api"));
    emulator.put_image("shop/base", "1", &Image::small("insights-base"));
    emulator
}

fn pipe<'a>(emulator: &'a Emulator, action: &str) -> Pipe<'a> {
    anywhere(emulator, action).in_step(Some(emulator))
}

fn anywhere<'a>(emulator: &'a Emulator, action: &str) -> Pipe<'a> {
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .built_in()
        .var("BITBUCKET_COMMIT", COMMIT)
        .var("BITBUCKET_BUILD_NUMBER", "41")
        .var("CODE_INSIGHTS", "true")
        .var("ACTION", action)
        .var("RETRIES", "0")
}

fn retag(emulator: &Emulator) -> Pipe<'_> {
    pipe(emulator, "retag").var("SOURCE", "api:1").var("TAGS", "2")
}

fn only(emulator: &Emulator) -> Report {
    let mut reports = emulator.reports();
    assert_eq!(reports.len(), 1, "{reports:#?}");
    reports.remove(0)
}

/// The value of the entry of this title.
fn value(report: &Report, title: &str) -> Value {
    let data = report.document["data"].as_array().unwrap();
    let entry = data.iter().find(|entry| entry["title"] == title);
    entry.unwrap_or_else(|| panic!("no {title} in {data:#?}"))["value"].clone()
}

#[test]
fn a_run_is_reported_on_its_commit() {
    let emulator = start();
    let outcome = retag(&emulator)
        .run()
        .succeeds()
        .never_says("WARNING")
        .says("INFO: reported on commit 7f9c24e8b1d0 as `crg-pipe-retag`");
    assert!(outcome.last_line().starts_with("✔ retag: "), "{}", outcome.output);
    let report = only(&emulator);
    assert_eq!(report.commit, format!("shop/api/commit/{COMMIT}"));
    assert_eq!(report.document["title"], "crg-pipe: retag");
    assert_eq!(report.document["result"], "PASSED");
    assert_eq!(
        report.document["link"],
        "https://bitbucket.org/shop/api/pipelines/results/41"
    );
    let tagged = value(&report, &format!("{}/shop/api:2", emulator.host()));
    let digest = emulator.tag("shop/api", "2").unwrap();
    let expected = format!("tagged, {digest}, linux/amd64, linux/arm64");
    assert!(tagged.as_str().unwrap().starts_with(&expected), "{tagged}");
    assert_eq!(value(&report, "Images"), 1);
    assert_eq!(value(&report, "Signed in with"), "the built-in credential");
    assert!(value(&report, "Duration").as_u64().unwrap() < 10_000);
    assert_eq!(report.annotations.len(), 0);
    // Again: the same report, not another one.
    retag(&emulator).run().succeeds();
    only(&emulator);
}

#[test]
fn sizes_are_those_of_the_images() {
    let emulator = start();
    pipe(&emulator, "pull")
        .api_token()
        .var("IMAGES", "api:1 base:1")
        .var("TO", "oci:images")
        .run()
        .succeeds()
        .never_says("WARNING");
    let report = only(&emulator);
    assert_eq!(report.id, "crg-pipe-pull");
    assert_eq!(value(&report, "Images"), 2);
    assert_eq!(
        value(&report, "Signed in with"),
        "the built-in credential, the API token"
    );
    for package in ["api", "base"] {
        let pulled = value(&report, &format!("{}/shop/{package}:1", emulator.host()));
        assert!(pulled.as_str().unwrap().ends_with('B'), "{pulled}");
    }
}

#[test]
fn a_check_reports_the_platforms_and_sizes_that_it_has_read() {
    let emulator = start();
    pipe(&emulator, "check")
        .api_token()
        .var("IMAGES", "api:1 base:1")
        .run()
        .succeeds()
        .never_says(NO_REPORT);
    let report = only(&emulator);
    let told = |package: &str| {
        let value = value(&report, &format!("{}/shop/{package}:1", emulator.host()));
        let digest = emulator.tag(&format!("shop/{package}"), "1").unwrap();
        let begin = format!("checked, {digest}, linux/amd64");
        let told = value.as_str().unwrap().strip_prefix(&begin);
        told.unwrap_or_else(|| panic!("{value}")).to_owned()
    };
    let (several, one) = (told("api"), told("base"));
    assert!(
        several.contains("B, linux/arm64 ") && several.ends_with('B'),
        "{several}"
    );
    assert!(one.starts_with(", ") && one.ends_with('B'), "{one}");
}

#[test]
fn a_check_reports_no_image_that_was_not_tried() {
    let emulator = start();
    emulator.script(on("GET", "^/v2/$"), 1, Answer::new(503));
    pipe(&emulator, "check")
        .var("IMAGES", "api:1")
        .run()
        .fails(6)
        .never_says(NO_REPORT);
    let report = only(&emulator).document;
    assert!(!report["data"].to_string().contains("shop/api"), "{report}");
}

#[test]
fn more_than_ten_entries_go_into_the_details() {
    let emulator = start();
    let tags: Vec<String> = (1..=12).map(|number| format!("t{number}")).collect();
    retag(&emulator)
        .var("TAGS", &tags.join(" "))
        .run()
        .succeeds()
        .never_says("WARNING");
    let report = only(&emulator);
    assert_eq!(report.document["data"].as_array().unwrap().len(), 10);
    assert_eq!(value(&report, "More, named above"), 7);
    let details = report.document["details"].as_str().unwrap();
    assert!(details.contains("/shop/api:t12: tagged, sha256:"), "{details}");
}

#[test]
fn a_failed_run_is_reported_too_without_its_secrets() {
    let emulator = start();
    // The registry's own text repeats the token.
    let leak = Answer::error(400, "X", &format!("bad token {}", Setup::BUILT_IN_TOKEN));
    emulator.script(on("PUT", "/manifests/2"), 1, leak);
    let outcome = retag(&emulator).run().fails(5).never_says(NO_REPORT);
    assert!(outcome.last_line().starts_with("✖ retag: "), "{}", outcome.output);
    let report = only(&emulator);
    assert_eq!(report.document["result"], "FAILED");
    let details = report.document["details"].as_str().unwrap();
    assert!(details.contains("bad token ***"), "{details}");
    assert!(!report.document.to_string().contains(Setup::BUILT_IN_TOKEN));
    // One that ended before it began.
    retag(&emulator).var("TAGS", "a/b").run().fails(2).never_says(NO_REPORT);
    let details = only(&emulator).document["details"].to_string();
    assert!(details.contains("`TAGS` is `a/b`"), "{details}");
    pipe(&emulator, "nonsense").run().fails(2).never_says(NO_REPORT);
    assert_eq!(emulator.reports()[1].id, "crg-pipe-crg-pipe");
}

#[test]
fn lines_that_pipelines_cannot_pull_are_marked() {
    let emulator = start();
    let host = emulator.host();
    let file = format!(
        "image: {host}/shop/build:1\npipelines:\n  default:\n    - step:\n        image:\n          name: {host}/shop/build:2\n          \
         username: x-token-auth\n          password: $TOKEN\n        script:\n          - make\n"
    );
    retag(&emulator)
        .file("bitbucket-pipelines.yml", file)
        .run()
        .succeeds()
        .never_says(NO_REPORT);
    let report = only(&emulator);
    assert_eq!(report.document["result"], "PASSED");
    let marks: Vec<(u64, &str)> = report
        .annotations
        .iter()
        .map(|mark| (mark["line"].as_u64().unwrap(), mark["summary"].as_str().unwrap()))
        .collect();
    assert_eq!(marks.len(), 2, "{marks:#?}");
    assert_eq!((marks[0].0, marks[1].0), (1, 6));
    assert!(marks[0].1.contains("has no username and password"), "{marks:#?}");
    assert!(marks[1].1.contains("no access token works"), "{marks:#?}");
    let mark = &report.annotations[1];
    assert_eq!(mark["path"], "bitbucket-pipelines.yml");
    let details = mark["details"].as_str().unwrap();
    assert!(details.contains("username: $ATLASSIAN_ACCOUNT_EMAIL"), "{details}");
    // A second run marks nothing twice.
    let again = format!("image: {host}/shop/build:1\n");
    retag(&emulator).file("bitbucket-pipelines.yml", again).run().succeeds();
    assert_eq!(only(&emulator).annotations.len(), 2);
}

#[test]
fn many_lines_are_marked_in_bulk_up_to_a_thousand() {
    let emulator = start();
    let image = |number| format!("    s{number}:\n      image: {}/shop/build:{number}\n", emulator.host());
    let images = (0..1203).map(image).collect::<Vec<_>>().concat();
    retag(&emulator)
        .file(
            "bitbucket-pipelines.yml",
            format!("definitions:\n  services:\n{images}"),
        )
        .run()
        .succeeds()
        .never_says(NO_REPORT);
    assert_eq!(only(&emulator).annotations.len(), 1000);
}

#[test]
fn a_file_that_is_no_yaml_costs_the_marks_alone() {
    let emulator = start();
    retag(&emulator)
        .file("bitbucket-pipelines.yml", "image: [\n")
        .run()
        .succeeds()
        .says("bitbucket-pipelines.yml")
        .never_says(NO_REPORT);
    only(&emulator);
}

#[test]
fn steps_of_a_parallel_group_have_a_report_each() {
    let emulator = start();
    for step in ["0", "1"] {
        retag(&emulator)
            .var("BITBUCKET_PARALLEL_STEP", step)
            .var("BITBUCKET_PARALLEL_STEP_COUNT", "2")
            .run()
            .succeeds();
    }
    let ids: Vec<String> = emulator.reports().into_iter().map(|report| report.id).collect();
    assert_eq!(ids, ["crg-pipe-retag-0", "crg-pipe-retag-1"]);
}

#[test]
fn a_report_that_is_not_taken_is_one_line_and_no_failure() {
    let emulator = start();
    for (fault, words) in [
        (
            Fault::Answer(Answer::new(400).json(&serde_json::json!({ "message": "The summary\nfield" }))),
            "Bitbucket refused it: 400, “The summary; field”",
        ),
        (Fault::Answer(Answer::new(503)), "Bitbucket refused it: 503"),
        (
            Fault::Answer(Answer::new(302).header("Location", "http://localhost/")),
            "Bitbucket refused it: 302",
        ),
        (Fault::Reset, "did not answer: the connection broke"),
        (Fault::Silence, "did not answer: it was silent for too long"),
    ] {
        emulator.script(on("PUT", REPORT), 9, fault);
        let outcome = retag(&emulator).run().succeeds().says(NO_REPORT).says(words);
        assert_eq!(outcome.plain().matches("WARNING").count(), 1, "{}", outcome.output);
        assert!(outcome.seconds < 8.0, "{}", outcome.seconds);
        assert!(outcome.last_line().starts_with("✔ retag: "), "{}", outcome.output);
        let tries = outcome.journal();
        let tries = tries.iter().filter(|entry| entry.path == REPORT).count();
        assert_eq!(tries, 1, "one try");
        emulator.forget_script();
    }
    emulator.script(on("POST", "/annotations"), 1, Answer::new(500));
    let file = format!("image: {}/shop/build:1\n", emulator.host());
    retag(&emulator)
        .file("bitbucket-pipelines.yml", file)
        .run()
        .succeeds()
        .says("WARNING: the report on the commit has no annotations: Bitbucket refused it: 500");
    // The report was taken: what is slow then is neither missing nor out of place.
    for (fault, words) in [
        (Fault::Silence, "did not answer: it was silent for too long"),
        (Fault::Reset, "did not answer: the connection broke"),
    ] {
        emulator.script(on("POST", "/annotations"), 1, fault);
        let file = format!("image: {}/shop/build:1\n", emulator.host());
        retag(&emulator)
            .file("bitbucket-pipelines.yml", file)
            .run()
            .succeeds()
            .says("WARNING: the report on the commit has no annotations: Pipelines' API proxy `")
            .says(words)
            .never_says(NO_REPORT)
            .never_says("it is there only in a step of Pipelines");
    }
    // The status of a failed run stays as well.
    emulator.script(on("PUT", REPORT), 1, Answer::new(500));
    retag(&emulator).var("SOURCE", "api:9").run().fails(4).says(NO_REPORT);
}

#[test]
fn without_a_commit_it_says_which_variable_is_missing() {
    let emulator = start();
    retag(&emulator)
        .unset("BITBUCKET_COMMIT")
        .run()
        .succeeds()
        .says("WARNING: there is no report on the commit: `BITBUCKET_COMMIT` is not set");
    retag(&emulator)
        .var("BITBUCKET_COMMIT", "../../../user")
        .unset("BITBUCKET_REPO_SLUG")
        .run()
        .succeeds()
        .says("`BITBUCKET_REPO_SLUG`, `BITBUCKET_COMMIT` are not set, or not as Pipelines sets them");
    assert_eq!(emulator.reports().len(), 0);
}

#[test]
fn outside_pipelines_it_says_so() {
    let emulator = start();
    let outcome = anywhere(&emulator, "retag")
        .var("SOURCE", "api:1")
        .var("TAGS", "2")
        .in_step(None)
        .run()
        .succeeds()
        .says("`http://host.docker.internal:29418` did not answer: its name could not be resolved")
        .says("it is there only in a step of Pipelines");
    assert!(outcome.seconds < 8.0, "{}", outcome.seconds);
}

#[test]
fn the_users_proxies_do_not_matter() {
    let emulator = start();
    for (name, value) in [
        ("HTTP_PROXY", "http://user:geheimnis@127.0.0.1:9"),
        ("http_proxy", "http://127.0.0.1:9"),
        ("ALL_PROXY", "http://127.0.0.1:9"),
        ("NO_PROXY", "*"),
        ("no_proxy", "api.bitbucket.org,.bitbucket.org,host.docker.internal"),
    ] {
        retag(&emulator).var(name, value).run().succeeds().never_says(NO_REPORT);
    }
    only(&emulator);
}

#[test]
fn nothing_is_reported_unless_it_is_asked_for() {
    let emulator = start();
    retag(&emulator).unset("CODE_INSIGHTS").run().succeeds();
    retag(&emulator).var("CODE_INSIGHTS", "false").run().succeeds();
    retag(&emulator)
        .var("CODE_INSIGHTS", "ja")
        .run()
        .fails(2)
        .says("`CODE_INSIGHTS` is `ja`: it is a switch");
    assert_eq!(emulator.reports().len(), 0);
}

#[test]
fn a_signal_while_the_report_is_sent_costs_the_report_alone() {
    let emulator = start();
    for (method, path, words) in [
        (
            "PUT",
            REPORT,
            "WARNING: there is no report on the commit: the step is being stopped",
        ),
        (
            "POST",
            "/annotations",
            "WARNING: the report on the commit has no annotations: the step is being stopped",
        ),
    ] {
        emulator.script(on(method, path), 1, Fault::Silence);
        let file = format!("image: {}/shop/build:1\n", emulator.host());
        let run = retag(&emulator).file("bitbucket-pipelines.yml", file).start();
        until_met(&emulator);
        let stopped = Instant::now();
        let outcome = run.signal("TERM").wait().succeeds().says(words);
        assert!(stopped.elapsed() < Duration::from_secs(10), "{:?}", stopped.elapsed());
        assert!(outcome.last_line().starts_with("✔ retag: "), "{}", outcome.output);
    }
    // A run that failed stays one.
    emulator.script(on("PUT", REPORT), 1, Fault::Silence);
    let run = retag(&emulator).var("SOURCE", "api:9").start();
    until_met(&emulator);
    run.signal("TERM").wait().fails(4);
}

#[test]
fn a_run_that_is_stopped_is_not_reported() {
    let emulator = start();
    emulator.script(on("GET", "/manifests/"), 1, Fault::Silence);
    let run = retag(&emulator).start();
    until_met(&emulator);
    run.signal("TERM").wait().fails(143).never_says("report on");
    assert_eq!(emulator.reports().len(), 0);
    assert!(!emulator.journal().iter().any(|entry| entry.path.contains("/reports/")));
}

/// Waits until the scripted request has come.
fn until_met(emulator: &Emulator) {
    let started = Instant::now();
    while emulator.unmet() > 0 {
        assert!(started.elapsed() < Duration::from_secs(20), "no such request came");
        std::thread::sleep(Duration::from_millis(2));
    }
}
