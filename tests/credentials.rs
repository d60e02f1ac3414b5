//! Credentials that cannot work end the run with status 3 before any connection is opened; those that may are tried.

use crate::support::emulator::{AccessTokenKind, Answer, Emulator, Setup, User, access_token, api_token, on};
use crate::support::image::Image;
use crate::support::pipe::Pipe;
use crate::support::shop::{retag, stocked};

fn shop() -> Emulator {
    stocked(Setup::shop().access_token(&access_token("ci"), AccessTokenKind::Repository, &["repository"]))
}

#[test]
fn tokens_that_cannot_work_open_no_connection() {
    let emulator = shop();
    let access = access_token("ci");
    for (username, token, text) in [
        ("ada@example.com", access.as_str(), "access token"),
        ("x-token-auth", &access, "access token"),
        ("52c16467c5f19101ff2061cc@bots.bitbucket.org", &access, "access token"),
        ("x-token-auth", &api_token("ada"), "x-token-auth"),
        ("ada", "ATBBabcdefghijklmnopqrstuvwx0123ABCD", "app password"),
        (
            "ada@example.com",
            "BBDC-MDEyMzQ1Njc4OTAxOqNo0aMBcdefghijklmnopqrstuv",
            "Data Center",
        ),
        ("ada@example.com", "dckr_pat_abcdefghijklmnopqrstuvwxyz0", "Docker Hub"),
        ("ada@example.com", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "GitHub"),
        ("ada@example.com", "glpat-abcdefghijklmnopqrst", "GitLab"),
        ("ada@example.com", "npm_abcdefghijklmnopqrstuvwxyz0123456789", "npm"),
        ("AWS", "eyJwYXlsb2FkIjoiYWJjZGVmZ2hpamtsbW5vcCJ9", "Amazon ECR"),
    ] {
        let outcome = retag(&emulator)
            .var("ATLASSIAN_ACCOUNT_EMAIL", username)
            .var("ATLASSIAN_API_TOKEN", token)
            .run()
            .fails(3)
            .no_connection()
            .says(text)
            .says("read:package:bitbucket");
        assert!(outcome.seconds < 2.0, "{}", outcome.seconds);
    }
}

#[test]
fn the_built_in_credential_is_offered_where_it_is_there_and_then_serves() {
    let emulator = shop();
    let with_both = || {
        retag(&emulator)
            .built_in()
            .var("ATLASSIAN_ACCOUNT_EMAIL", "x-token-auth")
            .var("ATLASSIAN_API_TOKEN", &access_token("ci"))
    };
    with_both().run().fails(3).no_connection().says("CREDENTIAL: built-in");
    with_both().var("CREDENTIAL", "built-in").run().succeeds();
}

#[test]
fn an_allowed_access_token_is_tried_and_the_registrys_own_refusal_told() {
    let emulator = shop();
    retag(&emulator)
        .var("ATLASSIAN_ACCOUNT_EMAIL", "ada@example.com")
        .var("ATLASSIAN_API_TOKEN", &access_token("ci"))
        .var("ALLOW_UNSUPPORTED_TOKEN", "true")
        .run()
        .fails(3)
        .says("WARNING: ")
        .says("401, “unauthorized”");
    retag(&emulator)
        .var("ATLASSIAN_ACCOUNT_EMAIL", "ada@example.com")
        .var("ATLASSIAN_API_TOKEN", "ghp_abcdefghijklmnopqrstuvwxyz0123456789")
        .var("ALLOW_UNSUPPORTED_TOKEN", "true")
        .run()
        .fails(3)
        .no_connection();
}

#[test]
fn no_credential_at_all_says_which_lines_to_add() {
    let emulator = shop();
    retag(&emulator)
        .env("BITBUCKET_PIPE_STORAGE_DIR", "/storage")
        .run()
        .fails(3)
        .no_connection()
        .says("BITBUCKET_PACKAGES_USERNAME: $BITBUCKET_PACKAGES_USERNAME")
        .says("BITBUCKET_PACKAGES_TOKEN: $BITBUCKET_PACKAGES_TOKEN");
}

#[test]
fn a_strange_registry_gets_no_credential_unless_asked_for() {
    Pipe::new()
        .workspace("shop")
        .api_token()
        .var("REGISTRY", "registry.example.org")
        .var("ACTION", "retag")
        .var("SOURCE", "api:1")
        .var("TAGS", "2")
        .run()
        .fails(2)
        .says("`CREDENTIAL`");
}

#[test]
fn wrong_email_and_unknown_tokens_are_explained_by_the_refusal() {
    let emulator = shop();
    retag(&emulator)
        .var("ATLASSIAN_ACCOUNT_EMAIL", "ada-username")
        .var("ATLASSIAN_API_TOKEN", &Setup::api_token())
        .run()
        .fails(3)
        .says("WARNING: ")
        .says("is not the email of the Atlassian account");
    retag(&emulator)
        .built_in()
        .var("SOURCE", "base:1")
        .run()
        .fails(3)
        .says("this repository, `shop/api`")
        .says("read:package:bitbucket");
}

