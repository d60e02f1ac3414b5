//! What each action takes from its variables.

use super::*;
use crate::input::selection::Shard;

#[test]
fn pull_is_what_is_done_if_nothing_else_is_said() {
    let checked = check_in(Path::new("/clone"), &[("IMAGES", "base:1")]);
    let (outputs, request) = (checked.outputs, checked.request.unwrap());
    assert_eq!(checked.action, Some(ActionName::Pull));
    assert_eq!((checked.debug, checked.insights), (false, None));
    assert_eq!(request.registry.as_str(), "crg.apkg.io");
    assert_eq!(request.chosen.choice, Choice::Auto);
    assert_eq!(request.network.timeout, Duration::from_secs(60));
    assert_eq!(request.network.retries, 4);
    assert_eq!(request.network.extra_roots.len(), 0);
    assert_eq!(request.concurrency, 8);
    assert_eq!(outputs, Outputs::default());
    assert_eq!(request.expires_on, None);
    assert_eq!(request.step.repository.as_deref(), Some("shop/api"));
    assert!(!request.step.in_pipe);
    let pull = pulled(&[("IMAGES", "base:1")]);
    assert_eq!(pull.platform, None);
    assert!(matches!(&pull.to, PullTo::Daemon(daemon) if daemon.to_string() == "unix:///var/run/docker.sock"));
    for to in ["", "docker-daemon:"] {
        let pull = pulled(&[("IMAGES", "a"), ("TO", to)]);
        assert!(matches!(pull.to, PullTo::Daemon(_)), "{to:?}");
    }
    for (action, name, writes) in [
        (vec![("IMAGES", "a")], ActionName::Pull, false),
        (
            vec![("ACTION", "retag"), ("SOURCE", "a:1"), ("TAGS", "2")],
            ActionName::Retag,
            true,
        ),
        (vec![("ACTION", "push"), ("SOURCE", "a")], ActionName::Push, true),
        (vec![("ACTION", " Login ")], ActionName::Login, false),
        (vec![("ACTION", "check")], ActionName::Check, false),
        (vec![("ACTION", "check"), ("TARGET", "api")], ActionName::Check, true),
    ] {
        let checked = check_in(Path::new("/clone"), &action);
        assert_eq!(checked.action, Some(name));
        assert_eq!(checked.request.unwrap().action.writes(), writes, "{name}");
    }
}

#[test]
fn images_are_whole_references_each_once() {
    let digest = format!("base@sha256:{}", "a".repeat(64));
    for (images, whole) in [
        ("base", vec!["crg.apkg.io/shop/base:latest"]),
        ("base base:latest shop/base", vec!["crg.apkg.io/shop/base:latest"]),
        (
            "base:1,crg.apkg.io/team/tools:2",
            vec!["crg.apkg.io/shop/base:1", "crg.apkg.io/team/tools:2"],
        ),
        ("docker.io/node:20", vec!["docker.io/library/node:20"]),
        // A package may be called so.
        ("oci:1", vec!["crg.apkg.io/shop/oci:1"]),
    ] {
        assert_eq!(texts(&pulled(&[("IMAGES", images)]).images), whole, "{images}");
    }
    // A digest says all: no `latest` beside it.
    assert_eq!(
        texts(&pulled(&[("IMAGES", &digest)]).images),
        [format!("crg.apkg.io/shop/{digest}")]
    );
    let list = pulled(&[("IMAGES_COUNT", "2"), ("IMAGES_0", "a:1"), ("IMAGES_1", "b:1")]);
    assert_eq!(texts(&list.images), ["crg.apkg.io/shop/a:1", "crg.apkg.io/shop/b:1"]);
}

#[test]
fn retag_takes_what_the_registry_has() {
    let action = good(&[
        ("ACTION", "retag"),
        ("SOURCE", "base:1"),
        ("TAGS", "1.4.2 latest 1.4.2"),
        ("ON_EXISTING", "Skip"),
    ])
    .action;
    let Action::Retag(retag) = action else {
        panic!("{action:?}")
    };
    assert_eq!(retag.source.to_string(), "crg.apkg.io/shop/base:1");
    assert_eq!(texts(&retag.tags), ["1.4.2", "latest"]);
    assert_eq!(retag.on_existing, OnExisting::Skip);
}

