//! What compose files need, as tables of whole clones. `H/` stands for the registry's host.

mod layers;
mod parts;

use super::*;
use crate::clone::images;
use crate::names::{Host, Namespace};
use std::fs;

#[test]
fn names_of_compose_files() {
    for name in [
        "compose.yml",
        "compose.yaml",
        "docker-compose.yml",
        "Docker-Compose.prod.yaml",
        "compose.override.yml",
        "docker-compose-prod.yml",
        "compose_test.yaml",
        "docker-compose_dev.yml",
        "docker_compose.yml",
        "compose2.yml",
        "compose-spec.yml",
        "dev.compose.yml",
        "local-docker-compose.yaml",
    ] {
        assert!(is_name(name), "{name}");
    }
    for name in [
        "compose.json",
        "mycompose.yml",
        "docker-compose",
        "composer.yml",
        "compose-test.yml.j2",
        "docker.yml",
        "compose.xyml",
    ] {
        assert!(!is_name(name), "{name}");
    }
}

/// `path:tag place` of each image found, with its platform if it has one; `told: …` of each problem.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let clone = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = clone.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("H/", "crg.apkg.io/")).unwrap();
    }
    let namespace = Namespace {
        registry: Host::bitbucket(),
        workspace: Some("shop".to_owned()),
    };
    let discovered = images(clone.path(), &namespace, None);
    let images = discovered.images.iter().map(|found| {
        let places: Vec<String> = found.places.iter().map(ToString::to_string).collect();
        let platform = found
            .platform
            .as_ref()
            .map(|platform| format!(" for {platform}"))
            .unwrap_or_default();
        let optional = if found.is_optional { " optional" } else { "" };
        format!(
            "{}{platform}{optional} {}",
            found.image.to_string().replace("crg.apkg.io/", ""),
            places.join(" ")
        )
    });
    let told = discovered
        .passed_over
        .iter()
        .map(|passed_over| format!("told: {passed_over}"));
    images.chain(told).collect()
}

/// The files of a clone, and what is found in them.
type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

