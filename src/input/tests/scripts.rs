//! What `check` puts in the place of a line by hand is taken as it is: pasting it ends no run with mistakes in variables.

use super::*;
use crate::clone::scripts::Script;
use crate::names::Host;

/// The mistakes of all that takes the place of a line; a variable of the step stands for a word.
fn mistakes_of(line: &str) -> Vec<String> {
    let registry = Host::bitbucket();
    let mut mistakes = Vec::new();
    for found in Script::new(&registry, Some("shop")).by_hand(line) {
        let filled = |text: &str| {
            text.replace("$BITBUCKET_CLONE_DIR", "/clone")
                .replace("$BITBUCKET_WORKSPACE", "shop")
                .replace("$TAG", "1.4")
        };
        let pairs: Vec<(&str, String)> = found
            .instead
            .entry()
            .variables()
            .iter()
            .map(|(name, value)| (*name, filled(value)))
            .collect();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if let Err(found) = check(&[&[("BITBUCKET_CLONE_DIR", "/clone")], &pairs[..]].concat()) {
            mistakes.extend(found.iter().map(ToString::to_string));
        }
    }
    mistakes
}

fn image() -> impl Strategy<Value = String> {
    let host = proptest::sample::select(vec!["crg.apkg.io/", "crg.apkg.io:443/", "quay.io/", "", "apkg.io/"]);
    let path = proptest::sample::select(vec![
        "shop/api",
        "other/api",
        "$BITBUCKET_WORKSPACE/api",
        "api",
        "shop/Api",
        "a/b/c",
    ]);
    let end = proptest::sample::select(vec!["", ":1", ":$TAG", ":-x", ":a__b", "@sha256:00", ":"]);
    (host, path, end).prop_map(|(host, path, end)| format!("{host}{path}{end}"))
}

fn operand() -> impl Strategy<Value = String> {
    let place = proptest::sample::select(vec![
        "out",
        "x.tar",
        "/tmp/x.tar",
        "../x",
        ".",
        "",
        "~/x",
        "x:1",
        "x:A",
        "x:a/b:1",
        "x:a__b",
        "x:",
        "x:@0",
        "a b",
    ]);
    let form = proptest::sample::select(vec![
        "docker://",
        "dir:",
        "oci:",
        "oci-archive:",
        "docker-archive:",
        "docker-daemon:",
        "containers-storage:",
        "",
    ]);
    prop_oneof![
        image(),
        image().prop_map(|image| format!("docker://{image}")),
        image().prop_map(|image| format!("docker-daemon:{image}")),
        (form, place).prop_map(|(form, place)| format!("'{form}{place}'")),
    ]
}

fn line() -> impl Strategy<Value = String> {
    let command = proptest::sample::select(vec![
        "docker pull",
        "docker push",
        "docker run",
        "docker tag",
        "docker login",
        "docker buildx imagetools create -t",
        "skopeo copy",
        "skopeo --override-arch arm64 copy",
        "skopeo login",
        "crane copy",
        "crane pull",
        "crane push",
        "crane tag",
        "crane auth login",
    ]);
    let option = proptest::sample::select(vec![
        "",
        "-a",
        "--all-tags",
        "--platform linux/arm64",
        "--platform=x",
        "--platform all",
        "--format=oci",
        "--format tarball",
        "--pull always",
        "--pull=never",
        "--all",
    ]);
    (command, option, proptest::collection::vec(operand(), 1..3))
        .prop_map(|(command, option, operands)| format!("{command} {option} {}", operands.join(" ")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn no_replacement_has_a_mistake(line in line()) {
        prop_assert_eq!(mistakes_of(&line), Vec::<String>::new());
    }
}

#[test]
fn replacements_are_made_at_all() {
    let registry = Host::bitbucket();
    for line in [
        "skopeo copy docker://crg.apkg.io/shop/api:1 oci:out:1",
        "skopeo copy docker://crg.apkg.io/shop/api:1 oci-archive:$BITBUCKET_CLONE_DIR/x.tar",
        "docker push crg.apkg.io/shop/api:$TAG",
    ] {
        let found = Script::new(&registry, Some("shop")).by_hand(line);
        assert_eq!(found.len(), 1, "{line}");
        assert_eq!(mistakes_of(line), Vec::<String>::new(), "{line}");
    }
}
