//! The workspace of the demonstration: its packages and images, and the variables that a step of it has.

use crate::support::emulator::{AccessTokenKind, Emulator, Setup, access_token};
use crate::support::image::{Image, ImageBuilder};
use crate::support::pki::Authority;
use serde_json::json;

/// A variable and its value.
pub(crate) type Variable = (String, String);

/// Where the built-in credential reaches: the packages of this repository.
pub(crate) const OWN: &str = "shop/api";
/// The packages, and the repository that each is linked to.
const PACKAGES: [(&str, &str); 6] = [
    ("shop/base", "shop/images"),
    ("shop/tools", "shop/images"),
    ("shop/node", "shop/images"),
    ("shop/redis", "shop/images"),
    ("shop/api", OWN),
    ("shop/web", OWN),
];

/// How cosign attaches what is stated about an image: here that it is signed, and what is in it.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
const SBOM: &str = "https://spdx.dev/Document";

/// Builds of `shop/web`.
const BUILDS: usize = 5;

/// Which credentials the step has.
#[derive(Clone, Copy)]
pub(crate) enum Has {
    /// The built-in one, and the API token of the workspace.
    Both,
    /// The built-in one alone.
    BuiltIn,
    /// The built-in one, and an access token where an API token belongs.
    AccessToken,
}

/// Bitbucket's registry, with images of some MB.
pub(crate) fn open() -> Emulator {
    let token = access_token("sandbox");
    let setup = PACKAGES
        .iter()
        .fold(Setup::shop(), |setup, (package, repository)| {
            setup.package(package, repository)
        })
        .access_token(&token, AccessTokenKind::Repository, &["repository"])
        .with(|settings| settings.referrers = true)
        .api(Authority::shared());
    let registry = Emulator::start(setup);
    let base = image("base", 3, 1_400_000);
    registry.put_image("shop/base", "1", &base);
    for statement in [SIGNATURE, SBOM] {
        let annotations = json!({
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": statement,
        });
        registry.put_untagged("shop/base", &Image::attached_to(&base, BUNDLE, &annotations));
    }
    registry.put_image("shop/tools", "2", &image("tools", 2, 2_300_000));
    registry.put_image("shop/api", "0.9.0", &image("api", 2, 900_000));
    for number in 1..=BUILDS {
        registry.put_image("shop/web", &format!("build-{number}"), &build(number));
    }
    registry
}

/// Docker Hub, which everybody may pull from. Only its proxy leads there.
pub(crate) fn open_docker_hub() -> Emulator {
    let setup = Setup::new()
        .package("library/node", "library/all")
        .package("library/redis", "library/all")
        .with(|settings| settings.public = true)
        .behind_proxy("registry-1.docker.io", Authority::shared());
    let hub = Emulator::start(setup);
    hub.put_image("library/node", "20", &image("node-20", 3, 1_100_000));
    hub.put_image("library/node", "22", &image("node-22", 3, 1_200_000));
    hub.put_image("library/redis", "7", &image("redis-7", 2, 700_000));
    hub
}

/// A nightly build. Of two that follow each other, one layer is the same.
fn build(number: usize) -> Image {
    let created = json!(format!("2026-11-{number:02}T02:00:00Z"));
    let builder = ImageBuilder::new("web").layers(1, 300_000).created(created);
    let layer = format!("build {}", number / 2);
    builder.file("app", layer.repeat(1000).as_bytes(), 0o755).build()
}

/// For linux/amd64 and linux/arm64.
fn image(seed: &str, layers: usize, bytes: usize) -> Image {
    let builder = ImageBuilder::new(seed).layers(layers, bytes);
    Image::index(vec![
        builder.build(),
        builder.platform("linux", "arm64", Some("v8")).build(),
    ])
}

/// What a step of repository `shop/api` has: where it is, and its credentials.
pub(crate) fn variables(registry: &Emulator, has: Has) -> Vec<Variable> {
    let mut all = vec![
        ("REGISTRY", registry.host().to_owned()),
        ("BITBUCKET_WORKSPACE", "shop".to_owned()),
        ("BITBUCKET_REPO_FULL_NAME", OWN.to_owned()),
        ("BITBUCKET_PACKAGES_USERNAME", Setup::BUILT_IN_USERNAME.to_owned()),
        ("BITBUCKET_PACKAGES_TOKEN", Setup::BUILT_IN_TOKEN.to_owned()),
        // Bitbucket's API is asked through this proxy, which leads to the emulator's and nowhere else.
        ("HTTPS_PROXY", registry.proxy()),
    ];
    let personal = match has {
        Has::Both => Some(Setup::api_token()),
        Has::AccessToken => Some(access_token("sandbox")),
        Has::BuiltIn => None,
    };
    if let Some(token) = personal {
        all.push(("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL.to_owned()));
        all.push(("ATLASSIAN_API_TOKEN", token));
    }
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A line for each package that has images.
pub(crate) fn holdings(registry: &Emulator) -> Vec<String> {
    PACKAGES
        .iter()
        .filter(|(package, _)| !registry.tags(package).is_empty())
        .map(|(package, repository)| {
            let tags = registry.tags(package).join(" ");
            format!("  {package:<10} linked to {repository:<12} {tags}")
        })
        .collect()
}
