use super::*;
use crate::names::{Host, Namespace};
use std::fs;

fn clone(files: &[(&str, &str)]) -> tempfile::TempDir {
    let clone = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = clone.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("H/", "crg.apkg.io/")).unwrap();
    }
    clone
}

/// What these files say; in them, `H/` stands for the registry's host.
fn discovered(files: &[(&str, &str)]) -> Discovered {
    let clone = clone(files);
    let namespace = Namespace {
        registry: Host::bitbucket(),
        workspace: Some("shop".to_owned()),
    };
    images(clone.path(), &namespace, None)
}

/// `path:tag place place`, with the platform if it has one.
fn texts(discovered: &Discovered) -> Vec<String> {
    let text = |found: &FoundImage| {
        let mut text = found.image.to_string().replace("crg.apkg.io/", "");
        if let Some(platform) = &found.platform {
            text = format!("{text} for {platform}");
        }
        for place in &found.places {
            text = format!("{text} {place}");
        }
        text
    };
    discovered.images.iter().map(text).collect()
}

fn told(discovered: &Discovered) -> Vec<String> {
    discovered.passed_over.iter().map(ToString::to_string).collect()
}

#[test]
fn images_of_this_registry_are_found_where_they_are_named() {
    let found = discovered(&[
        (
            "Dockerfile",
            "ARG BASE=H/shop/base:1\nFROM $BASE\nFROM node:20\nFROM shop/base:1\nFROM $BASE\n",
        ),
        (
            "api/Dockerfile",
            "FROM CRG.apkg.io/shop/tools\nFROM ghcr.io/a/B:1\nFROM H/shop/base:1\n",
        ),
        (
            "compose.yml",
            "services:\n  a:\n    image: H/shop/base:1\n  b:\n    image: H/other/db:7\n",
        ),
        ("docker-compose.dev.yml", "services: {a: {image: redis}}\n"),
        ("node_modules/x/Dockerfile", "FROM H/shop/no:1\n"),
        ("README.md", "FROM H/shop/no:1\n"),
    ]);
    assert_eq!(
        texts(&found),
        [
            "shop/base:1 Dockerfile:2 Dockerfile:5 api/Dockerfile:3 compose.yml:3",
            "shop/tools:latest api/Dockerfile:1",
            "other/db:7 compose.yml:5",
        ]
    );
    assert_eq!(found.passed_over, []);
    let looked_at: Vec<String> = found.looked_at.iter().map(|path| shown(path)).collect();
    assert_eq!(
        looked_at,
        ["Dockerfile", "api/Dockerfile", "compose.yml", "docker-compose.dev.yml"]
    );
    assert_eq!((found.cut, found.more_images), (None, 0));
}

#[test]
fn what_may_be_meant_is_told() {
    let found = discovered(&[
        (
            "Dockerfile",
            "ARG TAG\nARG HOST\nFROM H/shop/base:$TAG\nFROM $HOST/shop/base\nFROM node:$TAG\nFROM $BASE\n\
             FROM packages.atlassian.net/shop/base:1\nFROM H/Shop/base\nFROM H/base:1\nFROM x/$TAG\n\
             FROM https://H/shop/base:1\nFROM docker://H/shop/base\nFROM crg.apkg.io:443/shop/base:2\n\
             FROM https://ghcr.io/shop/base\nFROM crg.apkg.io:443/shop/${X^}\n",
        ),
        ("compose.yml", "services:\n  a: [\n"),
        (
            "compose.dev.yml",
            "services: {a: {image: $IMAGE}, b: {image: 'postgres:$TAG'}, c: {image: 'H/shop/c:${TAG'}}",
        ),
        (
            "loop/compose.yml",
            "x-a: &a text\nservices:\n  a:\n    <<: *a\n    image: H/shop/a:1\n",
        ),
    ]);
    assert_eq!(texts(&found), ["shop/a:1 loop/compose.yml:5"]);
    let expected = [
        "Dockerfile:3: `crg.apkg.io/shop/base:$TAG`: `ARG TAG` has no default before the first `FROM`",
        "Dockerfile:4: `$HOST/shop/base`: `ARG HOST` has no default before the first `FROM`",
        "Dockerfile:6: `$BASE`: there is no `ARG BASE` before the first `FROM`",
        "Dockerfile:7: `packages.atlassian.net/shop/base:1`: `packages.atlassian.net` is not Bitbucket's container registry: \
         no such registry exists; write `crg.apkg.io/shop/base`",
        "Dockerfile:8: `crg.apkg.io/Shop/base`: `Shop/base` has capital letters, which repository names cannot have; write \
         `shop/base`",
        "Dockerfile:9: `crg.apkg.io/base:1`: `crg.apkg.io/base` does not name the workspace; write `crg.apkg.io/shop/base`",
        "Dockerfile:11: `https://crg.apkg.io/shop/base:1`: an image's name does not begin with `https://`; write \
         `crg.apkg.io/shop/base:1`",
        "Dockerfile:12: `docker://crg.apkg.io/shop/base`: an image's name does not begin with `docker://`; write ",
        "Dockerfile:13: `crg.apkg.io:443/shop/base:2`: `crg.apkg.io:443` is not `crg.apkg.io` to Docker, which takes the port \
         as a part of the name; write `crg.apkg.io/shop/base:2`",
        "Dockerfile:15: `crg.apkg.io:443/shop/${X^}`: Docker does not read its `$` or quotation marks",
        "compose.dev.yml:1: `$IMAGE`: the variable `IMAGE` has no default",
        "compose.dev.yml:1: `crg.apkg.io/shop/c:${TAG`: Docker does not read its `$` or quotation marks",
        "compose.yml:3: it cannot be read as YAML: ",
        "loop/compose.yml:4: the merge key `<<` needs a mapping, or a list of mappings",
    ];
    let told = told(&found);
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}\n{expected}");
    }
}

