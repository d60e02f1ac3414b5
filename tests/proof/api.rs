//! curl as a client of the emulator's REST API, CONNECT proxy and token endpoint.

use super::curl::curl;
use crate::support::emulator::{AccessTokenKind, Emulator, Setup, User, access_token, api_token};
use crate::support::pki::Authority;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

#[test]
fn the_user_endpoint_tells_kind_and_scopes() {
    let known = User::new("known@example.com", &api_token("known")).scopes(&["read:user:bitbucket"]);
    let atct = access_token("x");
    let setup = Setup::shop().api(Authority::shared()).user(known).access_token(
        &atct,
        AccessTokenKind::Workspace,
        &["repository:write"],
    );
    let emulator = Emulator::start(setup);
    let user = "https://api.bitbucket.org/2.0/user";
    let basic = |email: &str, token: &str| curl(&emulator, &["-u", &format!("{email}:{token}"), user]);
    let bearer = |token: &str| curl(&emulator, &["-H", &format!("Authorization: Bearer {token}"), user]);

    let (status, head, body) = basic("known@example.com", &api_token("known"));
    assert_eq!(status, 200, "{body}");
    assert!(head.contains("x-credential-type: api_token\r\n"), "{head}");

    let (status, head, body) = basic(Setup::EMAIL, &Setup::api_token());
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 403);
    assert!(
        head.contains("x-oauth-scopes: read:package:bitbucket, write:package:bitbucket"),
        "{head}"
    );
    assert_eq!(body["error"]["detail"]["required"][0], "read:user:bitbucket");
    assert_eq!(body["error"]["detail"]["granted"][1], "write:package:bitbucket");

    let (status, head, _) = bearer(&atct);
    assert_eq!(status, 403);
    assert!(head.contains("x-credential-type: workspace_access_token"), "{head}");
    assert!(head.contains("x-oauth-scopes: repository:write"), "{head}");

    let (status, _, body) = bearer(&Setup::api_token());
    assert_eq!(status, 401);
    assert!(body.contains("not supported for this endpoint"), "{body}");
    let (status, head, body) = basic(Setup::EMAIL, "wrong");
    assert_eq!((status, body.as_str()), (401, ""));
    assert!(head.contains("www-authenticate: basic realm="), "{head}");

    assert_eq!(emulator.api_calls().len(), 5);
    assert_eq!(emulator.journal()[0].path, "api.bitbucket.org:443");
}

#[test]
fn a_name_of_its_own_is_reached_through_the_proxy() {
    let emulator = Emulator::start(Setup::shop().behind_proxy("crg.apkg.io", Authority::shared()));
    assert_eq!(emulator.host(), "crg.apkg.io");
    let (status, head, _) = curl(&emulator, &["https://crg.apkg.io/v2/"]);
    assert_eq!(status, 401);
    assert!(head.contains("realm=\"https://crg.apkg.io/token\""), "{head}");
}

#[test]
fn tokens_by_post_and_what_they_grant() {
    let emulator = Emulator::start(Setup::shop());
    let (status, _, body) = curl(
        &emulator,
        &[
            "--data-urlencode",
            "grant_type=password",
            "--data-urlencode",
            &format!("username={}", Setup::BUILT_IN_USERNAME),
            "--data-urlencode",
            &format!("password={}", Setup::BUILT_IN_TOKEN),
            "--data-urlencode",
            "scope=repository:shop/api:pull,push repository:shop/base:pull",
            &format!("{}/token", emulator.origin()),
        ],
    );
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["expires_in"]), (200, &Value::from(300)));
    let token = body["access_token"].as_str().unwrap();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let granted = |number: usize| claims["access"][number]["actions"].to_string();
    assert_eq!([granted(0), granted(1)], [r#"["pull","push"]"#, "[]"], "{claims}");
    let get = |package: &str| {
        let header = format!("Authorization: Bearer {token}");
        curl(
            &emulator,
            &["-H", &header, &format!("{}/v2/{package}/tags/list", emulator.origin())],
        )
    };
    assert_eq!(get("shop/api").0, 200);
    assert_eq!(get("shop/base").0, 403);
    let (status, head, _) = get("shop/web");
    assert_eq!(status, 401);
    assert!(head.contains("error=\"insufficient_scope\""), "{head}");
    emulator.expire_tokens();
    assert!(get("shop/api").1.contains("error=\"invalid_token\""));
    assert_eq!(
        emulator.requests(),
        [
            "GET /v2/shop/api/tags/list 200",
            "GET /v2/shop/base/tags/list 403",
            "GET /v2/shop/web/tags/list 401",
            "GET /v2/shop/api/tags/list 401"
        ]
    );
}

#[test]
fn blobs_are_served_in_ranges() {
    let emulator = Emulator::start(Setup::shop().with(|settings| {
        settings.sign_in = crate::support::emulator::SignIn::Basic;
    }));
    let image = crate::support::image::ImageBuilder::new("x").layers(1, 1000).build();
    emulator.put_image("shop/api", "1", &image);
    let blob = &image.blobs()[1];
    let url = format!("{}/v2/shop/api/blobs/{}", emulator.origin(), blob.digest());
    let credential = format!("{}:{}", Setup::EMAIL, Setup::api_token());
    let (status, head, _) = curl(
        &emulator,
        &["-u", &credential, "-r", "10-19", "-o", "/dev/stdout", &url],
    );
    assert_eq!(status, 206);
    let range = format!("content-range: bytes 10-19/{}", blob.bytes.len());
    assert!(head.contains(&range), "{head}");
    assert_eq!(emulator.blob_bytes_sent(), 10);
}
