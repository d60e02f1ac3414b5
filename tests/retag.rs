//! `retag` against the emulator: what it asks for, what it leaves, what it says.

use crate::support::emulator::{Answer, Emulator, Role, Setup, SignIn, TokenForm, User, api_token};
use crate::support::image::{Image, ImageBuilder};
use crate::support::pipe::Pipe;
use crate::support::shop::{self, stocked};

fn retag<'a>(emulator: &'a Emulator, source: &str, tags: &str) -> Pipe<'a> {
    shop::retag(emulator).var("SOURCE", source).var("TAGS", tags)
}

/// A person who may only read.
fn reader() -> (&'static str, String) {
    ("bob@example.com", api_token("bob"))
}

fn shop_with_reader() -> Setup {
    let (email, token) = reader();
    Setup::shop().user(
        User::new(email, &token)
            .package_scopes()
            .role("shop/images", Role::Read),
    )
}

#[test]
fn one_tag_costs_three_requests_and_one_token() {
    let emulator = stocked(Setup::shop());
    retag(&emulator, "base:1", "1.4.2")
        .api_token()
        .run()
        .succeeds()
        .requests([
            "GET /v2/shop/base/manifests/1 401",
            "GET /v2/shop/base/manifests/1 200",
            "PUT /v2/shop/base/manifests/1.4.2 201",
        ])
        .token_calls(1)
        .says("✔ retag: `localhost:");
    assert_eq!(emulator.tag("shop/base", "1.4.2"), emulator.tag("shop/base", "1"));
}

#[test]
fn basic_and_opaque_tokens_cost_no_more() {
    for change in [SignIn::Basic, SignIn::Bearer] {
        let emulator = stocked(Setup::shop().with(|settings| {
            settings.sign_in = change;
            settings.token_form = TokenForm::Opaque;
            settings.tells_lifetime = false;
        }));
        retag(&emulator, "base:1", "2")
            .api_token()
            .run()
            .succeeds()
            .requests([
                "GET /v2/shop/base/manifests/1 401",
                "GET /v2/shop/base/manifests/1 200",
                "PUT /v2/shop/base/manifests/2 201",
            ])
            .token_calls(usize::from(change == SignIn::Bearer));
    }
}

#[test]
fn an_index_keeps_its_bytes_and_its_platforms() {
    let emulator = stocked(Setup::shop());
    for (tag, image) in [
        ("multi", Image::multi("multi")),
        (
            "nested",
            Image::index(vec![Image::multi("inner"), Image::small("outer")]),
        ),
        ("docker", ImageBuilder::new("docker").docker().build()),
    ] {
        emulator.put_image("shop/base", tag, &image);
        let copy = format!("{tag}-copy");
        retag(&emulator, &format!("base:{tag}"), &copy)
            .api_token()
            .run()
            .succeeds();
        assert_eq!(emulator.tag("shop/base", &copy), Some(image.digest()));
        assert_eq!(emulator.manifest("shop/base", &copy).as_ref(), Some(image.bytes()));
    }
}

#[test]
fn a_source_by_digest_needs_no_tag() {
    let emulator = stocked(Setup::shop());
    let digest = emulator.tag("shop/base", "1").unwrap();
    retag(&emulator, &format!("base@{digest}"), "stable")
        .api_token()
        .run()
        .succeeds();
    assert_eq!(emulator.tag("shop/base", "stable"), Some(digest));
}

#[test]
fn auto_takes_the_built_in_credential_for_its_own_repository_and_the_api_token_for_others() {
    let emulator = stocked(Setup::shop());
    let own = retag(&emulator, "api:1", "2")
        .built_in()
        .api_token()
        .var("REPORT", "report.json")
        .run()
        .succeeds()
        .token_calls(1);
    assert_eq!(own.report.as_ref().unwrap()["images"][0]["credential"], "built-in");
    let other = retag(&emulator, "base:1", "2")
        .built_in()
        .api_token()
        .var("REPORT", "report.json")
        .run()
        .succeeds();
    assert_eq!(other.report.as_ref().unwrap()["images"][0]["credential"], "api-token");
}

