//! What the documentation shows works as it stands: every YAML example of the README and of docs/ is run by the harness
//! against an emulator that answers as `crg.apkg.io`.

use crate::support::emulator::{Emulator, Role, Setup, User};
use crate::support::engine::Engine;
use crate::support::forward::forward;
use crate::support::image::{Image, ImageBuilder};
use crate::support::pipelines::{Line, Pipelines, Step, make_image};
use crate::support::pki::Authority;
use crg_pipe::parts::{ActionName, NAMES};
use serde_yaml::Value;
use std::path::Path;

on_docker!(every_example_runs);

const COMMIT: &str = "7f9c24e8b1d0a6c35e4f8b2d9a0c1e3f5b7d9e01";
/// Where Docker Hub's registry really is.
const DOCKER_HUB: &str = "registry-1.docker.io";
/// Stands in for buildah: what it "builds" is an archive in the clone.
const BUILDAH: &str = "#!/bin/sh
set -e
case $1 in
  build) test -f Dockerfile ;;
  push) exec skopeo --insecure-policy copy --quiet docker-archive:built.tar \"$3\" ;;
esac
";

/// Stands in for kubectl, which has no cluster here: it reads the Secret as far as a shell can.
const KUBECTL: &str = "#!/bin/sh
set -e
test \"$1 $2\" = 'apply --filename'
grep -q '^type: kubernetes.io/dockerconfigjson$' \"$3\"
sed -n 's/^  .dockerconfigjson: //p' \"$3\" | base64 -d | grep -q crg.apkg.io
";

/// A YAML block of a page.
struct Example {
    /// Where it begins: page and line.
    place: String,
    text: String,
}

impl Example {
    /// Its steps: it is a whole file, a list of steps, or lines of one script.
    fn steps(&self) -> Vec<Step> {
        let indented = || {
            self.text
                .lines()
                .flat_map(|line| ["    ", line, "\n"])
                .collect::<String>()
        };
        match serde_yaml::from_str(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.place)) {
            Value::Mapping(_) => Step::of_file(&self.text),
            Value::Sequence(items)
                if items
                    .iter()
                    .any(|item| item.get("step").or(item.get("parallel")).is_some()) =>
            {
                Step::of_file(&format!("pipelines:\n  default:\n{}", indented()))
            }
            _ => vec![Step::of_script(&self.text)],
        }
    }
}

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The README and the pages of docs/, by name.
fn pages() -> Vec<String> {
    let docs = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap();
    let mut pages: Vec<String> = docs
        .map(|entry| format!("docs/{}", entry.unwrap().file_name().display()))
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "md"))
        .collect();
    pages.sort();
    pages.insert(0, "README.md".to_owned());
    pages
}

fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for page in pages() {
        let mut inside = false;
        for (number, line) in file(&page).lines().enumerate() {
            match line {
                "```yaml" => {
                    inside = true;
                    let place = format!("{page}:{}", number + 1);
                    let text = String::new();
                    examples.push(Example { place, text });
                }
                "```" => inside = false,
                _ if inside => {
                    let text = &mut examples.last_mut().expect("a block is open").text;
                    text.push_str(line);
                    text.push('\n');
                }
                _ => {}
            }
        }
    }
    assert!(examples.len() > 20, "the manual has examples");
    examples
}

/// The anchor that Bitbucket gives a heading in Markdown.
pub(crate) fn anchor(heading: &str) -> String {
    let words = heading.to_lowercase();
    let plain: String = words
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .collect();
    format!(
        "markdown-header-{}",
        plain.split_whitespace().collect::<Vec<_>>().join("-")
    )
}

#[test]
fn every_link_of_the_manual_leads_somewhere() {
    let link = regex::Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    for page in pages() {
        let text = file(&page);
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.contains("://") {
                continue;
            }
            let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() {
                page.clone()
            } else {
                let folder = Path::new(&page).parent().unwrap();
                let path = folder.join(path);
                path.strip_prefix("docs/..").unwrap_or(&path).display().to_string()
            };
            assert!(
                Path::new(env!("CARGO_MANIFEST_DIR")).join(&path).exists(),
                "{page} leads to {target}"
            );
            if !fragment.is_empty() {
                let headings = file(&path);
                let mut anchors = headings
                    .lines()
                    .filter_map(|line| Some(anchor(line.strip_prefix('#')?.trim_start_matches('#'))));
                assert!(
                    anchors.any(|anchor| anchor == fragment),
                    "{page} leads to {target}, and there is no such heading"
                );
            }
        }
    }
}

