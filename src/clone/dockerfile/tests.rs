use super::*;
use proptest::prelude::*;

/// A build on and for this platform.
fn build() -> Build {
    Build {
        builder: "linux/amd64".to_owned(),
        ..Build::default()
    }
}

fn found(text: &str) -> Vec<String> {
    found_with(text, &build())
}

/// `line image` of each mention, with its platform if it has one; `line ? written` of one that is unclear, `line image !` of
/// one with a hole.
fn found_with(text: &str, build: &Build) -> Vec<String> {
    images(text, build)
        .into_iter()
        .map(|mention| match mention {
            Mention::Image {
                image,
                line,
                platform,
                hole,
                ..
            } => {
                let platform = platform.map(|platform| format!(" {platform}")).unwrap_or_default();
                let hole = hole.map_or("", |_| " !");
                format!("{} {image}{platform}{hole}", line.unwrap())
            }
            Mention::Unclear { written, line, .. } => format!("{} ? {written}", line.unwrap()),
        })
        .collect()
}

#[test]
fn names_of_dockerfiles() {
    for name in [
        "Dockerfile",
        "dockerfile",
        "Dockerfile.prod",
        "api.Dockerfile",
        "Containerfile",
        "Containerfile.dev",
        "Dockerfile-dev",
        "Dockerfile_x",
        "Dockerfile9",
        "dockerfile-3.11",
        "Dockerfile.py",
        "api-Dockerfile",
        "api_dockerfile",
    ] {
        assert!(is_name(name), "{name}");
    }
    for name in [
        "Dockerfile.dockerignore",
        "Dockerfile-dev.dockerignore",
        "Dockerfiles",
        "mydockerfile",
        "README.md",
        "dockerfile_parser.py",
        "Dockerfile-notes.md",
        "dockerfile-maven.xml",
    ] {
        assert!(!is_name(name), "{name}");
    }
}