#[test]
fn an_expired_personal_token_does_not_matter_for_the_repositorys_own_package() {
    let ada = User::new(Setup::EMAIL, &Setup::api_token()).package_scopes().expired();
    let emulator = stocked(Setup::shop().user(ada));
    retag(&emulator, "api:1", "2").built_in().api_token().run().succeeds();
}

#[test]
fn a_refused_write_is_never_tried_with_a_persons_token() {
    // An opaque token proves no right beforehand, so the write itself is refused.
    let emulator = stocked(Setup::shop().with(|settings| settings.token_form = TokenForm::Opaque));
    emulator.script(
        crate::support::emulator::on("PUT", "/manifests/").signed_in(),
        1,
        Answer::error(403, "DENIED", "read only"),
    );
    let outcome = retag(&emulator, "api:1", "2")
        .built_in()
        .api_token()
        .run()
        .fails(5)
        .says("read only")
        .token_calls(1);
    assert!(
        outcome.last_line().starts_with("✖ retag: nothing was changed"),
        "{}",
        outcome.output
    );
    assert_eq!(emulator.tag("shop/api", "2"), None);
}

/// In every action: a credential that reads and may not write is a refused write, whatever else is at hand.
#[test]
fn who_may_only_read_is_a_refused_write_and_nobody_writes_as_a_person_instead() {
    let ada = || {
        User::new(Setup::EMAIL, &Setup::api_token())
            .package_scopes()
            .role("shop/api", Role::Write)
    };
    let emulator = stocked(
        Setup::shop()
            .package("shop/next", "shop/api")
            .user(ada())
            .built_in_only_reads(),
    );
    let image = Image::small("next");
    let pipes = [
        retag(&emulator, "api:1", "2"),
        retag(&emulator, "api:1", "2").var("ON_EXISTING", "fail"),
        Pipe::new()
            .workspace("shop")
            .registry(&emulator)
            .var("ACTION", "copy")
            .var("SOURCE", "api:1")
            .var("TARGET", "next"),
        Pipe::new()
            .workspace("shop")
            .registry(&emulator)
            .var("ACTION", "push")
            .file("image.tar", image.docker_archive(&["next:1"]))
            .var("SOURCE", "docker-archive:image.tar")
            .var("TARGET", "next:1"),
    ];
    for pipe in pipes {
        pipe.built_in()
            .api_token()
            .run()
            .fails(5)
            .says("(with the built-in credential)")
            .says("to write with your API token instead: `CREDENTIAL: api-token`")
            .says("nothing was changed");
    }
    assert_eq!(emulator.tags("shop/next"), [""; 0]);
    assert_eq!(emulator.tag("shop/api", "2"), None);
    retag(&emulator, "api:1", "2")
        .built_in()
        .api_token()
        .var("CREDENTIAL", "api-token")
        .run()
        .succeeds();
}

#[test]
fn both_refusals_are_told_where_both_credentials_are_turned_away() {
    let emulator = stocked(Setup::shop().package("shop/secret", "shop/vault"));
    emulator.put_image("shop/secret", "1", &Image::small("secret"));
    retag(&emulator, "secret:1", "2")
        .built_in()
        .api_token()
        .run()
        .fails(3)
        .says("(with the built-in credential, and with the API token of `ada@example.com`)")
        .says("`ada@example.com` does not have the role Write");
}

