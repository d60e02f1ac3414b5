use super::*;
use std::fmt::Write as _;

/// `path line value` of each scalar.
fn shown(text: &str) -> Vec<String> {
    fn visit(node: &Node, path: &str, lines: &mut Vec<String>) {
        let mut path = path.to_owned();
        if let Some(tag) = &node.tag {
            let _ = write!(path, "!{tag}");
        }
        match &node.value {
            Value::Null => lines.push(format!("{path} {} -", node.line)),
            Value::Plain(text) | Value::Text(text) => lines.push(format!("{path} {} {text}", node.line)),
            Value::List(items) => items.iter().for_each(|item| visit(item, &format!("{path}[]"), lines)),
            Value::Map(entries) => entries
                .iter()
                .for_each(|entry| visit(&entry.value, &format!("{path}.{}", entry.key), lines)),
        }
    }
    let mut lines = Vec::new();
    for document in documents(text).unwrap().documents {
        visit(&document, "", &mut lines);
    }
    lines
}

#[test]
fn each_value_has_its_line() {
    let text = "\
a: x # no
b: &b
  - y
  - {c: \"z\", d: 'z'}
e: >-
  folded
  text
f:
  plain
  text
g: *b
h: !override w
i: !reset {j: 1}
k: [*b, true, 1.50, ~]
80: l
";
    assert_eq!(
        shown(text),
        [
            ".a 1 x",
            ".b[] 3 y",
            ".b[].c 4 z",
            ".b[].d 4 z",
            ".e 5 folded text",
            ".f 9 plain text",
            ".g[] 3 y",
            ".g[].c 4 z",
            ".g[].d 4 z",
            ".h!override 12 w",
            ".i!reset.j 13 1",
            ".k[][] 3 y",
            ".k[][].c 4 z",
            ".k[][].d 4 z",
            ".k[] 14 true",
            ".k[] 14 1.5",
            ".k[] 14 -",
            ".80 15 l",
        ]
    );
    assert_eq!(shown("x"), [" 1 x"]);
    assert_eq!(shown("a: 1\n---\nb: 2\n"), [".a 1 1", ".b 3 2"]);
    assert_eq!(shown("\u{feff}a: 1"), [".a 1 1"]);
    assert!(shown("").iter().all(|line| line.ends_with('-')));
}

/// The rules of "Merge key language-independent type for YAML", to any depth, as Go's `yaml.v3` and Python's `PyYAML` apply
/// them.
#[test]
fn merge_keys_are_applied_to_any_depth() {
    for (text, wanted) in [
        (
            "a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b}\n",
            &[".c.y 2 2", ".c.x 1 1"][..],
        ),
        (
            "a: &a {x: 1}\nb: &b\n  <<: *a\nb2: &b2\n  <<: *b\nc: {<<: *b2}\n",
            &[".c.x 1 1"],
        ),
        ("a: &a {x: 1, y: 1}\nc: {<<: *a, x: 2}\n", &[".c.x 2 2", ".c.y 1 1"]),
        ("a: &a {x: 1, y: 1}\nc:\n  x: 2\n  <<: *a\n", &[".c.x 3 2", ".c.y 1 1"]),
        (
            "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}\n",
            &[".c.x 1 1", ".c.y 2 2"],
        ),
        (
            "c: {<<: {<<: {x: 1}, y: 2}, z: 3}\n",
            &[".c.z 1 3", ".c.y 1 2", ".c.x 1 1"],
        ),
        ("a: &a {x: {p: 1}}\nc: {<<: *a, x: {q: 2}}\n", &[".c.x.q 2 2"]),
        ("a: &a {x: 1}\nc: [{<<: *a}, {x: 3}]\n", &[".c[].x 1 1", ".c[].x 2 3"]),
        ("c: {<<: , x: 1}\n", &[".c.x 1 1"]),
    ] {
        let found: Vec<String> = shown(text).into_iter().filter(|line| line.starts_with(".c")).collect();
        assert_eq!(found, wanted, "{text}");
        assert_eq!(documents(text).unwrap().bad_merges, Vec::<usize>::new(), "{text}");
    }
}

#[test]
fn one_bad_merge_leaves_the_others() {
    let text = "a: &a {x: 1}\nb: &b text\nc:\n  <<: *b\nd:\n  <<: *a\ne:\n  <<: [*a, *b]\n";
    let read = documents(text).unwrap();
    assert_eq!(read.bad_merges, [4, 8]);
    let document = &read.documents[0];
    for key in ["d", "e"] {
        assert_eq!(
            document.get(key).unwrap().get("x").and_then(|x| x.scalar()),
            Some("1"),
            "{key}"
        );
    }
}

#[test]
fn aliases_do_not_fill_the_memory() {
    let leaf = format!("a: &a [{}]\n", "x,".repeat(4000));
    let few = documents(&format!(
        "{leaf}b: [*a, *a]\nc: !tag {{d: *a, e: -1, f: 1.5, g: true, h: null}}\n"
    ));
    assert_eq!(few.map(|read| read.documents.len()), Ok(1));
    let many = documents(&format!("{leaf}b: [{}]\n", "*a,".repeat(5000))).unwrap_err();
    assert!(many.message.contains("unfold to more than 20000 values"), "{many}");
    let long = format!("a: &a '{}'\nb: [{}]\n", "x".repeat(400_000), "*a,".repeat(500));
    assert!(documents(&long).is_err());
    // Each merges the one before, which is unfolded at each place.
    let mut chain = "a0: &a0 {x: 1, y: 2}\n".to_owned();
    for number in 1..300 {
        let _ = writeln!(chain, "a{number}: &a{number} {{<<: *a{}, k{number}: 1}}", number - 1);
    }
    assert!(documents(&chain).is_err());
}

#[test]
fn long_keys_do_not_take_long() {
    let text = format!("? {}\n: [{}]\n", "x".repeat(200_000), "y,".repeat(5000));
    let bad = documents(&text).unwrap_err();
    assert!(bad.message.contains("keys are too long"), "{bad}");
}

#[test]
fn depth_costs_little() {
    for unit in ["[", "{a: ", "[a,", "- ", "? ", "{["] {
        let text = format!("a: b\n{}", unit.repeat((1 << 20) / unit.len()));
        assert!(documents(&text).is_err(), "{unit}");
    }
    let bad = documents(&format!("a:\n{}", "[".repeat(1001))).unwrap_err();
    assert_eq!(bad.line, Some(2));
    assert!(bad.message.contains("more than 1000 brackets"), "{bad}");
    assert!(documents(&format!("a: '{}'", "[".repeat(1000))).is_ok());
}

#[test]
fn bad_texts_tell_their_line() {
    for (text, line) in [
        ("services:\n  a:\n image: x\n", 3),
        ("a: 1\nb: 1\na: 2", 3),
        ("a:\n  b: 1\n  b: 1", 3),
        ("a: *b", 1),
        ("a: 1\nb: [\n", 3),
    ] {
        let bad = documents(text).unwrap_err();
        assert_eq!(bad.line, Some(line), "{text}: {bad}");
        assert!(bad.to_string().starts_with("it cannot be read as YAML: "), "{bad}");
    }
}

#[test]
fn blocks_are_told_from_other_texts() {
    for (text, expected) in [
        ("a: |\n  x", true),
        ("a: &x !y |2-\n  x", true),
        ("a: >-\n  x", false),
        ("a: '|'", false),
        ("a: x", false),
    ] {
        let read = documents(text).unwrap();
        assert_eq!(is_block(text, read.documents[0].get("a").unwrap()), expected, "{text}");
    }
}
