//! `WAIT`: images that another pipeline makes meanwhile.

use crate::support::emulator::{Answer, Emulator, Fault, Role, Setup, User, on};
use crate::support::image::Image;
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;
use crate::support::pki::Authority;
use crate::support::shop::{self, shop};
use std::time::{Duration, Instant};

fn absent() -> Answer {
    Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown")
}

/// The next looks for `shop/api:1` find nothing: one GET, then HEADs.
fn comes_after(emulator: &Emulator, looks: usize) {
    emulator.script(on("GET|HEAD", "shop/api/manifests/1$").signed_in(), looks, absent());
}

/// Of an image of `shop/api`, with each action that waits.
fn each_action<'a>(emulator: &'a Emulator, image: &str) -> Vec<(&'static str, Pipe<'a>)> {
    let actions = ["pull", "retag", "copy", "check"];
    let pipe = |action| {
        let pipe = match action {
            "pull" => shop::pull(emulator, image),
            "retag" => shop::retag(emulator).var("SOURCE", image),
            "copy" => shop::copy(emulator, image).var("TARGET", "web"),
            _ => shop::pull(emulator, image).unset("TO").var("ACTION", "check"),
        };
        pipe.built_in().var("WAIT", "20").var("REPORT", "report.json")
    };
    actions.map(|action| (action, pipe(action))).into()
}

/// How often the manifest was asked for, with the sign-in.
fn asked(outcome: &Outcome<'_>, method: &str, path: &str) -> usize {
    let journal = outcome.journal();
    let asked = journal.iter().filter(|entry| entry.authorization.is_some());
    asked
        .filter(|entry| entry.method == method && entry.path.ends_with(path))
        .count()
}

#[test]
fn each_action_waits_for_a_tag_by_head() {
    for number in 0..4 {
        let emulator = shop();
        comes_after(&emulator, 3);
        let (action, pipe) = each_action(&emulator, "api:1").remove(number);
        let outcome = pipe.run().succeeds();
        let name = format!("`{}/shop/api:1`", emulator.host());
        let outcome = outcome
            .says(&format!("{name} is not there yet: waiting up to 20 s for it"))
            .says(&format!("{name} is there, after "));
        // Not found by one GET and two HEADs, found by another HEAD, read by a GET.
        assert_eq!(
            asked(&outcome, "HEAD", "/shop/api/manifests/1"),
            3,
            "{action}: {:#?}",
            emulator.requests()
        );
        assert_eq!(
            asked(&outcome, "GET", "/shop/api/manifests/1"),
            2,
            "{action}: {:#?}",
            emulator.requests()
        );
        assert_eq!(emulator.unmet(), 0, "{action}");
        assert_eq!(outcome.report.unwrap()["status"], 0, "{action}");
    }
}

/// Without `WAIT` nothing is asked twice, and with it nothing that is there.
#[test]
fn what_is_there_is_not_waited_for() {
    let emulator = shop();
    for wait in ["0", "60"] {
        let outcome = shop::retag(&emulator).built_in().var("WAIT", wait).run().succeeds();
        outcome.never_says("not there yet").requests([
            "GET /v2/shop/api/manifests/1 401",
            "GET /v2/shop/api/manifests/1 200",
            "PUT /v2/shop/api/manifests/2 201",
        ]);
    }
    let outcome = shop::retag(&emulator)
        .built_in()
        .var("SOURCE", "api:none")
        .run()
        .fails(4);
    assert!(outcome.seconds < 5.0, "{}", outcome.seconds);
    outcome.never_says("WAIT").never_says("waiting");
}

#[test]
fn the_error_says_how_long_was_waited() {
    for number in 0..4 {
        let emulator = shop();
        let (action, pipe) = each_action(&emulator, "api:later").remove(number);
        let outcome = pipe.var("WAIT", "2").run().fails(4);
        assert!(
            outcome.seconds >= 2.0 && outcome.seconds < 15.0,
            "{action}: {}",
            outcome.seconds
        );
        let errors = outcome.report.as_ref().unwrap()["errors"].clone();
        assert_eq!(errors[0]["kind"], "not-found", "{action}");
        let message = errors[0]["message"].as_str().unwrap();
        assert!(
            message.ends_with("; still not there after 2 s (`WAIT`)"),
            "{action}: {message}"
        );
        outcome.says("is not there yet: waiting up to 2 s for it");
    }
}