#[test]
fn on_existing_looks_before_it_writes() {
    let emulator = stocked(Setup::shop());
    emulator.put_image("shop/base", "old", &Image::small("old"));
    let (old, new) = (emulator.tag("shop/base", "old"), emulator.tag("shop/base", "1"));
    retag(&emulator, "base:1", "old fresh")
        .api_token()
        .var("ON_EXISTING", "fail")
        .run()
        .fails(5)
        .says("the tag `localhost:")
        .says("/shop/base:old` is there already")
        .says("nothing was changed");
    assert_eq!(
        emulator.tag("shop/base", "fresh"),
        None,
        "nothing is written if one tag is refused"
    );

    let skipped = retag(&emulator, "base:1", "old fresh 1")
        .api_token()
        .var("ON_EXISTING", "skip")
        .var("OUTPUT_ENV", "crg.env")
        .var("REPORT", "report.json")
        .run()
        .succeeds()
        .requests_in_any_order([
            "GET /v2/shop/base/manifests/1 401",
            "GET /v2/shop/base/manifests/1 200",
            "HEAD /v2/shop/base/manifests/1 200",
            "HEAD /v2/shop/base/manifests/fresh 404",
            // What is written because nothing was seen must have been looked at twice.
            "GET /v2/shop/base/manifests/fresh 404",
            "HEAD /v2/shop/base/manifests/old 200",
            "PUT /v2/shop/base/manifests/fresh 201",
        ])
        .says("tagged `fresh`; unchanged: `1`; left alone: `old`");
    let report = skipped.report.as_ref().unwrap();
    for (place, digest) in [&old, &new, &new].into_iter().enumerate() {
        assert_eq!(
            report["images"][place]["digest"].as_str(),
            digest.as_deref(),
            "{report}"
        );
    }
    assert_eq!(emulator.tag("shop/base", "old"), old);
    assert_eq!(emulator.tag("shop/base", "fresh"), new);

    retag(&emulator, "base:1", "old").api_token().run().succeeds();
    assert_eq!(emulator.tag("shop/base", "old"), new, "overwrite is the default");
}

#[test]
fn an_immutable_tag_with_the_same_digest_is_success() {
    let emulator = stocked(
        Setup::shop()
            .immutable("^1$")
            .with(|settings| settings.immutable_takes_same = false),
    );
    retag(&emulator, "base:1", "1")
        .api_token()
        .run()
        .succeeds()
        .requests([
            "GET /v2/shop/base/manifests/1 401",
            "GET /v2/shop/base/manifests/1 200",
            "PUT /v2/shop/base/manifests/1 400",
            "HEAD /v2/shop/base/manifests/1 200",
        ])
        .says("unchanged: `1`");
}

#[test]
fn an_immutable_tag_is_explained_whatever_the_status() {
    for (status, code) in [
        (400, "TAG_IMMUTABLE"),
        (403, "DENIED"),
        (405, "UNSUPPORTED"),
        (409, "TAG_INVALID"),
        (412, "TAG_INVALID"),
    ] {
        let emulator = stocked(Setup::shop().immutable("^v").with(|settings| {
            settings.immutable = Answer::error(status, code, "cannot be overwritten");
        }));
        emulator.put_image("shop/base", "v1", &Image::small("v1"));
        retag(&emulator, "base:1", "v1 free")
            .api_token()
            .run()
            .fails(5)
            .says("cannot be overwritten")
            .says("immutable")
            .says("Container settings")
            .says("only `localhost:")
            .says("/shop/base:free` was done");
    }
}

#[test]
fn what_the_token_was_granted_ends_the_run_before_the_write() {
    let emulator = stocked(shop_with_reader());
    let (email, token) = reader();
    retag(&emulator, "base:1", "2")
        .var("ATLASSIAN_ACCOUNT_EMAIL", email)
        .var("ATLASSIAN_API_TOKEN", &token)
        .run()
        .fails(5)
        .requests(["GET /v2/shop/base/manifests/1 401", "GET /v2/shop/base/manifests/1 200"])
        .says("grants no `push` on `shop/base` (with the API token of `bob@example.com`)")
        .says("grants only `pull` on `base`")
        .says("write:package:bitbucket");
}

#[test]
fn a_missing_tag_is_told_with_the_nearest_ones() {
    let emulator = stocked(Setup::shop());
    for tag in ["1.4.1", "1.4.2", "2.0.0", "latest"] {
        emulator.put_image("shop/base", tag, &Image::small(tag));
    }
    retag(&emulator, "base:1.4.3", "x")
        .api_token()
        .run()
        .fails(4)
        .says("MANIFEST_UNKNOWN, “manifest unknown")
        .says("tags that are there: `1.4.1`, `1.4.2`");
}

#[test]
fn a_missing_package_is_told_with_who_makes_it() {
    let emulator = stocked(Setup::shop());
    retag(&emulator, "nothing:1", "x")
        .api_token()
        .run()
        .fails(4)
        .says("NAME_UNKNOWN")
        .says("nothing does not exist in this workspace")
        .says("As an admin of")
        .says("Create → Package")
        .says("name it `nothing`");
}