#[test]
fn the_readme_is_short() {
    let size = file("README.md").len();
    assert!(
        size <= 12_000,
        "{size} bytes: what a newcomer does not need belongs into docs/"
    );
}

/// A page that tests write.
const OTHER_WORDING: [&str; 1] = ["docs/faults.md"];

#[test]
fn the_manual_is_in_plain_words() {
    let odd = odd_words();
    let others = ["CHANGELOG.md", "CONTRIBUTING.md"].map(str::to_owned);
    for page in pages()
        .into_iter()
        .chain(others)
        .filter(|page| !OTHER_WORDING.contains(&page.as_str()))
    {
        for (number, line) in file(&page).lines().enumerate() {
            let found = odd.find(line).map(|found| found.as_str());
            assert_eq!(found, None, "{page}:{}: {line}", number + 1);
        }
    }
    for (text, is_odd) in [
        ("it is no number", true),
        ("which stands under it", true),
        ("the credential that serves it", true),
        ("make it anew", true),
        ("what is wrong is told below", true),
        ("the token lacks a scope", true),
        ("there is no such image", false),
        ("it is no longer there", false),
        ("it is not a number", false),
        ("`docker://` services understand standards", false),
    ] {
        assert_eq!(odd.is_match(text), is_odd, "{text}");
    }
}

/// Turns of phrase that are correct, and that no documentation which people like to read has.
fn odd_words() -> regex::Regex {
    let words = r"goes along|passed over|\b(stands?|serves?|served|brings?|lacks?|mend\w*|anew|told)\b";
    // All but "is no longer".
    let is_no = r"\b(it|this|that|which) is no ([a-km-z]|l[a-np-z])";
    regex::Regex::new(&format!("{words}|{is_no}")).unwrap()
}

#[test]
fn every_variable_of_an_example_is_known_and_a_string_or_a_list_of_strings() {
    for example in examples() {
        for line in example.steps().into_iter().flat_map(|step| step.script) {
            let Line::Pipe(entry) = line else { continue };
            for (name, value) in entry.variables {
                let name = name.as_str().expect("a string");
                let known = NAMES.iter().any(|(known, _)| *known == name);
                assert!(known, "{}: there is no variable {name}", example.place);
                let fits = match &value {
                    Value::String(_) => true,
                    Value::Sequence(list) => list.iter().all(Value::is_string),
                    _ => false,
                };
                assert!(fits, "{}: Pipelines refuses {name}: {value:?}", example.place);
            }
        }
    }
}

#[test]
fn the_table_of_variables_is_the_one_of_the_code() {
    let readme = file("README.md");
    let table = readme
        .split("## Variables")
        .nth(1)
        .and_then(|text| text.split("## Examples").next());
    let rows: Vec<(&str, &str)> = table
        .expect("a table of variables")
        .lines()
        .filter_map(|row| {
            let mut cells = row.strip_prefix("| `")?.split('|');
            let name = cells.next()?.split('`').next()?;
            Some((name, cells.next()?.trim()))
        })
        .collect();
    let known: Vec<(&str, String)> = NAMES
        .iter()
        .map(|(name, actions)| {
            let used = match (*name, actions.len()) {
                ("ACTION", _) => String::new(),
                (_, all) if all == ActionName::ALL.len() => "all".to_owned(),
                _ => actions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            };
            (*name, used)
        })
        .collect();
    assert_eq!(
        rows,
        known
            .iter()
            .map(|(name, used)| (*name, used.as_str()))
            .collect::<Vec<_>>()
    );
}

