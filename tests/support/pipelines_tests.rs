//! The harness is proven with a `docker` that prints its arguments: no daemon, but a real shell.

use super::{Line, Pipelines, Step};

/// A repository whose `docker` prints its arguments instead, one a line.
fn printing() -> Pipelines {
    let repository = Pipelines::at("tcp://127.0.0.1:2375", "172.29.0.1", "tcp://host.docker.internal:2375");
    repository.program("docker", "#!/bin/sh\nprintf '%s\\n' \"$@\"\n");
    repository
}

fn arguments(repository: &Pipelines, lines: &str) -> Vec<String> {
    let run = repository.execute(&Step::of_script(lines));
    run.succeeded().lines().map(str::to_owned).collect()
}

#[test]
fn an_entry_of_this_pipe_gets_context_defaults() {
    let repository = printing()
        .variable("BITBUCKET_PACKAGES_TOKEN", "built-in-token")
        .variable("ATLASSIAN_API_TOKEN", "workspace's");
    let entry = "- pipe: crgpipe/crg-pipe:0.1.0\n  variables:\n    ATLASSIAN_API_TOKEN: own";
    let arguments = arguments(&repository, entry);
    for wanted in [
        "--env=BITBUCKET_PACKAGES_TOKEN=built-in-token",
        "--env=BITBUCKET_PACKAGES_USERNAME=",
        "--env=ATLASSIAN_API_TOKEN=own",
        "--env=BITBUCKET_WORKSPACE=shop",
        "--env=DOCKER_HOST=tcp://host.docker.internal:2375",
        "--add-host=host.docker.internal:172.29.0.1",
    ] {
        assert!(
            arguments.iter().any(|argument| argument == wanted),
            "{wanted}: {arguments:#?}"
        );
    }
    assert_eq!(arguments.last().map(String::as_str), Some("crgpipe/crg-pipe:0.1.0"));
}

#[test]
fn an_image_by_itself_gets_none() {
    let repository = printing().variable("BITBUCKET_PACKAGES_TOKEN", "built-in-token");
    let arguments = arguments(&repository, "- pipe: docker://crgpipe/crg-pipe:0.1.0");
    let packages = arguments
        .iter()
        .find(|argument| argument.contains("BITBUCKET_PACKAGES"));
    assert_eq!(packages, None, "{arguments:#?}");
}

#[test]
fn values_pass_the_shell_as_in_pipelines() {
    let repository = printing().variable("BITBUCKET_COMMIT", "abc");
    let entry = r#"
- IMAGE_NAME="my image"
- cd .bitbucket
- pipe: docker://pipe:1
  variables:
    TAGS: '$BITBUCKET_COMMIT ${BITBUCKET_BRANCH}-1'
    SOURCE: $IMAGE_NAME
    TARGET: "\\\\"
    REPORT: 'say "this"'
    EMPTY: $NOT_SET
    IMAGES: ['a b', $BITBUCKET_COMMIT]
"#;
    let arguments = arguments(&repository, entry);
    let workdir = format!("--workdir={}/.bitbucket", repository.clone_dir().display());
    for wanted in [
        "--env=TAGS=abc main-1",
        "--env=SOURCE=my image",
        "--env=TARGET=\\",
        "--env=REPORT=say \"this\"",
        "--env=EMPTY=",
        "--env=IMAGES_COUNT=2",
        "--env=IMAGES_0=a b",
        "--env=IMAGES_1=abc",
        &workdir,
    ] {
        assert!(
            arguments.iter().any(|argument| argument == wanted),
            "{wanted}: {arguments:#?}"
        );
    }
}

#[test]
fn a_failing_line_ends_the_step() {
    let run = printing().run(&Step::of_script("- 'echo before; false'\n- echo after"));
    assert_eq!(run.failed(1), "before\n");
}

#[test]
fn steps_are_read_from_a_whole_file() {
    let steps = Step::of_file(
        "pipelines:\n  default:\n    - step: &one\n        script: [echo 1]\n    - parallel:\n        - step: *one\n    \
         - parallel:\n        steps:\n          - step:\n              script:\n                - pipe: a/b:1\n",
    );
    assert_eq!(steps.len(), 3);
    assert_eq!(steps[1].script, [Line::Shell("echo 1".to_owned())]);
    assert!(matches!(&steps[2].script[0], Line::Pipe(entry) if entry.pipe == "a/b:1"));
}

#[test]
fn steps_of_a_parallel_group_know_their_place() {
    let steps = Step::of_file(
        "pipelines:\n  default:\n    - parallel:\n        - step: &one\n            script: [echo 1]\n        - step: *one\n    \
         - step: *one\n",
    );
    let places: Vec<_> = steps.iter().map(|step| step.parallel).collect();
    assert_eq!(places, [Some((0, 2)), Some((1, 2)), None]);

    let script = Step::of_script("- pipe: docker://crgpipe/crg-pipe:0.1.0");
    let parallel = Some((1, 2));
    let run = printing().execute(&Step { parallel, ..script });
    for wanted in [
        "--env=BITBUCKET_PARALLEL_STEP=1\n",
        "--env=BITBUCKET_PARALLEL_STEP_COUNT=2\n",
    ] {
        assert!(run.succeeded().contains(wanted), "{}", run.log);
    }
}
