//! What an image runs on, in the words of the OCI image specification ("Image Index", property `platform`): operating
//! system, architecture and variant.

use crate::text::excerpt;
use std::fmt;

/// Operating system, architecture and variant, such as `linux/amd64` or `linux/arm/v7`.
///
/// Names are the specification's (`amd64`, not `x86_64`), and a variant that says nothing more than its architecture
/// is left out (`arm64/v8` is `arm64`), so that equal platforms compare equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl Platform {
    /// Parses `os/architecture` or `os/architecture/variant`.
    ///
    /// # Errors
    /// [`BadPlatform`] if it is neither.
    pub fn parse(text: &str) -> Result<Self, BadPlatform> {
        let bad = || BadPlatform { text: text.to_owned() };
        let parts: Vec<&str> = text.split('/').collect();
        if !parts.iter().all(|part| is_word(part)) {
            return Err(bad());
        }
        match parts[..] {
            [os, architecture] => Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] => Ok(Self::new(os, architecture, Some(variant))),
            _ => Err(bad()),
        }
    }

    /// From what a manifest, an image's configuration or a daemon states. An empty part is `unknown`, as in the
    /// platform of an attestation, and so is one that [`Self::parse`] would not take; `x86_64` and `aarch64`, which some
    /// daemons say, become `amd64` and `arm64`.
    #[must_use]
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let stated = |part: &str| {
            if is_word(part) {
                part.to_ascii_lowercase()
            } else {
                "unknown".to_owned()
            }
        };
        let variant = variant.filter(|variant| is_word(variant)).map(str::to_ascii_lowercase);
        let architecture = stated(architecture);
        let (architecture, variant) = match (architecture.as_str(), variant.as_deref()) {
            ("x86_64" | "x86-64", _) => ("amd64", variant),
            ("i386" | "i686", _) => ("386", None),
            ("aarch64", _) => ("arm64", variant),
            ("armhf" | "armv7l", None) => ("arm", Some("v7".to_owned())),
            ("armel" | "armv6l", None) => ("arm", Some("v6".to_owned())),
            (other, _) => (other, variant),
        };
        let variant = match (architecture, variant.as_deref()) {
            ("arm64", Some("v8" | "8")) | ("amd64", Some("v1")) => None,
            ("arm", Some(number @ ("5" | "6" | "7" | "8"))) => Some(format!("v{number}")),
            _ => variant,
        };
        Self {
            os: stated(os),
            architecture: architecture.to_owned(),
            variant,
        }
    }

    /// The operating system, as `linux`.
    #[must_use]
    pub fn os(&self) -> &str {
        &self.os
    }

    /// The variant, as `v7`, where it says more than the architecture.
    #[must_use]
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// The architecture, as `amd64`.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Whether an image of this platform is what somebody who wrote `wanted` asks for. No variant in `wanted` takes
    /// any.
    #[must_use]
    pub fn satisfies(&self, wanted: &Self) -> bool {
        self.distance(wanted).is_some()
    }

    /// How far it is from what `wanted` asks for, where it satisfies that. Without a variant Docker means what each machine of
    /// the architecture runs, which for 32 bits of ARM is `v7`, else `v6`, else `v5` (containerd's package `platforms`, "Only").
    fn distance(&self, wanted: &Self) -> Option<usize> {
        let is_same = self.os == wanted.os && self.architecture == wanted.architecture;
        is_same.then_some(())?;
        match (wanted.variant(), self.variant()) {
            (wanted, own) if wanted == own => Some(0),
            (Some(_), _) => None,
            (None, Some("v7")) if self.architecture == "arm" => Some(0),
            (None, Some("v6")) if self.architecture == "arm" => Some(1),
            (None, Some("v5")) if self.architecture == "arm" => Some(2),
            (None, _) => Some(3),
        }
    }

    /// The item that serves `wanted` best, and of equal ones the first; `None` where none serves it.
    pub(crate) fn choose<T>(
        wanted: &Self,
        items: impl IntoIterator<Item = T>,
        platform: impl Fn(&T) -> Option<&Self>,
    ) -> Option<T> {
        let serving = items
            .into_iter()
            .filter_map(|item| Some((platform(&item)?.distance(wanted)?, item)));
        serving.min_by_key(|(distance, _)| *distance).map(|(_, item)| item)
    }
}

/// Whether a text can be a part of a platform.
fn is_word(part: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=32).contains(&part.len()) && part.bytes().all(allowed)
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// A text that names no platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPlatform {
    text: String,
}

impl BadPlatform {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> String {
        let alone = Platform::new("linux", &self.text, None);
        if matches!(
            alone.architecture(),
            "amd64" | "arm64" | "386" | "arm" | "ppc64le" | "s390x" | "riscv64"
        ) {
            return format!("write `{alone}`");
        }
        "write operating system and architecture, such as `linux/amd64`, `linux/arm64` or `linux/arm/v7`".to_owned()
    }
}