#[test]
fn all_mistakes_are_told_at_once() {
    Pipe::new()
        .workspace("shop")
        .api_token()
        .var("ACTION", "retag")
        .var("SOURCE", "packages.atlassian.net/shop/base:1")
        .var("TAGS", "a/b ok")
        .var("ON_EXISTING", "maybe")
        .var("RETRIES", "many")
        .var("TAG", "1")
        .var("DEBUG", "yes")
        .run()
        .fails(2)
        .says("`SOURCE` is `packages.atlassian.net/shop/base:1`: `packages.atlassian.net` is not Bitbucket's container registry")
        .says("write `crg.apkg.io/shop/base`")
        .says("`TAGS` is `a/b`")
        .says("`ON_EXISTING` is `maybe`")
        .says("`RETRIES` is `many`")
        .says("`DEBUG` is `yes`")
        .says("did you mean `TAGS`?")
        .says("exit status 2");
}

#[test]
fn a_token_about_to_expire_is_warned_of() {
    let emulator = shop();
    retag(&emulator)
        .api_token()
        .var("TOKEN_EXPIRES_ON", "2020-01-01")
        .run()
        .succeeds()
        .says("WARNING: ")
        .says("2020-01-01");
    retag(&emulator)
        .api_token()
        .var("TOKEN_EXPIRES_ON", "2999-01-01")
        .run()
        .succeeds()
        .never_says("WARNING");
    retag(&emulator)
        .api_token()
        .var("TOKEN_EXPIRES_ON", "soon")
        .run()
        .fails(2)
        .no_connection();
}

#[test]
fn debug_shows_requests_and_no_secret() {
    let emulator = shop();
    retag(&emulator)
        .built_in()
        .api_token()
        .var("DEBUG", "true")
        .run()
        .succeeds()
        .says("DEBUG: GET http://localhost:")
        .says(" → 401");
}

#[test]
fn the_version_the_help_and_stray_arguments() {
    for help in ["--help", "-h"] {
        Pipe::of(&[env!("CARGO_BIN_EXE_crg-pipe"), help])
            .run()
            .succeeds()
            .says("ACTION is one of")
            .says("BITBUCKET_WORKSPACE")
            .says("ATLASSIAN_API_TOKEN ");
    }
    Pipe::of(&[env!("CARGO_BIN_EXE_crg-pipe"), "--version"])
        .run()
        .succeeds()
        .says(concat!("crg-pipe ", env!("CARGO_PKG_VERSION")));
    for (no_color, line) in [("", "\u{1b}[31m✖ "), ("1", "✖ ")] {
        let outcome = Pipe::of(&[env!("CARGO_BIN_EXE_crg-pipe"), "pull"])
            .env("NO_COLOR", no_color)
            .run()
            .fails(2)
            .says("the pipe takes none");
        assert!(outcome.output.starts_with(line), "{}", outcome.output);
    }
}

#[test]
fn an_image_that_can_be_read_needs_no_grant() {
    let stranger = User::new(Setup::EMAIL, &Setup::api_token()).package_scopes();
    let emulator = Emulator::start(Setup::new().package("shop/base", "shop/images").user(stranger));
    let image = Image::multi("public");
    emulator.put_image("shop/base", "1", &image);
    // A public image: served, although the token grants nothing.
    let public = Answer::new(200)
        .header("Content-Type", image.media_type())
        .body(image.bytes().clone());
    emulator.script(on("GET", "/manifests/1").signed_in(), 1, public);
    Pipe::new()
        .workspace("shop")
        .registry(&emulator)
        .api_token()
        .var("IMAGES", "base:1")
        .var("TO", "oci:out")
        .var("PLATFORM", "linux/riscv64")
        .run()
        .fails(4)
        .says("it is there for");
}

#[test]
fn a_variable_forges_no_line() {
    let outcome = Pipe::new()
        .workspace("shop")
        .api_token()
        .var("ACTION", "x\n✔ pull: all is well")
        .run()
        .fails(2);
    let last = outcome.last_line();
    assert_eq!(last, "✖ crg-pipe: nothing was changed (exit status 2: variables)");
    assert!(
        !outcome.plain().lines().any(|line| line.starts_with('✔')),
        "{}",
        outcome.output
    );
}

#[test]
fn a_fault_of_the_registry_says_nothing_of_a_credential() {
    let layout = tempfile::tempdir().unwrap();
    let to = format!("oci:{}", layout.path().join("api").display());
    let both = |emulator| retag(emulator).built_in().api_token();
    let emulator = shop();
    both(&emulator)
        .var("ACTION", "pull")
        .var("IMAGES", "api:1")
        .var("TO", &to)
        .unset("SOURCE")
        .unset("TAGS")
        .run()
        .succeeds();
    // A read, both sides of a copy, the look at a target: what the API token may do is not tried.
    for (action, source) in [("retag", "api:1"), ("copy", "api:1"), ("push", to.as_str())] {
        emulator.script(on("GET", "/manifests/").signed_in(), 9, Answer::new(500));
        let (name, value) = if action == "retag" {
            ("TAGS", "2")
        } else {
            ("TARGET", "api:2")
        };
        both(&emulator)
            .unset("TAGS")
            .var("ACTION", action)
            .var("SOURCE", source)
            .var(name, value)
            .run()
            .fails(6)
            .says("500")
            .token_calls(1);
        emulator.forget_script();
    }
}