#[test]
fn images_are_found() {
    for (text, expected) in [
        ("", &[][..]),
        ("FROM crg.apkg.io/shop/base:1", &["1 crg.apkg.io/shop/base:1"]),
        ("\u{feff}from a:1\r\nRUN x\r\n", &["1 a:1"]),
        (
            "# syntax=docker/dockerfile:1\n\n  FROM --platform=$BUILDPLATFORM a:1 AS build",
            &["1 docker/dockerfile:1", "3 a:1 linux/amd64"],
        ),
        ("FROM scratch", &[]),
        ("FROM \"a:1\"", &["1 a:1"]),
        ("FROM", &[]),
        ("# FROM a\nFROM b", &["2 b"]),
        // Stages.
        (
            "FROM a AS Build\nFROM build\nCOPY --from=BUILD /x /y\nCOPY --from=0 /x /y",
            &["1 a"],
        ),
        ("FROM a\nCOPY --chown=1:1 --from=b:1 /x /y", &["1 a", "2 b:1"]),
        ("FROM a\nCOPY x --from=b", &["1 a"]),
        ("FROM a\nCOPY -- --from=b /x /y", &["1 a"]),
        (
            "FROM a\nCOPY --from='b:1' / /\nCOPY --from=\"c\" / /\nCOPY --from=d\\:1 / /",
            &["1 a", "2 b:1", "3 c", "4 d:1"],
        ),
        (
            "FROM a\nRUN --mount=type=bind,FROM=b --mount=From='c',target=/x y",
            &["1 a", "2 b", "2 c"],
        ),
        ("FROM a\nRUN -- --mount=from=b", &["1 a"]),
        // `--from` may name a stage that comes later.
        ("FROM a AS x\nCOPY --from=y / /\nFROM b AS y", &["1 a", "3 b"]),
        (
            "FROM --platform=linux/arm64 a\nFROM --platform=$TARGETPLATFORM b",
            &["1 a linux/arm64", "2 b linux/amd64"],
        ),
        ("ARG P=arm64\nFROM --platform=linux/$P a", &["2 a linux/arm64"]),
        ("FROM a\nADD --from=b x y", &["1 a"]),
        (
            "FROM a\nRUN --network=none --mount=type=cache,target=/c,from=c:1 --mount=type=bind,from=\"d:1\" make",
            &["1 a", "2 c:1", "2 d:1"],
        ),
        (
            "FROM a\nRUN --mount=type=bind,from=a2,source=/ x --mount=from=b",
            &["1 a", "2 a2"],
        ),
        ("FROM a\nCOPY --from=$X /x /y", &["1 a", "2 ? $X"]),
        (
            "FROM a\nONBUILD COPY --from=b /x /y\nonbuild onbuild copy --from=c / /",
            &["1 a", "2 b"],
        ),
        // Arguments.
        ("ARG TAG=1\nFROM a:$TAG", &["2 a:1"]),
        (
            "ARG R=crg.apkg.io/shop T='1.4'\nARG B=${R}/base:$T\nFROM ${B}",
            &["3 crg.apkg.io/shop/base:1.4"],
        ),
        ("FROM a:${TAG:-2}", &["1 a:2"]),
        ("ARG SLIM\nFROM a:1${SLIM:+-slim}", &["2 a:1"]),
        ("ARG SLIM=yes\nFROM a:1${SLIM:+-slim}", &["2 a:1-slim"]),
        ("ARG BASE\nFROM $BASE AS x\nFROM x", &["2 ? $BASE"]),
        ("ARG TAG=1.0\nARG TAG\nFROM a:${TAG:-latest}", &["3 a:1.0"]),
        ("ARG V=v1.0\nARG TAG=${V#v}\nFROM a:${TAG:-latest}", &["3 a:1.0"]),
        ("ARG V=1/2\nFROM a:${V%/*}.${V##*/}", &["2 a:1.2"]),
        (
            "ARG V=a_b_c\nFROM x:${V/_/-}\nFROM x:${V//_/-}",
            &["2 x:a-b_c", "3 x:a-b-c"],
        ),
        ("ARG S\nFROM a:1$S\nFROM a:1${T}", &["2 a:1 !", "3 a:1 !"]),
        ("ARG TAG=$V\nFROM a:1$TAG", &["2 a:1 !"]),
        ("ARG TAG=${V^^}\nFROM a:${TAG:-1}", &["2 ? a:${TAG:-1}"]),
        ("FROM a:$TARGETARCH-$BUILDOS$TARGETVARIANT", &["1 a:amd64-linux"]),
        ("ARG TARGETARCH=x\nFROM a:$TARGETARCH", &["2 a:x"]),
        ("ARG A='b' \nFROM $A:\"1\"", &["2 b:1"]),
        ("FROM a\nARG B=b\nFROM $B", &["1 a", "3 ? $B"]),
        // Docker splits before it fills in.
        ("FROM ${A:-b c} AS d", &["1 ? ${A:-b"]),
        ("FROM ${A%x}", &["1 ? ${A%x}"]),
        ("FROM ${A:1}", &["1 ? ${A:1}"]),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
}

#[test]
fn instructions_end_where_docker_ends_them() {
    for (text, expected) in [
        // Continuation lines.
        (
            "FROM \\\n  --platform=linux/amd64 \\\n\n  # why\n  a:1 \\  \n  AS b\nFROM b\nFROM c",
            &["1 a:1 linux/amd64", "8 c"][..],
        ),
        ("FROM a\nRUN x \\\nFROM b\nFROM c", &["1 a", "4 c"]),
        ("FROM a\nRUN x \\\\\nFROM b", &["1 a", "3 b"]),
        (
            "# escape=`\nFROM a\nRUN dir C:\\\nFROM b `\n AS c\nFROM c",
            &["2 a", "4 b"],
        ),
        ("# a comment\n# escape=`\nFROM a\\\n:1", &["3 a:1"]),
        (
            "# usage: docker build --build-arg A=1 .\n# escape=`\nFROM a\nRUN x \\\nFROM b",
            &["3 a"],
        ),
        ("#Syntax = x\n# ESCAPE = ` \nFROM a`\n:1", &["1 x", "3 a:1"]),
        ("FROM a\\", &["1 a"]),
        // Heredocs.
        ("FROM a\nRUN <<EOF\nFROM b\nEOF\nFROM c", &["1 a", "5 c"]),
        ("FROM a\nRUN <<-'EOF' sh\nFROM b\n\t\tEOF\nFROM c", &["1 a", "5 c"]),
        (
            "FROM a\nCOPY <<A <<\"B\" /x/\nFROM b\nA\nFROM c\nB\nFROM d",
            &["1 a", "7 d"],
        ),
        (
            "FROM a\nRUN cat <<EOF | sh && \\\n  x\nFROM b\nEOF\nFROM c",
            &["1 a", "6 c"],
        ),
        ("FROM a\nRUN echo \"<<EOF\" <<<x\nFROM b\nEOF", &["1 a", "3 b"]),
        ("FROM a\nRUN x <<EOF\nFROM b", &["1 a", "3 b"]),
        ("FROM a\nENV x <<EOF\nFROM b\nEOF", &["1 a", "3 b"]),
        ("FROM a\nRUN cat << EOF > /x\nFROM b\nEOF", &["1 a"]),
        ("FROM a\nRUN cat <<\\EOF\nFROM b\nEOF", &["1 a"]),
        ("FROM a\nRUN cat << \\EOF\nFROM b\nEOF", &["1 a"]),
        ("FROM a\nRUN cat <<-\"E F\"\nFROM b\n\tE F", &["1 a"]),
        ("FROM a\nCOPY <<a.txt /x\nFROM b\na.txt\nFROM c", &["1 a", "5 c"]),
        ("FROM a\nRUN <<$E\nFROM b\n$E", &["1 a"]),
        ("FROM a\nRUN [\"<<EOF\"]\nFROM b\nEOF", &["1 a", "3 b"]),
        ("FROM a\nRUN it's <<EOF\nFROM b\nEOF", &["1 a", "3 b"]),
        // A shell's own forms with a colon are no reason to miss one; others are.
        ("FROM a\nRUN x ${V:0:3} ${F:=/y} ${N:x} <<EOF\nFROM b\nEOF", &["1 a"]),
        ("FROM a\nRUN x ${V^^} <<EOF\nFROM b\nEOF", &["1 a", "3 b"]),
        (
            "FROM a\nRUN 3<<EOF x\nFROM b\nEOF\nONBUILD RUN <<E\nFROM c\nE\nFROM d",
            &["1 a", "8 d"],
        ),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
}

#[test]
fn what_is_unclear_says_why() {
    let why = |text: &str| match images(text, &build()).pop() {
        Some(Mention::Unclear { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(why("ARG BASE\nFROM $BASE"), Unclear::Argument("BASE".to_owned()));
    assert_eq!(why("FROM $BASE"), Unclear::Undeclared("BASE".to_owned()));
    assert_eq!(
        why("ARG A=${B:?}\nFROM $A").to_string(),
        "the default of `ARG A` is not known: there is no `ARG B` before the first `FROM`"
    );
    assert_eq!(
        why("ARG B\nARG A=$B\nARG C=$A\nFROM ${C}").to_string(),
        "the default of `ARG C` is not known: `ARG B` has no default before the first `FROM`"
    );
    assert_eq!(
        why("ARG A=${B^}\nFROM x:$A").to_string(),
        "the default of `ARG A` is not known: Docker does not read its `$` or quotation marks"
    );
    assert_eq!(why("FROM a\nCOPY --from=$B / /"), Unclear::NoVariables);
    assert_eq!(why("FROM ${A"), Unclear::Unread);
}

#[test]
fn what_the_build_gives_goes_before_defaults() {
    let text = "ARG TAG=1\nARG BASE=a\nFROM $BASE:$TAG\nFROM --platform=$BUILDPLATFORM b\nCOPY --from=c / /\nFROM d:$OTHER\nFROM e:$TARGETARCH";
    let mut build = Build {
        arguments: [("TAG", "2"), ("OTHER", "no")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        target: Some("linux/arm/v7".to_owned()),
        contexts: ["c".to_owned()].into(),
        ..build()
    };
    assert_eq!(
        found_with(text, &build),
        [
            "3 a:2 linux/arm/v7",
            "4 b linux/amd64",
            "6 d: linux/arm/v7 !",
            "7 e:arm linux/arm/v7"
        ]
    );
    build.arguments.insert("TARGETARCH".to_owned(), "x".to_owned());
    assert_eq!(found_with(text, &build)[3], "7 e:x linux/arm/v7");
}

#[test]
fn the_stage_that_is_built_is_a_variable() {
    for (text, stage, expected) in [
        ("FROM a:$TARGETSTAGE", None, &["1 a:default"][..]),
        ("FROM x AS y\nFROM a:$TARGETSTAGE", None, &["1 x", "2 a:default"]),
        ("FROM a:$TARGETSTAGE AS Dev\nFROM dev AS Prod", None, &["1 a:prod"]),
        ("FROM a:$TARGETSTAGE AS Dev\nFROM x", Some("Dev"), &["1 a:Dev"]),
        ("ARG T=$TARGETSTAGE\nFROM a:$T AS dev", None, &["2 a:dev"]),
        ("ARG TARGETSTAGE=x\nFROM a:$TARGETSTAGE AS dev", None, &["2 a:x"]),
    ] {
        let build = Build {
            stage: stage.map(str::to_owned),
            ..build()
        };
        assert_eq!(found_with(text, &build), expected, "{text}");
    }
}

/// `RUN --mount` knows stages by their names alone, where `COPY` takes numbers too.
#[test]
fn only_stages_that_are_used_count_for_a_target() {
    for (instruction, expected) in [
        ("COPY --from=0 / /", &["1 a", "2 b"][..]),
        ("COPY --from=X / /", &["1 a", "2 b"]),
        ("RUN --mount=from=X,target=/x y", &["1 a", "2 b"]),
        ("RUN --mount=from=0,target=/x y", &["2 b", "3 0"]),
        ("RUN y", &["2 b"]),
    ] {
        let text = format!("FROM a AS x\nFROM b AS t\n{instruction}");
        let build = Build {
            stage: Some("t".to_owned()),
            ..build()
        };
        assert_eq!(found_with(&text, &build), expected, "{instruction}");
    }
}

#[test]
fn many_variables_cost_little() {
    let long = "x".repeat(90);
    let text = format!("ARG A={long}\n{}FROM $A", "ARG B=${A//*x/y}\n".repeat(50_000));
    assert_eq!(found(&text), ["50002 ? $A"]);
}

const PARTS: &[&str] = &[
    "FROM ",
    "RUN ",
    "ONBUILD ",
    "ARG ",
    "COPY --from=",
    "--mount=from=",
    "<<-E",
    "\n",
    "\r\n",
    "\\\n",
    "\\",
    "`",
    "# escape=`\n",
    "${",
    "}",
    "$A",
    "\"",
    "'",
    "#",
    "é",
    "A=",
    "\t",
    "E\n",
    "\u{feff}",
];

#[test]
fn heredocs_without_end_cost_little() {
    let text = format!("{}FROM a\n", "RUN <<a\n".repeat(130_000));
    assert_eq!(images(&text, &build()).len(), 1);
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,80}") {
        let _ = images(&text, &build());
    }

    #[test]
    fn no_instructions_panic(
        parts in proptest::collection::vec(proptest::sample::select(PARTS), 0..30)
    ) {
        let _ = images(&parts.concat(), &build());
    }
}
