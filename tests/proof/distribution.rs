//! Debian's docker-registry as the tests set it up, with skopeo as its client.

use crate::support::distribution::Distribution;
use crate::support::image::Image;
use crate::support::pki::Authority;
use crate::support::skopeo::Skopeo;
use crate::support::token_server::TokenServer;

#[test]
fn htpasswd_over_tls() {
    let registry = Distribution::setup()
        .htpasswd("ada@example.com")
        .tls(Authority::shared())
        .start();
    let skopeo = Skopeo::new().trusting(&registry.authority_pem().unwrap());
    skopeo
        .login(&registry.host(), "ada@example.com", "wrong")
        .fails_with("invalid username/password");
    skopeo
        .login(&registry.host(), "ada@example.com", Distribution::PASSWORD)
        .succeeds();
    let (image, reference) = (Image::multi("htpasswd"), format!("{}/shop/base:1", registry.host()));
    skopeo.push(&image, &reference).succeeds();
    assert_eq!(skopeo.raw(&reference).succeeds().as_bytes(), image.bytes());
}

#[test]
fn tokens_of_our_own_realm_seen_by_the_recorder() {
    let tokens = TokenServer::start()
        .user("writer", "writer-password", &[("*", "pull,push")])
        .user("reader", "reader-password", &[("shop/base", "pull")]);
    let registry = Distribution::setup().token(&tokens).recorded().start();
    let (image, reference) = (Image::small("token"), format!("{}/shop/base:1", registry.host()));
    let writer = Skopeo::new();
    writer.login(&registry.host(), "writer", "writer-password").succeeds();
    writer.push(&image, &reference).succeeds();
    registry.recorder().forget_requests();

    let reader = Skopeo::new();
    reader
        .login(&registry.host(), "reader", "other")
        .fails_with("invalid username/password");
    reader.login(&registry.host(), "reader", "reader-password").succeeds();
    assert_eq!(reader.raw(&reference).succeeds().as_bytes(), image.bytes());
    reader.push(&image, &reference).fails_with("denied");
    let requests = registry.recorder().requests();
    assert!(requests.contains(&"GET /v2/ 401".to_owned()), "{requests:#?}");
    assert!(
        requests.contains(&"GET /v2/shop/base/manifests/1 200".to_owned()),
        "{requests:#?}"
    );
    assert!(
        tokens.calls().iter().any(|call| call.ends_with(" 401")),
        "{:#?}",
        tokens.calls()
    );
}

#[test]
fn without_sign_in_and_gone_when_dropped() {
    let registry = Distribution::setup().start();
    let host = registry.host();
    let reference = format!("{host}/a:1");
    Skopeo::new().push(&Image::small("open"), &reference).succeeds();
    drop(registry);
    Skopeo::new().raw(&reference).fails_with("connection refused");
}