#[test]
fn pipe_yml_names_this_version_and_hands_over_the_credentials() {
    let pipe: Value = serde_yaml::from_str(&file("pipe.yml")).unwrap();
    assert_eq!(
        pipe["image"],
        Value::from(concat!("crgpipe/crg-pipe:", env!("CARGO_PKG_VERSION")))
    );
    let defaults: Vec<(&str, &str)> = pipe["variables"]
        .as_sequence()
        .unwrap()
        .iter()
        .map(|item| (item["name"].as_str().unwrap(), item["default"].as_str().unwrap()))
        .collect();
    let credentials = [
        ("ATLASSIAN_ACCOUNT_EMAIL", "$ATLASSIAN_ACCOUNT_EMAIL"),
        ("ATLASSIAN_API_TOKEN", "$ATLASSIAN_API_TOKEN"),
        ("BITBUCKET_PACKAGES_USERNAME", "$BITBUCKET_PACKAGES_USERNAME"),
        ("BITBUCKET_PACKAGES_TOKEN", "$BITBUCKET_PACKAGES_TOKEN"),
        ("TOKEN_EXPIRES_ON", "$TOKEN_EXPIRES_ON"),
    ];
    assert_eq!(defaults, credentials);
}

fn every_example_runs(engine: &Engine) {
    let engine = Engine::start(engine.kind());
    make_image(&engine);
    let setup = Setup::shop()
        .package("shop/tools", "shop/images")
        .package("shop/api-server", "shop/api")
        .package("shop/node", "shop/images")
        .package("shop/cache", "shop/images")
        .package("shop/postgres", "shop/images")
        .api_proxy_at(engine.bridge())
        .behind_proxy("crg.apkg.io", Authority::shared());
    let registry = Emulator::start(setup);
    let base = tools_image();
    registry.put_image("shop/base", "1.4", &base);
    registry.put_image("shop/tools", "latest", &Image::small("examples-tools"));
    registry.put_image("shop/api", COMMIT, &Image::multi("examples-api"));
    let signed = Image::multi("examples-signed");
    registry.put_image("shop/api", "2.0.0", &signed);
    let attached = |ending| format!("{}.{ending}", signed.digest().replace(':', "-"));
    for (ending, manifest) in [
        ("sig", Image::small("examples-signature")),
        ("sbom", Image::small("examples-sbom")),
        ("att", Image::envelopes_of(&signed, &["https://slsa.dev/provenance/v1"])),
    ] {
        registry.put_image("shop/api", &attached(ending), &manifest);
    }
    let hub = docker_hub();
    let ports = vec![(DOCKER_HUB, hub.port()), ("crg.apkg.io", registry.port())];
    let _forwarded = forward((engine.bridge(), 443), ports).expect("port 443 of the engine's own bridge");

    for example in examples() {
        // What `output-variables` hand from step to step.
        let mut handed: Vec<(String, String)> = Vec::new();
        for step in example.steps() {
            let mut repository = Pipelines::new(&engine)
                .host("crg.apkg.io")
                .host(DOCKER_HUB)
                .carry("CA_CERTIFICATE", &Authority::shared().pem())
                .variable("BITBUCKET_COMMIT", COMMIT)
                .variable("BITBUCKET_PACKAGES_USERNAME", Setup::BUILT_IN_USERNAME)
                .variable("BITBUCKET_PACKAGES_TOKEN", Setup::BUILT_IN_TOKEN)
                .variable("ATLASSIAN_ACCOUNT_EMAIL", Setup::EMAIL)
                .variable("ATLASSIAN_API_TOKEN", &Setup::api_token())
                .variable("DOCKER_HUB_USERNAME", Setup::EMAIL)
                .variable("DOCKER_HUB_TOKEN", &Setup::api_token());
            for (name, value) in &handed {
                repository = repository.variable(name, value);
            }
            let outputs = repository.clone_dir().join(".variables");
            let repository = repository.variable("BITBUCKET_PIPELINES_VARIABLES_PATH", &outputs.display().to_string());
            repository.program("buildah", BUILDAH);
            repository.program("kubectl", KUBECTL);
            let built = Image::small("examples-built").docker_archive(&["api:latest"]);
            std::fs::write(repository.clone_dir().join("built.tar"), built).unwrap();
            let pulls = !example.text.contains("ACTION:");
            let signs_in = example.text.contains("IMAGES:") || example.text.contains("login");
            let base = if pulls || signs_in {
                "crg.apkg.io/shop/base:1.4"
            } else {
                "scratch"
            };
            repository.file("Dockerfile", &format!("FROM {base}\nCOPY Dockerfile /\n"));

            let run = repository.run(&step);
            assert_eq!(run.status, Some(0), "{}:\n{}", example.place, run.log);
            let pipes = step.script.iter().filter(|line| matches!(line, Line::Pipe(_))).count();
            let last_lines = ActionName::ALL.map(|action| run.log.matches(&format!("✔ {action}: ")).count());
            let done: usize = last_lines.into_iter().sum();
            assert_eq!(done, pipes, "{}:\n{}", example.place, run.log);
            let lines = std::fs::read_to_string(&outputs).unwrap_or_default();
            handed.extend(lines.lines().filter_map(|line| {
                let (name, value) = line.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            }));
            forget_images(&engine);
        }
    }

    // What the examples say they do.
    let tested = registry.tag("shop/api", COMMIT);
    assert!(registry.tag("shop/api", "1.4.2").is_some());
    assert!(tested.is_some() && registry.tag("shop/api", "latest").is_some());
    assert!(registry.tag("shop/api-server", "1.5.0").is_some());
    assert_eq!(registry.tags("shop/node"), ["20", "20-alpine"]);
    assert_eq!(registry.tag("shop/node", "20"), hub.tag("library/node", "20"));
    assert_eq!(registry.tag("shop/cache", "7"), hub.tag("library/redis", "7"));
    assert_eq!(registry.tag("shop/postgres", "16"), hub.tag("library/postgres", "16"));
    assert_eq!(registry.tag("shop/api-server", "2.0.0"), Some(signed.digest()));
    assert!(registry.tag("shop/api-server", &attached("sig")).is_some());
    let reports = registry.reports();
    assert_eq!(reports.len(), 1, "{reports:#?}");
    assert_eq!(reports[0].document["result"], "PASSED");
}

