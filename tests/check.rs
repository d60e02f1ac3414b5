//! `check`: one table of everything that a run would need, and nothing left behind. Its rows are all there whatever fails.

use crate::support::distribution::Distribution;
use crate::support::emulator::{
    AccessTokenKind, Answer, Emulator, Role, Service, Setup, SignIn, TokenForm, User, access_token, api_token, on,
};
use crate::support::image::{Image, ImageBuilder};
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;
use crate::support::pki::Authority;
use crate::support::skopeo::Skopeo;
use crate::support::token_server::TokenServer;

const READ: &str = "read:package:bitbucket";
const WRITE: &str = "write:package:bitbucket";

/// The workspace `shop` with `api.bitbucket.org` behind the proxy.
fn started(setup: Setup) -> Emulator {
    let emulator = Emulator::start(setup.api(Authority::shared()));
    emulator.put_image("shop/base", "1", &Image::multi("check-base"));
    emulator.put_image("shop/api", "1", &Image::small("check-api"));
    emulator
}

fn check(emulator: &Emulator) -> Pipe<'_> {
    Pipe::new()
        .workspace("shop")
        .registry(emulator)
        .var("ACTION", "check")
        .var("RETRIES", "0")
        .var("NO_COLOR", "1")
        .var("REPORT", "report.json")
}

/// Nothing but reads, and uploads that were opened and given up.
fn left_nothing_behind(emulator: &Emulator, outcome: &Outcome<'_>) {
    let (mut opened, mut cancelled) = (0, 0);
    for entry in outcome
        .journal()
        .iter()
        .filter(|entry| entry.service == Service::Registry)
    {
        match entry.method.as_str() {
            "GET" | "HEAD" => {}
            "POST" if entry.path.contains("/blobs/uploads/") => opened += usize::from(entry.status == 202),
            "DELETE" if entry.path.contains("/blobs/uploads/") => cancelled += usize::from(entry.status == 204),
            _ => panic!("a write: {}", entry.line()),
        }
        assert_eq!(entry.received, 0, "{}", entry.line());
    }
    assert_eq!(opened, cancelled, "{:#?}", outcome.journal());
    assert_eq!(emulator.open_uploads(), 0);
}