fn check(rows: &[Row<'_>]) {
    for (files, expected) in rows {
        assert_eq!(found(files), *expected, "{files:#?}");
    }
}

/// "services top-level element", "fragments", "merge" of the Compose specification.
#[test]
fn images_of_services_are_found() {
    let text = "version: '3.8'
x-base: &base
  image: H/shop/base:${BASE_TAG:-1.4}
  restart: always
services:
  api:
    build: ./api
    image: H/shop/api:dev
  db:
    image: \"H/shop/db:16\"   # why
  worker:
    <<: *base
    command: worker
  beat:
    <<: [*base]
    image: ${REGISTRY}/shop/beat
  odd: null
  list: [image]
  unbuilt:
    build: null
    image: H/shop/unbuilt:${A-${B:-2}}
  broken: {image: '$$A/x'}
  number: {image: 7}
  folded:
    image: >-
      H/shop/folded:1
";
    check(&[
        (
            &[("compose.yml", text)],
            &[
                "shop/base:1.4 compose.yml:3",
                "shop/db:16 compose.yml:10",
                "shop/unbuilt:2 compose.yml:21",
                "shop/folded:1 compose.yml:25",
                "told: compose.yml:16: `${REGISTRY}/shop/beat`: the variable `REGISTRY` has no default",
            ],
        ),
        (&[("compose.yml", "")], &[]),
        (&[("compose.yml", "services: []")], &[]),
        (&[("compose.yml", "- a")], &[]),
        (&[("compose.yml", "image: H/shop/a")], &[]),
        // Compose leaves out what has no value, and asks for what is left.
        (
            &[("compose.yml", "services: {a: {image: 'H/shop/a:1${X}'}}")],
            &["shop/a:1 compose.yml:1"],
        ),
        (
            &[(
                "compose.yml",
                "services:\n  a: {image: H/shop/a:1}\n---\nservices:\n  b: {image: H/shop/b:1}\n",
            )],
            &["shop/a:1 compose.yml:2", "shop/b:1 compose.yml:5"],
        ),
    ]);
}

/// "Merge key" of YAML in services, and one bad key that leaves the others.
#[test]
fn chained_merges_are_followed() {
    check(&[
        (
            &[(
                "compose.yml",
                "x-a: &a\n  image: H/shop/a:1\nx-b: &b\n  <<: *a\n  restart: always\nx-c: &c {<<: *b}\nservices:\n  s:\n    <<: *c\n",
            )],
            &["shop/a:1 compose.yml:2"],
        ),
        (
            &[(
                "compose.yml",
                "x-a: &a {build: .}\nx-b: &b {<<: *a}\nservices:\n  s: {<<: *b, image: H/shop/s:1}\n",
            )],
            &[],
        ),
        (
            &[(
                "compose.yml",
                "x-a: &a {image: H/shop/a:1}\nx-t: &t text\nservices:\n  r: {<<: *t}\n  s: {<<: *a}\n",
            )],
            &[
                "shop/a:1 compose.yml:1",
                "told: compose.yml:4: the merge key `<<` needs a mapping, or a list of mappings",
            ],
        ),
    ]);
}

/// "Interpolation" and "Environment variables precedence" of Docker's documentation.
#[test]
fn the_env_file_goes_before_defaults() {
    check(&[
        (
            &[
                (".env", "TAG=1.0\n"),
                ("compose.yml", "services: {a: {image: 'H/shop/a:${TAG:-latest}'}}"),
            ],
            &["shop/a:1.0 compose.yml:1"],
        ),
        (
            &[
                (".env", "TAG=1.0\n"),
                ("sub/compose.yml", "services: {a: {image: 'H/shop/a:${TAG:-latest}'}}"),
            ],
            &["shop/a:latest sub/compose.yml:1"],
        ),
        (
            &[
                (".env", "TAG=1.0\n"),
                (
                    "compose.yml",
                    "services: {a: {env_file: .other, image: 'H/shop/a:$TAG'}}",
                ),
                (".other", "TAG=2"),
            ],
            &["shop/a:1.0 compose.yml:1"],
        ),
        (
            &[
                (".env", "R=crg.apkg.io/shop\nTAG='2'"),
                ("compose.dev.yml", "services: {a: {image: '$R/a:${TAG}'}}"),
            ],
            &["shop/a:2 compose.dev.yml:1"],
        ),
        (
            &[
                (".env", "TAG=1\n!\n"),
                ("compose.yml", "services: {a: {image: 'H/shop/a:${TAG:-latest}'}}"),
            ],
            &[
                "shop/a:1 compose.yml:1",
                "told: .env:2: `docker compose` cannot read this line",
            ],
        ),
        (
            &[(
                "compose.yml",
                "name: store\nservices: {a: {image: 'H/shop/$COMPOSE_PROJECT_NAME:1'}}",
            )],
            &["shop/store:1 compose.yml:2"],
        ),
        (
            &[
                (".env", "COMPOSE_FILE=one.yml:two.yml"),
                ("one.yml", "services: {a: {build: .}}"),
                ("two.yml", "services: {a: {image: H/shop/a:1}, b: {image: H/shop/b:1}}"),
                ("compose.yml", "services: {c: {image: H/shop/c:1}}"),
            ],
            &["shop/c:1 compose.yml:1", "shop/b:1 two.yml:1"],
        ),
    ]);
}

/// "`COMPOSE_FILE`" of Docker's documentation, and `toProjectOptions` in `cmd/compose/compose.go` of docker/compose: the
/// variables of the folder that names the files, then those of the first file's folder, from which paths begin.
#[test]
fn the_env_file_may_name_files_elsewhere() {
    let image = "services: {a: {image: 'H/shop/a:${TAG:-1.0}'}}";
    check(&[
        (
            &[
                (".env", "COMPOSE_FILE=docker/compose.yml\nTAG=2.0\n"),
                ("docker/compose.yml", image),
            ],
            &["shop/a:2.0 docker/compose.yml:1"],
        ),
        (
            &[
                (".env", "COMPOSE_FILE=deploy/base.yaml\nTAG=2.0\n"),
                ("deploy/base.yaml", image),
                ("deploy/.env", "TAG=3.0\n"),
            ],
            &["shop/a:2.0 deploy/base.yaml:1"],
        ),
        (
            &[
                (".env", "COMPOSE_FILE=deploy/base.yaml\n"),
                ("deploy/base.yaml", image),
                ("deploy/.env", "TAG=3.0\n"),
            ],
            &["shop/a:3.0 deploy/base.yaml:1"],
        ),
        (
            &[
                (".env", "COMPOSE_FILE=docker/compose.yml\nTAG=2.0\n"),
                ("docker/compose.yml", image),
                ("docker/compose.override.yml", "services: {a: {command: x}}"),
                ("docker/compose.prod.yml", "services: {b: {image: 'H/shop/b:${TAG}'}}"),
                ("compose.yml", "services: {c: {image: 'H/shop/c:1'}}"),
            ],
            &[
                "shop/c:1 compose.yml:1",
                "shop/b:2.0 docker/compose.prod.yml:1",
                "shop/a:2.0 docker/compose.yml:1",
            ],
        ),
        (
            &[
                ("x/.env", "COMPOSE_PATH_SEPARATOR=;\nCOMPOSE_FILE=../y/a.yml;b.yml\n"),
                ("y/a.yml", "services: {a: {build: .}}"),
                ("x/b.yml", "services: {a: {build: {args: {TAG: 2}}}}"),
                ("y/Dockerfile", "ARG TAG=1\nFROM H/shop/a:$TAG"),
                ("x/Dockerfile", "FROM H/shop/x:1"),
            ],
            &["shop/x:1 x/Dockerfile:1", "shop/a:2 y/Dockerfile:2"],
        ),
        // An application's own file is none of compose's.
        (&[("x/.env", "!\n"), ("y/.env", "COMPOSE_FILE=\n")], &[]),
        (
            &[(".env", "COMPOSE_FILE=../compose.yml:gone.yml\n")],
            &["told: gone.yml: it is not there"],
        ),
    ]);
}

/// `applyPlatforms` in `cmd/compose/options.go` and `pullServiceImage` in `pkg/compose/pull.go` of docker/compose.
#[test]
fn the_env_file_may_name_a_platform() {
    let environment = (".env", "DOCKER_DEFAULT_PLATFORM=linux/s390x\n");
    check(&[
        (
            &[
                environment,
                (
                    "compose.yml",
                    "services:\n  a: {image: 'H/shop/a:1'}\n  b: {image: 'H/shop/b:1', platform: linux/ppc64le}\n  c: {build: .}\n",
                ),
                ("Dockerfile", "FROM H/shop/c:1"),
            ],
            &[
                "shop/c:1 for linux/s390x Dockerfile:1",
                "shop/a:1 for linux/s390x compose.yml:2",
                "shop/b:1 for linux/ppc64le compose.yml:3",
            ],
        ),
        (
            &[environment, ("x/compose.yml", "services: {a: {image: 'H/shop/a:1'}}")],
            &["shop/a:1 x/compose.yml:1"],
        ),
        (
            &[
                (".env", "DOCKER_DEFAULT_PLATFORM=\n"),
                ("compose.yml", "services: {a: {image: 'H/shop/a:1'}}"),
            ],
            &["shop/a:1 compose.yml:1"],
        ),
    ]);
}

/// `isServiceImageToBuild` and the skipped policies in `pkg/compose/pull.go` of docker/compose; "Merge" of the specification.
#[test]
fn what_is_built_is_left_out() {
    let main = (
        "compose.yml",
        "services: {a: {build: ., image: H/shop/a:1}, b: {image: H/shop/a:1}, c: {image: H/shop/c:1}}",
    );
    check(&[
        (&[main], &["shop/c:1 compose.yml:1"]),
        (
            &[(
                "compose.yml",
                "services: {a: {build: ., image: H/shop/a}, b: {image: 'H/shop/a:latest'}}",
            )],
            &[],
        ),
        (
            &[(
                "compose.yml",
                "services:\n  a: {build: ., image: H/shop/a:1}\n  b: {extends: a, image: H/shop/b:1}\n",
            )],
            &[],
        ),
        (
            &[
                ("compose.yml", "services: {a: {build: .}}"),
                ("compose.prod.yml", "services: {a: {image: H/shop/a:1}}"),
            ],
            &[],
        ),
        (
            &[
                ("compose.yml", "services: {a: {build: .}}"),
                (
                    "compose.prod.yml",
                    "services: {a: {build: !reset null, image: H/shop/a:1}}",
                ),
            ],
            &["shop/a:1 compose.prod.yml:1"],
        ),
        // One that extends a service does not inherit what that resets.
        (
            &[
                (
                    "compose.yml",
                    "services: {a: {build: .}, b: {build: ., image: H/shop/b:1}}",
                ),
                (
                    "compose.override.yml",
                    "services: {a: {build: !reset null, image: H/shop/a:1}, b: {extends: a, image: H/shop/b:2}}",
                ),
            ],
            &["shop/a:1 compose.override.yml:1"],
        ),
        // What a merge key has stays, whatever is reset beside it.
        (
            &[
                ("compose.yml", "services: {a: {image: H/shop/a:1}}"),
                (
                    "compose.override.yml",
                    "x: &x {image: H/shop/a:2}\nservices: {a: {image: !reset null, <<: *x}}",
                ),
            ],
            &["shop/a:2 compose.override.yml:1"],
        ),
        (
            &[
                ("compose.yml", "services: {a: {image: H/shop/a:1}}"),
                ("compose.override.yml", "services: {a: {build: .}}"),
            ],
            &[],
        ),
        (
            &[
                ("compose.yml", "services: {a: {image: H/shop/a:1}}"),
                ("compose.override.yml", "services: {a: {image: H/shop/a:2}}"),
            ],
            &["shop/a:2 compose.override.yml:1"],
        ),
        (
            &[
                ("compose.yml", "services: {a: {image: H/shop/a:1}}"),
                ("compose.dev.yml", "services: {a: {build: .}}"),
            ],
            &["shop/a:1 compose.yml:1"],
        ),
        (
            &[
                main,
                (
                    "compose.test.yml",
                    "services: {t: {image: H/shop/a:1}, u: {image: H/shop/u:1}}",
                ),
            ],
            &["shop/u:1 compose.test.yml:1", "shop/c:1 compose.yml:1"],
        ),
        (
            &[(
                "compose.yml",
                "services:\n  a: {image: H/shop/a:1, pull_policy: never}\n  b: {image: H/shop/b:1, pull_policy: build}\n  \
                 c: {image: H/shop/c:1, pull_policy: always}\n  d: {image: H/shop/d:1, pull_policy: missing}\n",
            )],
            &["shop/c:1 compose.yml:4", "shop/d:1 compose.yml:5"],
        ),
    ]);
}

#[test]
fn hostile_files_end_soon() {
    let many = |count: usize, line: &dyn Fn(usize) -> String| -> String { (0..count).map(line).collect() };
    let chain = format!(
        "services:\n{}",
        many(300, &|number| format!("  s{number}: {{extends: s{}}}\n", number + 1))
    );
    let wide = format!(
        "services:\n  s0: {{image: H/shop/a:1}}\n{}",
        many(300, &|number| format!("  t{number}: {{extends: s0}}\n"))
    );
    let includes = format!("include: [{}]\n", "a.yml,".repeat(500));
    let mut files: Vec<(String, String)> = vec![
        ("wide/compose.yml".to_owned(), wide),
        ("x/compose.yml".to_owned(), includes.clone()),
        ("x/a.yml".to_owned(), includes),
        ("y/compose.yml".to_owned(), "include: [b0.yml, b0.yml]\n".to_owned()),
    ];
    for number in 0..16 {
        let next = number + 1;
        files.push((
            format!("y/b{number}.yml"),
            format!("include: [b{next}.yml, b{next}.yml]\n"),
        ));
    }
    for number in 0..100 {
        files.push((
            format!("wide/compose.{number}.yml"),
            "services: {x: {image: H/shop/x:1}}".to_owned(),
        ));
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let start = std::time::Instant::now();
    let wide = found(&files);
    let chain = found(&[("compose.yml", &chain)]);
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
    assert!(
        wide.iter().any(|line| line.starts_with("shop/a:1 wide/compose.yml:2")),
        "{wide:#?}"
    );
    assert!(
        wide.iter().any(|line| line.contains("too many compose files")),
        "{wide:#?}"
    );
    assert!(chain[0].contains("too many services extend each other"), "{}", chain[0]);
}
