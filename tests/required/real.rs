//! The same in a registry that is not ours.

use super::{ALL, SIGN, SLSA, SPDX, attached, attested, bundle, furnished, referred_to};
use crate::support::distribution::Distribution;
use crate::support::emulator::Setup;
use crate::support::pipe::Pipe;

/// What the pipe leaves in a registry without a list of referrers, Debian's docker-registry, is found there.
#[test]
fn what_was_copied_along_is_found_in_a_real_registry() {
    let (source, image) = furnished(true, |emulator| {
        let image = attested(&[SPDX, SLSA], &[SPDX, SLSA]);
        let signature = bundle(&image, SIGN);
        referred_to(emulator, image, &[signature])
    });
    let registry = Distribution::setup().htpasswd("ada").start();
    let pipe = |action: &str| {
        Pipe::new()
            .workspace("shop")
            .distribution(&registry)
            .var("BITBUCKET_PACKAGES_USERNAME", "ada")
            .var("BITBUCKET_PACKAGES_TOKEN", Distribution::PASSWORD)
            .var("ACTION", action)
            .var("RETRIES", "0")
            .var("REPORT", "report.json")
    };
    let copied = |tag: &str| {
        pipe("copy")
            .var("SOURCE", &format!("{}/shop/base:1", source.host()))
            .var("SOURCE_USERNAME", Setup::EMAIL)
            .secret("SOURCE_PASSWORD", &Setup::api_token())
            .var("TARGET", &format!("base:{tag}"))
            .var("REQUIRE", ALL)
    };
    let checked = || pipe("check").var("IMAGES", "base:1").var("REQUIRE", ALL).run();
    copied("1").run().succeeds();
    checked().fails(5).says("has no signature, which `REQUIRE` asks for");
    copied("1").var("REFERRERS", "true").run().succeeds();
    let outcome = checked().succeeds().says("; has a signature, an SBOM and provenance; ");
    assert_eq!(attached(outcome.report.as_ref()), ["signature", "sbom", "provenance"]);
    assert_eq!(outcome.report.as_ref().unwrap()["images"][0]["digest"], image.digest());
}
