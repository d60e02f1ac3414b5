//! The names that images have in OCI layouts.

/// Whether an image can have such a name: skopeo, buildah and umoci choose by no other (OCI image specification, "Annotations",
/// the grammar of `org.opencontainers.image.ref.name`).
#[must_use]
pub(crate) fn is_ref_name(name: &str) -> bool {
    let is_component = |component: &str| {
        let words = component.replace("--", "-");
        let mut words = words.split(['-', '.', '_', ':', '@', '+']);
        words.all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    };
    name.split('/').all(is_component)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_layouts_are_those_of_the_specification() {
        for name in [
            "1",
            "latest",
            "1.0",
            "v1.0-rc.1",
            "a--b",
            "a_b",
            "1.0+build",
            "api:1",
            "a@b",
            "Shop/API:1",
            "127.0.0.1:5000/a/b:1",
        ] {
            assert!(is_ref_name(name), "{name}");
        }
        for name in [
            "",
            "_a",
            "a_",
            "-x",
            "+x",
            "a__b",
            "a..b",
            "a---b",
            "a-_b",
            "a/",
            "/a",
            "a//b",
            "a b",
            "ünï",
            "x|y",
            "x\"y",
            "[::1]:1/a",
        ] {
            assert!(!is_ref_name(name), "{name}");
        }
    }
}
