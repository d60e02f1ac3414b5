//! After the registry refused an API token, Bitbucket's API is asked once what it knows of it. What it says comes first;
//! when it says nothing, the registry's refusal stands as it is.

use crate::support::emulator::{
    AccessTokenKind, Answer, Emulator, Fault, Role, Setup, SignIn, TokenForm, User, access_token, on,
};
use crate::support::image::Image;
use crate::support::pipe::Pipe;
use crate::support::pki::Authority;
use crate::support::shop::{self, stocked};

const READ: &str = "read:package:bitbucket";
const WRITE: &str = "write:package:bitbucket";
const GUESSES: &str = "one of these is the cause:";

/// The workspace `shop` with this person, and `api.bitbucket.org` behind the proxy.
fn shop(user: User) -> Emulator {
    stocked(Setup::shop().user(user).api(Authority::shared()))
}

fn ada(scopes: &[&str], role: Role) -> User {
    User::new(Setup::EMAIL, &Setup::api_token())
        .scopes(scopes)
        .role("shop/api", role)
}

fn retag(emulator: &Emulator) -> Pipe<'_> {
    told(shop::retag(emulator))
}

fn pull(emulator: &Emulator) -> Pipe<'_> {
    told(shop::pull(emulator, "api:1"))
}

fn told(pipe: Pipe<'_>) -> Pipe<'_> {
    pipe.var("DEBUG", "true").var("REPORT", "report.json")
}

#[test]
fn a_token_without_scopes_is_told_so() {
    let emulator = shop(ada(&[], Role::Write));
    retag(&emulator)
        .api_token()
        .run()
        .fails(3)
        .api_calls(1)
        .says("hint: Bitbucket says: this token has no scopes; `read:package:bitbucket` and `write:package:bitbucket` are missing")
        .says("Create API token with scopes")
        .never_says(GUESSES);
    pull(&emulator)
        .api_token()
        .run()
        .fails(3)
        .api_calls(1)
        .says("hint: Bitbucket says: this token has no scopes; `read:package:bitbucket` is missing");
}

#[test]
fn the_missing_scope_of_a_push_is_named_whatever_form_tokens_have() {
    for (form, sign_in) in [
        (TokenForm::Jwt, SignIn::Bearer),
        (TokenForm::Opaque, SignIn::Bearer),
        (TokenForm::Opaque, SignIn::Basic),
    ] {
        let emulator = shop(ada(&["read:repository:bitbucket", READ], Role::Write));
        emulator.settings(|settings| (settings.token_form, settings.sign_in) = (form, sign_in));
        let outcome = retag(&emulator).api_token().run().fails(3).api_calls(1).says(
            "hint: Bitbucket says: this token has the scopes `read:repository:bitbucket`, `read:package:bitbucket`; \
             `write:package:bitbucket` is missing",
        );
        let report = outcome.report.expect("a report");
        assert_eq!(report["status"], 3);
        assert_eq!(report["error"]["kind"], "credential");
        let hint = report["error"]["hint"].as_str().unwrap();
        assert!(hint.starts_with("Bitbucket says: "), "{hint}");
    }
}

#[test]
fn where_a_tag_may_be_immutable_a_missing_scope_comes_first() {
    let emulator = shop(ada(&[READ], Role::Write));
    emulator.put_image("shop/api", "2", &Image::small("other"));
    emulator.settings(|settings| settings.token_form = TokenForm::Opaque);
    let moved = || retag(&emulator).api_token();
    moved()
        .run()
        .fails(3)
        .api_calls(1)
        .says("hint: Bitbucket says: this token has the scope `read:package:bitbucket`; `write:package:bitbucket` is missing")
        .says("if there is no such rule: ");
    // With the scope, the rule and the role are both left.
    emulator.accounts(|accounts| accounts.add_user(ada(&[READ, WRITE], Role::Read)));
    moved()
        .run()
        .fails(5)
        .api_calls(1)
        .says("if there is no such rule: ")
        .never_says("Bitbucket says");
}

#[test]
fn both_scopes_leave_the_role() {
    let emulator = shop(ada(&[READ, WRITE], Role::Read));
    retag(&emulator)
        .api_token()
        .run()
        .fails(5)
        .api_calls(1)
        .says("hint: Bitbucket says: this token has both package scopes, so it is the role")
        .says("`ada@example.com` needs Write on the repository that `api` is linked to")
        .never_says(GUESSES)
        .never_says("Create API token with scopes");
    let emulator = shop(ada(&[READ], Role::None));
    pull(&emulator)
        .api_token()
        .run()
        .fails(3)
        .api_calls(1)
        .says("hint: Bitbucket says: this token has the package scope, so it is the role")
        .says("`ada@example.com` needs Read on the repository that `api` is linked to");
}

#[test]
fn a_scope_that_another_credential_needs_not_is_no_cause() {
    // The built-in credential writes to its own repository's package, the API token only reads another one's.
    let emulator = shop(ada(&[READ], Role::None));
    retag(&emulator)
        .var("ACTION", "copy")
        .var("SOURCE", "base:1")
        .var("TARGET", "api")
        .built_in()
        .api_token()
        .run()
        .fails(3)
        .api_calls(1)
        .says("hint: Bitbucket says: this token has the scope that reads packages, so it is the role")
        .says("`ada@example.com` needs Read on the repository that `base` is linked to")
        .never_says(WRITE);
}

#[test]
fn what_is_only_read_is_refused_for_no_right_to_write() {
    // Bitbucket gives no answer.
    let emulator = Emulator::start(Setup::shop().user(ada(&[READ, WRITE], Role::Write)));
    emulator.put_image("shop/base", "1", &Image::small("base"));
    let run = |action: &str| {
        let pipe = Pipe::new().workspace("shop").registry(&emulator).api_token();
        pipe.var("ACTION", action).var("TARGET", "api").var("RETRIES", "0")
    };
    for pipe in [
        run("copy").var("SOURCE", "base:1"),
        run("check").var("IMAGES", "base:1"),
    ] {
        pipe.run()
            .fails(3)
            .says(GUESSES)
            .says("- the API token does not have the scope `read:package:bitbucket`")
            .says("- `ada@example.com` does not have the role Read on the repository that `base` is linked to")
            .never_says("does not have the scope `write:package:bitbucket`")
            .never_says("does not have the role Write");
    }
}

#[test]
fn an_expired_token_and_a_wrong_email_are_unknown_there_too() {
    let expired = shop(ada(&[READ, WRITE], Role::Write).expired());
    let valid = shop(ada(&[READ, WRITE], Role::Write));
    for (emulator, email, first) in [
        (&expired, Setup::EMAIL, "hint: Bitbucket does not know"),
        (&valid, "ada", "hint: `ada` is not the email of the Atlassian account"),
    ] {
        retag(emulator)
            .api_token()
            .var("ATLASSIAN_ACCOUNT_EMAIL", email)
            .run()
            .fails(3)
            .api_calls(1)
            .says(&format!("Bitbucket does not know this token with `{email}` either"))
            .says(first)
            .says("it has expired or was revoked")
            .says(&format!("`{email}` is not the email of the Atlassian account"));
    }
}

#[test]
fn a_registry_that_refuses_what_bitbucket_accepts_is_at_fault() {
    let emulator = shop(ada(&[READ, WRITE], Role::Write));
    let unauthorized = Answer::error(401, "UNAUTHORIZED", "unauthorized");
    emulator.script(on("GET", "/token"), 9, unauthorized.clone());
    emulator.script(on("POST", "/token"), 9, unauthorized);
    retag(&emulator)
        .api_token()
        .run()
        .fails(3)
        .api_calls(1)
        .says("hint: Bitbucket accepts this token for `ada@example.com`, and it has the scopes")
        .never_says(GUESSES);
}

#[test]
fn an_allowed_access_token_is_named_by_its_kind() {
    for (kind, name) in [
        (AccessTokenKind::Repository, "a repository access token"),
        (AccessTokenKind::Project, "a project access token"),
        (AccessTokenKind::Workspace, "a workspace access token"),
    ] {
        let emulator = stocked(
            Setup::shop()
                .access_token(&access_token("ci"), kind, &["repository:write"])
                .api(Authority::shared()),
        );
        retag(&emulator)
            .var("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL)
            .var("ATLASSIAN_API_TOKEN", &access_token("ci"))
            .var("ALLOW_UNSUPPORTED_TOKEN", "true")
            .run()
            .fails(3)
            .api_calls(1)
            .says(&format!(
                "hint: Bitbucket says: this is {name} with the scope `repository:write`"
            ));
    }
}

#[test]
fn no_answer_leaves_the_registrys_refusal_as_it_is() {
    let emulator = shop(ada(&[READ], Role::Write));
    for fault in [
        Fault::Answer(Answer::new(500)),
        Fault::Answer(Answer::error(
            429,
            "x",
            "Rate limit for this resource has been exceeded",
        )),
        Fault::Answer(Answer::new(302).header("Location", "https://api.bitbucket.org/2.0/user")),
        Fault::Reset,
        Fault::Silence,
    ] {
        emulator.script(on("GET", "/2.0/user"), 1, fault);
        let outcome = retag(&emulator)
            .api_token()
            .run()
            .fails(5)
            .api_calls(1)
            .says(GUESSES)
            .says("does not have the scope `write:package:bitbucket`")
            .never_says("Bitbucket says");
        assert!(outcome.seconds < 9.0, "{}", outcome.seconds);
    }
    assert_eq!(emulator.unmet(), 0);
    // A proxy that does not lead there.
    let emulator = Emulator::start(Setup::shop().user(ada(&[READ], Role::Write)));
    emulator.put_image("shop/api", "1", &Image::small("api"));
    retag(&emulator)
        .api_token()
        .run()
        .fails(5)
        .says(GUESSES)
        .never_says("Bitbucket says");
}

#[test]
fn only_a_refused_api_token_is_asked_about_and_once_in_a_run() {
    let emulator = shop(ada(&[READ, WRITE], Role::Write));
    // The built-in credential is refused another repository's package.
    retag(&emulator)
        .built_in()
        .var("SOURCE", "base:1")
        .run()
        .fails(3)
        .api_calls(0);
    // A run that ends well, one whose tag is not there, and one that ends before it begins.
    retag(&emulator).built_in().api_token().run().succeeds().api_calls(0);
    retag(&emulator)
        .api_token()
        .var("SOURCE", "api:9")
        .run()
        .fails(4)
        .api_calls(0);
    retag(&emulator)
        .var("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL)
        .var("ATLASSIAN_API_TOKEN", "ghp_abcdefghijklmnopqrstuvwxyz0123456789")
        .var("ALLOW_UNSUPPORTED_TOKEN", "true")
        .run()
        .fails(3)
        .no_connection();
    // Both are refused: what is asked about is the API token.
    pull(&emulator)
        .built_in()
        .api_token()
        .var("IMAGES", "base:1 base:2 base:3")
        .run()
        .fails(3)
        .api_calls(1)
        .says("with the built-in credential, and with the API token of `ada@example.com`")
        .says("hint: Bitbucket says: this token has the package scope, so it is the role");
}

#[test]
fn the_token_of_another_registry_goes_only_there() {
    let authority = Authority::shared();
    let setup = Setup::shop().user(ada(&[], Role::None));
    let emulator = stocked(
        setup
            .behind_proxy("registry.example.org", authority)
            .api(Authority::shared()),
    );
    retag(&emulator)
        .api_token()
        .var("CREDENTIAL", "api-token")
        .run()
        .fails(3)
        .api_calls(0)
        .says(GUESSES);
    let other = Emulator::start(Setup::shop());
    let target = stocked(Setup::shop().api(Authority::shared()));
    Pipe::new()
        .workspace("shop")
        .registry(&target)
        .api_token()
        .var("ACTION", "copy")
        .var("SOURCE", &format!("{}/shop/api:1", other.host()))
        .var("SOURCE_USERNAME", Setup::EMAIL)
        .secret("SOURCE_PASSWORD", "another-registrys-password")
        .var("RETRIES", "0")
        .run()
        .fails(3)
        .api_calls(0);
}