#[test]
fn what_is_not_read_is_told_with_the_reason() {
    let clone = clone(&[(
        "compose.yml",
        "include: [inc.yml, ../x.yml, dir]\nservices:\n  a:\n    extends: {file: none.yml, service: x}\n    image: H/shop/a:1\n",
    )]);
    fs::create_dir(clone.path().join("dir")).unwrap();
    fs::write(clone.path().join("Dockerfile"), "#".repeat((1 << 20) + 1)).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", clone.path().join("inc.yml")).unwrap();
    let namespace = Namespace {
        registry: Host::bitbucket(),
        workspace: None,
    };
    let found = images(clone.path(), &namespace, None);
    assert_eq!(texts(&found), ["shop/a:1 compose.yml:5"]);
    assert_eq!(
        told(&found),
        [
            "Dockerfile: it is longer than 1 MiB",
            "compose.yml:1: it includes `inc.yml`: it is not a file",
            "compose.yml:1: it includes `../x.yml`: it is not in the clone",
            "compose.yml:1: it includes `dir`: it is not a file",
            "compose.yml:4: it extends a service of `none.yml`: it is not there",
        ]
    );
}

#[test]
fn a_problem_is_told_once_and_many_are_cut() {
    let anchors = "x-app: &app\n  image: $APP_IMAGE\nservices:\n  a: {<<: *app}\n  b: {<<: *app}\n  c: {<<: *app}\n";
    assert_eq!(
        told(&discovered(&[("compose.yml", anchors)])),
        ["compose.yml:2: `$APP_IMAGE`: the variable `APP_IMAGE` has no default"]
    );
    let many = "FROM H/shop/base:$TAG\n".repeat(1200);
    let found = discovered(&[("Dockerfile", &many)]);
    assert_eq!(found.passed_over.len(), 1001);
    assert!(
        found.passed_over[1000].problem.starts_with("from here on"),
        "{:?}",
        found.passed_over[1000]
    );
    let many: Vec<String> = (0..600).map(|number| format!("FROM H/shop/base:{number}\n")).collect();
    let many = many.concat();
    let found = discovered(&[("Dockerfile", &many)]);
    assert_eq!((found.images.len(), found.more_images), (500, 100));
}

#[test]
fn a_file_cannot_forge_a_line() {
    let found = discovered(&[("Dockerfile", "FROM H/shop/\u{1b}[31mbase:1\n")]);
    let told = found.passed_over[0].to_string();
    assert!(told.contains("\\u{1b}") && !told.contains('\u{1b}'), "{told}");
}

/// The files of a clone, and the images that they name.
type NamedRow<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

