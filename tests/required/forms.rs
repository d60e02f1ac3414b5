//! The forms in which something is attached to an image.

use super::{BUNDLE, SIGN, SLSA, SPDX, attested, bundle, fallback, platforms};
use crate::support::emulator::Emulator;
use crate::support::image::Image;
use serde_json::json;

/// How an image may be furnished, and what of all this it then has.
pub(super) type Form = (&'static str, bool, fn(&Emulator) -> Image, &'static [&'static str]);

/// Puts an image with what refers to it, by the API or under the tag in its place.
pub(super) fn referred_to(emulator: &Emulator, image: Image, referrers: &[Image]) -> Image {
    for referrer in referrers {
        emulator.put_untagged("shop/base", referrer);
    }
    if !emulator.settings(|settings| settings.referrers) {
        // As cosign writes it: the types, and no annotations.
        emulator.put_image("shop/base", &fallback(&image), &Image::index(referrers.to_vec()));
    }
    image
}

pub(super) const FORMS: &[Form] = &[
    ("nothing", true, |_| Image::small("attached"), &[]),
    (
        "nothing, and no list of referrers",
        false,
        |_| Image::small("attached"),
        &[],
    ),
    (
        "bundles",
        true,
        |emulator| {
            let image = Image::small("attached");
            let bundles = [bundle(&image, SIGN), bundle(&image, SPDX), bundle(&image, SLSA)];
            referred_to(emulator, image, &bundles)
        },
        &["signature", "sbom", "provenance"],
    ),
    (
        "bundles under the tag",
        false,
        |emulator| {
            let image = Image::small("attached");
            let bundles = [bundle(&image, SIGN), bundle(&image, SLSA)];
            referred_to(emulator, image, &bundles)
        },
        &["signature", "provenance"],
    ),
    (
        "a signed message, an SBOM by its type",
        true,
        |emulator| {
            let image = Image::small("attached");
            let message = Image::attached_to(
                &image,
                BUNDLE,
                &json!({ "dev.sigstore.bundle.content": "message-signature" }),
            );
            let sbom = Image::referrer_of(&image, "application/spdx+json");
            referred_to(emulator, image, &[message, sbom])
        },
        &["signature", "sbom"],
    ),
    (
        "what is neither",
        true,
        |emulator| {
            let image = Image::small("attached");
            let scan = bundle(&image, "https://cosign.sigstore.dev/attestation/vuln/v1");
            let other = Image::referrer_of(&image, "application/vnd.example.note");
            referred_to(emulator, image, &[scan, other])
        },
        &[],
    ),
    (
        "cosign's tags",
        false,
        |emulator| {
            let image = Image::small("attached");
            for (ending, manifest) in [
                ("sig", Image::small("signature")),
                ("att", Image::envelopes_of(&image, &[SLSA])),
                ("sbom", Image::small("sbom")),
            ] {
                emulator.put_image("shop/base", &format!("{}.{ending}", fallback(&image)), &manifest);
            }
            image
        },
        &["signature", "sbom", "provenance"],
    ),
    (
        "BuildKit's attestations",
        true,
        |_| attested(&[SPDX, SLSA], &[SPDX, SLSA]),
        &["sbom", "provenance"],
    ),
    (
        "an attestation as Docker 23 wrote it",
        false,
        |_| {
            attested(
                &["https://slsa.dev/provenance/v0.2"],
                &["https://slsa.dev/provenance/v0.2"],
            )
        },
        &["provenance"],
    ),
    (
        "attestations of another kind",
        true,
        |_| attested(&["https://example.org/scan/v1"], &["https://example.org/scan/v1"]),
        &[],
    ),
    (
        "one platform has no SBOM",
        true,
        |_| attested(&[SPDX, SLSA], &[SLSA]),
        &["provenance"],
    ),
    ("one platform has nothing", true, |_| attested(&[SPDX, SLSA], &[]), &[]),
    (
        "an index within the index",
        true,
        |_| Image::index(vec![attested(&[SPDX, SLSA], &[SPDX, SLSA])]),
        &["sbom", "provenance"],
    ),
    (
        "an index within the index, of which one platform has no SBOM",
        true,
        |_| {
            Image::index(vec![
                attested(&[SPDX, SLSA], &[SLSA]),
                attested(&[SPDX, SLSA], &[SPDX, SLSA]),
            ])
        },
        &["provenance"],
    ),
    (
        "a signed index within the index",
        true,
        |emulator| {
            let within = attested(&[SLSA], &[]);
            emulator.put_untagged("shop/base", &within);
            emulator.put_untagged("shop/base", &bundle(&within, SIGN));
            Image::index(vec![within])
        },
        &["signature"],
    ),
    (
        "an index within three others",
        true,
        |_| {
            let within = Image::index(vec![attested(&[SPDX, SLSA], &[SPDX, SLSA])]);
            Image::index(vec![Image::index(vec![within])])
        },
        &[],
    ),
    (
        "a signature of the index",
        true,
        |emulator| {
            let image = attested(&[], &[]);
            let signature = bundle(&image, SIGN);
            referred_to(emulator, image, &[signature])
        },
        &["signature"],
    ),
    (
        "a signature of each platform",
        true,
        |emulator| {
            let (amd, arm) = platforms();
            for image in [&amd, &arm] {
                emulator.put_untagged("shop/base", image);
                emulator.put_untagged("shop/base", &bundle(image, SIGN));
            }
            Image::index(vec![amd, arm])
        },
        &["signature"],
    ),
    (
        "a signature of one platform",
        true,
        |emulator| {
            let (amd, arm) = platforms();
            emulator.put_untagged("shop/base", &amd);
            emulator.put_untagged("shop/base", &bundle(&amd, SIGN));
            Image::index(vec![amd, arm])
        },
        &[],
    ),
];