#[test]
fn a_target_follows_from_the_source() {
    for (source, name, target, tags) in [
        ("api", "api", "crg.apkg.io/shop/api", vec!["latest"]),
        ("api:build", "api:build", "crg.apkg.io/shop/api", vec!["build"]),
        (
            "docker-daemon:api:build",
            "api:build",
            "crg.apkg.io/shop/api",
            vec!["build"],
        ),
        ("team/api:1", "team/api:1", "crg.apkg.io/team/api", vec!["1"]),
        (
            "crg.apkg.io/team/api:1",
            "crg.apkg.io/team/api:1",
            "crg.apkg.io/team/api",
            vec!["1"],
        ),
        (
            "CRG.apkg.io/team/api:1",
            "CRG.apkg.io/team/api:1",
            "crg.apkg.io/team/api",
            vec!["1"],
        ),
        (
            "ghcr.io/acme/deep/api:1",
            "ghcr.io/acme/deep/api:1",
            "crg.apkg.io/shop/api",
            vec!["1"],
        ),
        (
            "docker.io/node:20",
            "docker.io/node:20",
            "crg.apkg.io/shop/node",
            vec!["20"],
        ),
        (
            "localhost:5000/api",
            "localhost:5000/api",
            "crg.apkg.io/shop/api",
            vec!["latest"],
        ),
        // An archive's name, where it is a whole one.
        (
            "docker-archive:a.tar:api:1",
            "docker-archive:a.tar:api:1",
            "crg.apkg.io/shop/api",
            vec!["1"],
        ),
        (
            "oci:out:ghcr.io/acme/api:1",
            "oci:out:ghcr.io/acme/api:1",
            "crg.apkg.io/shop/api",
            vec!["1"],
        ),
        // Six letters are a name, whatever their letters are, and so are twelve that no ID has.
        (
            "front-end-v2",
            "front-end-v2",
            "crg.apkg.io/shop/front-end-v2",
            vec!["latest"],
        ),
        ("facade", "facade", "crg.apkg.io/shop/facade", vec!["latest"]),
    ] {
        let push = pushed(&[("SOURCE", source)]);
        assert_eq!(push.source.to_string(), name);
        if let crate::input::PushSource::Archive(archive) = &push.source {
            assert_eq!(archive.path, Path::new("/clone").join(&archive.written));
        }
        assert_eq!(push.target.to_string(), target, "{source}");
        assert_eq!(texts(&push.tags), tags, "{source}");
    }
}

#[test]
fn a_target_that_is_written_counts() {
    let id = format!("sha256:{}", "0123456789abcdef".repeat(4));
    for (source, target, tags, result, set) in [
        ("x:build", "api", "", "crg.apkg.io/shop/api", vec!["build"]),
        ("x", "api", "", "crg.apkg.io/shop/api", vec!["latest"]),
        ("x:build", "api:1", "", "crg.apkg.io/shop/api", vec!["1"]),
        ("x:build", "team/api", "1 2", "crg.apkg.io/team/api", vec!["1", "2"]),
        (
            "x:build",
            "crg.apkg.io/team/api",
            "1",
            "crg.apkg.io/team/api",
            vec!["1"],
        ),
        (&id, "api", "1", "crg.apkg.io/shop/api", vec!["1"]),
        ("0123456789ab", "api", "", "crg.apkg.io/shop/api", vec!["latest"]),
        // A layout names images by their tags.
        ("oci:images:1.4", "api", "", "crg.apkg.io/shop/api", vec!["1.4"]),
        (
            "oci-archive:a.tar:api:1.4",
            "api",
            "",
            "crg.apkg.io/shop/api",
            vec!["1.4"],
        ),
        ("oci-archive:a.tar:1.4", "api:2", "", "crg.apkg.io/shop/api", vec!["2"]),
        ("oci:images:1.4", "api", "3", "crg.apkg.io/shop/api", vec!["3"]),
        ("oci:images:@0", "api", "", "crg.apkg.io/shop/api", vec!["latest"]),
        ("oci:images", "api", "", "crg.apkg.io/shop/api", vec!["latest"]),
        (
            "docker-archive:a.tar:1.4",
            "api",
            "",
            "crg.apkg.io/shop/api",
            vec!["latest"],
        ),
        // What the daemon alone must understand.
        ("no/such/host/MIXED:1", "api", "", "crg.apkg.io/shop/api", vec!["1"]),
    ] {
        let push = pushed(&[("SOURCE", source), ("TARGET", target), ("TAGS", tags)]);
        assert_eq!(push.target.to_string(), result, "{source} {target}");
        assert_eq!(texts(&push.tags), set, "{source} {target}");
    }
}

#[test]
fn pull_without_images_takes_those_that_the_clone_names() {
    let clone = tempfile::tempdir().unwrap();
    let dockerfile = "FROM crg.apkg.io/shop/base:1\nFROM node:20\nFROM crg.apkg.io/shop/tools\n";
    std::fs::write(clone.path().join("Dockerfile"), dockerfile).unwrap();
    let folder = clone.path().to_str().unwrap();
    let pull = pulled(&[("BITBUCKET_CLONE_DIR", folder)]);
    assert_eq!(
        texts(&pull.images),
        ["crg.apkg.io/shop/base:1", "crg.apkg.io/shop/tools:latest"]
    );
    let discovered = pull.discovered.unwrap();
    assert_eq!(texts(&discovered.images[1].places), ["Dockerfile:3"]);
    let named = bad(&[("BITBUCKET_CLONE_DIR", folder), ("TO", "oci:images:1")]);
    assert_eq!(
        named,
        [
            "`TO` is `oci:images:1`: it names one image, and there are several to pull; leave the name out: each image keeps its tag"
        ]
    );
    let pull = pulled(&[("BITBUCKET_CLONE_DIR", folder), ("IMAGES", "other:1")]);
    assert_eq!((pull.images.len(), pull.discovered), (1, None));
    let one_name = bad(&[("BITBUCKET_CLONE_DIR", folder), ("TO", "oci:out:1")]);
    assert_eq!(one_name.len(), 1, "{one_name:?}");
    assert!(one_name[0].contains("it names one image, and there are several to pull"));
    // Without a clone folder it is the working folder.
    let request = check_in(clone.path(), &[]).request.unwrap();
    assert!(matches!(request.action, Action::Pull(pull) if pull.images.len() == 2));
}