/// All at once, though only two are asked for at a time; and what has come is not read twice.
#[test]
fn many_wait_together_for_one_time() {
    let emulator = shop();
    let names: Vec<String> = (0..12).map(|number| format!("api:t{number:02}")).collect();
    let pipe = |seconds| {
        let pipe = shop::pull(&emulator, &format!("api:1 {}", names.join(" "))).built_in();
        pipe.var("WAIT", seconds).var("CONCURRENCY", "2").patience(60)
    };
    let outcome = pipe("3").run().fails(4);
    assert!(
        outcome.seconds < 12.0,
        "one time for all, not one for each: {} s",
        outcome.seconds
    );
    assert_eq!(asked(&outcome, "GET", "/shop/api/manifests/1"), 1, "found once");
    outcome
        .says("12 images are not there yet: waiting up to 3 s for `")
        .says(" and 9 more")
        .says("still not there after 3 s (`WAIT`): `");
    let running = pipe("60").start().until("12 images are not there yet");
    for name in &names[..11] {
        emulator.put_image("shop/api", name.split_once(':').unwrap().1, &Image::small(name));
    }
    let running = running.until("shop/api:t10` is there, after ");
    emulator.put_image("shop/api", "t11", &Image::small("last"));
    let outcome = running.wait().succeeds();
    assert_eq!(
        asked(&outcome, "GET", "/shop/api/manifests/1"),
        1,
        "{:#?}",
        emulator.requests()
    );
    outcome.says("✔ pull: 13 images in `oci:");
}

/// What is refused or out of reach fails at once, as without `WAIT`: also beside what is not there.
#[test]
fn no_refusal_and_no_fault_is_waited_for() {
    let page = Answer::new(404)
        .header("Content-Type", "text/html")
        .body("<html><body>Not Found</body></html>");
    for (fault, image, status) in [
        (Answer::error(403, "DENIED", "no").into(), "api:1", 3),
        (Answer::error(401, "UNAUTHORIZED", "no").into(), "api:1", 3),
        (Answer::error(400, "TAG_INVALID", "no").into(), "api:1", 5),
        (Answer::error(503, "UNAVAILABLE", "no").into(), "api:1", 6),
        (Answer::error(429, "TOOMANYREQUESTS", "no").into(), "api:1", 5),
        (Answer::error(404, "NAME_INVALID", "no").into(), "api:1", 4),
        (page.into(), "api:1", 4),
        (Fault::Reset, "api:1", 6),
        (Answer::error(403, "DENIED", "no").into(), "api:1 api:later", 3),
    ] {
        let emulator = shop();
        let place = format!("{fault:?}, {image}");
        let fault: Fault = fault;
        emulator.script(on("GET|HEAD", "shop/api/manifests/1$").signed_in(), 100, fault);
        let outcome = shop::pull(&emulator, image).built_in().var("WAIT", "60").run();
        assert_eq!(outcome.status, status, "{place}: {}", outcome.output);
        assert!(outcome.seconds < 10.0, "{place}: {}", outcome.seconds);
        outcome.never_says("is not there yet").never_says("(`WAIT`)");
    }
    // A daemon that does not answer keeps nobody waiting.
    let emulator = shop();
    let outcome = shop::pull(&emulator, "api:later")
        .unset("TO")
        .built_in()
        .docker_host("tcp://127.0.0.1:9")
        .var("WAIT", "60")
        .run()
        .fails(4)
        .says("no Docker daemon at");
    assert!(outcome.seconds < 10.0, "{}", outcome.seconds);
}

