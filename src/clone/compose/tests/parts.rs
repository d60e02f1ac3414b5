//! What is put together out of several files, and what is built.

use super::{check, found};

/// "Extends" of the specification.
#[test]
fn what_a_service_extends_is_followed() {
    let common = (
        "common.yml",
        "services:\n  base:\n    image: H/shop/base:1\n  built: {build: app}\n",
    );
    check(&[
        (
            &[
                common,
                (
                    "compose.yml",
                    "services: {a: {extends: {file: common.yml, service: base}}}",
                ),
            ],
            &["shop/base:1 common.yml:3"],
        ),
        (
            &[
                common,
                (
                    "sub/compose.yml",
                    "services: {a: {extends: {file: ../common.yml, service: base}, image: H/shop/a:1}}",
                ),
            ],
            &["shop/a:1 sub/compose.yml:1"],
        ),
        (
            &[
                common,
                (
                    "compose.yml",
                    "services: {a: {extends: {file: common.yml, service: built}, image: H/shop/a:1}}",
                ),
            ],
            &[],
        ),
        (
            &[(
                "compose.yml",
                "services:\n  a: {image: H/shop/a:1}\n  b: {extends: {service: a}}\n  c: {extends: b}\n",
            )],
            &["shop/a:1 compose.yml:2"],
        ),
        (
            &[(
                "compose.yml",
                "services:\n  a: {extends: b, image: H/shop/a:1}\n  b: {extends: a}\n  c: {extends: d}\n",
            )],
            &[
                "shop/a:1 compose.yml:2",
                "told: compose.yml:2: it extends `b`, which extends it",
                "told: compose.yml:3: it extends `a`, which extends it",
                "told: compose.yml:4: it extends `d`, and `compose.yml` has no such service",
            ],
        ),
        (
            &[
                (".env", "TAG=9"),
                (
                    "x/common.yml",
                    "services: {base: {image: 'H/shop/base:$TAG', build: {context: ..}}}",
                ),
                ("Dockerfile.x", "FROM H/shop/x:1"),
                (
                    "compose.yml",
                    "services: {a: {extends: {file: x/common.yml, service: base}, build: !reset null}}",
                ),
            ],
            &["shop/x:1 Dockerfile.x:1", "shop/base:9 x/common.yml:1"],
        ),
    ]);
}

/// "Include" of the specification.
#[test]
fn included_files_are_followed() {
    check(&[
        (
            &[
                (
                    "compose.yml",
                    "include: [infra/db.yml]\nservices: {a: {image: H/shop/a:1}}",
                ),
                ("infra/db.yml", "services: {db: {image: 'H/shop/db:${TAG:-1}'}}"),
                ("infra/.env", "TAG=2"),
            ],
            &["shop/a:1 compose.yml:2", "shop/db:2 infra/db.yml:1"],
        ),
        (
            &[
                (".env", "TAG=3"),
                (
                    "compose.yml",
                    "include:\n  - path: [infra/db.yml, over.yml]\n    env_file: my.env\n",
                ),
                (
                    "infra/db.yml",
                    "services: {db: {image: 'H/shop/db:$TAG-$MINE'}, e: {image: H/shop/e:1}}",
                ),
                ("over.yml", "services: {e: {image: H/shop/e:2}}"),
                ("infra/.env", "TAG=2"),
                ("my.env", "TAG=4\nMINE=5"),
            ],
            &["shop/db:3-5 infra/db.yml:1", "shop/e:2 over.yml:1"],
        ),
        (
            &[
                (
                    "compose.yml",
                    "include: [other/compose.yml]\nservices: {a: {build: ., image: H/shop/a:1}}",
                ),
                (
                    "other/compose.yml",
                    "services: {b: {image: H/shop/a:1}, c: {image: H/shop/c:1}}",
                ),
            ],
            &["shop/c:1 other/compose.yml:1"],
        ),
        (
            &[
                ("compose.yml", "include: [x.yml]\nservices: {a: {image: H/shop/a:1}}"),
                ("x.yml", "include: [compose.yml]\nservices: {x: {image: H/shop/x:1}}"),
            ],
            &[
                "shop/a:1 compose.yml:2",
                "shop/x:1 x.yml:2",
                "told: x.yml:1: it includes `compose.yml`, which includes it",
            ],
        ),
    ]);
}