#[test]
fn check_takes_what_there_is_and_needs_nothing() {
    let checkup = |pairs: &[(&str, &str)]| match good(&[&[("ACTION", "check")], pairs].concat()).action {
        Action::Check(checkup) => checkup,
        other => panic!("{other:?}"),
    };
    let targets = |text: &str| {
        let targets = checkup(&[("IMAGES", "a"), ("TARGET", text)]).targets;
        let named = targets.into_iter().map(|(target, tag)| match tag {
            Some(tag) => format!("{target}:{tag}"),
            None => target.to_string(),
        });
        named.collect::<Vec<_>>()
    };
    assert_eq!(targets(""), [""; 0]);
    assert_eq!(
        targets(" api, web:1\napi "),
        ["crg.apkg.io/shop/api", "crg.apkg.io/shop/web:1"]
    );
    let images = checkup(&[("IMAGES", "base base:latest docker.io/node:20")]);
    assert_eq!(
        texts(&images.images),
        ["crg.apkg.io/shop/base:latest", "docker.io/library/node:20"]
    );
    assert_eq!(images.discovered, None);
    // Nothing found is told by the table.
    let nothing = checkup(&[]);
    assert_eq!((nothing.images.len(), nothing.targets.len()), (0, 0));
    assert_eq!(nothing.discovered, Some(Discovered::default()));
    for bad_target in [
        "docker.io/a/b",
        "api@sha256:0",
        "api:1:2",
        "api,",
        ",api",
        "api, ,web",
        ",",
        "api,\nweb,",
    ] {
        assert_eq!(
            bad(&[("ACTION", "check"), ("TARGET", bad_target)]).len(),
            1,
            "{bad_target}"
        );
    }
}

#[test]
fn a_share_is_what_a_group_of_steps_gives() {
    let shard = |pairs: &[(&str, &str)]| {
        let copy = [("ACTION", "copy"), ("SOURCE", "docker.io/node:20"), ("SHARD", "true")];
        match good(&[&copy, pairs].concat()).action {
            Action::Copy(copy) => copy.shard,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(shard(&[]), None, "outside a group it is everything");
    let (step, count) = (1, 2);
    let group = [("BITBUCKET_PARALLEL_STEP", "1"), ("BITBUCKET_PARALLEL_STEP_COUNT", "2")];
    assert_eq!(shard(&group), Some(Shard { step, count }));
}

/// Whatever it looks like, and to one host alone.
#[test]
fn the_credential_of_another_registry_is_for_its_host() {
    for (images, password, host) in [
        (
            "docker.io/node:20 base:1 index.docker.io/library/redis",
            "dckr_pat_x",
            "docker.io",
        ),
        ("quay.io/a/b:1 quay.io/c/d:2", "ATATT3xFfGF0-of-somebody", "quay.io"),
        ("localhost:5000/a:1", "ATBBx", "localhost:5000"),
    ] {
        let pair = [("SOURCE_USERNAME", "x-token-auth"), ("SOURCE_PASSWORD", password)];
        let pull = pulled(&[&[("IMAGES", images)], &pair[..]].concat());
        let (of, credential) = pull.source_credential.unwrap();
        assert_eq!((of.as_str(), credential.username.as_str()), (host, "x-token-auth"));
        assert_eq!(credential.token.expose(), password);
        assert_eq!(pulled(&[("IMAGES", images)]).source_credential, None);
    }
}

#[test]
fn what_is_required_comes_as_a_list_or_a_string() {
    let required = |pairs: &[(&str, &str)]| {
        let check = [&[("ACTION", "check")][..], pairs].concat();
        let copy = [&[("ACTION", "copy"), ("SOURCE", "docker.io/a:1")][..], pairs].concat();
        match (good(&check).action, good(&copy).action) {
            (Action::Check(check), Action::Copy(copy)) if check.required == copy.required => check.required.in_words(),
            other => panic!("{other:?}"),
        }
    };
    for (pairs, words) in [
        (&[][..], ""),
        (&[("REQUIRE", "signature")], "a signature"),
        (&[("REQUIRE", "provenance, SBOM sbom")], "an SBOM and provenance"),
        (
            &[
                ("REQUIRE_COUNT", "2"),
                ("REQUIRE_0", "sbom"),
                ("REQUIRE_1", "Signature"),
            ],
            "a signature and an SBOM",
        ),
    ] {
        assert_eq!(required(pairs), words, "{pairs:?}");
    }
}