/// A package that is made meanwhile. The token of the first look grants nothing on it.
#[test]
fn a_package_that_is_not_there_yet_is_waited_for() {
    for (unknown, own) in [
        (("shop/new", "shop/api"), "built-in"),
        (("shop/new", "shop/images"), "api-token"),
    ] {
        let emulator = shop();
        let running = shop::retag(&emulator)
            .built_in()
            .api_token()
            .var("SOURCE", "new:1")
            .var("WAIT", "60")
            .var("REPORT", "report.json")
            .start()
            .until("is not there yet");
        emulator.accounts(|accounts| accounts.add_package(unknown.0, unknown.1));
        emulator.put_image("shop/new", "1", &Image::small("new"));
        let outcome = running.wait().succeeds().says("is there, after");
        assert_eq!(outcome.report.unwrap()["images"][0]["credential"], own);
        assert_eq!(emulator.tag("shop/new", "2"), emulator.tag("shop/new", "1"));
    }
}

/// The rights of a token are those of the time when it was made.
#[test]
fn rights_that_come_with_the_package_are_asked_for_again() {
    let bob = || User::new("bob@example.com", "a-token-of-bob").package_scopes();
    let emulator = Emulator::start(Setup::shop().user(bob()));
    let running = shop::pull(&emulator, "new:1")
        .var("ATLASSIAN_ACCOUNT_EMAIL", "bob@example.com")
        .var("ATLASSIAN_API_TOKEN", "a-token-of-bob")
        .var("ALLOW_UNSUPPORTED_TOKEN", "true")
        .built_in()
        .var("WAIT", "60")
        .start()
        .until("is not there yet");
    emulator.accounts(|accounts| {
        accounts.add_user(bob().role("shop/new", Role::Read));
        accounts.add_package("shop/new", "shop/new");
    });
    emulator.put_image("shop/new", "1", &Image::small("new"));
    running.wait().succeeds().says("API token)");
}

/// The credential that reaches furthest is refused: that another one sees no package proves nothing.
#[test]
fn an_unknown_package_is_not_waited_for_where_the_credential_is_wrong() {
    let emulator = shop();
    let outcome = shop::retag(&emulator)
        .built_in()
        .api_token()
        .var("ATLASSIAN_ACCOUNT_EMAIL", "eve@example.com")
        .var("SOURCE", "new:1")
        .var("WAIT", "60")
        .run()
        .fails(3);
    assert!(outcome.seconds < 10.0, "{}", outcome.seconds);
    outcome.never_says("is not there yet");
    // Nor is the package that a copy goes to: it is made by hand.
    let outcome = shop::copy(&emulator, "api:1")
        .var("TARGET", "new")
        .var("WAIT", "60")
        .run()
        .fails(4);
    assert!(outcome.seconds < 10.0, "{}", outcome.seconds);
    outcome.never_says("is not there yet");
}

/// Who may not write where the image is to go is told so at once, and not when it has come.
#[test]
fn a_target_that_refuses_is_told_before_anything_is_waited_for() {
    let ada = User::new(Setup::EMAIL, &Setup::api_token())
        .package_scopes()
        .role("shop/api", Role::Read)
        .role("shop/images", Role::Read);
    let emulator = Emulator::start(Setup::shop().user(ada));
    emulator.put_image("shop/base", "1", &Image::small("base"));
    let other = shop();
    let foreign = format!("{}/shop/base:later", other.host());
    let copy = |source: &str, target: &str| shop::copy(&emulator, source).var("TARGET", target);
    for (pipe, status) in [
        (shop::retag(&emulator).api_token().var("SOURCE", "base:later"), 5),
        (copy("base:later", "web"), 5),
        (
            copy(&foreign, "web")
                .var("SOURCE_USERNAME", Setup::EMAIL)
                .var("SOURCE_PASSWORD", &Setup::api_token()),
            5,
        ),
    ] {
        let outcome = pipe.var("WAIT", "60").run().fails(status);
        assert!(outcome.seconds < 10.0, "{}", outcome.output);
        outcome.never_says("waiting up to").never_says("(`WAIT`)");
    }
    // Bitbucket's packages are made by hand; another registry may make one by the first push.
    let bitbucket = Emulator::start(Setup::shop().behind_proxy("crg.apkg.io", Authority::shared()));
    let outcome = shop::copy(&bitbucket, "api:later")
        .var("TARGET", "none")
        .var("WAIT", "60")
        .run()
        .fails(4)
        .says("the workspace `shop` has no package `none`");
    assert!(outcome.seconds < 10.0, "{}", outcome.output);
}