/// "Compose Build Specification".
#[test]
fn builds_give_arguments_contexts_and_platforms() {
    let dockerfile = (
        "Dockerfile",
        "ARG TAG=1\nFROM H/shop/base:$TAG\nCOPY --from=tools / /\n",
    );
    check(&[
        (&[dockerfile], &["shop/base:1 Dockerfile:2"]),
        (
            &[
                dockerfile,
                ("compose.yml", "services: {a: {build: {context: ., args: {TAG: 2}}}}"),
            ],
            &["shop/base:2 Dockerfile:2"],
        ),
        (
            &[
                dockerfile,
                (".env", "TAG=3\nX=4"),
                (
                    "compose.yml",
                    "services: {a: {build: {args: [TAG]}}, b: {build: {args: ['TAG=$X']}}, c: {build: .}}",
                ),
            ],
            &[
                "shop/base:3 Dockerfile:2",
                "shop/base:4 Dockerfile:2",
                "shop/base:1 Dockerfile:2",
            ],
        ),
        (
            &[
                dockerfile,
                ("compose.yml", "services: {a: {build: {args: {TAG: 2}}}}"),
                ("compose.ci.yml", "services: {a: {build: {args: {TAG: 5}}}}"),
            ],
            &["shop/base:2 Dockerfile:2", "shop/base:5 Dockerfile:2"],
        ),
        (
            &[
                (
                    "compose.yml",
                    "services: {a: {build: {context: app, dockerfile: ../docker/app}}}",
                ),
                ("docker/app", "FROM H/shop/app:1"),
            ],
            &["shop/app:1 docker/app:1"],
        ),
        (
            &[
                dockerfile,
                (
                    "compose.yml",
                    "services:\n  a:\n    build:\n      context: .\n      additional_contexts:\n        tools: docker-image://H/shop/tools:7\n        other: ./x\n",
                ),
            ],
            &["shop/base:1 Dockerfile:2", "shop/tools:7 compose.yml:6"],
        ),
        (
            &[(
                "compose.yml",
                "services:\n  a:\n    build:\n      cache_from:\n        - H/shop/cache:1\n        - type=registry,ref=H/shop/cache:2\n        - type=local,src=H/x\n",
            )],
            &[
                "shop/cache:1 optional compose.yml:5",
                "shop/cache:2 optional compose.yml:6",
            ],
        ),
        (
            &[(
                "compose.yml",
                "services:\n  a:\n    build:\n      args: {V: '8'}\n      dockerfile_inline: |\n        ARG V\n        FROM H/shop/in:$${V} AS x\n        FROM H/shop/out:${Y:-1}\n",
            )],
            &["shop/in:8 compose.yml:7", "shop/out:1 compose.yml:8"],
        ),
        (
            &[(
                "compose.yml",
                "services:\n  a:\n    image: H/shop/a:1\n    volumes:\n      - {type: image, source: H/shop/data:1, target: /d}\n      - ./x:/y\n",
            )],
            &["shop/a:1 compose.yml:3", "shop/data:1 compose.yml:5"],
        ),
        (
            &[
                (
                    "compose.yml",
                    "services:\n  a: {image: H/shop/a:1, platform: linux/s390x}\n  b: {build: ., platform: linux/ppc64le}\n",
                ),
                (
                    "Dockerfile",
                    "# syntax=H/shop/frontend:1\nFROM H/shop/b:1\nFROM --platform=linux/s390x H/shop/c:1\n",
                ),
            ],
            &[
                "shop/frontend:1 Dockerfile:1",
                "shop/b:1 for linux/ppc64le Dockerfile:2",
                "shop/c:1 for linux/s390x Dockerfile:3",
                "shop/a:1 for linux/s390x compose.yml:2",
            ],
        ),
    ]);
}

