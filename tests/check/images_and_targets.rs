//! The rows of images and targets.

use super::{READ, WRITE, check, has_rows, left_nothing_behind, started, table};
use crate::support::emulator::{Answer, Emulator, Role, Setup, SignIn, TokenForm, User, access_token, on};
use crate::support::image::Image;

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
            .says("ERROR: `ATLASSIAN_API_TOKEN` does not have `write:package:bitbucket`")
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
            "the registry rejected this as too large",
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
            "the registry has a problem",
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
        .says("whether it may be pushed to is not known, with the built-in credential")
        .says("WARNING: `")
        .says("gave an unexpected answer while beginning an upload to `shop/api`")
        .says("hint: a push will tell")
        .says("✔ check: 4 checks, 1 to look at (");
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

/// What a pull for a platform would end with, `check` says before.
#[test]
fn a_platform_that_a_file_takes_must_be_there() {
    let emulator = started(Setup::shop());
    let host = emulator.host();
    emulator.put_image("shop/base", "several", &Image::multi("check-several"));
    emulator.put_image("shop/base", "single", &Image::small("check-single"));
    for (tag, platform, status) in [
        ("several", "linux/arm64", None),
        ("several", "linux/s390x", Some(4)),
        ("single", "linux/s390x", Some(4)),
    ] {
        let dockerfile = format!("FROM --platform={platform} {host}/shop/base:{tag}\n");
        let outcome = check(&emulator)
            .api_token()
            .file("Dockerfile", dockerfile.clone())
            .run();
        let row = table(&outcome).into_iter().find(|row| row.contains(" image "));
        let row = row.expect("a row of the image");
        let lacks = "; is not there for a platform that your files take; named in Dockerfile:1";
        assert_eq!(row.contains(lacks), status.is_some(), "{row}");
        match status {
            None => outcome.succeeds(),
            Some(status) => outcome.fails(status).says(&format!("is not there for {platform}")),
        };
        // What `IMAGES` names is asked for as it is.
        check(&emulator)
            .api_token()
            .file("Dockerfile", dockerfile)
            .var("IMAGES", &format!("base:{tag}"))
            .run()
            .succeeds();
    }
}