/// A credential that is not accepted is not sent every few seconds.
#[test]
fn a_wrong_credential_is_not_tried_with_each_look() {
    let emulator = shop();
    comes_after(&emulator, 5);
    let outcome = shop::retag(&emulator)
        .built_in()
        .var("BITBUCKET_PACKAGES_TOKEN", "a-token-of-another-step")
        .api_token()
        .var("WAIT", "60")
        .run()
        .succeeds();
    let refused = outcome.journal();
    let refused = refused
        .iter()
        .filter(|entry| entry.path.starts_with("/token") && entry.status == 401)
        .count();
    // With the first read and that of the target, the first look, and the last read.
    assert_eq!(refused, 4);
}

/// A registry that refuses HEAD, and one that answers it with 404 whatever is there.
#[test]
fn registries_without_head() {
    for (status, seconds) in [(405, "20"), (404, "4")] {
        let emulator = Emulator::start(Setup::shop().with(|settings| settings.manifest_head = Some(status)));
        let running = shop::retag(&emulator)
            .built_in()
            .var("WAIT", seconds)
            .start()
            .until("is not there yet");
        emulator.put_image("shop/api", "1", &Image::small("api"));
        let outcome = running.wait().succeeds();
        let lines = outcome
            .plain()
            .lines()
            .filter(|line| line.contains("not there yet"))
            .count();
        assert_eq!(lines, 1, "{}", outcome.output);
    }
}

#[test]
fn a_platform_and_a_pattern_are_not_waited_for() {
    let emulator = shop();
    emulator.put_image("shop/base", "multi", &Image::multi("multi"));
    let pipe = || {
        shop::copy(&emulator, "base:multi")
            .var("TARGET", "web")
            .var("WAIT", "60")
    };
    for outcome in [
        pipe().var("PLATFORM", "linux/s390x").run().fails(4),
        shop::pull(&emulator, "base:multi")
            .api_token()
            .var("PLATFORM", "linux/s390x")
            .var("WAIT", "60")
            .run()
            .fails(4),
    ] {
        assert!(outcome.seconds < 10.0, "{}", outcome.seconds);
        outcome.says("`WAIT` waits for an image, not for a platform of one that is there");
    }
    let outcome = pipe().var("SOURCE", "base:7*").run().fails(4);
    assert!(outcome.seconds < 10.0, "{}", outcome.seconds);
    outcome.says("`WAIT` waits for an image that you name, not for a pattern");
}

/// An image that only makes a build faster.
#[test]
fn a_cache_is_not_waited_for() {
    let emulator = shop();
    let compose = format!(
        "services:\n  api:\n    build:\n      context: .\n      cache_from:\n        - {0}/shop/api:cache\n    image: {0}/shop/api:1\n  db:\n    image: {0}/shop/api:1\n",
        emulator.host()
    );
    let pipe = |action: &str| {
        let pipe = shop::pull(&emulator, "").unset("IMAGES").built_in().var("WAIT", "60");
        let pipe = pipe.file("docker-compose.yml", &compose);
        if action == "check" {
            pipe.unset("TO").var("ACTION", "check")
        } else {
            pipe
        }
    };
    for action in ["pull", "check"] {
        let outcome = pipe(action).run().succeeds();
        assert!(outcome.seconds < 10.0, "{action}: {}", outcome.seconds);
        outcome.never_says("is not there yet");
    }
}

#[test]
fn a_signal_ends_the_waiting_at_once() {
    for (signal, status) in [("TERM", 143), ("INT", 130)] {
        let emulator = shop();
        let (_, pipe) = each_action(&emulator, "api:later").remove(0);
        let running = pipe.var("WAIT", "7200").start().until("waiting up to 7200 s");
        let sent = Instant::now();
        let outcome = running.signal(signal).wait().fails(status);
        assert!(sent.elapsed() < Duration::from_secs(2), "{:?}", sent.elapsed());
        outcome.says(&format!("stopped by SIG{signal}, nothing was changed"));
    }
}
