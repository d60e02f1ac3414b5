//! skopeo as a client of the emulator.

use crate::support::emulator::{
    AccessTokenKind, Answer, Combined, Emulator, Role, Setup, SignIn, TokenForm, User, access_token, api_token, on,
};
use crate::support::image::{Image, ImageBuilder};
use crate::support::pki::Authority;
use crate::support::skopeo::Skopeo;

fn signed_in(emulator: &Emulator) -> Skopeo {
    let skopeo = match emulator.authority_pem() {
        Some(pem) => Skopeo::new().trusting(&pem),
        None => Skopeo::new(),
    };
    skopeo
        .login(emulator.host(), Setup::EMAIL, &Setup::api_token())
        .succeeds();
    skopeo
}

#[test]
fn images_and_indexes_come_out_as_they_went_in() {
    let emulator = Emulator::start(Setup::shop());
    let skopeo = signed_in(&emulator);
    let single = ImageBuilder::new("single").layers(3, 5000).build();
    let docker = ImageBuilder::new("docker").docker().build();
    let amd = Image::small("with attestation");
    let attested = Image::index(vec![amd.clone(), Image::attestation_of(&amd)]);
    let list = Image::docker_list(vec![
        docker.clone(),
        ImageBuilder::new("b").docker().platform("linux", "arm64", None).build(),
    ]);
    for (tag, image) in [
        ("single", &single),
        ("docker", &docker),
        ("multi", &Image::multi("m")),
        ("list", &list),
        ("attested", &attested),
    ] {
        emulator.put_image("shop/base", tag, image);
        let reference = format!("{}/shop/base:{tag}", emulator.host());
        let raw = skopeo.raw(&reference).succeeds();
        assert_eq!(raw.as_bytes(), image.bytes(), "{tag}");
        let target = format!("docker://{}/shop/api:{tag}", emulator.host());
        skopeo
            .copy(
                &["--all", "--preserve-digests"],
                &format!("docker://{reference}"),
                &target,
            )
            .succeeds();
        assert_eq!(emulator.tag("shop/api", tag), Some(image.digest()), "{tag}");
        assert_eq!(
            emulator.manifest("shop/api", tag).as_ref(),
            Some(image.bytes()),
            "{tag}"
        );
    }
    assert_eq!(emulator.open_uploads(), 0);
    let layout = format!("oci:{}", skopeo.folder().join("out").display());
    let source = format!("docker://{}/shop/api:multi", emulator.host());
    skopeo.copy(&["--all"], &source, &layout).succeeds();
}

#[test]
fn tls_with_a_private_ca() {
    let emulator = Emulator::start(Setup::shop().tls(Authority::shared()));
    assert!(emulator.origin().starts_with("https://localhost:"));
    let skopeo = signed_in(&emulator);
    let reference = format!("{}/shop/api:1", emulator.host());
    let image = Image::multi("tls");
    skopeo.push(&image, &reference).succeeds();
    assert_eq!(skopeo.raw(&reference).succeeds().as_bytes(), image.bytes());
    let stranger = Skopeo::new().trusting(&Authority::new().pem());
    stranger
        .login(emulator.host(), Setup::EMAIL, &Setup::api_token())
        .fails_with("certificate");
}

#[test]
fn every_form_of_signing_in() {
    for change in [
        |setup: Setup| setup.with(|settings| settings.sign_in = SignIn::Basic),
        |setup: Setup| setup.with(|settings| settings.token_form = TokenForm::Opaque),
        |setup: Setup| setup.with(|settings| settings.tells_lifetime = false),
        |setup: Setup| setup.with(|settings| settings.absolute_locations = false),
    ] {
        let emulator = Emulator::start(change(Setup::shop()));
        let reference = format!("{}/shop/api:1", emulator.host());
        signed_in(&emulator).push(&Image::small("x"), &reference).succeeds();
        assert_eq!(emulator.tag("shop/api", "1"), Some(Image::small("x").digest()));
    }
}

#[test]
fn a_credential_that_nobody_has_is_unauthorized() {
    let atct = access_token("of a repository");
    let expired = User::new("old@example.com", &api_token("old"))
        .package_scopes()
        .expired();
    let setup = Setup::shop()
        .access_token(&atct, AccessTokenKind::Repository, &["repository:write"])
        .user(expired);
    for sign_in in [SignIn::Bearer, SignIn::Basic] {
        let emulator = Emulator::start(setup.clone().with(|settings| settings.sign_in = sign_in));
        for (username, token) in [
            (Setup::EMAIL, "wrong".to_owned()),
            ("x-token-auth", atct.clone()),
            (Setup::EMAIL, atct.clone()),
            ("old@example.com", api_token("old")),
        ] {
            Skopeo::new()
                .login(emulator.host(), username, &token)
                .fails_with("invalid username/password");
        }
    }
}

