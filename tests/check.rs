//! `check`: one table of everything that a run would need, and nothing left behind. Its rows are all there whatever fails.

mod credentials;
mod images_and_targets;
mod registries;

use crate::support::emulator::{Answer, Emulator, Role, Service, Setup, User, on};
use crate::support::image::{Image, ImageBuilder};
use crate::support::outcome::Outcome;
use crate::support::pipe::Pipe;
use crate::support::pki::Authority;

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
                "✔ target {host}/shop/api:2 may be pushed to with the built-in credential; the token \
                      grants `pull,push`; there is no `2` yet"
            ),
            &format!(
                "✔ target {host}/shop/base may be pushed to with the API token; the token grants \
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
        .says("✔ check: 10 checks passed (")
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
    let tag = small.digest().replacen(':', "-", 1);
    assert_eq!(
        requests,
        [
            "DELETE /v2/shop/api/blobs/uploads/… 204".to_owned(),
            "DELETE /v2/shop/web/blobs/uploads/… 204".to_owned(),
            format!("GET /v2/shop/api/blobs/{} 200", small.config_digest()),
            "GET /v2/shop/api/manifests/1 200".to_owned(),
            "GET /v2/shop/api/manifests/1 200".to_owned(),
            // Whether the image is signed, in a registry without a list of referrers.
            format!("GET /v2/shop/api/manifests/{tag} 404"),
            format!("GET /v2/shop/api/manifests/{tag}.sig 404"),
            format!("GET /v2/shop/api/referrers/{} 404", small.digest()),
            "GET /v2/shop/web/manifests/latest 404".to_owned(),
            "POST /v2/shop/api/blobs/uploads/… 202".to_owned(),
            "POST /v2/shop/web/blobs/uploads/… 202".to_owned(),
        ]
    );
    left_nothing_behind(&emulator, &outcome);
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
        .says("skipped: `$BASE`: `ARG BASE` has no default")
        .says("✔ check: 4 checks, 2 to look at (");
    check(&emulator)
        .built_in()
        .file("bitbucket-pipelines.yml", "image: [\n")
        .run()
        .succeeds()
        .says("⚠ pipelines");
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
    let page = include_str!("../docs/check.md");
    let shown = page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    assert_eq!(same(&outcome.plain()), same(shown.expect("a block of text")));
}

/// What scripts do by hand is told with the line that replaces it, and fails nothing.
#[test]
fn lines_of_scripts_that_the_pipe_replaces_are_rows() {
    let emulator = started(Setup::shop());
    let host = emulator.host().to_owned();
    let pipelines = format!(
        "pipelines:\n  default:\n    - step:\n        script:\n          - REG={host}\n          - docker login $REG -u a -p $T\n          \
         - docker pull $REG/shop/base:1\n          - docker tag api {host}/shop/api:2\n          - docker push {host}/shop/api:2\n          \
         - docker pull node:20\n          - crane tag {host}/shop/api:1 latest\n"
    );
    let outcome = check(&emulator)
        .api_token()
        .var("IMAGES", "base:1")
        .file("bitbucket-pipelines.yml", pipelines)
        .run()
        .succeeds();
    let rows: Vec<String> = table(&outcome)
        .into_iter()
        .filter(|row| row.starts_with("– script "))
        .collect();
    let pipe = concat!(
        "- {pipe: 'crgpipe/crg-pipe:",
        env!("CARGO_PKG_VERSION"),
        "', variables: "
    );
    let expected = [
        ("6", "`docker login`: leave it out", "ACTION: 'login'"),
        ("7", "`docker pull` by hand", "IMAGES: 'base:1'"),
        (
            "8",
            "`docker tag`: leave it out",
            "ACTION: 'push', SOURCE: 'api', TARGET: 'api:2'",
        ),
        (
            "9",
            "`docker push` by hand",
            &format!("ACTION: 'push', SOURCE: '{host}/shop/api:2'"),
        ),
        (
            "11",
            "`crane tag` by hand",
            "ACTION: 'retag', SOURCE: 'api:1', TAGS: 'latest'",
        ),
    ];
    assert_eq!(rows.len(), expected.len(), "{rows:#?}");
    for (row, (line, what, yaml)) in rows.iter().zip(expected) {
        let begin = format!("– script bitbucket-pipelines.yml:{line} {what}");
        let entry = format!("{pipe}{{{yaml}, REGISTRY: '{host}'}}}}");
        assert!(row.starts_with(&begin) && row.contains(&entry), "{row}");
    }
    let report: serde_json::Value = serde_json::from_str(&outcome.file("report.json").unwrap()).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let scripts = checks.iter().filter(|check| check["name"] == "script");
    assert_eq!(scripts.filter(|check| check["outcome"] == "information").count(), 5);
}