#[test]
fn a_token_that_expires_on_the_way_is_renewed() {
    let emulator = stocked(Setup::shop());
    emulator.script(
        crate::support::emulator::on("PUT", "/manifests/").signed_in(),
        1,
        Answer::error(401, "UNAUTHORIZED", "token expired").header(
            "WWW-Authenticate",
            &format!(
                "Bearer realm=\"{}/token\",service=\"crg.emulator\",error=\"invalid_token\"",
                emulator.origin()
            ),
        ),
    );
    retag(&emulator, "base:1", "2")
        .api_token()
        .run()
        .succeeds()
        .token_calls(2);
}

#[test]
fn what_passes_is_tried_again() {
    let emulator = stocked(Setup::shop());
    for (method, path) in [("GET", "/manifests/1"), ("PUT", "/manifests/2"), ("GET", "/token")] {
        let busy = Answer::error(503, "UNAVAILABLE", "busy").header("Retry-After", "0");
        emulator.script(crate::support::emulator::on(method, path).signed_in(), 1, busy);
    }
    retag(&emulator, "base:1", "2")
        .api_token()
        .var("RETRIES", "3")
        .run()
        .succeeds()
        .says("WARNING: ")
        .says("trying again in");
    let emulator = stocked(Setup::shop());
    emulator.script(
        crate::support::emulator::on("PUT", "/manifests/2"),
        9,
        Answer::error(429, "TOOMANYREQUESTS", "slow down").header("Retry-After", "0"),
    );
    retag(&emulator, "base:1", "2")
        .api_token()
        .var("RETRIES", "2")
        .run()
        .fails(5)
        .says("(tried 3 times)")
        .says("slow down");
}

#[test]
fn outputs_tell_later_lines_of_the_step() {
    let emulator = stocked(Setup::shop());
    let digest = emulator.tag("shop/base", "1").unwrap();
    let outcome = retag(&emulator, "base:1", "1.4.2 latest")
        .api_token()
        .var("OUTPUT_ENV", "crg.env")
        .var("REPORT", "out.json")
        .run()
        .succeeds();
    let host = emulator.host();
    assert_eq!(
        outcome.file("crg.env").unwrap(),
        format!(
            "CRG_PIPE_REFERENCE='{host}/shop/base@{digest}'\nCRG_PIPE_DIGEST='{digest}'\nCRG_PIPE_TAGS='1.4.2 latest'\nCRG_PIPE_COUNT='1'\n"
        )
    );
    let report: serde_json::Value = serde_json::from_str(&outcome.file("out.json").unwrap()).unwrap();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["status"], 0);
    assert_eq!(report["images"][1]["reference"], format!("{host}/shop/base:latest"));
    assert_eq!(report["images"][1]["outcome"], "tagged");
    assert_eq!(report["error"], serde_json::Value::Null);
}

#[test]
fn the_report_is_written_on_failure_too() {
    let emulator = stocked(Setup::shop());
    let outcome = retag(&emulator, "base:none", "x")
        .api_token()
        .var("REPORT", "out.json")
        .run()
        .fails(4);
    let report: serde_json::Value = serde_json::from_str(&outcome.file("out.json").unwrap()).unwrap();
    assert_eq!(report["status"], 4);
    assert_eq!(report["error"]["kind"], "not-found");
    let mistaken = retag(&emulator, "base:1", "")
        .api_token()
        .var("REPORT", "out.json")
        .run()
        .fails(2)
        .no_connection();
    let report: serde_json::Value = serde_json::from_str(&mistaken.file("out.json").unwrap()).unwrap();
    assert_eq!(report["error"]["kind"], "variables");
}

#[test]
fn an_output_that_cannot_be_written_ends_the_run_before_anything_is_done() {
    let emulator = stocked(Setup::shop());
    retag(&emulator, "base:1", "2")
        .api_token()
        .var("OUTPUT_ENV", "no/such/folder/crg.env")
        .run()
        .fails(1)
        .no_connection()
        .says("no/such/folder")
        .says("nothing was changed");
}