/// The rows of the table, each without the blanks that align it.
fn table(outcome: &Outcome<'_>) -> Vec<String> {
    let plain = outcome.plain();
    let rows = plain.lines().filter(|line| line.starts_with(['✔', '✖', '⚠', '–']));
    rows.filter(|line| !line.contains(" check: "))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// Each row begins like this, in this order.
fn has_rows<const N: usize>(outcome: &Outcome<'_>, expected: [&str; N]) {
    let table = table(outcome);
    assert_eq!(table.len(), N, "{}", outcome.output);
    for (row, begin) in table.iter().zip(expected) {
        assert!(
            row.starts_with(begin),
            "`{row}` does not begin `{begin}`:\n{}",
            outcome.output
        );
    }
}

#[test]
fn everything_in_order_is_one_table() {
    let emulator = started(Setup::shop());
    let host = emulator.host();
    let dockerfile = format!("FROM {host}/shop/base:1\nFROM {host}/shop/api:1\n");
    let pipelines = format!(
        "image: {{name: {host}/shop/build:1, username: $ATLASSIAN_ACCOUNT_EMAIL, password: $ATLASSIAN_API_TOKEN}}\n\
         pipelines: {{}}\n"
    );
    let outcome = check(&emulator)
        .api_token()
        .built_in()
        .var("TARGET", "api:2, base")
        .var("TOKEN_EXPIRES_ON", "2999-12-31")
        .file("Dockerfile", dockerfile)
        .file("bitbucket-pipelines.yml", pipelines)
        .run()
        .succeeds()
        .api_calls(1);
    let realm = format!("registry {host} answers in ");
    let image = |name: &str| format!("✔ image {host}/shop/{name}:1 ");
    has_rows(
        &outcome,
        [
            "✔ credential built-in `BITBUCKET_PACKAGES_TOKEN`; accepted",
            "✔ credential API token `ATLASSIAN_API_TOKEN` of `ada@example.com`: an API token of a user; accepted",
            "✔ scopes API token `read:package:bitbucket`, `write:package:bitbucket`",
            "✔ expiry API token 2999-12-31, in ",
            &format!("✔ {realm}"),
            &image("base"),
            &image("api"),
            &format!(
                "✔ target {host}/shop/api:2 the package is there; may be pushed to with the built-in credential; the token \
                      grants `pull,push`; there is no `2` yet"
            ),
            &format!(
                "✔ target {host}/shop/base the package is there; may be pushed to with the API token; the token grants \
                      `pull,push`"
            ),
            "✔ pipelines bitbucket-pipelines.yml no `image` of a step or service that cannot be pulled",
        ],
    );
    let outcome = outcome
        .says("; takes tokens of `")
        .says("; linux/amd64 ")
        .says(", linux/arm64")
        .says("may be pulled with the API token; named in Dockerfile:1")
        .says("may be pulled with the built-in credential; named in Dockerfile:2")
        .says("✔ check: 10 facts, none of them bad (")
        .never_says("WARNING");
    left_nothing_behind(&emulator, &outcome);
    let report = outcome.report.as_ref().unwrap();
    assert_eq!(report["status"], 0);
    assert_eq!(report["checks"].as_array().unwrap().len(), 10);
    assert_eq!(report["checks"][0]["name"], "credential");
    assert_eq!(report["checks"][0]["outcome"], "good");
    assert_eq!(report["images"][0]["outcome"], "checked");
    assert_eq!(report["images"][0]["credential"], "api-token");
    assert_eq!(report["images"][0]["digest"], Image::multi("check-base").digest());
}

#[test]
fn each_thing_is_asked_for_once() {
    let emulator = started(Setup::shop());
    let small = Image::small("check-api");
    let outcome = check(&emulator)
        .built_in()
        .list("IMAGES", &["api:1", "api:1"])
        .var("TARGET", "web api:1")
        .run()
        .succeeds()
        .api_calls(0)
        // For the image, and for each target.
        .token_calls(3);
    let mut requests: Vec<String> = outcome
        .journal()
        .iter()
        .filter(|entry| entry.service == Service::Registry)
        .map(|entry| match entry.path.split_once("/blobs/uploads/") {
            Some((before, _)) => format!("{} {before}/blobs/uploads/… {}", entry.method, entry.status),
            None => entry.line(),
        })
        .collect();
    assert_eq!(requests.remove(0), "GET /v2/ 401");
    requests.sort();
    assert_eq!(
        requests,
        [
            "DELETE /v2/shop/api/blobs/uploads/… 204".to_owned(),
            "DELETE /v2/shop/web/blobs/uploads/… 204".to_owned(),
            format!("GET /v2/shop/api/blobs/{} 200", small.config_digest()),
            "GET /v2/shop/api/manifests/1 200".to_owned(),
            "GET /v2/shop/api/manifests/1 200".to_owned(),
            "GET /v2/shop/web/manifests/latest 404".to_owned(),
            "POST /v2/shop/api/blobs/uploads/… 202".to_owned(),
            "POST /v2/shop/web/blobs/uploads/… 202".to_owned(),
        ]
    );
    left_nothing_behind(&emulator, &outcome);
}

#[test]
fn an_access_token_fails_its_row_and_the_rest_goes_on() {
    let token = access_token("check");
    let setup = Setup::shop().access_token(&token, AccessTokenKind::Workspace, &["repository:write"]);
    let emulator = started(setup);
    let outcome = check(&emulator)
        .built_in()
        .var("ATLASSIAN_ACCOUNT_EMAIL", "x-token-auth")
        .var("ATLASSIAN_API_TOKEN", &token)
        .var("IMAGES", "api:1 base:1")
        .run()
        .fails(3)
        .api_calls(1);
    let host = emulator.host();
    has_rows(
        &outcome,
        [
            "✔ credential built-in `BITBUCKET_PACKAGES_TOKEN`; accepted",
            "✖ credential API token `ATLASSIAN_API_TOKEN` holds an access token; the registry did not get the token",
            "– scopes API token none for packages: Bitbucket says that it is a workspace access token, with `repository:write`",
            &format!("✔ registry {host}"),
            &format!("✔ image {host}/shop/api:1"),
            &format!("✖ image {host}/shop/base:1 may not be pulled"),
            "– pipelines bitbucket-pipelines.yml there is none in the clone",
        ],
    );
    let outcome = outcome
        .says(
            "ERROR: `ATLASSIAN_API_TOKEN` holds an access token, which does not work in Bitbucket's container registry",
        )
        .says("It begins with `ATCT`")
        .says("the built-in credential reaches only packages that are linked to this repository")
        .says("✖ check: 2 of 7 facts failed, nothing was changed (exit status 3: credential)");
    let api: Vec<_> = outcome
        .journal()
        .into_iter()
        .filter(|entry| entry.service == Service::Api)
        .collect();
    assert_eq!(api[0].authorization.as_deref(), Some("Bearer"));
    let report = outcome.report.as_ref().unwrap();
    assert_eq!(report["status"], 3);
    assert_eq!(report["checks"][1]["outcome"], "failed");
    assert!(
        report["checks"][1]["hint"]
            .as_str()
            .unwrap()
            .contains("Create API token with scopes")
    );

    // Alone, it leaves nothing to sign in with.
    let outcome = check(&emulator)
        .var("ATLASSIAN_API_TOKEN", &token)
        .var("IMAGES", "api:1")
        .var("TARGET", "api")
        .run()
        .fails(3)
        .requests(["GET /v2/ 401"])
        .token_calls(0);
    has_rows(
        &outcome,
        [
            "– credential built-in not set: `BITBUCKET_PACKAGES_USERNAME`, `BITBUCKET_PACKAGES_TOKEN`",
            "✖ credential API token",
            "– scopes API token none for packages",
            "✔ registry",
            &format!("– image {host}/shop/api:1 not tried: there is no credential for it"),
            &format!("– target {host}/shop/api not tried: there is no credential for it"),
            "– pipelines",
        ],
    );
    let report = outcome.report.as_ref().unwrap();
    assert_eq!(
        report["images"].as_array().unwrap().len(),
        0,
        "what was not tried did not fail"
    );
}

#[test]
fn a_user_name_of_access_tokens_is_what_is_wrong_with_an_api_token() {
    let emulator = started(Setup::shop());
    for (username, is) in [
        ("x-token-auth", "`x-token-auth`"),
        ("52c16467@bots.bitbucket.org", "an address at `bots.bitbucket.org`"),
    ] {
        let outcome = check(&emulator)
            .api_token()
            .var("ATLASSIAN_ACCOUNT_EMAIL", username)
            .var("IMAGES", "api:1")
            .run()
            .fails(3)
            .token_calls(0);
        let row =
            format!("✖ credential API token `ATLASSIAN_ACCOUNT_EMAIL` is {is}; the registry did not get the token");
        assert_eq!(table(&outcome)[1], row);
    }
}

#[test]
fn foreign_tokens_and_the_built_in_one_are_never_sent_to_bitbucket() {
    let emulator = started(Setup::shop());
    let github = format!("ghp_{}", "0123456789abcdef01234567890123456789");
    for (api_token, kind) in [
        (github.as_str(), "a GitHub token"),
        ("dckr_pat_0123456789abcdefghijklmnopq", "a Docker Hub token"),
    ] {
        let outcome = check(&emulator)
            .built_in()
            .var("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL)
            .var("ATLASSIAN_API_TOKEN", api_token)
            .var("IMAGES", "api:1")
            .run()
            .fails(3)
            .api_calls(0)
            .says(&format!(
                "`ATLASSIAN_API_TOKEN` holds {kind}; the registry did not get the token"
            ))
            .says("It was not sent anywhere");
        assert!(
            !table(&outcome).iter().any(|row| row.contains(" scopes ")),
            "{}",
            outcome.output
        );
    }
    // A wrong recipe: the one variable written into the other.
    for choice in ["auto", "api-token"] {
        let outcome = check(&emulator)
            .built_in()
            .var("CREDENTIAL", choice)
            .var("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL)
            .var("ATLASSIAN_API_TOKEN", Setup::BUILT_IN_TOKEN)
            .var("IMAGES", "api:1")
            .run()
            .fails(3)
            .api_calls(0)
            .says("✖ credential  API token")
            .says("`ATLASSIAN_API_TOKEN` holds the built-in token; the registry did not get the token")
            .says("hint: Leave `ATLASSIAN_API_TOKEN` and `ATLASSIAN_ACCOUNT_EMAIL` out: the built-in credential is used by itself");
        let image = &table(&outcome)[3];
        let begin = if choice == "auto" { "✔ image" } else { "– image" };
        assert!(image.starts_with(begin), "{}", outcome.output);
    }
    // An API token in the built-in one's variable goes to the registry alone.
    check(&emulator)
        .var("BITBUCKET_PACKAGES_USERNAME", Setup::EMAIL)
        .var("BITBUCKET_PACKAGES_TOKEN", &Setup::api_token())
        .var("IMAGES", "api:1")
        .run()
        .succeeds()
        .api_calls(0)
        .says("⚠ credential")
        .says("WARNING: `BITBUCKET_PACKAGES_TOKEN` holds an API token of a user");
}

#[test]
fn an_api_token_without_scopes_is_told_so() {
    let emulator =
        started(Setup::shop().user(User::new(Setup::EMAIL, &Setup::api_token()).role("shop/api", Role::Write)));
    let outcome = check(&emulator)
        .api_token()
        .var("IMAGES", "api:1")
        .run()
        .fails(3)
        .api_calls(1)
        .says("hint: Bitbucket says: this token has no scopes; `read:package:bitbucket` is missing");
    let host = emulator.host();
    has_rows(
        &outcome,
        [
            "– credential built-in not set",
            "✔ credential API token",
            "✖ scopes API token no scopes; missing: `read:package:bitbucket`",
            "– expiry API token not known: `TOKEN_EXPIRES_ON` is not set",
            &format!("✔ registry {host}"),
            &format!("✖ image {host}/shop/api:1 may not be pulled"),
            "– pipelines",
        ],
    );
    left_nothing_behind(&emulator, &outcome);
}

#[test]
fn reading_does_not_do_for_a_target() {
    for (form, sign_in) in [
        (TokenForm::Jwt, SignIn::Bearer),
        (TokenForm::Opaque, SignIn::Bearer),
        (TokenForm::Opaque, SignIn::Basic),
    ] {
        let reader = User::new(Setup::EMAIL, &Setup::api_token())
            .scopes(&[READ])
            .role("shop/api", Role::Write);
        let emulator = started(Setup::shop().user(reader));
        emulator.settings(|settings| (settings.token_form, settings.sign_in) = (form, sign_in));
        let tried = || check(&emulator).api_token().var("IMAGES", "api:1").var("TARGET", "api");
        let outcome = tried()
            .run()
            .fails(3)
            .api_calls(1)
            .says("ERROR: `ATLASSIAN_API_TOKEN` lacks `write:package:bitbucket`")
            .says("hint: Bitbucket says: this token has the scope `read:package:bitbucket`; `write:package:bitbucket` is missing");
        let host = emulator.host();
        has_rows(
            &outcome,
            [
                "– credential built-in",
                "✔ credential API token",
                "✖ scopes API token `read:package:bitbucket`; missing: `write:package:bitbucket`",
                "– expiry",
                "✔ registry",
                &format!("✔ image {host}/shop/api:1"),
                &format!("✖ target {host}/shop/api may not be pushed to"),
                "– pipelines",
            ],
        );
        left_nothing_behind(&emulator, &outcome);
        // Where the built-in credential pushes, the token need not.
        let outcome = tried().built_in().run().succeeds();
        assert!(table(&outcome)[2].starts_with("✔ scopes"), "{}", outcome.output);
        left_nothing_behind(&emulator, &outcome);
    }
    // With both scopes it is the role, which no new token mends.
    let reader = User::new(Setup::EMAIL, &Setup::api_token())
        .scopes(&[READ, WRITE])
        .role("shop/api", Role::Read);
    let emulator = started(Setup::shop().user(reader));
    check(&emulator)
        .api_token()
        .var("IMAGES", "api:1")
        .var("TARGET", "api")
        .run()
        .fails(5)
        .says("✔ scopes")
        .says("hint: Bitbucket says: this token has both package scopes, so it is the role");
}

#[test]
fn what_is_missing_is_told_as_the_other_actions_tell_it() {
    let emulator = started(Setup::shop());
    let outcome = check(&emulator)
        .api_token()
        .built_in()
        .var("IMAGES", "api:2 nothing:1")
        .var("TARGET", "worker")
        .run()
        .fails(4)
        .says("hint: tags that are there: `1`")
        .says("workspace `shop` has no package `worker`");
    let host = emulator.host();
    has_rows(
        &outcome,
        [
            "✔ credential built-in",
            "✔ credential API token",
            "✔ scopes",
            "– expiry",
            "✔ registry",
            &format!("✖ image {host}/shop/api:2 is not there"),
            &format!("✖ image {host}/shop/nothing:1 is not there"),
            &format!("✖ target {host}/shop/worker there is no such package"),
            "– pipelines",
        ],
    );
    left_nothing_behind(&emulator, &outcome);
}

#[test]
fn what_bitbucket_says_of_the_scopes_never_fails_what_the_registry_let_through() {
    let emulator = started(Setup::shop());
    let silent_about_packages = || {
        let answer = Answer::new(200).header("x-oauth-scopes", "read:user:bitbucket");
        emulator.script(on("GET", "^/2.0/user$"), 1, answer);
    };
    let host = emulator.host();
    // A name that is not there is no refusal of the credential that reads the other one.
    for missing in ["api:9", "typo:9"] {
        silent_about_packages();
        let outcome = check(&emulator)
            .api_token()
            .var("IMAGES", &format!("base:1 {missing}"))
            .run()
            .fails(4)
            .api_calls(1);
        has_rows(
            &outcome,
            [
                "– credential built-in",
                "✔ credential API token",
                "⚠ scopes API token `read:user:bitbucket`; missing: `read:package:bitbucket`",
                "– expiry",
                "✔ registry",
                &format!("✔ image {host}/shop/base:1"),
                &format!("✖ image {host}/shop/{missing} is not there"),
                "– pipelines",
            ],
        );
    }
    // A read proves nothing of a push that was not tried: this package is not there.
    silent_about_packages();
    check(&emulator)
        .api_token()
        .var("IMAGES", "base:1")
        .var("TARGET", "worker")
        .run()
        .fails(3)
        .says("✖ scopes")
        .says("✖ target");
}

#[test]
fn an_index_with_a_manifest_missing_is_found_out() {
    let emulator = started(Setup::shop());
    let child = Image::multi("check-base").children()[1].digest();
    emulator.script(
        on("GET", &format!("/manifests/{child}$")),
        1,
        Answer::error(404, "MANIFEST_UNKNOWN", "gone"),
    );
    check(&emulator)
        .api_token()
        .var("IMAGES", "base:1")
        .run()
        .fails(4)
        .says("✖ image");
}

#[test]
fn a_registry_out_of_reach_leaves_the_other_rows() {
    let emulator = started(Setup::shop());
    emulator.script(on("GET", "^/v2/$"), 1, Answer::new(503));
    let outcome = check(&emulator)
        .api_token()
        .var("IMAGES", "api:1")
        .var("TARGET", "api")
        .file("bitbucket-pipelines.yml", "pipelines: {}\n")
        .run()
        .fails(6)
        .token_calls(0)
        .requests(["GET /v2/ 503"]);
    let host = emulator.host();
    has_rows(
        &outcome,
        [
            "– credential built-in",
            "– credential API token `ATLASSIAN_API_TOKEN` of `ada@example.com`: an API token of a user; not tried",
            "✔ scopes",
            "– expiry",
            &format!("✖ registry {host} does not answer"),
            &format!("– image {host}/shop/api:1 not tried: the registry does not answer"),
            &format!("– target {host}/shop/api not tried"),
            "✔ pipelines",
        ],
    );
    // Nobody listens there at all.
    check(&emulator)
        .api_token()
        .var("REGISTRY", "localhost:9")
        .run()
        .fails(6)
        .says("✖ registry")
        .says("check `REGISTRY`, which is `localhost:9`");
}

#[test]
fn no_registry_is_told_apart_from_one_that_is_silent() {
    let emulator = started(Setup::shop());
    emulator.script(on("GET", "^/v2/$"), 1, Answer::new(404));
    check(&emulator)
        .api_token()
        .run()
        .fails(1)
        .says("does not answer as a registry does")
        .says("a container registry? Check `REGISTRY`");
}

#[test]
fn of_several_failures_the_first_to_mend_gives_the_status() {
    let setup = || {
        Setup::shop().user(
            User::new(Setup::EMAIL, &Setup::api_token())
                .scopes(&[READ, WRITE])
                .role("shop/api", Role::Read),
        )
    };
    let emulator = started(setup());
    let tried = |images: &str| check(&emulator).api_token().var("IMAGES", images).var("TARGET", "api");
    // A role (5) before a missing tag (4).
    tried("api:none").run().fails(5).says("✖ image").says("✖ target");
    // A refused read (3) before both.
    tried("api:none base:1").run().fails(3);
    // A step's image of another host (4) before a registry that is silent (6).
    emulator.script(on("GET", "^/v2/$"), 1, Answer::new(503));
    tried("api:1")
        .file(
            "bitbucket-pipelines.yml",
            "image: {name: packages.atlassian.net/shop/a, username: a, password: b}\n",
        )
        .run()
        .fails(4)
        .says("✖ registry")
        .says("✖ pipelines");
}

#[test]
fn images_of_steps_that_cannot_be_pulled_are_told_with_their_lines() {
    let emulator = started(Setup::shop());
    let host = emulator.host();
    let own =
        |user: &str, password: &str| format!("{{name: {host}/shop/build:1, username: {user}, password: {password}}}");
    let text = format!(
        "image: {}\npipelines:\n  default:\n    - step:\n        image: {}\n        script:\n          - pipe: x/y:1\n            \
         variables:\n              image: {host}/shop/no:1\n    - step:\n        image: {host}/shop/bare:1\n        script: []\n",
        own("x-token-auth", "$TOKEN"),
        own("$BITBUCKET_PACKAGES_USERNAME", "$BITBUCKET_PACKAGES_TOKEN"),
    );
    let outcome = check(&emulator)
        .built_in()
        .file("bitbucket-pipelines.yml", text)
        .run()
        .fails(3)
        .says("ERROR: bitbucket-pipelines.yml:1: `image: ")
        .says("signs in as `x-token-auth`, but no access token works in the container registry")
        .says("WARNING: bitbucket-pipelines.yml:5: `image: ")
        .says("hint: write `image: {name: ")
        .says("a pipe cannot help here, since this image is pulled before the step runs");
    has_rows(
        &outcome,
        [
            "✔ credential built-in",
            "– credential API token not set",
            "✔ registry",
            "– image none `IMAGES` is not set, and there is no Dockerfile and no compose file in ",
            "✖ pipelines bitbucket-pipelines.yml:1 an `image` that signs in with an access token",
            "⚠ pipelines bitbucket-pipelines.yml:5 an `image` that signs in with the built-in credential",
            "⚠ pipelines bitbucket-pipelines.yml:11 an `image` without a credential",
        ],
    );
    // What is only to be looked at does not fail a run.
    check(&emulator)
        .built_in()
        .file("bitbucket-pipelines.yml", format!("image: {host}/shop/bare:1\n"))
        .file("Dockerfile", "ARG BASE\nFROM $BASE\n")
        .run()
        .succeeds()
        .says("passed over: `$BASE`: `ARG BASE` has no default")
        .says("✔ check: 6 facts, 2 to look at (");
    check(&emulator)
        .built_in()
        .file("bitbucket-pipelines.yml", "image: [\n")
        .run()
        .succeeds()
        .says("⚠ pipelines");
}

#[test]
fn a_token_that_ends_soon_fails_a_scheduled_run() {
    let emulator = started(Setup::shop());
    let day = |days: i64| {
        let day = time::OffsetDateTime::from(std::time::SystemTime::now()).date() + time::Duration::days(days);
        format!("{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
    };
    for (days, status, mark) in [
        (40, 0, "✔ expiry"),
        (20, 0, "⚠ expiry"),
        (3, 3, "✖ expiry"),
        (-3, 3, "✖ expiry"),
    ] {
        check(&emulator)
            .api_token()
            .var("TOKEN_EXPIRES_ON", &day(days))
            .run()
            .fails(status)
            .says(mark);
    }
}

#[test]
fn a_credential_that_is_not_accepted_fails_though_another_one_serves() {
    let expired = User::new(Setup::EMAIL, &Setup::api_token()).package_scopes().expired();
    let emulator = started(Setup::shop().user(expired));
    let outcome = check(&emulator)
        .api_token()
        .built_in()
        .var("IMAGES", "api:1")
        .run()
        .fails(3)
        .api_calls(1)
        .says("hint: Bitbucket does not know this token with `ada@example.com` either");
    has_rows(
        &outcome,
        [
            "✔ credential built-in",
            "✖ credential API token `ATLASSIAN_API_TOKEN` of `ada@example.com`: an API token of a user; not accepted",
            "– scopes API token not known: Bitbucket does not know this token",
            "– expiry",
            "✔ registry",
            "✔ image",
            "– pipelines",
        ],
    );
    // With the choice it is not even looked at.
    check(&emulator)
        .api_token()
        .built_in()
        .var("CREDENTIAL", "built-in")
        .var("IMAGES", "api:1")
        .run()
        .succeeds()
        .api_calls(0)
        .says("not looked at: `CREDENTIAL` is `built-in`");
    check(&emulator)
        .run()
        .fails(3)
        .says("✖ credential  none")
        .says("there is no credential");
}

#[test]
fn mistakes_and_unused_variables_are_told_as_ever() {
    let emulator = started(Setup::shop());
    check(&emulator)
        .api_token()
        .var("IMAGES", "api:1:2")
        .var("TARGET", "docker.io/a/b api@sha256:0")
        .run()
        .fails(2)
        .no_connection()
        .says("`IMAGES` is `api:1:2`")
        .says("`TARGET` is `docker.io/a/b`");
    let outcome = check(&emulator)
        .api_token()
        .var("IMAGES", "api:1")
        .var("OUTPUT_ENV", "crg.env")
        .var("SOURCE", "api")
        .run()
        .succeeds()
        .says("`SOURCE` is not used by `check`");
    let (host, digest) = (emulator.host(), emulator.tag("shop/api", "1").unwrap());
    let lines = format!(
        "CRG_PIPE_REFERENCE='{host}/shop/api@{digest}'\nCRG_PIPE_DIGEST='{digest}'\nCRG_PIPE_TAGS='1'\nCRG_PIPE_COUNT='1'\n"
    );
    assert_eq!(outcome.file("crg.env"), Some(lines));
}

#[test]
fn a_target_that_the_registry_refuses_fails() {
    let emulator = started(Setup::shop());
    for (answer, status, detail, words) in [
        (
            Answer::error(402, "DENIED", "storage limit reached"),
            5,
            "may not be pushed to",
            "402 DENIED, “storage limit reached”",
        ),
        (
            Answer::error(409, "QUOTA", "storage limit reached"),
            5,
            "may not be pushed to",
            "409 QUOTA, “storage limit reached”",
        ),
        (
            Answer::new(413),
            5,
            "may not be pushed to",
            "the registry takes nothing so large",
        ),
        (
            Answer::new(429),
            5,
            "may not be pushed to",
            "the registry limits how much may be asked of it",
        ),
        (Answer::new(404), 4, "there is no such package", "check both names"),
        (
            Answer::new(503),
            6,
            "could not be asked for",
            "the fault is the registry's",
        ),
    ] {
        emulator.script(on("POST", "/blobs/uploads/"), 1, answer);
        let outcome = check(&emulator)
            .built_in()
            .var("IMAGES", "api:1")
            .var("TARGET", "api")
            .run()
            .fails(status)
            .says(words);
        let row = table(&outcome).remove(4);
        assert_eq!(row, format!("✖ target {}/shop/api {detail}", emulator.host()));
        left_nothing_behind(&emulator, &outcome);
    }
}

#[test]
fn an_upload_that_is_answered_without_sense_is_to_be_looked_at() {
    let emulator = started(Setup::shop());
    // Accepted, but no session is named.
    emulator.script(on("POST", "/blobs/uploads/"), 1, Answer::new(202));
    check(&emulator)
        .built_in()
        .var("IMAGES", "api:1")
        .var("TARGET", "api")
        .run()
        .succeeds()
        .says("⚠ target")
        .says("the package is there; whether it may be pushed to is not known, with the built-in credential")
        .says("WARNING: `")
        .says("gave an answer that makes no sense while beginning an upload to `shop/api`")
        .says("hint: a push will tell")
        .says("✔ check: 6 facts, 1 to look at (");
}

#[test]
fn a_session_that_cannot_be_given_up_is_told() {
    let emulator = started(Setup::shop());
    emulator.script(on("DELETE", "/blobs/uploads/"), 1, Answer::new(405));
    check(&emulator)
        .built_in()
        .var("TARGET", "api")
        .run()
        .succeeds()
        .says("✔ target")
        .says("; the registry keeps the empty upload session of this try until it drops it");
}

#[test]
fn a_registry_that_is_not_ours_is_checked_alike() {
    let email = "ada@example.com";
    let tokens = TokenServer::start().user(
        email,
        &api_token("ada"),
        &[("shop/base", "pull"), ("shop/api", "pull,push")],
    );
    let registry = Distribution::setup().token(&tokens).recorded().start();
    let tried = || {
        Pipe::new()
            .workspace("shop")
            .distribution(&registry)
            .var("ACTION", "check")
            .var("RETRIES", "0")
            .var("NO_COLOR", "1")
            .var("ATLASSIAN_ACCOUNT_EMAIL", email)
            .var("ATLASSIAN_API_TOKEN", &api_token("ada"))
    };
    let outcome = tried().var("IMAGES", "base:1").var("TARGET", "api base").run().fails(5);
    let host = registry.host();
    has_rows(
        &outcome,
        [
            "– credential built-in",
            "✔ credential API token",
            "– scopes API token not known: Bitbucket was not asked, or gave no answer",
            "– expiry",
            &format!("✔ registry {host}"),
            &format!("✖ image {host}/shop/base:1 is not there"),
            &format!(
                "✔ target {host}/shop/api the package is there; may be pushed to with the API token; the token grants `pull,push`"
            ),
            &format!("✖ target {host}/shop/base may not be pushed to"),
            "– pipelines",
        ],
    );
    for line in registry.recorder().requests() {
        assert!(!line.starts_with("PUT") && !line.starts_with("PATCH"), "{line}");
    }
    // This registry lets nobody give up a session whose token may not delete.
    outcome.says("; the registry keeps the empty upload session of this try until it drops it");
    let registry = Distribution::setup().htpasswd(email).recorded().start();
    let skopeo = Skopeo::new();
    skopeo.login(&registry.host(), email, Distribution::PASSWORD).succeeds();
    let image = Image::multi("check-not-ours");
    skopeo
        .push(&image, &format!("{}/shop/base:1", registry.host()))
        .succeeds();
    registry.recorder().forget_requests();
    Pipe::new()
        .workspace("shop")
        .distribution(&registry)
        .var("ACTION", "check")
        .var("BITBUCKET_PACKAGES_USERNAME", email)
        .var("BITBUCKET_PACKAGES_TOKEN", Distribution::PASSWORD)
        .var("IMAGES", "base:1")
        .var("TARGET", "api")
        .run()
        .succeeds()
        .says("takes user name and password with each request")
        .says(&format!("{}; linux/amd64 ", &image.digest()[..19]))
        .says(", linux/arm64 ")
        .says("; may be pulled with the built-in credential")
        .never_says("the registry keeps the empty upload session");
    let requests = registry.recorder().requests();
    assert!(
        requests
            .iter()
            .any(|line| line.starts_with("DELETE ") && line.ends_with(" 204")),
        "{requests:#?}"
    );
    let registry = Distribution::setup().start();
    Pipe::new()
        .workspace("shop")
        .distribution(&registry)
        .var("ACTION", "check")
        .api_token()
        .var("TARGET", "api")
        .run()
        .succeeds()
        .says("asks for no sign-in")
        .says("the registry asks for none");
}

#[test]
fn the_table_in_the_readme_is_a_real_one() {
    let emulator = Emulator::start(Setup::shop().behind_proxy("crg.apkg.io", Authority::shared()));
    let platform = |architecture| {
        ImageBuilder::new(architecture)
            .platform("linux", architecture, None)
            .layers(2, 2 * 1024 * 1024)
            .build()
    };
    let image = Image::index(vec![platform("amd64"), platform("arm64")]);
    emulator.put_image("shop/base", "1.4", &image);
    emulator.put_image("shop/api", "1.4.1", &Image::small("check-readme"));
    let in_99_days = time::OffsetDateTime::from(std::time::SystemTime::now()).date() + time::Duration::days(99);
    let pipelines = "image:\n  name: crg.apkg.io/shop/build:3\n  username: $BITBUCKET_PACKAGES_USERNAME\n  \
                     password: $BITBUCKET_PACKAGES_TOKEN\npipelines: {}\n";
    let outcome = check(&emulator)
        .api_token()
        .built_in()
        .var("TARGET", "api")
        .var("TOKEN_EXPIRES_ON", &in_99_days.to_string())
        .file(
            "Dockerfile",
            "FROM crg.apkg.io/shop/base:1.4\nCOPY --from=crg.apkg.io/shop/api:1.4 /api /\n",
        )
        .file("bitbucket-pipelines.yml", pipelines)
        .run()
        .fails(4);
    // Times differ from run to run.
    let same = |text: &str| {
        let text = regex::Regex::new(r"answers in (\d+ ms|\d+\.\d s)")
            .unwrap()
            .replace_all(text, "answers in 31 ms");
        let text = regex::Regex::new(r"\d{4}-\d\d-\d\d, in 99 days")
            .unwrap()
            .replace_all(&text, "2027-03-01, in 99 days");
        text.into_owned()
    };
    let readme = include_str!("../README.md");
    let shown = readme
        .split("```text\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    assert_eq!(same(&outcome.plain()), same(shown.expect("a block of text")));
}

#[test]
fn a_registry_that_challenges_late_is_signed_in_to_all_the_same() {
    let emulator = started(Setup::shop());
    // The greeting is open; what follows is challenged.
    emulator.script(on("GET", "^/v2/$"), 1, Answer::new(200));
    check(&emulator)
        .built_in()
        .var("IMAGES", "api:1")
        .run()
        .succeeds()
        .says("✔ credential  built-in")
        .says("; takes tokens of `")
        .says("may be pulled with the built-in credential");
}

#[test]
fn an_image_of_another_registry_needs_no_credential() {
    let emulator = started(Setup::shop());
    let other = Emulator::start(
        Setup::new()
            .package("library/node", "library/all")
            .with(|settings| settings.public = true),
    );
    other.put_image("library/node", "20", &Image::small("check-foreign"));
    let (host, token) = (other.host().to_owned(), access_token("check"));
    let outcome = check(&emulator)
        .var("ATLASSIAN_API_TOKEN", &token)
        .var("IMAGES", &format!("{host}/library/node:20"))
        .run()
        .fails(3);
    has_rows(
        &outcome,
        [
            "– credential built-in",
            "✖ credential API token",
            "– scopes API token not known",
            "✔ registry",
            &format!("✔ image {host}/library/node:20"),
            "– pipelines",
        ],
    );
    outcome.says("may be pulled without a credential");
}