fn names(rows: &[NamedRow<'_>]) {
    let namespace = Namespace {
        registry: Host::bitbucket(),
        workspace: Some("shop".to_owned()),
    };
    for (files, expected) in rows {
        let found = named(clone(files).path(), &namespace);
        let mut found: Vec<String> = found
            .references()
            .map(|image| image.to_string().replace("crg.apkg.io/", ""))
            .collect();
        found.sort();
        assert_eq!(found, *expected, "{files:?}");
    }
}

#[test]
fn all_that_files_name_is_found_where_it_must_stay() {
    names(&[
        // What is built, by itself or by another service, and what is never pulled.
        (
            &[(
                "compose.yml",
                "services:\n  a: {build: ., image: 'H/shop/a:1'}\n  b: {image: 'H/shop/a:1'}\n  c: {image: 'H/shop/c:1', pull_policy: never}\n  d: {image: 'H/shop/d:1', pull_policy: build}\n",
            )],
            &["shop/a:1", "shop/c:1", "shop/d:1"],
        ),
        (
            &[(
                "compose.yml",
                "services:\n  a:\n    image: ${REG:-H/shop}/a:${TAG:-1}\n    build: {context: ., tags: ['${REG:-H/shop}/a:extra']}\n",
            )],
            &["shop/a:1", "shop/a:extra"],
        ),
        // The value of `.env`, and the default beside it.
        (
            &[
                ("compose.yml", "services: {a: {image: 'H/shop/a:${TAG:-1}'}}\n"),
                (".env", "TAG=2\n"),
            ],
            &["shop/a:1", "shop/a:2"],
        ),
        // A name without a default is not half of one.
        (
            &[
                ("compose.yml", "services: {a: {image: 'H/shop/a:x${TAG}'}}\n"),
                (".env", "TAG=2\n"),
            ],
            &["shop/a:x2"],
        ),
        // The default of a Dockerfile, and what a compose file passes.
        (
            &[
                ("compose.yml", "services: {a: {build: {context: ., args: {TAG: 2}}}}\n"),
                (
                    "Dockerfile",
                    "ARG TAG=1\nARG HOST=crg.apkg.io\nFROM $HOST/shop/a:$TAG\n",
                ),
            ],
            &["shop/a:1", "shop/a:2"],
        ),
        // A context takes the place of an image, whose name stays in the Dockerfile.
        (
            &[
                (
                    "compose.yml",
                    "services: {a: {build: {context: ., additional_contexts: {'H/shop/a:1': 'docker-image://H/shop/a:2'}}}}\n",
                ),
                ("Dockerfile", "FROM H/shop/a:1\n"),
            ],
            &["shop/a:1", "shop/a:2"],
        ),
        // A stage that is not built, and one that a context replaces.
        (
            &[
                (
                    "compose.yml",
                    "services: {a: {build: {context: ., target: b, additional_contexts: {b: 'docker-image://H/shop/b:2'}}}}\n",
                ),
                (
                    "Dockerfile",
                    "ARG R=crg.apkg.io/shop\nFROM $R/a:1 AS a\nFROM $R/b:1 AS b\n",
                ),
            ],
            &["shop/a:1", "shop/b:1", "shop/b:2"],
        ),
    ]);
}

#[test]
fn what_is_laid_over_or_written_anywhere_is_found_too() {
    names(&[
        // What one file lays over another, and a file that another includes.
        (
            &[
                ("compose.yml", "services: {a: {image: 'H/shop/a:1'}}\n"),
                ("compose.override.yml", "services: {a: {image: 'H/shop/a:2'}}\n"),
            ],
            &["shop/a:1", "shop/a:2"],
        ),
        (
            &[
                ("compose.yml", "include: [b/compose.yml]\n"),
                (".env", "TAG=2\n"),
                ("b/compose.yml", "services: {a: {image: 'H/shop/a:${TAG:-1}'}}\n"),
                ("b/.env", "TAG=3\n"),
            ],
            &["shop/a:1", "shop/a:2", "shop/a:3"],
        ),
        // Any line of a file that is looked at: comments, labels, variables.
        (
            &[
                ("Dockerfile", "# was H/shop/a:1\nFROM scratch\nLABEL base=H/shop/a:2\n"),
                ("compose.yml", "x-old: H/shop/a:3\nservices: {}\n"),
                (".env", "IMAGE=H/shop/a:4\n"),
            ],
            &["shop/a:1", "shop/a:2", "shop/a:3", "shop/a:4"],
        ),
        // A file that cannot be read as YAML names what its lines name.
        (&[("compose.yml", "services: [\n  image: H/shop/a:1\n")], &["shop/a:1"]),
        (
            &[("compose.yml", "services: {a: {image: 'H/$BITBUCKET_WORKSPACE/a:1'}}\n")],
            &["shop/a:1"],
        ),
    ]);
}