/// `namedContext` and `allReachableStages` in BuildKit's `dockerfile2llb`.
#[test]
fn stages_that_are_not_built_need_nothing() {
    const STAGES: &str = "FROM H/shop/a:1 AS Base\nFROM H/shop/b:1 AS build\nCOPY --from=H/shop/tools:1 / /\nFROM base AS test\n\
                          RUN --mount=from=build true\nFROM H/shop/c:1 AS last\nCOPY --from=1 / /\n";
    let dockerfile = ("Dockerfile", STAGES);
    let of = |build: &'static str| ("compose.yml", build);
    check(&[
        (
            &[of("services: {a: {build: {context: ., target: base}}}"), dockerfile],
            &["shop/a:1 Dockerfile:1"],
        ),
        (
            &[of("services: {a: {build: {context: ., target: Test}}}"), dockerfile],
            &[
                "shop/a:1 Dockerfile:1",
                "shop/b:1 Dockerfile:2",
                "shop/tools:1 Dockerfile:3",
            ],
        ),
        (
            &[of("services: {a: {build: {context: ., target: last}}}"), dockerfile],
            &[
                "shop/b:1 Dockerfile:2",
                "shop/tools:1 Dockerfile:3",
                "shop/c:1 Dockerfile:6",
            ],
        ),
        (
            &[
                of("services: {a: {build: {context: ., target: build}}, b: {build: {context: ., target: '0'}}}"),
                dockerfile,
            ],
            &[
                "shop/a:1 Dockerfile:1",
                "shop/b:1 Dockerfile:2",
                "shop/tools:1 Dockerfile:3",
            ],
        ),
        // Any may be meant, or one that is not there.
        (
            &[of("services: {a: {build: {context: ., target: $T}}}"), dockerfile],
            &[
                "shop/a:1 Dockerfile:1",
                "shop/b:1 Dockerfile:2",
                "shop/tools:1 Dockerfile:3",
                "shop/c:1 Dockerfile:6",
            ],
        ),
        (
            &[
                of(
                    "services: {a: {build: {context: ., target: last, additional_contexts: {build: 'docker-image://H/shop/b:2'}}}}",
                ),
                ("Dockerfile", "FROM H/shop/b:1 AS Build\nFROM build AS last\n"),
            ],
            &["shop/b:2 compose.yml:1"],
        ),
        (
            &[
                of("services: {a: {build: {context: ., additional_contexts: {base: ./x}}}}"),
                (
                    "Dockerfile",
                    "FROM H/shop/b:1 AS base\nFROM base\nCOPY --from=H/shop/c:1 / /\n",
                ),
            ],
            &["shop/c:1 Dockerfile:3"],
        ),
    ]);
}

/// What is cut off is told, once, where it may name more.
#[test]
fn more_builds_and_files_than_are_read_are_told() {
    let services = |count: usize| {
        let all =
            (1..=count).map(|at| format!("  s{at}: {{build: {{context: api, args: {{BASE: 'H/shop/b:{at}'}}}}}}\n"));
        format!("services:\n{}", all.collect::<String>())
    };
    let dockerfile = ("api/Dockerfile", "ARG BASE\nFROM $BASE\n");
    let cut =
        "told: api/Dockerfile: compose files build it with more than 16 sets of arguments, and no more are looked at";
    for (count, told) in [(16, None), (17, Some(cut)), (40, Some(cut))] {
        let (compose, most) = (services(count), count.min(16));
        let lines = found(&[("compose.yml", compose.as_str()), dockerfile]);
        assert_eq!(lines.len(), most + usize::from(told.is_some()), "{lines:#?}");
        assert_eq!(lines.get(most).map(String::as_str), told);
        // One that is not there names nothing.
        assert_eq!(found(&[("compose.yml", &compose)]), [""; 0], "{count}");
    }
    // Where all of them say the same, none is cut off.
    let same = (0..20).fold("services:\n".to_owned(), |all, at| {
        format!("{all}  s{at}: {{build: api}}\n")
    });
    let same = [("compose.yml", same.as_str()), ("api/Dockerfile", "FROM H/shop/b:1\n")];
    assert_eq!(found(&same), ["shop/b:1 api/Dockerfile:1"]);
    for (count, told) in [(16, false), (17, true)] {
        let names: Vec<String> = (1..=count).map(|at| format!("{at}.yml")).collect();
        let list = format!("COMPOSE_FILE={}\n", names.join(":"));
        let mut files: Vec<(&str, &str)> = vec![(".env", &list)];
        files.extend(
            names
                .iter()
                .map(|name| (name.as_str(), "services: {a: {image: H/shop/a:1}}\n")),
        );
        let cut = "told: .env: `COMPOSE_FILE` names more than 16 files, and no more are read together";
        assert_eq!(found(&files).iter().any(|line| line == cut), told, "{count}");
    }
}
