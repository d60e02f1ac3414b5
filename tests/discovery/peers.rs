//! What is found, beside what git and `docker-compose` say of the same files: generated, with a seed that is printed, and
//! bounded in number. Both are Debian's. What `docker-compose` 1.29 does not know (`include`, `!reset`, `:+`) is in tables.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Small numbers that look chosen at random: xorshift.
struct Dice(u64);

#[allow(clippy::print_stderr, reason = "the seed of a test that fails")]
impl Dice {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = u64::from(now.subsec_nanos()) << 20 | now.as_secs() | 1;
        // Shown where a test fails.
        eprintln!("seed {seed}");
        Self(seed)
    }

    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % count as u64).unwrap()
    }

    fn of<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.below(items.len())]
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// The images that `pull` finds in a clone, `name place place`: no connection is made, since the archive lies outside of it.
fn found(clone: &Path) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_crg-pipe"))
        .env_clear()
        .current_dir(clone)
        .env("BITBUCKET_CLONE_DIR", clone)
        .env("BITBUCKET_WORKSPACE", "shop")
        .env("REGISTRY", "127.0.0.1:9")
        .env("RETRIES", "0")
        .env("NO_COLOR", "1")
        .env("TO", "oci:images")
        .env("CREDENTIAL", "api-token")
        .env("ATLASSIAN_ACCOUNT_EMAIL", "me@example.com")
        .env("ATLASSIAN_API_TOKEN", "ATATT3xFfGF0")
        .env("ALLOW_UNSUPPORTED_TOKEN", "true")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("127.0.0.1:9") || text.contains("no Dockerfile"), "{text}");
    let found = text.lines().filter_map(|line| line.split_once("found `127.0.0.1:9/"));
    found
        .map(|(_, found)| found.replace('`', "").replace(" in ", " ").replace(',', ""))
        .collect()
}

