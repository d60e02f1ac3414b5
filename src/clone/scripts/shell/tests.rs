use super::*;
use proptest::prelude::*;

fn words(text: &str) -> Vec<(usize, String)> {
    commands(text, &mut Assigned::default())
        .into_iter()
        .map(|command| (command.line, command.words.join("|")))
        .collect()
}

fn finds(text: &str, expected: &[(usize, &str)]) {
    let found = words(text);
    let found: Vec<(usize, &str)> = found.iter().map(|(line, words)| (*line, words.as_str())).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn commands_are_found_where_a_shell_finds_them() {
    for (text, found) in [
        ("docker pull a", vec![(0, "docker|pull|a")]),
        ("  docker   pull\ta # why", vec![(0, "docker|pull|a")]),
        (
            "a && b || c; d & e",
            vec![(0, "a"), (0, "b"), (0, "c"), (0, "d"), (0, "e")],
        ),
        (
            "echo $T | docker login --password-stdin",
            vec![(0, "echo|$T"), (0, "docker|login|--password-stdin")],
        ),
        ("docker tag \"a b\" 'c'\"d\"", vec![(0, "docker|tag|a b|cd")]),
        (
            "docker pull \\\n  a\ndocker push b",
            vec![(0, "docker|pull|a"), (2, "docker|push|b")],
        ),
        ("if ! docker pull a; then b; fi", vec![(0, "docker|pull|a"), (0, "b")]),
        ("A=1 B='2 3' docker pull a", vec![(0, "docker|pull|a")]),
        ("sudo -E docker pull a", vec![(0, "docker|pull|a")]),
        ("docker pull a > /dev/null 2>&1", vec![(0, "docker|pull|a")]),
        (
            "docker login -p $(cat a b) h",
            vec![(0, "docker|login|-p|$(cat a b)|h")],
        ),
        ("(cd x && docker pull a)", vec![(0, "cd|x"), (0, "docker|pull|a")]),
        ("echo a#b '#c'", vec![(0, "echo|a#b|#c")]),
        // Texts for other commands are no commands of this shell.
        (
            "ssh h <<'EOF'\ndocker login x\nEOF\ndocker pull a",
            vec![(0, "ssh|h"), (3, "docker|pull|a")],
        ),
        (
            "cat <<-EOF > f && docker push b\n\tdocker login x\n\tEOF\ndocker pull a",
            vec![(0, "cat"), (0, "docker|push|b"), (3, "docker|pull|a")],
        ),
        (
            "cat << \\A 3<<\"B C\"\ndocker x\nA\ndocker y\nB C\nd",
            vec![(0, "cat"), (5, "d")],
        ),
        ("cat <<EOF\ndocker x\n EOF\ndocker y", vec![(0, "cat")]),
        ("cat <<< EOF\nd", vec![(0, "cat"), (1, "d")]),
        ("cat <<", vec![(0, "cat")]),
        (
            "ssh h \"\n  docker login x\n\"\ndocker pull a",
            vec![(0, "ssh|h|\n  docker login x\n"), (3, "docker|pull|a")],
        ),
        ("", vec![]),
        ("'", vec![(0, "")]),
    ] {
        finds(text, &found);
    }
}

#[test]
fn what_is_assigned_is_filled_in() {
    let mut assigned = Assigned::default();
    commands(
        "export REG=crg.apkg.io WS=shop\nIMAGE=\"$REG/${WS}/api\"",
        &mut assigned,
    );
    for (word, filled) in [
        ("$IMAGE:1", "crg.apkg.io/shop/api:1"),
        ("${IMAGE}:$TAG", "crg.apkg.io/shop/api:$TAG"),
        ("${IMAGE:-x}", "\u{1}:-x}"),
        ("${OTHER:-x}", "${OTHER:-x}"),
        ("$IMAGES", "$IMAGES"),
        ("${REG", "\u{1}"),
        ("$", "$"),
        ("a$", "a$"),
    ] {
        assert_eq!(assigned.fill(word), filled, "{word}");
    }
    // An assignment before a command is that command's alone.
    commands("REG=other docker pull a", &mut assigned);
    assert_eq!(assigned.fill("$REG"), "crg.apkg.io");
}

/// Each was run in bash 5.2, and in dash 0.5.12 what that knows, with a `docker` that notes its arguments.
#[test]
fn substitutions_and_quotes_end_where_a_shell_ends_them() {
    let pull = (0, "docker|pull|a");
    for (text, found) in [
        ("X=`docker pull b`; docker pull a", vec![pull]),
        ("X=$(docker pull b; echo ')'); docker pull a", vec![pull]),
        (
            ": \"$(echo \"b; docker pull c\")\"; docker pull a",
            vec![(0, ":|$(echo \"b; docker pull c\")"), pull],
        ),
        (
            ": $(case x in x) docker pull b;; esac); docker pull a",
            vec![(0, ":|$(case x in x) docker pull b;; esac)"), pull],
        ),
        (
            ": ${Q:-x; docker pull b}; docker pull a",
            vec![(0, ":|${Q:-x; docker pull b}"), pull],
        ),
        (": \"${Q:-it's}\"; docker pull a", vec![(0, ":|${Q:-it's}"), pull]),
        ("A=(docker pull b); docker pull a", vec![pull]),
        ("cat <(docker pull b); docker pull a", vec![(0, "cat|\u{1}"), pull]),
        ("docker pull a > >(cat)", vec![pull]),
        ("docker pull a &>f", vec![pull]),
        ("docker pull $'a'", vec![pull]),
        ("docker pull $\"a\"", vec![pull]),
        ("docker pull \"a\\\n\"", vec![pull]),
        (
            ": $'it\\'s; docker pull b'; docker pull a",
            vec![(0, ":|it\u{1}s; docker pull b"), pull],
        ),
        // A `$` of its own is no variable's.
        (
            "docker pull '$T' \\$T \"\\$T\" $1",
            vec![(0, "docker|pull|\u{1}T|\u{1}T|\u{1}T|\u{1}")],
        ),
        // What looks like a here-document and is a sum.
        ("((x<<2))\ndocker pull a", vec![(0, "\u{1}"), (1, "docker|pull|a")]),
        (
            ": $((x<<2))\ndocker pull a",
            vec![(0, ":|$((x<<2))"), (1, "docker|pull|a")],
        ),
        (
            "(( (x) <<\n2 ))\ndocker pull a",
            vec![(1, "\u{1}"), (2, "docker|pull|a")],
        ),
        ("((docker pull a); b)", vec![pull, (0, "b")]),
        // A line that is joined with the next one ends no here-document.
        (
            "cat <<E\nx \\\nE\ndocker pull b\nE\ndocker pull a",
            vec![(0, "cat"), (5, "docker|pull|a")],
        ),
        (
            "cat <<'E'\nx \\\nE\ndocker pull a",
            vec![(0, "cat"), (3, "docker|pull|a")],
        ),
        ("X=$(cat <<E\n)\nE\n); docker pull a", vec![(3, "docker|pull|a")]),
        ("case b in a|b) docker pull a;; esac", vec![(0, "b"), pull]),
        ("function f { docker pull a; }", vec![pull]),
        ("\"if\" docker pull a", vec![(0, "if|docker|pull|a")]),
        ("docker\u{a0}pull a", vec![(0, "docker\u{a0}pull|a")]),
    ] {
        finds(text, &found);
    }
}

/// What a value depends on that only a run knows is not filled in, and neither is the variable left for the pipe, which
/// does not have it.
#[test]
fn a_value_is_filled_in_only_where_it_is_sure() {
    for (text, word) in [
        ("T=1", "1"),
        ("T=1\nT=2", "2"),
        ("T=1; T+=2", "12"),
        ("N=$O; T=${N}x", "${O}x"),
        ("N=$O; T=$N-x", "$O-x"),
        ("cd x && T=1 && docker pull $T; T=3", "1"),
        ("f() { U=1; }; T=1", "1"),
        ("T=$(date)", "$(date)"),
        ("if a; then T=1; fi", "\u{1}"),
        ("T=0; if a; then T=1; else T=2; fi", "\u{1}"),
        ("case $X in a) T=1;; esac", "\u{1}"),
        ("for T in a b; do :; done", "\u{1}"),
        ("T=0; a && T=1", "\u{1}"),
        ("a || T=1", "\u{1}"),
        ("T=0; a && { T=1; }", "\u{1}"),
        ("T=0; (T=1)", "\u{1}"),
        ("T=0; f() { T=1; }", "\u{1}"),
        ("T=1 | cat", "\u{1}"),
        ("T=1 &", "\u{1}"),
        ("T=0; read -r T", "\u{1}"),
        ("T=0; unset T", "\u{1}"),
        ("printf -v T x", "\u{1}"),
        ("T=(1 2)", "\u{1}"),
        (": ${T:=1}", "\u{1}"),
        ("T=$1", "\u{1}"),
        ("T='$U'", "\u{1}U"),
    ] {
        let mut found = words(&format!("{text}\ndocker pull $T"));
        let last = format!("docker|pull|{word}");
        if text.contains("docker") {
            found.pop();
        }
        assert_eq!(found.pop().unwrap().1, last, "{text}");
    }
    // What comes further down is known to the next round, and to a function when it is called.
    for text in [
        "for x in 1 2; do docker pull $T; T=1; done",
        "while a; do docker pull $T; T=1; done",
        "f() { docker pull $T; }; T=1; f",
        "function f { docker pull $T; }\nT=1",
    ] {
        assert!(
            !words(text).iter().any(|(_, words)| words.starts_with("docker")),
            "{text}"
        );
    }
    assert_eq!(
        words("T=1; for x in 1 2; do docker pull $T; done")[0].1,
        "docker|pull|1"
    );
}

#[test]
fn hostile_scripts_end_soon() {
    let start = std::time::Instant::now();
    for part in [
        "$(",
        "((",
        "${",
        "`",
        "\"$(",
        "\"${",
        "a=(",
        "<(",
        "<<A ",
        "<<A\n",
        "{\n",
        "if a\n",
        "A=1;",
        "$A",
        "${A}b",
        "A=$A$A;",
        "case ",
        ";;",
        "{ A=1;;",
        "for A\n$A\n",
        "f()\n",
        "f(){ $A\nA=1\n",
        "'",
        "\\",
        "$'",
        "(",
        ")",
        "&>",
        "2>",
    ] {
        commands(&part.repeat(LONGEST / part.len()), &mut Assigned::default());
    }
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

proptest! {
    #[test]
    fn no_text_panics(text in "[a$(){}'\"\\\\ \n;|&<>#=é]{0,60}") {
        let mut assigned = Assigned::default();
        for command in commands(&text, &mut assigned) {
            prop_assert!(!command.words.is_empty());
        }
    }

    #[test]
    fn values_do_not_grow_without_bound(lines in prop::collection::vec("[ABC]=\\$[ABC]\\$[ABC]x{1,9}", 0..60)) {
        let mut assigned = Assigned::default();
        commands(&lines.join("\n"), &mut assigned);
        prop_assert!(assigned.0.values().all(|value| value.len() <= LONGEST_VALUE));
    }
}
