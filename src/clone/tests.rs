use super::*;
use std::fs;

fn discovered(files: &[(&str, &str)]) -> Discovered {
    let clone = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = clone.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let namespace = Namespace {
        registry: Host::bitbucket(),
        workspace: Some("shop".to_owned()),
    };
    images(clone.path(), &namespace)
}

/// `reference: place place`.
fn texts(discovered: &Discovered) -> Vec<String> {
    let places = |places: &[Place]| places.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let images = discovered.images.iter();
    images.map(|(image, at)| format!("{image}: {}", places(at))).collect()
}

#[test]
fn images_of_this_registry_are_found_where_they_are_named() {
    let found = discovered(&[
        (
            "Dockerfile",
            "ARG BASE=crg.apkg.io/shop/base:1\nFROM $BASE\nFROM node:20\nFROM shop/base:1\nFROM $BASE\n",
        ),
        (
            "api/Dockerfile",
            "FROM CRG.apkg.io/shop/tools\nFROM ghcr.io/a/B:1\nFROM crg.apkg.io/shop/base:1\n",
        ),
        (
            "compose.yml",
            "services:\n  a:\n    image: crg.apkg.io/shop/base:1\n  b:\n    image: crg.apkg.io/other/db:7\n",
        ),
        ("docker-compose.dev.yml", "services: {a: {image: redis}}\n"),
        ("node_modules/x/Dockerfile", "FROM crg.apkg.io/shop/no:1\n"),
        ("README.md", "FROM crg.apkg.io/shop/no:1\n"),
    ]);
    assert_eq!(
        texts(&found),
        [
            "crg.apkg.io/shop/base:1: Dockerfile:2 Dockerfile:5 api/Dockerfile:3 compose.yml:3",
            "crg.apkg.io/shop/tools:latest: api/Dockerfile:1",
            "crg.apkg.io/other/db:7: compose.yml:5",
        ]
    );
    assert_eq!(found.passed_over, []);
    let looked_at: Vec<String> = found.looked_at.iter().map(|path| shown(path)).collect();
    assert_eq!(
        looked_at,
        ["Dockerfile", "api/Dockerfile", "compose.yml", "docker-compose.dev.yml"]
    );
    assert!(!found.is_cut);
}

#[test]
fn what_may_be_meant_is_told() {
    let found = discovered(&[
        (
            "Dockerfile",
            "ARG TAG\nARG HOST\nFROM crg.apkg.io/shop/base:$TAG\nFROM $HOST/shop/base\nFROM node:$TAG\nFROM $BASE\n\
             FROM packages.atlassian.net/shop/base:1\nFROM crg.apkg.io/Shop/base\nFROM crg.apkg.io/base:1\nFROM x/$TAG\n",
        ),
        ("compose.yml", "services:\n  a: [\n"),
        (
            "compose.dev.yml",
            "services: {a: {image: $IMAGE}, b: {image: 'postgres:$TAG'}}",
        ),
    ]);
    assert_eq!(texts(&found), Vec::<String>::new());
    let told: Vec<String> = found.passed_over.iter().map(ToString::to_string).collect();
    let expected = [
        "Dockerfile:3: `crg.apkg.io/shop/base:$TAG`: `ARG TAG` has no default before the first `FROM`",
        "Dockerfile:4: `$HOST/shop/base`: `ARG HOST` has no default before the first `FROM`",
        "Dockerfile:6: `$BASE`: `ARG BASE` has no default before the first `FROM`",
        "Dockerfile:7: `packages.atlassian.net/shop/base:1`: `packages.atlassian.net` is not Bitbucket's container registry: \
         no such registry exists; write `crg.apkg.io/shop/base`",
        "Dockerfile:8: `crg.apkg.io/Shop/base`: `Shop/base` has capital letters, which repository names cannot have; write \
         `shop/base`",
        "Dockerfile:9: `crg.apkg.io/base:1`: `crg.apkg.io/base` lacks the workspace; write `crg.apkg.io/shop/base`",
        "compose.dev.yml:1: `$IMAGE`: the variable `IMAGE` has no default",
        "compose.yml:3: it is no YAML that can be read: ",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}\n{expected}");
    }
}

#[test]
fn a_file_cannot_forge_a_line() {
    let found = discovered(&[("Dockerfile", "FROM crg.apkg.io/shop/\u{1b}[31mbase:1\n")]);
    let told = found.passed_over[0].to_string();
    assert!(told.contains("\\u{1b}") && !told.contains('\u{1b}'), "{told}");
}