#[test]
fn rights_follow_scopes_and_roles() {
    let reader = User::new("reader@example.com", &api_token("reader"))
        .package_scopes()
        .role("shop/images", Role::Read);
    let unscoped = User::new("unscoped@example.com", &api_token("unscoped")).role("shop/images", Role::Admin);
    let emulator = Emulator::start(Setup::shop().user(reader).user(unscoped));
    let image = Image::small("base");
    emulator.put_image("shop/base", "1", &image);
    let base = format!("{}/shop/base:1", emulator.host());

    let skopeo = Skopeo::new();
    skopeo
        .login(emulator.host(), "reader@example.com", &api_token("reader"))
        .succeeds();
    skopeo.raw(&base).succeeds();
    skopeo.push(&image, &base).fails_with("denied");
    let api = format!("{}/shop/api:1", emulator.host());
    skopeo.raw(&api).fails_with("denied");

    let skopeo = Skopeo::new();
    skopeo
        .login(emulator.host(), "unscoped@example.com", &api_token("unscoped"))
        .succeeds();
    skopeo.raw(&base).fails_with("denied");

    let skopeo = Skopeo::new();
    skopeo
        .login(emulator.host(), Setup::BUILT_IN_USERNAME, Setup::BUILT_IN_TOKEN)
        .succeeds();
    skopeo.push(&image, &api).succeeds();
    skopeo.raw(&base).fails_with("denied");
}

#[test]
fn what_is_missing_is_named() {
    let emulator = Emulator::start(Setup::shop());
    let skopeo = signed_in(&emulator);
    let missing = format!("{}/shop/nothing:1", emulator.host());
    skopeo
        .raw(&missing)
        .fails_with("nothing does not exist in this workspace");
    skopeo
        .push(&Image::small("x"), &missing)
        .fails_with("nothing does not exist in this workspace");
    let untagged = format!("{}/shop/api:none", emulator.host());
    skopeo.raw(&untagged).fails_with("manifest unknown");
}

#[test]
fn an_immutable_tag_keeps_its_digest() {
    let emulator = Emulator::start(Setup::shop().immutable(r"^v\d"));
    let skopeo = signed_in(&emulator);
    let tag = |tag: &str| format!("{}/shop/api:{tag}", emulator.host());
    let (first, second) = (Image::small("first"), Image::small("second"));
    for name in ["v1", "latest"] {
        skopeo.push(&first, &tag(name)).succeeds();
    }
    skopeo.push(&second, &tag("latest")).succeeds();
    skopeo.push(&second, &tag("v1")).fails_with("is immutable");
    skopeo.push(&first, &tag("v1")).succeeds();
    emulator.settings(|settings| {
        settings.immutable_takes_same = false;
        settings.immutable = Answer::error(409, "DENIED", "no");
    });
    skopeo.push(&first, &tag("v1")).fails_with("no");
    assert_eq!(emulator.tag("shop/api", "v1"), Some(first.digest()));
}

#[test]
fn mounts_need_pull_at_the_source_in_the_same_token() {
    // skopeo tries mounts from its memory of where it saw a blob.
    for (combined, mounted) in [(Combined::Granted, true), (Combined::OnlyFirst, false)] {
        let emulator = Emulator::start(Setup::shop().with(|settings| settings.combined = combined));
        let skopeo = signed_in(&emulator);
        let image = ImageBuilder::new("mount").layers(2, 50_000).build();
        let at = |package: &str| format!("docker://{}/shop/{package}:1", emulator.host());
        skopeo
            .push(&image, &format!("{}/shop/base:1", emulator.host()))
            .succeeds();
        emulator.forget_requests();
        skopeo.copy(&["--preserve-digests"], &at("base"), &at("web")).succeeds();
        let mounts = emulator.journal();
        let mounts: Vec<u16> = mounts
            .iter()
            .filter(|entry| entry.path.contains("mount=") && entry.status != 401)
            .map(|entry| entry.status)
            .collect();
        assert_eq!(mounts.contains(&201), mounted, "{:#?}", emulator.requests());
        assert_eq!(emulator.tag("shop/web", "1"), Some(image.digest()));
    }
}

#[test]
fn tags_come_in_pages() {
    let emulator = Emulator::start(Setup::shop().with(|settings| settings.page_limit = 3));
    let image = Image::small("x");
    let names: Vec<String> = (10..20).map(|number| format!("t{number}")).collect();
    for name in &names {
        emulator.put_image("shop/api", name, &image);
    }
    let skopeo = signed_in(&emulator);
    let reference = format!("docker://{}/shop/api", emulator.host());
    let listed = skopeo.run(&["list-tags", "--tls-verify=false", &reference]).succeeds();
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["Tags"], serde_json::json!(names));
}

#[test]
fn scripted_answers_serve_as_often_as_said() {
    let emulator = Emulator::start(Setup::shop());
    let skopeo = signed_in(&emulator);
    emulator.put_image("shop/api", "1", &Image::small("x"));
    let strange = Answer::error(451, "STRANGE", "not today");
    emulator.script(on("GET", "/manifests/1$").signed_in(), 1, strange);
    let reference = format!("{}/shop/api:1", emulator.host());
    skopeo.raw(&reference).fails_with("not today");
    assert_eq!(emulator.unmet(), 0);
    skopeo.raw(&reference).succeeds();
    emulator.script(on("GET", "/v2/"), 9, crate::support::emulator::Fault::Reset);
    skopeo.raw(&reference).fails_with("reset by peer");
}
