use super::*;
use proptest::prelude::*;

/// `line image` of each mention; `line ? written` of one that is unclear.
fn found(text: &str) -> Vec<String> {
    images(text)
        .into_iter()
        .map(|mention| match mention {
            Mention::Image { image, line } => format!("{} {image}", line.unwrap()),
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
    ] {
        assert!(is_name(name), "{name}");
    }
    for name in ["Dockerfile.dockerignore", "Dockerfiles", "mydockerfile", "README.md"] {
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
            &["3 a:1"],
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
        ("FROM a\nARG B=b\nFROM $B", &["1 a", "3 ? $B"]),
        ("FROM ${A:-b c} AS d\nFROM d", &["1 b c"]),
        ("FROM ${A%x}", &["1 ? ${A%x}"]),
        // Continuation lines.
        (
            "FROM \\\n  --platform=linux/amd64 \\\n\n  # why\n  a:1 \\  \n  AS b\nFROM b\nFROM c",
            &["1 a:1", "8 c"],
        ),
        ("FROM a\nRUN x \\\nFROM b\nFROM c", &["1 a", "4 c"]),
        ("FROM a\nRUN x \\\\\nFROM b", &["1 a", "3 b"]),
        (
            "# escape=`\nFROM a\nRUN dir C:\\\nFROM b `\n AS c\nFROM c",
            &["2 a", "4 b"],
        ),
        ("# a comment\n# escape=`\nFROM a\\\n:1", &["3 a:1"]),
        ("#Syntax = x\n# ESCAPE = ` \nFROM a`\n:1", &["3 a:1"]),
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
    let why = |text: &str| match images(text).pop() {
        Some(Mention::Unclear { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(why("ARG BASE\nFROM $BASE"), Unclear::Argument("BASE".to_owned()));
    assert_eq!(why("FROM a\nCOPY --from=$B / /"), Unclear::NoVariables);
    assert_eq!(why("FROM ${A"), Unclear::Unread);
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
    assert_eq!(images(&text).len(), 1);
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,80}") {
        let _ = images(&text);
    }

    #[test]
    fn no_instructions_panic(
        parts in proptest::collection::vec(proptest::sample::select(PARTS), 0..30)
    ) {
        let _ = images(&parts.concat());
    }
}
