use super::*;

fn by_hand(text: &str) -> Vec<(usize, &'static str, String)> {
    let registry = Host::bitbucket();
    let mut script = Script::new(&registry, Some("shop"));
    script
        .by_hand(text)
        .into_iter()
        .map(|found| {
            let (word, entry) = match found.instead {
                Instead::Pipe(entry) => ("", entry),
                Instead::Before(entry) => ("before ", entry),
                Instead::Credential(entry) => ("stays ", entry),
                Instead::SignsIn(entry) => ("signs in ", entry),
                Instead::Renames(entry) => ("renames ", entry),
            };
            let variables: Vec<String> = entry.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
            (found.line, found.command, format!("{word}{}", variables.join(" ")))
        })
        .collect()
}

fn replaces(table: &[(&str, &'static str, &str)]) {
    for (line, command, instead) in table {
        assert_eq!(by_hand(line), [(0, *command, (*instead).to_owned())], "{line}");
    }
}

/// What people write in `script`, and what takes its place.
#[test]
fn each_command_of_docker_has_its_replacement() {
    replaces(&[
        (
            "docker login crg.apkg.io -u a -p $T",
            "docker login",
            "signs in ACTION=login",
        ),
        (
            "echo $T | docker login --username a --password-stdin https://crg.apkg.io",
            "docker login",
            "signs in ACTION=login",
        ),
        (
            "docker pull crg.apkg.io/shop/base:1.4",
            "docker pull",
            "IMAGES=base:1.4",
        ),
        (
            "docker image pull -q crg.apkg.io/$BITBUCKET_WORKSPACE/base:$TAG",
            "docker pull",
            "IMAGES=base:$TAG",
        ),
        (
            "docker --config x pull crg.apkg.io/other/base@sha256:$DIGEST",
            "docker pull",
            "IMAGES=other/base@sha256:$DIGEST",
        ),
        (
            "docker pull --platform linux/arm64 crg.apkg.io/shop/base",
            "docker pull",
            "IMAGES=base PLATFORM=linux/arm64",
        ),
        (
            "docker push crg.apkg.io/shop/api:$BITBUCKET_COMMIT",
            "docker push",
            "ACTION=push SOURCE=crg.apkg.io/shop/api:$BITBUCKET_COMMIT",
        ),
        (
            "docker push -a crg.apkg.io/shop/api",
            "docker push",
            "stays ACTION=login",
        ),
        (
            "docker tag api:dev crg.apkg.io/shop/api:1",
            "docker tag",
            "renames ACTION=push SOURCE=api:dev TARGET=api:1",
        ),
        (
            "docker run --rm -it -v $PWD:/a -e A=1 -p80:80 --name x crg.apkg.io/shop/tools:2 make test",
            "docker run",
            "before IMAGES=tools:2",
        ),
        (
            "docker run -dp 80:80 --env=A crg.apkg.io/shop/web",
            "docker run",
            "before IMAGES=web",
        ),
    ]);
}

#[test]
fn so_has_each_of_other_tools() {
    replaces(&[
        (
            "docker buildx imagetools create -t crg.apkg.io/shop/api:latest --tag=crg.apkg.io/shop/api:2 crg.apkg.io/shop/api:1",
            "docker buildx imagetools",
            "ACTION=retag SOURCE=api:1 TAGS=latest 2",
        ),
        (
            "docker buildx imagetools create --tag crg.apkg.io/shop/node:20 node:20",
            "docker buildx imagetools",
            "ACTION=copy SOURCE=docker.io/node:20 TARGET=node TAGS=20",
        ),
        (
            "skopeo copy --all docker://docker.io/library/redis:7 docker://crg.apkg.io/shop/redis:7",
            "skopeo copy",
            "ACTION=copy SOURCE=docker.io/library/redis:7 TARGET=redis TAGS=7",
        ),
        (
            "skopeo copy --dest-creds a:b docker-archive:x.tar docker://crg.apkg.io/shop/api:1",
            "skopeo copy",
            "ACTION=push SOURCE=docker-archive:x.tar TARGET=api:1",
        ),
        (
            "skopeo copy docker://crg.apkg.io/shop/api:1 oci:out:1",
            "skopeo copy",
            "IMAGES=api:1 TO=oci:out:1",
        ),
        (
            "skopeo login -u a -p b crg.apkg.io",
            "skopeo login",
            "signs in ACTION=login",
        ),
        (
            "crane auth login crg.apkg.io -u a -p b",
            "crane auth login",
            "signs in ACTION=login",
        ),
        (
            "crane cp crg.apkg.io/shop/api:1 crg.apkg.io/shop/web:1",
            "crane copy",
            "ACTION=copy SOURCE=api:1 TARGET=web TAGS=1",
        ),
        (
            "crane tag crg.apkg.io/shop/api:1 latest",
            "crane tag",
            "ACTION=retag SOURCE=api:1 TAGS=latest",
        ),
        (
            "crane push x.tar crg.apkg.io/shop/api:1",
            "crane push",
            "ACTION=push SOURCE=docker-archive:x.tar TARGET=api:1",
        ),
        (
            "crane pull crg.apkg.io/shop/api:1 x.tar",
            "crane pull",
            "IMAGES=api:1 TO=docker-archive:x.tar",
        ),
        (
            "sudo /usr/bin/docker pull crg.apkg.io/shop/base:1 || true",
            "docker pull",
            "IMAGES=base:1",
        ),
    ]);
}

/// What a line asks for beyond the name, and what only its own tool does.
#[test]
fn options_are_passed_on_or_the_command_stays() {
    const ARCHIVE: &str = "skopeo copy docker://crg.apkg.io/shop/api:1";
    let stays = "stays ACTION=login";
    replaces(&[
        ("docker pull -a crg.apkg.io/shop/api", "docker pull", stays),
        ("docker pull --all-tags crg.apkg.io/shop/api", "docker pull", stays),
        ("docker push --all-tags crg.apkg.io/shop/api", "docker push", stays),
        (
            "docker push --platform=linux/arm64 crg.apkg.io/shop/api",
            "docker push",
            "ACTION=push SOURCE=crg.apkg.io/shop/api PLATFORM=linux/arm64",
        ),
        (
            "docker run --platform linux/arm64 crg.apkg.io/shop/api --platform x",
            "docker run",
            "before IMAGES=api PLATFORM=linux/arm64",
        ),
        ("docker run --pull always crg.apkg.io/shop/api", "docker run", stays),
        ("docker create --pull=always crg.apkg.io/shop/api", "docker run", stays),
        (
            "docker run --pull=missing crg.apkg.io/shop/api --pull=always",
            "docker run",
            "before IMAGES=api",
        ),
        (
            "docker buildx imagetools create --platform linux/arm64 -t crg.apkg.io/shop/a:2 crg.apkg.io/shop/a:1",
            "docker buildx imagetools",
            stays,
        ),
        (&format!("{ARCHIVE} dir:out"), "skopeo copy", stays),
        (&format!("{ARCHIVE} containers-storage:api:1"), "skopeo copy", stays),
        (&format!("{ARCHIVE} docker-daemon:api:1"), "skopeo copy", stays),
        (
            &format!("{ARCHIVE} docker-daemon:crg.apkg.io/shop/api:1"),
            "skopeo copy",
            "IMAGES=api:1",
        ),
        (
            &format!("{ARCHIVE} oci-archive:x.tar"),
            "skopeo copy",
            "IMAGES=api:1 TO=oci-archive:x.tar",
        ),
        (&format!("{ARCHIVE} oci:/tmp/out"), "skopeo copy", stays),
        (&format!("{ARCHIVE} oci:../out"), "skopeo copy", stays),
        (&format!("{ARCHIVE} oci:./"), "skopeo copy", stays),
        (
            &format!("{ARCHIVE} oci:$BITBUCKET_CLONE_DIR/out"),
            "skopeo copy",
            "IMAGES=api:1 TO=oci:$BITBUCKET_CLONE_DIR/out",
        ),
        (
            "skopeo --override-arch arm64 copy docker://crg.apkg.io/shop/api:1 oci:out",
            "skopeo copy",
            "IMAGES=api:1 TO=oci:out PLATFORM=linux/arm64",
        ),
        (
            "skopeo copy dir:in docker://crg.apkg.io/shop/api:1",
            "skopeo copy",
            stays,
        ),
        (
            "skopeo copy containers-storage:api docker://crg.apkg.io/shop/api:1",
            "skopeo copy",
            stays,
        ),
        (
            "skopeo copy docker-daemon:api:dev docker://crg.apkg.io/shop/api:1",
            "skopeo copy",
            "ACTION=push SOURCE=docker-daemon:api:dev TARGET=api:1",
        ),
        (
            "crane cp -a crg.apkg.io/shop/api crg.apkg.io/shop/web",
            "crane copy",
            stays,
        ),
        (
            "crane copy --platform linux/arm64 node:20 crg.apkg.io/shop/node:20",
            "crane copy",
            "ACTION=copy SOURCE=docker.io/node:20 TARGET=node TAGS=20 PLATFORM=linux/arm64",
        ),
        (
            "crane pull --format=oci crg.apkg.io/shop/api:1 out",
            "crane pull",
            "IMAGES=api:1 TO=oci:out",
        ),
        (
            "crane --platform linux/arm64 pull crg.apkg.io/shop/api:1 x.tar",
            "crane pull",
            "IMAGES=api:1 TO=docker-archive:x.tar PLATFORM=linux/arm64",
        ),
        ("crane push layout crg.apkg.io/shop/api:1", "crane push", stays),
        ("crane push /tmp/x.tar crg.apkg.io/shop/api:1", "crane push", stays),
    ]);
}

#[test]
fn the_registry_is_known_with_its_port_too() {
    replaces(&[
        (
            "docker pull crg.apkg.io:443/shop/base:1",
            "docker pull",
            "IMAGES=base:1",
        ),
        ("docker login crg.apkg.io:443", "docker login", "signs in ACTION=login"),
        // The name in the daemon has the port, and so names no target.
        (
            "docker push crg.apkg.io:443/shop/api:1",
            "docker push",
            "ACTION=push SOURCE=crg.apkg.io:443/shop/api:1 TARGET=api:1",
        ),
    ]);
    assert_eq!(by_hand("docker run crg.apkg.io:443/shop/api:1"), []);
}

#[test]
fn what_is_not_of_this_registry_is_left_alone() {
    for line in [
        "docker pull node:20",
        "docker pull crg.apkg.io.example.com/shop/base:1",
        "docker login -u a -p b",
        "docker login ghcr.io",
        "docker build -t crg.apkg.io/shop/api:1 .",
        "docker inspect crg.apkg.io/shop/api:1",
        "echo docker pull crg.apkg.io/shop/api:1",
        "# docker pull crg.apkg.io/shop/api:1",
        "docker run node:20 crg.apkg.io/shop/api:1",
        "docker tag crg.apkg.io/shop/api:1 api",
        "docker pull crg.apkg.io/base:1",
        "docker pull 'crg.apkg.io/shop/base\n:1'",
        "docker run --pull never crg.apkg.io/shop/base:1",
        "crane pull --format=x crg.apkg.io/shop/api:1 out",
        "docker buildx imagetools create -t crg.apkg.io/shop/api:1 crg.apkg.io/shop/api:amd64 crg.apkg.io/shop/api:arm64",
        "docker buildx imagetools inspect crg.apkg.io/shop/api:1",
        "docker push $IMAGE",
        "docker",
        "crane",
        "skopeo copy docker://a oci:b",
        "mydocker pull crg.apkg.io/shop/api:1",
    ] {
        assert_eq!(by_hand(line), [], "{line}");
    }
}

#[test]
fn the_host_may_be_in_a_variable_that_the_script_sets() {
    let registry = Host::bitbucket();
    let mut script = Script::new(&registry, Some("shop"));
    assert_eq!(
        script.by_hand("export IMAGE=crg.apkg.io/$BITBUCKET_WORKSPACE/api\nREG='crg.apkg.io'"),
        []
    );
    let of = |script: &mut Script<'_>, line: &str| {
        let found = script.by_hand(line);
        found
            .into_iter()
            .map(|found| (found.line, found.command))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&mut script, "docker login $REG"), [(0, "docker login")]);
    assert_eq!(of(&mut script, "true\ndocker push \"$IMAGE:1\""), [(1, "docker push")]);
    assert_eq!(of(&mut script, "docker push $OTHER"), []);
}

#[test]
fn the_yaml_is_what_a_script_takes() {
    let entry = PipeEntry(vec![("SOURCE", "shop/it:1".to_owned()), ("TAGS", "it's".to_owned())]);
    let yaml = entry.yaml();
    let parsed: serde_yaml::Value = serde_yaml::from_str(&yaml).unwrap();
    assert_eq!(parsed[0]["pipe"], PIPE);
    assert_eq!(parsed[0]["variables"]["TAGS"], "it's");
    assert_eq!(parsed[0]["variables"]["SOURCE"], "shop/it:1");
    assert!(!yaml.contains('\n'), "{yaml}");
}
