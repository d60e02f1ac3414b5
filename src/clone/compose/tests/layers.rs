//! `!reset` and `!override`, wherever they stand ("Merge" of the Compose specification), as `docker compose config` shows them.

use super::check;

const BASE: &str = "services:
  a:
    image: H/shop/a:1
    platform: linux/s390x
    volumes: [{type: image, source: H/shop/data:1, target: /d}]
  b:
    build:
      context: app
      dockerfile: D
      target: last
      args: {TAG: 2, X: 3}
      cache_from: [H/shop/cache:1]
      platforms: [linux/ppc64le]
      additional_contexts: {tools: docker-image://H/shop/tools:1}
";
const A: [&str; 2] = [
    "shop/a:1 for linux/s390x compose.yml:3",
    "shop/data:1 for linux/s390x compose.yml:5",
];
const BUILD: [&str; 2] = [
    "shop/base:2 for linux/ppc64le app/D:3",
    "shop/last:3 for linux/ppc64le app/D:4",
];
const CACHE: &str = "shop/cache:1 optional compose.yml:12";
const TOOLS: &str = "shop/tools:1 for linux/ppc64le compose.yml:14";

/// What is found with these services over [`BASE`].
fn over(services: &str, expected: &[&[&str]]) {
    let services = format!("services:\n{services}\n");
    let files = [
        ("compose.yml", BASE),
        ("compose.override.yml", services.as_str()),
        (
            "app/D",
            "ARG TAG=1\nARG X=1\nFROM H/shop/base:$TAG AS base\nFROM H/shop/last:$X AS last\nCOPY --from=base / /\n",
        ),
        ("D", "FROM H/shop/root:1 AS last\n"),
    ];
    check(&[(&files, &expected.concat())]);
}

#[test]
fn services_are_reset_and_overridden() {
    over("  c: {build: !reset null}", &[&BUILD, &A, &[CACHE, TOOLS]]);
    over("  a: !reset null", &[&BUILD, &[CACHE, TOOLS]]);
    over("  a: !reset {image: H/shop/a:3}", &[&BUILD, &[CACHE, TOOLS]]);
    over(
        "  a: !override {image: H/shop/a:3}",
        &[&BUILD, &["shop/a:3 compose.override.yml:2", CACHE, TOOLS]],
    );
    over("  b: !reset {}", &[&A]);
    over("  b: !override\n    build: {context: .}\n    image: H/shop/b:1", &[&A]);
    over(
        "  a: {volumes: !reset [], platform: !reset null}",
        &[&BUILD, &["shop/a:1 compose.yml:3", CACHE, TOOLS]],
    );
    over(
        "  a: {image: !override H/shop/a:2, extends: !reset b}",
        &[
            &BUILD,
            &["shop/a:2 for linux/s390x compose.override.yml:2"],
            &["shop/data:1 for linux/s390x compose.yml:5", CACHE, TOOLS],
        ],
    );
}

#[test]
fn keys_of_a_build_are_reset_and_overridden() {
    let build = |keys: &str, expected: &[&[&str]]| over(&format!("  b: {{build: {{{keys}}}}}"), expected);
    for (keys, base, last) in [
        ("args: {X: 4}", "2", "4"),
        ("args: !reset {X: 4}", "1", "1"),
        ("args: !override {X: 4}", "1", "4"),
        ("args: !override [X=4]", "1", "4"),
        ("args: {X: !reset 4}", "2", "1"),
        ("args: {X: !override 4}", "2", "4"),
    ] {
        let base = format!("shop/base:{base} for linux/ppc64le app/D:3");
        let last = format!("shop/last:{last} for linux/ppc64le app/D:4");
        build(keys, &[&[&base, &last], &A, &[CACHE, TOOLS]]);
    }
    let root = "shop/root:1 for linux/ppc64le D:1";
    for context in ["!reset null", "!reset app", "!override ."] {
        build(&format!("context: {context}"), &[&[root], &A, &[CACHE, TOOLS]]);
    }
    for file in ["!reset D", "''"] {
        build(&format!("dockerfile: {file}, context: ./"), &[&A, &[CACHE, TOOLS]]);
    }
    build(
        "dockerfile_inline: !reset 'FROM H/shop/in:1'",
        &[&BUILD, &A, &[CACHE, TOOLS]],
    );
    build("target: !override base", &[&BUILD[..1], &A, &[CACHE, TOOLS]]);
    build("cache_from: !reset null", &[&BUILD, &A, &[TOOLS]]);
    build(
        "cache_from: !override [H/shop/cache:2]",
        &[&BUILD, &["shop/cache:2 optional compose.override.yml:2"], &A, &[TOOLS]],
    );
    for contexts in ["!reset null", "{tools: !reset null}", "!override {x: ./x}"] {
        build(&format!("additional_contexts: {contexts}"), &[&BUILD, &A, &[CACHE]]);
    }
    build(
        "platforms: !reset null",
        &[
            &["shop/base:2 app/D:3", "shop/last:3 app/D:4"],
            &A,
            &[CACHE, "shop/tools:1 compose.yml:14"],
        ],
    );
}

/// Documents of a file are layers as well, and what a service extends is one.
#[test]
fn other_layers_are_reset_too() {
    for (over, expected) in [
        ("services: {a: !reset null}", &[][..]),
        ("services: {a: !override {image: H/shop/b:1}}", &["shop/b:1"]),
        ("services: {a: {build: !reset .}}", &["shop/a:1"]),
    ] {
        let main = "services: {a: {image: H/shop/a:1, build: .}}\n";
        let one = format!("{main}---\n{over}");
        let found = [
            super::found(&[("compose.yml", &one)]),
            super::found(&[("compose.yml", main), ("compose.override.yml", over)]),
        ];
        for found in found {
            let images: Vec<&str> = found.iter().filter_map(|line| line.split(' ').next()).collect();
            assert_eq!(images, expected, "{over}");
        }
    }
    check(&[(
        &[
            (
                "common.yml",
                "services: {a: {image: H/shop/a:1, build: {context: ., additional_contexts: {x: docker-image://H/shop/x:1}}}}",
            ),
            (
                "compose.yml",
                "services:\n  a:\n    extends: {file: common.yml, service: a}\n    build: {additional_contexts: !reset null}\n  \
                 b: {extends: a}\n  c: {extends: a, build: !reset null, image: H/shop/c:1}\n",
            ),
        ],
        &["shop/c:1 compose.yml:6"],
    )]);
}

/// What is reset is taken out before merge keys are applied.
#[test]
fn what_is_reset_is_not_merged() {
    let merged = "x-a: &a {build: !reset null, image: !reset null}\nx-b: &b {image: H/shop/b:1}\nservices:\n  \
                  a: {<<: [*a, *b]}\n  c: {<<: *a}\n";
    check(&[
        (&[("compose.yml", merged)], &["shop/b:1 compose.yml:2"]),
        (
            &[
                ("compose.yml", "services: {c: {image: H/shop/c:1}}"),
                ("compose.override.yml", merged),
            ],
            &["shop/b:1 compose.override.yml:2", "shop/c:1 compose.yml:1"],
        ),
    ]);
}

/// `ApplyExtends` of compose-go sees the document at hand; another file counts with all of its own.
#[test]
fn a_service_extends_one_of_its_document() {
    let later = "---\nservices: {a: {image: H/shop/a:2}}\n";
    let main = format!("services:\n  a: {{image: H/shop/a:1, platform: linux/s390x}}\n  b: {{extends: a}}\n{later}");
    let other = format!("services: {{a: {{image: H/shop/a:1}}}}\n{later}");
    check(&[
        (
            &[("compose.yml", &main)],
            &[
                "shop/a:1 for linux/s390x compose.yml:2",
                "shop/a:2 for linux/s390x compose.yml:5",
            ],
        ),
        (
            &[
                ("other.yml", &other),
                ("compose.yml", "services: {b: {extends: {file: other.yml, service: a}}}"),
            ],
            &["shop/a:2 other.yml:3"],
        ),
    ]);
}

/// A build without a context has the folder of the project for one, wherever it is inherited from.
#[test]
fn a_build_without_context_starts_at_the_project() {
    let file = "services: {a: {build: {dockerfile: D}}}";
    let extends = "services: {b: {extends: {file: x/common.yml, service: a}}}";
    check(&[
        (
            &[
                ("x/common.yml", file),
                ("compose.yml", extends),
                ("D", "FROM H/shop/a:1"),
                ("x/D", "FROM H/shop/a:2"),
            ],
            &["shop/a:1 D:1"],
        ),
        (
            &[
                ("x/common.yml", "services: {a: {build: {context: ., dockerfile: D}}}"),
                (
                    "compose.yml",
                    "services: {b: {extends: {file: x/common.yml, service: a}, build: {context: !reset .}}}",
                ),
                ("D", "FROM H/shop/a:1"),
                ("x/D", "FROM H/shop/a:2"),
            ],
            &["shop/a:1 D:1"],
        ),
        (
            &[
                ("x/common.yml", file),
                ("compose.yml", "include: [y/part.yml]"),
                (
                    "y/part.yml",
                    "services: {b: {extends: {file: ../x/common.yml, service: a}, build: {target: '0'}}}",
                ),
                ("D", "FROM H/shop/a:1"),
                ("x/D", "FROM H/shop/a:2"),
                ("y/D", "FROM H/shop/a:3"),
            ],
            &["shop/a:3 y/D:1"],
        ),
    ]);
}
