//! The actions against a registry that is not ours, Debian's docker-registry, in each way that it signs in: what they
//! ask of it, and what its refusals come to.

use crate::support::distribution::Distribution;
use crate::support::emulator::api_token;
use crate::support::engine::Engine;
use crate::support::image::{Image, ImageBuilder};
use crate::support::pipe::Pipe;
use crate::support::pki::Authority;
use crate::support::skopeo::Skopeo;
use crate::support::token_server::TokenServer;

on_docker!(
    tokens_serve_pull_push_and_login,
    who_may_only_read_and_who_may_nothing_are_told_so,
    passwords_over_tls_under_a_private_ca,
);

const EMAIL: &str = "ada@example.com";
const READER: &str = "bob@example.com";

fn pipe(registry: &Distribution, action: &str) -> Pipe<'static> {
    Pipe::new()
        .workspace("shop")
        .distribution(registry)
        .var("ACTION", action)
        .var("RETRIES", "0")
}

fn token_server() -> TokenServer {
    TokenServer::start()
        .user(EMAIL, &api_token("ada"), &[("*", "pull,push")])
        .user(READER, &api_token("bob"), &[("shop/base", "pull")])
}

fn as_user(pipe: Pipe<'static>, email: &str, seed: &str) -> Pipe<'static> {
    pipe.var("ATLASSIAN_ACCOUNT_EMAIL", email)
        .var("ATLASSIAN_API_TOKEN", &api_token(seed))
}

/// The credential of a registry with htpasswd, in the variables whose values nobody judges.
fn by_password(pipe: Pipe<'static>) -> Pipe<'static> {
    pipe.var("BITBUCKET_PACKAGES_USERNAME", EMAIL)
        .var("BITBUCKET_PACKAGES_TOKEN", Distribution::PASSWORD)
}

/// Signed in as the user who may write.
fn writer(registry: &Distribution, password: &str) -> Skopeo {
    let skopeo = match registry.authority_pem() {
        Some(pem) => Skopeo::new().trusting(&pem),
        None => Skopeo::new(),
    };
    skopeo.login(&registry.host(), EMAIL, password).succeeds();
    skopeo
}

fn build(engine: &Engine, name: &str, seed: &str) -> Image {
    let image = ImageBuilder::new(seed).docker().build();
    engine
        .docker_reading(&["load"], &image.docker_archive(&[name]))
        .succeeds();
    image
}

#[test]
fn a_retag_costs_three_requests_and_one_token() {
    let tokens = token_server();
    let registry = Distribution::setup().token(&tokens).recorded().start();
    let host = registry.host();
    let skopeo = writer(&registry, &api_token("ada"));
    for (tag, image) in [
        ("one", Image::small("registries one")),
        ("multi", Image::multi("registries multi")),
    ] {
        skopeo.push(&image, &format!("{host}/shop/base:{tag}")).succeeds();
        registry.recorder().forget_requests();
        let calls = tokens.calls().len();
        as_user(pipe(&registry, "retag"), EMAIL, "ada")
            .var("SOURCE", &format!("base:{tag}"))
            .var("TAGS", "stable")
            .run()
            .succeeds();
        assert_eq!(
            registry.recorder().requests(),
            [
                format!("GET /v2/shop/base/manifests/{tag} 401"),
                format!("GET /v2/shop/base/manifests/{tag} 200"),
                "PUT /v2/shop/base/manifests/stable 201".to_owned(),
            ]
        );
        assert_eq!(tokens.calls().len(), calls + 1, "{:#?}", tokens.calls());
        let read = skopeo.raw(&format!("{host}/shop/base:stable")).succeeds();
        assert_eq!(read.as_bytes(), image.bytes());
    }
}

fn tokens_serve_pull_push_and_login(engine: &Engine) {
    let tokens = token_server();
    let registry = Distribution::setup().token(&tokens).recorded().start();
    let host = registry.host();
    let built = build(engine, "base:registries-token", "registries token");
    as_user(pipe(&registry, "push").engine(engine), EMAIL, "ada")
        .var("SOURCE", "base:registries-token")
        .var("TAGS", "1 2")
        .run()
        .succeeds()
        .says("pushed as `1`; tagged `2`");
    let name = format!("{host}/shop/base:2");
    as_user(pipe(&registry, "pull").engine(engine), READER, "bob")
        .var("IMAGES", "base:2")
        .run()
        .succeeds();
    assert_eq!(engine.config_digest(&name), Some(built.config_digest()));
    let login = as_user(pipe(&registry, "login"), READER, "bob").run().succeeds();
    let authfile = login.clone_folder().join(".docker/config.json");
    let authfile = authfile.to_str().unwrap();
    let read = ["inspect", "--raw", "--tls-verify=false", "--authfile", authfile];
    Skopeo::new()
        .run(&[&read[..], &[&format!("docker://{name}")]].concat())
        .succeeds();
}

fn who_may_only_read_and_who_may_nothing_are_told_so(engine: &Engine) {
    let tokens = token_server();
    let registry = Distribution::setup().token(&tokens).recorded().start();
    let host = registry.host();
    let skopeo = writer(&registry, &api_token("ada"));
    for package in ["base", "web"] {
        let reference = format!("{host}/shop/{package}:1");
        skopeo.push(&Image::small("registries refused"), &reference).succeeds();
    }
    registry.recorder().forget_requests();
    as_user(pipe(&registry, "retag"), READER, "bob")
        .var("SOURCE", "base:1")
        .var("TAGS", "2")
        .run()
        .fails(5)
        .says("grants no `push` on `shop/base` (with the API token of `bob@example.com`)")
        .says("grants only `pull` on `base`")
        .says("`bob@example.com` does not have the role Write");
    build(engine, "base:registries-reader", "registries reader");
    as_user(pipe(&registry, "push").engine(engine), READER, "bob")
        .var("SOURCE", "base:registries-reader")
        .run()
        .fails(5)
        .says("grants no `push` on `shop/base`")
        .says("nothing was changed");
    let requests = registry.recorder().requests();
    assert!(
        requests
            .iter()
            .all(|line| line.starts_with("GET /v2/shop/base/manifests/")),
        "{requests:#?}"
    );

    // This registry says 401 where others say 403: the credential is right all the same.
    as_user(pipe(&registry, "pull").engine(engine), READER, "bob")
        .var("IMAGES", "web:1")
        .run()
        .fails(3)
        .says("refused reading `shop/web:1`: 401 UNAUTHORIZED")
        .says("(with the API token of `bob@example.com`)")
        .says("grants nothing on `web`")
        .says("does not have the role Read")
        .never_says("it has expired");
    as_user(pipe(&registry, "pull").engine(engine), EMAIL, "unknown")
        .var("IMAGES", "base:1")
        .run()
        .fails(3)
        .says("did not accept the credential while reading `shop/base:1`: 401, “incorrect username or password”")
        .says("it has expired or was revoked");
}

fn passwords_over_tls_under_a_private_ca(engine: &Engine) {
    let registry = Distribution::setup().htpasswd(EMAIL).tls(Authority::shared()).start();
    let host = registry.host();
    let skopeo = writer(&registry, Distribution::PASSWORD);
    let image = Image::multi("registries tls");
    skopeo.push(&image, &format!("{host}/shop/base:1")).succeeds();
    let retag = || {
        by_password(pipe(&registry, "retag"))
            .var("SOURCE", "base:1")
            .var("TAGS", "2")
    };
    retag().run().succeeds();
    let read = skopeo.raw(&format!("{host}/shop/base:2")).succeeds();
    assert_eq!(read.as_bytes(), image.bytes());

    // As a file too.
    retag()
        .file("certificates/ca.pem", Authority::shared().pem())
        .var("CA_CERTIFICATE", "certificates/ca.pem")
        .run()
        .succeeds();
    by_password(pipe(&registry, "pull").engine(engine))
        .var("IMAGES", "base:1")
        .run()
        .succeeds();
    build(engine, "base:registries-tls", "registries tls push");
    by_password(pipe(&registry, "push").engine(engine))
        .var("SOURCE", "base:registries-tls")
        .run()
        .succeeds();
    by_password(pipe(&registry, "login")).run().succeeds();

    // Nothing is sent to a server that nobody vouches for, by plain HTTP neither, although it is on loopback.
    for action in [retag(), by_password(pipe(&registry, "login"))] {
        action
            .unset("CA_CERTIFICATE")
            .run()
            .fails(6)
            .says(&format!("no secure connection to `{host}`"))
            .says("its certificate is signed by an authority that is not trusted here")
            .says("`CA_CERTIFICATE`")
            .says("nothing was changed (exit status 6: unreachable)");
    }
    let stranger = Authority::new();
    retag()
        .var("CA_CERTIFICATE", &stranger.pem())
        .run()
        .fails(6)
        .says("`CA_CERTIFICATE`");
    pipe(&registry, "retag")
        .var("SOURCE", "base:1")
        .var("TAGS", "2")
        .var("BITBUCKET_PACKAGES_USERNAME", EMAIL)
        .secret("BITBUCKET_PACKAGES_TOKEN", "another password")
        .run()
        .fails(3)
        .says("the built-in credential (`BITBUCKET_PACKAGES_USERNAME`, `BITBUCKET_PACKAGES_TOKEN`) was not accepted");
}

#[test]
fn passwords_over_plain_http_on_loopback() {
    let registry = Distribution::setup().htpasswd(EMAIL).recorded().start();
    let host = registry.host();
    let image = Image::small("registries basic");
    writer(&registry, Distribution::PASSWORD)
        .push(&image, &format!("{host}/shop/base:1"))
        .succeeds();
    registry.recorder().forget_requests();
    by_password(pipe(&registry, "retag"))
        .var("SOURCE", "base:1")
        .var("TAGS", "2")
        .run()
        .succeeds();
    assert_eq!(
        registry.recorder().requests(),
        [
            "GET /v2/shop/base/manifests/1 401",
            "GET /v2/shop/base/manifests/1 200",
            "PUT /v2/shop/base/manifests/2 201"
        ]
    );
    by_password(pipe(&registry, "retag"))
        .var("SOURCE", "base:none")
        .var("TAGS", "2")
        .run()
        .fails(4)
        .says("404 MANIFEST_UNKNOWN")
        .says("tags that are there: `");
}

/// What `make cross` runs for other machines: each action that moves or names an image without a daemon, over TLS.
#[test]
fn every_action_without_a_daemon() {
    let version = Pipe::called_with(&["--version"]).run().succeeds();
    assert_eq!(version.last_line(), concat!("crg-pipe ", env!("CARGO_PKG_VERSION")));

    let registry = Distribution::setup().htpasswd(EMAIL).tls(Authority::shared()).start();
    let host = registry.host();
    let skopeo = writer(&registry, Distribution::PASSWORD);
    let image = Image::multi("registries without a daemon");
    skopeo.push(&image, &format!("{host}/shop/base:1")).succeeds();
    let folder = tempfile::tempdir().unwrap();
    let layout = format!("oci:{}", folder.path().join("images").display());
    let run = |action, variables: &[(&str, &str)]| {
        let start = by_password(pipe(&registry, action)).patience(120);
        let set = |pipe: Pipe<'static>, &(name, value): &(&str, &str)| pipe.var(name, value);
        variables.iter().fold(start, set).run().succeeds()
    };
    run("check", &[("IMAGES", "base:1")]);
    run("retag", &[("SOURCE", "base:1"), ("TAGS", "2")]);
    run("pull", &[("IMAGES", "base:2"), ("TO", &layout)]);
    run("copy", &[("SOURCE", "base:2"), ("TARGET", "copied:3")]);
    run("push", &[("SOURCE", &format!("{layout}:2")), ("TARGET", "pushed:4")]);
    for name in ["base:2", "copied:3", "pushed:4"] {
        let read = skopeo.raw(&format!("{host}/shop/{name}")).succeeds();
        assert_eq!(read.as_bytes(), image.bytes(), "{name}");
    }
}

/// Its digest is that of a document without signatures, which no bytes that come have.
#[test]
fn an_image_of_schema_1_is_called_so_by_every_action() {
    let registry = Distribution::setup().schema_1().start();
    let skopeo = Skopeo::new();
    let (new, old) = (
        format!("{}/shop/base:new", registry.host()),
        format!("docker://{}/shop/base:old", registry.host()),
    );
    skopeo.push(&ImageBuilder::new("old").docker().build(), &new).succeeds();
    skopeo
        .copy(&["--format", "v2s1"], &format!("docker://{new}"), &old)
        .succeeds();
    let raw = skopeo.raw(&format!("{}/shop/base:old", registry.host())).succeeds();
    assert!(raw.contains("fsLayers"), "{raw}");
    for (action, variables) in [
        ("pull", &[("IMAGES", "base:old"), ("TO", "oci:out")][..]),
        ("pull", &[("IMAGES", "base:old"), ("TO", "docker-archive:out.tar")]),
        ("retag", &[("SOURCE", "base:old"), ("TAGS", "2")]),
        ("copy", &[("SOURCE", "base:old"), ("TARGET", "web:1")]),
        ("check", &[("IMAGES", "base:old")]),
    ] {
        let pipe = by_password(pipe(&registry, action));
        let outcome = variables
            .iter()
            .fold(pipe, |pipe, (name, value)| pipe.var(name, value))
            .run();
        outcome
            .fails(1)
            .says("shop/base:old` is an image of Docker's schema 1, which has no stable digest")
            .never_says("other bytes");
    }
}

/// What an index names by a digest of another kind is put under that name, or the push ends: it is never left out.
#[test]
fn a_part_that_is_named_by_sha512_is_not_left_out() {
    use sha2::Digest as _;
    let registry = Distribution::setup().start();
    let image = Image::small("by-sha512");
    let pipe = by_password(pipe(&registry, "push"));
    let layout = pipe.clone_folder().join("layout");
    let hex = sha2::Sha512::digest(image.bytes())
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let part = serde_json::json!({
        "mediaType": image.media_type(), "digest": format!("sha512:{hex}"), "size": image.bytes().len(),
        "platform": { "os": "linux", "architecture": "amd64" },
    });
    crate::support::skopeo::write_layout(&layout, &image);
    std::fs::create_dir_all(layout.join("blobs/sha512")).unwrap();
    std::fs::write(layout.join("blobs/sha512").join(&hex), image.bytes()).unwrap();
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": crate::support::image::OCI_INDEX, "manifests": [part],
    });
    let index = index.to_string();
    let digest = crate::support::image::digest(index.as_bytes());
    std::fs::write(layout.join("blobs/sha256").join(&digest[7..]), &index).unwrap();
    let top = serde_json::json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": crate::support::image::OCI_INDEX, "digest": digest, "size": index.len(),
    }] });
    std::fs::write(layout.join("index.json"), top.to_string()).unwrap();
    let outcome = pipe.var("SOURCE", "oci:layout").var("TARGET", "web:1").run();
    // docker-registry takes no such name.
    let outcome = outcome.fails(5).says("DIGEST_INVALID");
    assert!(
        outcome.plain().contains(&format!("sha512:{}", &hex[..12])),
        "{}",
        outcome.plain()
    );
    let tag = Skopeo::new().raw(&format!("{}/shop/web:1", registry.host()));
    assert!(!tag.succeeded, "{}", tag.output);
}

/// The repository is not there either, when the waiting begins.
#[test]
fn an_image_that_another_pushes_meanwhile_is_waited_for() {
    let tokens = token_server();
    let registry = Distribution::setup().token(&tokens).start();
    let skopeo = writer(&registry, &api_token("ada"));
    let running = as_user(pipe(&registry, "pull"), EMAIL, "ada")
        .var("IMAGES", "later:1")
        .var("TO", "oci:out")
        .var("WAIT", "60")
        .start()
        .until("/shop/later:1` is not there yet");
    let image = Image::small("registries later");
    skopeo
        .push(&image, &format!("{}/shop/later:1", registry.host()))
        .succeeds();
    running.wait().succeeds().says("/shop/later:1` is there, after ");
}