impl fmt::Display for BadPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a platform", excerpt(&self.text, 80))
    }
}

impl std::error::Error for BadPlatform {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn platforms_are_read_in_the_words_of_the_specification() {
        for (written, meant) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("Linux/AMD64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm64/v9", "linux/arm64/v9"),
            ("linux/arm/7", "linux/arm/v7"),
            ("linux/armhf", "linux/arm/v7"),
            ("windows/amd64", "windows/amd64"),
            ("unknown/unknown", "unknown/unknown"),
        ] {
            assert_eq!(Platform::parse(written).unwrap().to_string(), meant, "{written}");
        }
        for (os, architecture, variant, meant) in [
            ("linux", "x86_64", None, "linux/amd64"),
            ("linux", "arm64", Some("v8"), "linux/arm64"),
            ("linux", "amd64", Some(""), "linux/amd64"),
            ("", "", None, "unknown/unknown"),
            // A manifest forges no line and fills no log.
            ("li\u{1b}[31m\nnux", "a/b", Some("v\u{7}"), "unknown/unknown"),
            ("linux", &"x".repeat(33), Some(""), "linux/unknown"),
        ] {
            assert_eq!(Platform::new(os, architecture, variant).to_string(), meant);
        }
    }

    #[test]
    fn what_is_no_platform_gets_a_cure() {
        for (written, cure) in [
            ("amd64", "write `linux/amd64`"),
            ("aarch64", "write `linux/arm64`"),
            ("", "operating system and architecture"),
            ("linux", "operating system and architecture"),
            ("linux/", "operating system and architecture"),
            ("linux/amd64,linux/arm64", "operating system and architecture"),
            ("linux/arm/v7/x", "operating system and architecture"),
        ] {
            let error = Platform::parse(written).expect_err(written);
            assert!(error.hint().contains(cure), "{written}: {}", error.hint());
        }
        let shown = Platform::parse("\u{1b}[31m/x")
            .expect_err("control character")
            .to_string();
        assert!(!shown.contains('\u{1b}'), "{shown}");
    }

    #[test]
    fn an_image_serves_who_asked_for_its_platform() {
        for (image, wanted, serves) in [
            ("linux/amd64", "linux/amd64", true),
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm/v7", "linux/arm/v7", true),
            ("linux/arm/v6", "linux/arm/v7", false),
            ("linux/arm/v6", "linux/arm", true),
            ("linux/arm", "linux/arm/v7", false),
            ("linux/amd64", "linux/arm64", false),
            ("windows/amd64", "linux/amd64", false),
        ] {
            let (image, wanted) = (Platform::parse(image).unwrap(), Platform::parse(wanted).unwrap());
            assert_eq!(image.satisfies(&wanted), serves, "{image} for {wanted}");
        }
    }

    /// Whatever the order of an index: as `docker pull --platform` chooses.
    #[test]
    fn of_several_variants_the_one_that_docker_means_is_chosen() {
        for (wanted, platforms, chosen) in [
            (
                "linux/arm",
                vec!["linux/arm/v5", "linux/arm/v6", "linux/arm/v7"],
                "linux/arm/v7",
            ),
            ("linux/arm", vec!["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6"),
            ("linux/arm", vec!["linux/arm/v6", "linux/arm"], "linux/arm"),
            ("linux/arm", vec!["linux/arm/v8"], "linux/arm/v8"),
            ("linux/arm/v6", vec!["linux/arm/v7", "linux/arm/v6"], "linux/arm/v6"),
            ("linux/amd64", vec!["linux/amd64/v3", "linux/amd64"], "linux/amd64"),
            (
                "linux/amd64",
                vec!["linux/amd64/v3", "linux/amd64/v2"],
                "linux/amd64/v3",
            ),
            ("linux/arm64", vec!["linux/arm64/v9", "linux/arm64/v8"], "linux/arm64"),
        ] {
            let platforms: Vec<Platform> = platforms
                .into_iter()
                .map(|text| Platform::parse(text).unwrap())
                .collect();
            let wanted = Platform::parse(wanted).unwrap();
            let found = Platform::choose(&wanted, &platforms, |platform| Some(platform));
            assert_eq!(found.map(ToString::to_string).as_deref(), Some(chosen), "{wanted}");
        }
        let wanted = Platform::parse("linux/arm/v7").unwrap();
        let others = [Platform::parse("linux/arm/v6").unwrap()];
        assert_eq!(Platform::choose(&wanted, &others, |platform| Some(platform)), None);
    }

    proptest! {
        #[test]
        fn what_is_printed_means_the_same(text in "[a-zA-Z0-9._/-]{0,24}") {
            if let Ok(platform) = Platform::parse(&text) {
                prop_assert_eq!(Platform::parse(&platform.to_string()), Ok(platform));
            }
        }
    }
}
