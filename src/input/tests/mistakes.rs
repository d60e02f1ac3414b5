//! Every mistake that a variable may have, and what is said of it.

use super::*;

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn every_mistake_names_variable_value_and_cure() {
    let retag = |pairs: &[(&'static str, &'static str)]| {
        [&[("ACTION", "retag"), ("SOURCE", "a:1"), ("TAGS", "2")], pairs].concat()
    };
    let push = |pairs: &[(&'static str, &'static str)]| [&[("ACTION", "push"), ("SOURCE", "a:1")], pairs].concat();
    let pull = |pairs: &[(&'static str, &'static str)]| [&[("IMAGES", "a:1")], pairs].concat();
    let copy = |pairs: &[(&'static str, &'static str)]| [&[("ACTION", "copy")], pairs].concat();
    let share = |pairs: &[(&'static str, &'static str)]| {
        copy(&[&[("IMAGES", "docker.io/node:20"), ("SHARD", "true")], pairs].concat())
    };
    for (pairs, mistake) in [
        (
            vec![("ACTION", "mirror")],
            "`ACTION` is `mirror`: there is no such action; write one of `pull`, `retag`, `push`, `copy`, `login`, \
             `check`",
        ),
        (
            vec![],
            "`IMAGES`: `pull` needs images, and there is no Dockerfile and no compose file in `/clone` to find them in; write \
             `IMAGES: 'base:1 tools:2'` or a list, or name images with their host where they are used, as in `FROM \
             crg.apkg.io/",
        ),
        (
            vec![("IMAGES", "crg.apkg.io:443/shop/base:1")],
            "`IMAGES` is `crg.apkg.io:443/shop/base:1`: `crg.apkg.io:443` has a port, and Bitbucket's container registry is \
             written without one; write `crg.apkg.io/shop/base`",
        ),
        (
            vec![("REGISTRY", "crg.apkg.io:443"), ("IMAGES", "a")],
            "`REGISTRY` is `crg.apkg.io:443`: it has a port, and Bitbucket's container registry is written without one; write \
             `crg.apkg.io`, or leave the variable out",
        ),
        (
            vec![("IMAGES", "packages.atlassian.net/shop/base:1")],
            "`IMAGES` is `packages.atlassian.net/shop/base:1`: `packages.atlassian.net` is not Bitbucket's container \
             registry: no such registry exists; write `crg.apkg.io/shop/base",
        ),
        (
            vec![("IMAGES", "base:$TAG")],
            "`IMAGES` is `base:$TAG`: it holds a `$` or brace",
        ),
        (
            vec![("IMAGES", "base:")],
            "`IMAGES` is `base:`: the tag after the `:` is empty; write a tag",
        ),
        (
            vec![("IMAGES", "base@")],
            "`IMAGES` is `base@`: the digest after the `@` is empty; write a digest",
        ),
        (
            vec![("IMAGES", "/base:1")],
            "`IMAGES` is `/base:1`: a part of the name is empty; write `package` or",
        ),
        (vec![("IMAGES", "shop//base")], "a part of the name is empty; write"),
        (
            vec![("IMAGES", "crg.apkg.io/shop/:1")],
            "a part of the name is empty; write",
        ),
        (vec![("IMAGES", ":1")], "a part of the name is empty; write"),
        (
            vec![("ACTION", "prune"), ("IMAGES", "api:"), ("KEEP", "2")],
            "`IMAGES` is `api:`: the tag after the `:` is empty",
        ),
        (
            vec![("IMAGES", "docker.io/node:20=node")],
            "`IMAGES` is `docker.io/node:20=node`: it is `source=target`, which only `copy` takes; write `ACTION: copy`",
        ),
        (
            vec![("ACTION", "check"), ("IMAGES", "docker.io/node:20=node:20")],
            "it is `source=target`, which only `copy` takes",
        ),
        // An action that cannot be read is the only mistake, whatever else is written.
        (
            vec![("ACTION", "$ACTION"), ("SOURCE", "a"), ("TAGS", "b")],
            "`ACTION` is `$ACTION`: it holds a `$` or brace, so a variable was not filled in",
        ),
        (
            vec![("ACTION", " "), ("SOURCE", "a"), ("TAGS", "b")],
            "`ACTION`: it is empty",
        ),
        (
            vec![("ACTION_COUNT", "2"), ("ACTION_0", "pull"), ("ACTION_1", "push")],
            "`ACTION`: it is a list, but takes one value",
        ),
        // What holds nothing that could be read is not missing as well.
        (
            retag(&[("TAGS", " ")]),
            "`TAGS`: it is empty: the variable in its value is not set in this step; set that variable",
        ),
        (retag(&[("TAGS", ",")]), "`TAGS`: an item is empty"),
        (
            vec![("ACTION", "retag"), ("SOURCE", "a:1"), ("TAGS_COUNT", "0")],
            "`TAGS`: it is empty: the variable in its value is not set in this step; set that variable",
        ),
        (
            retag(&[("TAGS", "api:$TAG")]),
            "`TAGS` is `api:$TAG`: it holds a `$` or brace",
        ),
        (
            vec![("ACTION", "push"), ("SOURCE", "oci-archive:a.tar"), ("TARGET", " ")],
            "`TARGET`: it is empty",
        ),
        (
            vec![("ACTION", "prune"), ("IMAGES", "api"), ("OLDER_THAN", "$AGE")],
            "`OLDER_THAN` is `$AGE`: it holds a `$` or brace",
        ),
        // retag
        (
            vec![("ACTION", "retag"), ("TAGS", "2")],
            "`SOURCE`: `retag` needs the image that is in the registry; write",
        ),
        (
            vec![("ACTION", "retag"), ("SOURCE", "a:1")],
            "`TAGS`: `retag` needs the tags to set; write `TAGS: '1.4.2 latest'`",
        ),
        (
            retag(&[("TARGET", "b")]),
            "`TARGET` is `b`: `retag` stays in the repository of `SOURCE`; leave it out; to copy an image to another repository use `ACTION: copy`",
        ),
        (
            retag(&[("SOURCE", "docker-daemon:a:1")]),
            "`SOURCE` is `docker-daemon:a:1`: `retag` works inside the registry, not on `docker-daemon:`; write",
        ),
        (
            retag(&[("SOURCE", "docker.io/a:1")]),
            "`SOURCE` is `docker.io/a:1`: it is on `docker.io`, but `REGISTRY` is `crg.apkg.io`; `retag` stays",
        ),
        (
            retag(&[("SOURCE", "A:1")]),
            "`SOURCE` is `A:1`: `shop/A` has capital letters",
        ),
        (
            retag(&[("TAGS", "shop/a:2")]),
            "`TAGS` is `shop/a:2`: it is a whole reference; write the tags alone",
        ),
        (
            retag(&[("TAGS", "1 v$VERSION")]),
            "`TAGS` is `v$VERSION`: it holds a `$` or brace, so a variable was not filled in; check the spelling",
        ),
        (
            retag(&[("TAGS", "${BITBUCKET_BRANCH//\\//-}")]),
            "it holds a `$` or brace, so a variable was not filled in",
        ),
        (
            retag(&[("TAGS", "feature/x")]),
            "`TAGS` is `feature/x`: `feature/x` is not a tag; a tag has up to 128",
        ),
        (
            retag(&[("ON_EXISTING", "never")]),
            "`ON_EXISTING` is `never`: there is no such choice; write `overwrite`, `skip` or `fail`",
        ),
        (
            vec![("ACTION", "check"), ("REQUIRE", "signature, signatures")],
            "`REQUIRE` is `signatures`: there is no such choice; write `signature`, `sbom`, `provenance`, or several of them",
        ),
        // push
        (
            vec![("ACTION", "push")],
            "`SOURCE`: `push` needs the image that the step has built; write the name given to",
        ),
        (
            vec![("ACTION", "push"), ("SOURCE", "  ")],
            "`SOURCE`: it is empty: the variable in its value is not set in this step; set that variable",
        ),
        // What was meant for another action than the default.
        (
            vec![("SOURCE", "api"), ("TAGS", "1")],
            "`ACTION`: it is not set, and `pull`, the default, does not use `SOURCE`, `TAGS`; write `ACTION: push`",
        ),
        (
            vec![("IMAGES", "api"), ("TARGET", "api")],
            "`ACTION`: it is not set, and `pull`, the default, does not use `TARGET`; write",
        ),
        (
            vec![("IMAGES", "docker.io/node:20"), ("REFERRERS", "true")],
            "`ACTION`: it is not set, and `pull`, the default, does not use `REFERRERS`; write `ACTION: copy`",
        ),
        (
            vec![
                ("IMAGES", "docker.io/node:20"),
                ("SHARD", "true"),
                ("ON_EXISTING", "skip"),
            ],
            "`ACTION`: it is not set, and `pull`, the default, does not use `ON_EXISTING`, `SHARD`; write `ACTION: copy`",
        ),
        (
            vec![("KEEP", "3"), ("SOURCE", "api")],
            "`ACTION`: it is not set, and `pull`, the default, does not use `SOURCE`, `KEEP`; write `ACTION: push`, \
             `ACTION: retag` or `ACTION: copy`",
        ),
        (
            vec![("IMAGES", "api"), ("KEEP", "3")],
            "`ACTION`: it is not set, and `pull`, the default, does not use `KEEP`; write `ACTION: prune`",
        ),
        (
            vec![("IMAGES", "api"), ("REQUIRE", "signature")],
            "`ACTION`: it is not set, and `pull`, the default, does not use `REQUIRE`; write `ACTION: check` or `ACTION: copy`",
        ),
        (
            vec![("ACTION", "push"), ("SOURCE", "oci-archive:a.tar")],
            "`SOURCE` is `oci-archive:a.tar`: no target follows from it; write `TARGET: package`",
        ),
        (
            vec![("ACTION", "push"), ("SOURCE", "docker-daemon:")],
            "`SOURCE` is `docker-daemon:`: it names no image; write the name that `docker image ls` shows",
        ),
        (
            vec![("ACTION", "push"), ("SOURCE", "sha256:0123456789abcdef")],
            "`SOURCE` is `sha256:0123456789abcdef`: it is an image ID, which names no target; write `TARGET: package`",
        ),
        (
            vec![("ACTION", "push"), ("SOURCE", "0123456789ab")],
            "`SOURCE` is `0123456789ab`: it is an image ID, which names no target; write `TARGET: package`",
        ),
        (
            vec![("ACTION", "push"), ("SOURCE", "ghcr.io/acme/API:1")],
            "`SOURCE` is `ghcr.io/acme/API:1`: no target follows from it: `shop/API` has capital letters, which \
             repository names cannot have; write `TARGET: package`",
        ),
        (
            push(&[("SOURCE", "a:b:c")]),
            "`SOURCE` is `a:b:c`: `b:c` is not a tag; write the name that `docker image ls`",
        ),
        (
            push(&[("SOURCE", "./api.tar")]),
            "`SOURCE` is `./api.tar`: it is a path, and a path needs its form before it; write `docker-archive:./api.tar` \
             for what `docker save` wrote, else `oci-archive:FILE` or `oci:FOLDER`",
        ),
        (
            push(&[("SOURCE", "images/api.tar.gz")]),
            "`SOURCE` is `images/api.tar.gz`: it is a path, and a path needs its form before it; write \
             `docker-archive:images/api.tar.gz`",
        ),
        (
            push(&[("TARGET", "api:1"), ("TAGS", "2")]),
            "`TARGET` is `api:1`: it has the tag `1`, and `TAGS` is set too; write the tags in one of them",
        ),
        (
            push(&[(
                "TARGET",
                "api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            )]),
            "it has a digest, which the image itself decides; write `package` or `package:tag`",
        ),
        (
            push(&[("TARGET", "docker.io/shop/api")]),
            "`TARGET` is `docker.io/shop/api`: it is on `docker.io`, but what is written goes to `REGISTRY`, `crg.apkg.io`",
        ),
        (
            push(&[("TARGET", "bitbucket.org/shop/api")]),
            "`bitbucket.org` is not Bitbucket's container registry",
        ),
        // what is copied from skopeo's lines
        (
            copy(&[("SOURCE", "docker://docker.io/node:20")]),
            "`SOURCE` is `docker://docker.io/node:20`: an image name has no `https://` or `docker://`; leave the scheme out",
        ),
        (
            retag(&[("SOURCE", "docker://crg.apkg.io/shop/a:1")]),
            "`SOURCE` is `docker://crg.apkg.io/shop/a:1`: an image name has no `https://` or `docker://`; leave",
        ),
        (
            push(&[("SOURCE", "docker://docker.io/node:20")]),
            "`push` does not read `docker://`; for an image of a registry use `ACTION: copy`",
        ),
        // a pull secret
        (
            vec![("PULL_SECRET", "crg.yml")],
            "`ACTION`: it is not set, and `pull`, the default, does not use `PULL_SECRET`; write `ACTION: login`",
        ),
        (
            vec![
                ("ACTION", "login"),
                ("PULL_SECRET", "a/../crg.yml"),
                ("REPORT", "crg.yml"),
            ],
            "`PULL_SECRET`: another file of results has this name too; write another name",
        ),
        (
            vec![
                ("ACTION", "login"),
                ("PULL_SECRET", "crg.yml"),
                ("PULL_SECRET_NAME", "Crg"),
            ],
            "`PULL_SECRET_NAME` is `Crg`: it is not the name of a Secret; write up to 253 small letters, digits and `-`, with \
             a letter or digit at both ends, with `.` between words, as in `crg` or `shop/crg`",
        ),
        (
            vec![
                ("ACTION", "login"),
                ("PULL_SECRET", "crg.yml"),
                ("PULL_SECRET_NAME", "a.b/crg"),
            ],
            "`PULL_SECRET_NAME` is `a.b/crg`: the part before the `/` is not the name of a namespace; write up to 63 small",
        ),
        (
            vec![("ACTION", "login"), ("PULL_SECRET_NAME", "crg")],
            "`PULL_SECRET_NAME`: it names the Secret that `PULL_SECRET` writes, which is not set; write `PULL_SECRET:",
        ),
        (
            vec![
                ("ACTION", "login"),
                ("PULL_SECRET", "crg.yml"),
                ("DOCKER_CONFIG", ".docker"),
            ],
            "`DOCKER_CONFIG` is `.docker`: `PULL_SECRET` is set too, which writes a Secret in the place of `config.json`",
        ),
        (
            vec![
                ("ACTION", "login"),
                ("PULL_SECRET", "crg.yml"),
                ("CREDENTIAL", "built-in"),
            ],
            "`CREDENTIAL`: a pull secret needs an API token: the built-in credential ends with the step; write `CREDENTIAL: \
             api-token`, or leave it out",
        ),
        // another registry's credential
        (
            vec![
                ("IMAGES", "quay.io/a/b:1 docker.io/node base:1"),
                ("SOURCE_USERNAME", "u"),
                ("SOURCE_PASSWORD", "p"),
            ],
            "`SOURCE_USERNAME`: it is for one registry, but the images are on `docker.io` and `quay.io`; use one pipe",
        ),
        (
            vec![("IMAGES", "a"), ("SOURCE_USERNAME", "u"), ("SOURCE_PASSWORD", "p")],
            "`SOURCE_USERNAME`: no image is on another registry; leave it and `SOURCE_PASSWORD` out",
        ),
        (
            vec![("IMAGES", "docker.io/node"), ("SOURCE_PASSWORD", "p")],
            "`SOURCE_USERNAME`: `SOURCE_PASSWORD` is set, but no user name; write both, or none for a public image",
        ),
        (
            copy(&[
                ("IMAGES", "quay.io/a/b:1 docker.io/node:1"),
                ("SOURCE_USERNAME", "u"),
                ("SOURCE_PASSWORD", "p"),
            ]),
            "`SOURCE_USERNAME`: it is for one registry, but the sources are on `docker.io` and `quay.io`; use one pipe",
        ),
        // copy
        (
            copy(&[
                ("SOURCE", "docker.io/library/Node"),
                ("SOURCE_USERNAME", "u"),
                ("SOURCE_PASSWORD", "p"),
            ]),
            "`SOURCE` is `docker.io/library/Node`: `library/Node` has capital letters",
        ),
        (
            copy(&[("IMAGES", "=a:1")]),
            "`IMAGES` is `=a:1`: it has no source before the `=`; write `source=target` without spaces",
        ),
        (
            copy(&[("IMAGES", "docker.io/node:20=")]),
            "`IMAGES` is `docker.io/node:20=`: it has no target after the `=`; write `source=target` without spaces",
        ),
        (
            copy(&[
                ("SOURCE", "docker.io/node:20"),
                ("SHARD", "true"),
                ("BITBUCKET_PARALLEL_STEP", "3"),
            ]),
            "`SHARD`: `BITBUCKET_PARALLEL_STEP` is `3` and `BITBUCKET_PARALLEL_STEP_COUNT` is not set, which do not fit",
        ),
        (
            copy(&[("SOURCE", "node:20")]),
            "`SOURCE` is `node:20`: source and target are the same, since a name without host is one of this registry; \
             for Docker Hub's write `docker.io/node:20`, else another target or other `TAGS`",
        ),
        (
            copy(&[("IMAGES", "team/node:2*=team/node")]),
            "`IMAGES` is `team/node:2*=team/node`: source and target are the same, since a name without host is one of \
             this registry; for Docker Hub's write `docker.io/team/node:2*`, else another target",
        ),
        (
            copy(&[("IMAGES", "oci:images:1=a")]),
            "`IMAGES` is `oci:images:1=a`: it names images of registries, not `oci:`; for archives, layouts and the \
             daemon use `ACTION: push`",
        ),
        (
            copy(&[("IMAGES", "docker-archive:a.tar=a")]),
            "`IMAGES` is `docker-archive:a.tar=a`: it names images of registries, not `docker-archive:`",
        ),
        // pull
        (
            pull(&[("IMAGES", "docker-daemon:a")]),
            "`IMAGES` is `docker-daemon:a`: it names images of registries, not `docker-daemon:`",
        ),
        (
            pull(&[("TO", "docker-archive:a.tar:API:1")]),
            "`TO` is `docker-archive:a.tar:API:1`: `API` has capital letters, which repository names cannot have; write \
             `api`",
        ),
        (
            pull(&[("TO", "docker-archive:a.tar:api:1:2")]),
            "`TO` is `docker-archive:a.tar:api:1:2`: `1:2` is not a tag",
        ),
        (
            pull(&[("TO", "docker-archive:a.tar:api@sha256:0")]),
            "`TO` is `docker-archive:a.tar:api@sha256:0`: it names a digest, which the image itself decides",
        ),
        (
            pull(&[("TO", "oci:images:@0")]),
            "`TO` is `oci:images:@0`: `@` and a number mean an image by its place, and are not a name",
        ),
        (
            pull(&[("TO", "oci-archive:a.tar:x|y")]),
            "`TO` is `oci-archive:a.tar:x|y`: the specification of OCI layouts has no name like `x|y`, and skopeo, buildah and \
             umoci could not choose it; write letters and digits, with single",
        ),
        (
            pull(&[
                ("TO", "oci:../out:1"),
                ("BITBUCKET_CLONE_DIR", "/clone"),
                ("BITBUCKET_PIPE_STORAGE_DIR", "/storage"),
            ]),
            "`TO` is `oci:../out:1`: it is outside the clone, so the step would never see it; write a path below `/clone`",
        ),
        (
            pull(&[("IMAGES", "a:1*")]),
            "`IMAGES` is `a:1*`: `1*` is not a tag; patterns of tags are for the `SOURCE` and `IMAGES` of `copy`",
        ),
        (
            pull(&[("IMAGES", "a:1 b:1"), ("TO", "oci:out:1")]),
            "`TO` is `oci:out:1`: it names one image, and there are several to pull; leave the name out",
        ),
        (
            copy(&[(
                "IMAGES",
                "docker.io/node:20=node@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            )]),
            "`: its target has a digest, which the image itself decides; write `source=target:tag`",
        ),
        (
            copy(&[("IMAGES", "docker.io/node:20=docker.io/shop/node")]),
            "`: its target is on `docker.io`, but what is written goes to `crg.apkg.io`; write the target without a host",
        ),
        (
            copy(&[("IMAGES", "docker.io/node:2*=node:1")]),
            "`: a pattern keeps the tags that it finds; leave the target's tags out",
        ),
        (
            copy(&[("IMAGES", "a:2=a:2")]),
            "`: source and target are the same, since a name without host is one of this registry; for Docker Hub's write",
        ),
        (
            copy(&[("IMAGES", "docker.io/node:2*+=node")]),
            "`: `2*+` is not a tag; ",
        ),
        (
            share(&[("BITBUCKET_PARALLEL_STEP", "2"), ("BITBUCKET_PARALLEL_STEP_COUNT", "2")]),
            "`SHARD`: `BITBUCKET_PARALLEL_STEP` is `2` and `BITBUCKET_PARALLEL_STEP_COUNT` is `2`, which do not fit",
        ),
        // all
        (pull(&[("PLATFORM", "arm64")]), "`PLATFORM` is `arm64`: "),
        (pull(&[("DOCKER_HOST", "ssh://x")]), "`DOCKER_HOST` is `ssh://x`: "),
        (
            pull(&[("REGISTRY", "https://crg.apkg.io")]),
            "`REGISTRY` is `https://crg.apkg.io`: ",
        ),
        (
            pull(&[("REGISTRY", "bitbucket.org")]),
            "`REGISTRY` is `bitbucket.org`: it is not Bitbucket's container registry: that host is for Git",
        ),
        (
            pull(&[("CREDENTIAL", "ATATTsecret")]),
            "`CREDENTIAL`: it names which credential to use, and there is no such choice; write `auto`, `built-in`",
        ),
        (pull(&[("TOKEN_EXPIRES_ON", "soon")]), "`TOKEN_EXPIRES_ON` is `soon`: "),
        (
            pull(&[("DEBUG", "yes")]),
            "`DEBUG` is `yes`: it is a switch; write `'true'` or `'false'`",
        ),
        (
            pull(&[("ALLOW_UNSUPPORTED_TOKEN", "1")]),
            "`ALLOW_UNSUPPORTED_TOKEN` is `1`: it is a switch",
        ),
        (
            pull(&[("REPORT", "out.json"), ("OUTPUT_ENV", "./out.json")]),
            "`OUTPUT_ENV` is `./out.json`: it is the file of `REPORT` too; write two names",
        ),
    ] {
        let mistakes = bad(&pairs);
        assert_eq!(mistakes.len(), 1, "{pairs:?}: {mistakes:?}");
        assert!(mistakes[0].contains(mistake), "{mistake}\n{}", mistakes[0]);
        assert!(
            !mistakes[0].ends_with('.') && !mistakes[0].contains("ATATT"),
            "{}",
            mistakes[0]
        );
    }
}