fn run(clone: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(clone)
        .env_remove("TAG")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; run `make tools`"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const NAMES: [&str; 6] = ["a", "b", "docker", "api", "x1", "b.d"];
const RULES: [&str; 14] = [
    "a", "b", "docker", "api", "x1", "*", "**", "?", "[ab]", "[!a]", "b.*", "*k*", "x[0-9]", "d\\ocker",
];

/// A rule of a `.gitignore`.
fn rule(dice: &mut Dice) -> String {
    let mut rule = String::new();
    if dice.one_in(3) {
        rule.push('!');
    }
    if dice.one_in(3) {
        rule.push('/');
    }
    for part in 0..=dice.below(3) {
        if part > 0 {
            rule.push('/');
        }
        rule.push_str(dice.of(&RULES));
    }
    if dice.one_in(3) {
        rule.push('/');
    }
    rule
}

#[test]
fn ignored_is_what_git_ignores() {
    let mut dice = Dice::new();
    for _ in 0..40 {
        let clone = tempfile::tempdir().unwrap();
        run(clone.path(), "git", &["init", "--quiet"]);
        let mut folders = vec![String::new()];
        for _ in 0..12 {
            let above = folders[dice.below(folders.len())].clone();
            if above.matches('/').count() < 3 {
                folders.push(format!("{above}{}/", dice.of(&NAMES)));
            }
        }
        folders.sort();
        folders.dedup();
        let mut rules = String::new();
        for folder in &folders {
            fs::create_dir_all(clone.path().join(folder)).unwrap();
            fs::write(
                clone.path().join(folder).join("Dockerfile"),
                "FROM 127.0.0.1:9/shop/base:1\n",
            )
            .unwrap();
            if folder.is_empty() || dice.one_in(4) {
                let lines: Vec<String> = (0..=dice.below(5)).map(|_| rule(&mut dice)).collect();
                let text = lines.join("\n") + "\n";
                let _ = writeln!(rules, "{folder}.gitignore: {text:?}");
                fs::write(clone.path().join(folder).join(".gitignore"), text).unwrap();
            }
        }
        let others = run(clone.path(), "git", &["ls-files", "--others", "--exclude-standard"]);
        let expected: BTreeSet<String> = others
            .lines()
            .filter(|path| path.ends_with("Dockerfile"))
            .map(|path| format!("{path}:1"))
            .collect();
        let found = found(clone.path());
        // More than six places are counted.
        let places: BTreeSet<String> = found
            .iter()
            .flat_map(|line| line.split(' ').skip(1).map(str::to_owned))
            .filter(|place| place.contains("Dockerfile"))
            .collect();
        if expected.len() <= 6 {
            assert_eq!(places, expected, "{rules}");
        } else {
            assert!(places.is_subset(&expected), "{places:?} {expected:?} {rules}");
        }
    }
}

/// A value of `image` or `build`, and the anchors that it may use.
fn service(dice: &mut Dice, others: &[String], file: &str) -> String {
    let image = match dice.below(6) {
        0 => "'127.0.0.1:9/shop/a:1'".to_owned(),
        1 => "\"127.0.0.1:9/shop/b:${TAG:-7}\"".to_owned(),
        2 => "'127.0.0.1:9/shop/c:${NONE-8}'".to_owned(),
        3 => "'127.0.0.1:9/shop/$NAME:1'".to_owned(),
        4 => "\"127.0.0.1:9/shop/e:${TAG}\"".to_owned(),
        _ => format!("'127.0.0.1:9/shop/{file}:1'"),
    };
    match dice.below(5) {
        0 => format!("{{image: {image}}}"),
        1 => "{<<: *second}".to_owned(),
        2 => format!("{{<<: [*first, *second], image: {image}}}"),
        3 if !others.is_empty() => {
            let other = &others[dice.below(others.len())];
            format!("{{extends: {{service: {other}}}, image: {image}}}")
        }
        _ => format!(
            "\n    <<: *first\n    image: >-\n      {}",
            image.replace(['\'', '"'], "")
        ),
    }
}

#[test]
fn images_are_those_of_docker_compose() {
    let mut dice = Dice::new();
    let mut compared = 0;
    for _ in 0..60 {
        if compared == 12 {
            break;
        }
        let clone = tempfile::tempdir().unwrap();
        let mut shown = String::new();
        let mut write = |path: &str, text: &str| {
            let _ = writeln!(shown, "{path}:\n{text}");
            fs::write(clone.path().join(path), text).unwrap();
        };
        if dice.one_in(2) {
            write(".env", "TAG=3 \nNAME='store'\n");
        } else {
            write(".env", "# none\nNAME=\"shop\"\nTAG=${NAME}\n");
        }
        let files: &[&str] = if dice.one_in(2) {
            &["docker-compose.yml", "docker-compose.override.yml"]
        } else {
            &["docker-compose.yml"]
        };
        for (number, file) in files.iter().enumerate() {
            let mut text = "version: '3.4'\nx-first: &first\n  image: 127.0.0.1:9/shop/first:1\nx-second: &second\n  <<: *first\n  \
                            restart: always\nservices:\n"
                .to_owned();
            let mut names: Vec<String> = Vec::new();
            for service_number in 0..=dice.below(5) {
                let name = format!("s{service_number}");
                let service = service(&mut dice, &names, &format!("f{number}"));
                let _ = writeln!(text, "  {name}: {service}");
                names.push(name);
            }
            write(file, &text);
        }
        let config = run(clone.path(), "docker-compose", &["config"]);
        let expected: BTreeSet<String> = config
            .lines()
            .filter_map(|line| line.trim().strip_prefix("image: 127.0.0.1:9/"))
            .map(str::to_owned)
            .collect();
        // Some that are made by chance it refuses: an override that extends a service of its own file, for one.
        if expected.is_empty() {
            continue;
        }
        compared += 1;
        let found: BTreeSet<String> = found(clone.path())
            .iter()
            .filter_map(|line| Some(line.split_once(' ')?.0.to_owned()))
            .collect();
        assert_eq!(found, expected, "{shown}");
    }
    assert_eq!(compared, 12, "docker-compose refuses nearly all");
}
