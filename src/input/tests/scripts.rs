//! What `check` puts in the place of a line by hand is taken as it is: pasting it ends no run with mistakes in variables.

use super::*;
use crate::clone::scripts::{Instead, PipeEntry, Script};
use crate::names::{Host, Reference};

/// What is offered in the place of a line.
fn offered(line: &str) -> Vec<Instead> {
    let step = Step {
        workspace: Some("shop".to_owned()),
        repository: None,
        clone_folder: Some("/clone".into()),
        in_pipe: true,
        working_folder: "/clone".into(),
    };
    let found = Script::new(&Host::bitbucket(), Some("shop")).by_hand(line);
    let taken = found.into_iter().filter(|found| is_taken(found.instead.entry(), &step));
    taken.map(|found| found.instead).collect()
}

/// The mistakes of a run with an entry, once the step has filled in its variables.
fn mistakes_of(entry: &PipeEntry) -> Vec<String> {
    let filled = |text: &str| {
        text.replace("$BITBUCKET_CLONE_DIR", "/clone")
            .replace("$BITBUCKET_WORKSPACE", "shop")
            .replace("$TAG", "1.4")
    };
    let pairs: Vec<(&str, String)> = entry
        .variables()
        .iter()
        .map(|(name, value)| (*name, filled(value)))
        .collect();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let context = [
        ("BITBUCKET_CLONE_DIR", "/clone"),
        ("BITBUCKET_PIPE_STORAGE_DIR", "/storage"),
    ];
    match check(&[&context, &pairs[..]].concat()) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    }
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
        for instead in offered(&line) {
            prop_assert_eq!(mistakes_of(instead.entry()), Vec::<String>::new());
        }
    }
}

/// The command's own tool refuses what is not replaced, or the pipe does.
#[test]
fn what_the_pipe_takes_is_offered_and_nothing_else() {
    for (line, is_offered) in [
        ("skopeo copy docker://crg.apkg.io/shop/api:1 oci:out:1", true),
        ("skopeo copy docker://crg.apkg.io/shop/api:1 oci:x:a/b:1", true),
        ("skopeo copy docker://crg.apkg.io/shop/api:1 oci:x:A+b", true),
        ("skopeo copy docker://crg.apkg.io/shop/api:1 oci:x:$TAG-$X", true),
        ("skopeo copy docker://crg.apkg.io/shop/api:1 oci:x:${TAG:-1}", true),
        (
            "skopeo copy docker://crg.apkg.io/shop/api:1 oci-archive:$BITBUCKET_CLONE_DIR/x.tar",
            true,
        ),
        (
            "skopeo copy docker://crg.apkg.io/shop/api:1 docker-archive:x:a__b:1",
            true,
        ),
        ("skopeo copy oci:x:A+b docker://crg.apkg.io/shop/api:1", true),
        ("docker push crg.apkg.io/shop/api:$TAG", true),
        ("docker pull crg.apkg.io/shop/api@sha256:$DIGEST", true),
        ("docker pull --platform linux/$ARCH crg.apkg.io/shop/api", true),
        ("docker tag api:dev crg.apkg.io/shop/api:1", true),
        ("skopeo copy docker://crg.apkg.io/shop/api:1 oci:x:a__b", false),
        ("skopeo copy docker://crg.apkg.io/shop/api:1 oci-archive:x:1-", false),
        ("skopeo copy docker://crg.apkg.io/shop/api:1 oci:x:", false),
        (
            "skopeo copy docker://crg.apkg.io/shop/api:1 docker-archive:x:A+b",
            false,
        ),
        ("skopeo copy docker://crg.apkg.io/shop/api:1 docker-archive:x:@0", false),
        ("docker tag oci: crg.apkg.io/shop/api", false),
        ("docker tag dir:x crg.apkg.io/shop/api", false),
        ("docker tag api:dev crg.apkg.io/shop/api@sha256:00", false),
        ("docker pull crg.apkg.io/shop/Base:1", false),
        ("docker pull crg.apkg.io/shop/base:$TAG:1", false),
        ("docker pull 'crg.apkg.io/shop/base other'", false),
        ("docker pull crg.apkg.io/shop/base:2*", false),
        ("docker pull crg.apkg.io/shop/base=a", false),
        ("crane tag crg.apkg.io/shop/base:1 '2 3'", false),
        ("docker pull --platform x/y/z/a crg.apkg.io/shop/base:1", false),
        ("crane tag crg.apkg.io/shop/api:1 it\\'s", false),
    ] {
        let found = offered(line);
        assert_eq!(found.len(), usize::from(is_offered), "{line}: {found:?}");
        for instead in found {
            assert!(!matches!(instead, Instead::Credential(_)), "{line}");
        }
    }
}

/// The entry names what the line names, also on another registry than the pipe's own.
#[test]
fn the_registry_is_that_of_the_line() {
    for (host, expected) in [
        ("crg.apkg.io", vec![("IMAGES", "api:1")]),
        (
            "localhost:5000",
            vec![("IMAGES", "api:1"), ("REGISTRY", "localhost:5000")],
        ),
        (
            "registry.example.com:5000",
            vec![
                ("IMAGES", "api:1"),
                ("REGISTRY", "registry.example.com:5000"),
                ("CREDENTIAL", "auto"),
            ],
        ),
    ] {
        let registry = Host::parse(host).unwrap();
        let found = Script::new(&registry, Some("shop")).by_hand(&format!("docker pull {host}/shop/api:1"));
        let [found] = found.as_slice() else { panic!("{found:?}") };
        let variables = found.instead.entry().variables().iter();
        let variables: Vec<(&str, &str)> = variables.map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(variables, expected);
        let pulled = pulled(&variables);
        let images: Vec<&Reference> = pulled.images.iter().collect();
        assert_eq!(texts(&images), [format!("{host}/shop/api:1")]);
    }
}