/// An image to run a build in, for two platforms: its `make` looks whether it is in the clone.
fn tools_image() -> Image {
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("make.c"), folder.path().join("make"));
    std::fs::write(
        &source,
        "#include <unistd.h>\nint main(void) { return access(\"Dockerfile\", R_OK) != 0; }\n",
    )
    .unwrap();
    let compiled = std::process::Command::new("cc")
        .args(["-static", "-o"])
        .arg(&program)
        .arg(&source)
        .status()
        .unwrap();
    assert!(compiled.success());
    let make = std::fs::read(&program).unwrap();
    let config = serde_json::json!({ "Env": ["PATH=/bin"] });
    Image::index(vec![
        ImageBuilder::new("examples-base")
            .config(config)
            .file("bin/make", &make, 0o755)
            .build(),
        ImageBuilder::new("examples-base")
            .platform("linux", "arm64", Some("v8"))
            .build(),
    ])
}

/// Docker Hub: everybody may pull, and a person may sign in.
fn docker_hub() -> Emulator {
    let person = User::new(Setup::EMAIL, &Setup::api_token())
        .package_scopes()
        .role("library/all", Role::Read);
    let setup = Setup::new()
        .package("library/node", "library/all")
        .package("library/redis", "library/all")
        .package("library/postgres", "library/all")
        .user(person)
        .with(|settings| settings.public = true)
        .behind_proxy(DOCKER_HUB, Authority::shared());
    let hub = Emulator::start(setup);
    for (package, tag) in [
        ("node", "18"),
        ("node", "20"),
        ("node", "20-alpine"),
        ("redis", "7"),
        ("postgres", "16"),
    ] {
        let image = Image::multi(&format!("examples-{package}-{tag}"));
        hub.put_image(&format!("library/{package}"), tag, &image);
    }
    hub
}

/// The next step's daemon is empty, but for the pipe's image.
fn forget_images(engine: &Engine) {
    let script = "docker container prune --force && docker image ls --format '{{.Repository}}:{{.Tag}} {{.ID}}' | \
                  grep -v '^crgpipe/' | while read -r name id; do docker image rm --force \"$id\"; done";
    let docker = engine.command();
    let variables = docker.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let done = std::process::Command::new("sh")
        .args(["-c", script])
        .envs(variables)
        .env("PATH", engine.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
