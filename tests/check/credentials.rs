//! The rows of credentials: kind, scopes, expiry, and whether the registry accepts them.

use super::{check, has_rows, left_nothing_behind, started, table};
use crate::support::emulator::{AccessTokenKind, Answer, Role, Service, Setup, User, access_token, on};

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
        .says("✖ check: 2 of 5 checks failed, nothing was changed (exit status 3: credential)");
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
