use super::*;
use proptest::prelude::*;

fn found(text: &str) -> Vec<(Option<usize>, ImageProblem)> {
    let found = findings(Path::new(FILE), text, &Host::bitbucket()).unwrap();
    found.into_iter().map(|one| (one.place.line, one.problem)).collect()
}

const WRONG: ImageProblem = ImageProblem::WrongHost("no such registry exists");

fn access_token(username: &str) -> ImageProblem {
    ImageProblem::AccessToken(username.to_owned())
}

#[test]
fn images_are_judged_in_any_nesting() {
    let text = "image:
  name: packages.atlassian.net/shop/base:1
  username: x-token-auth
  password: $ACCESS_TOKEN
definitions:
  services:
    docker: {image: 'docker:dind'}
    db:
      image: crg.apkg.io/shop/db:1
    cache:
      image:
        name: crg.apkg.io/shop/cache:1
        username: $BITBUCKET_PACKAGES_USERNAME
        password: $BITBUCKET_PACKAGES_TOKEN
  steps:
    - step: &build
        name: Build
        image:
          username: abc123@bots.bitbucket.org
          password: $TOKEN
          name: crg.apkg.io/shop/build:1
        script:
          - image: crg.apkg.io/shop/no:1
          - pipe: a/b:1
            variables:
              image: crg.apkg.io/shop/no:2
pipelines:
  default:
    - step: *build
    - step:
        <<: *build
        name: Again
    - parallel:
        - step:
            image: crg.apkg.io/shop/test:1
            script: [make]
        - step:
            image: {name: crg.apkg.io/shop/good:1, username: $ATLASSIAN_ACCOUNT_EMAIL, password: $ATLASSIAN_API_TOKEN}
            script: [make]
  branches:
    '**':
      - stage:
          steps:
            - step:
                image: node:20
                script: [make]
  custom:
    image:
      - variables: [{name: V}]
      - step:
          image: crg.apkg.io/shop/deploy:1   # private
          script: [make]
  pull-requests:
    '**':
      - step:
          image: {name: crg.apkg.io/shop/pr:1, username: me@example.com, password: $BITBUCKET_PACKAGES_TOKEN}
          script: [make]
";
    assert_eq!(
        found(text),
        [
            (Some(2), WRONG),
            (Some(9), ImageProblem::NoCredential),
            (Some(12), ImageProblem::BuiltIn("BITBUCKET_PACKAGES_USERNAME")),
            (Some(21), access_token("abc123@bots.bitbucket.org")),
            (Some(35), ImageProblem::NoCredential),
            (Some(51), ImageProblem::NoCredential),
            (Some(56), ImageProblem::BuiltIn("BITBUCKET_PACKAGES_TOKEN")),
        ]
    );
}

/// What is wrong with one image that signs in.
fn judged(name: &str, username: &str, password: &str) -> Vec<ImageProblem> {
    let text = format!("image:\n  name: '{name}'\n  username: '{username}'\n  password: '{password}'\n");
    found(&text).into_iter().map(|(_, problem)| problem).collect()
}

#[test]
fn variables_are_told_by_their_whole_names() {
    const BASE: &str = "crg.apkg.io/shop/base:1";
    let (user, token) = ("BITBUCKET_PACKAGES_USERNAME", "BITBUCKET_PACKAGES_TOKEN");
    for (username, password, wrong) in [
        ("$BITBUCKET_PACKAGES_USERNAME", "$P", Some(user)),
        ("${BITBUCKET_PACKAGES_USERNAME}", "$P", Some(user)),
        ("$U", "$BITBUCKET_PACKAGES_TOKEN", Some(token)),
        ("$U", "${BITBUCKET_PACKAGES_TOKEN}", Some(token)),
        ("$U", "x$BITBUCKET_PACKAGES_TOKEN-y", Some(token)),
        ("$U", "$READ_BITBUCKET_PACKAGES_TOKEN", None),
        ("$U", "$BITBUCKET_PACKAGES_TOKEN_2", None),
        ("$U", "${BITBUCKET_PACKAGES_TOKEN2}", None),
        ("$U", "$READ_BITBUCKET_PACKAGES_TOKEN_2", None),
        ("$MY_BITBUCKET_PACKAGES_USERNAME", "$P", None),
        ("$BITBUCKET_PACKAGES_USERNAMES", "$P", None),
        ("$U", "BITBUCKET_PACKAGES_TOKEN", None),
    ] {
        let expected: Vec<ImageProblem> = wrong.map(ImageProblem::BuiltIn).into_iter().collect();
        assert_eq!(judged(BASE, username, password), expected, "{username} {password}");
    }
}

#[test]
fn services_and_pipelines_may_have_any_name() {
    for name in [
        "caches",
        "services",
        "steps",
        "image",
        "script",
        "step",
        "definitions",
        "pipelines",
        "default",
        "parallel",
        "stages",
        "variables",
        "import",
        "clone",
        "options",
    ] {
        let service = format!("definitions:\n  services:\n    {name}:\n      image: crg.apkg.io/shop/a:1\n");
        assert_eq!(
            found(&service),
            [(Some(4), ImageProblem::NoCredential)],
            "service {name}"
        );
        for kind in ["custom", "branches", "tags", "pull-requests"] {
            let text = format!(
                "pipelines:\n  {kind}:\n    {name}:\n      - step:\n          image: crg.apkg.io/shop/b:1\n          script: [make]\n"
            );
            assert_eq!(found(&text), [(Some(5), ImageProblem::NoCredential)], "{kind} {name}");
        }
    }
    // What is under these names where they mean something is no image.
    for text in [
        "definitions:\n  caches:\n    image: crg.apkg.io/shop/a:1\n",
        "pipelines:\n  default:\n    - step:\n        script:\n          - image: crg.apkg.io/shop/a:1\n",
        "pipelines:\n  default:\n    - step:\n        script: [make]\n        artifacts: {paths: [image]}\n",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn one_finding_says_the_first_thing_to_put_right() {
    use ImageProblem::{GitUsername, Name, WrongHost};
    let credential = ("me@example.com", "$ATLASSIAN_API_TOKEN");
    let is_name = |problem: &ImageProblem, right: &str| matches!(problem, Name(_, write) if write == right);
    assert_eq!(
        judged("crg.apkg.io/shop/a:1", "x-bitbucket-api-token-auth", "$T"),
        [GitUsername]
    );
    assert_eq!(
        judged("crg.apkg.io/shop/a:1", "X-Bitbucket-API-Token-Auth", "$T"),
        [GitUsername]
    );
    for (name, right) in [
        ("crg.apkg.io/base:1", "crg.apkg.io/$BITBUCKET_WORKSPACE/base:1"),
        ("crg.apkg.io/base", "crg.apkg.io/$BITBUCKET_WORKSPACE/base"),
        ("crg.apkg.io/Shop/base:1", "crg.apkg.io/shop/base:1"),
        ("crg.apkg.io/Shop/base:RC1", "crg.apkg.io/shop/base:RC1"),
        ("CRG.apkg.io/shop/Base", "crg.apkg.io/shop/base"),
        ("https://crg.apkg.io/shop/base:1", "crg.apkg.io/shop/base:1"),
        ("docker://crg.apkg.io/shop/base:1", "crg.apkg.io/shop/base:1"),
        ("crg.apkg.io:443/shop/base:1", "crg.apkg.io/shop/base:1"),
    ] {
        let problems = judged(name, credential.0, credential.1);
        assert!(
            matches!(&problems[..], [only] if is_name(only, right)),
            "{name}: {problems:?}"
        );
        // Without a credential too: the name comes first.
        assert_eq!(found(&format!("image: '{name}'\n")).len(), 1, "{name}");
    }
    for host in ["apkg.io", "npm.apkg.io", "maven.apkg.io"] {
        for path in ["shop/base:1", "$BITBUCKET_WORKSPACE/base:$TAG", "base"] {
            let problems = judged(&format!("{host}/{path}"), credential.0, credential.1);
            assert!(matches!(&problems[..], [WrongHost(_)]), "{host}/{path} {problems:?}");
        }
    }
    for (username, problems) in [
        ("jdoe", vec![ImageProblem::NoEmail("jdoe".to_owned())]),
        ("me@example.com", vec![]),
        ("$EMAIL", vec![]),
        ("${USER}.x", vec![]),
    ] {
        assert_eq!(judged("crg.apkg.io/shop/a:1", username, "$T"), problems, "{username}");
    }
    for (username, password) in [credential, ("x-token-auth", "$T"), ("", "")] {
        let problems = judged("packages.atlassian.net/shop/a:1", username, password);
        assert!(matches!(&problems[..], [WrongHost(_)]), "{problems:?}");
    }
}

#[test]
fn imports_and_templates_are_tolerated() {
    for text in [
        "",
        "pipelines:\n  custom:\n    shared: {import: 'shared:main:build'}\n",
        "pipelines:\n  default:\n    - step:\n        image: ${{ parameters.image }}\n        script: ['${{ x }}']\n",
        "image: atlassian/default-image:4\n",
        "image: {run-as-user: 1000}\nclone: {depth: 1}\n",
        "image: $IMAGE\n",
        "image: [crg.apkg.io/shop/base:1]\n",
        "image: crg.apkg.io.example.com/shop/base:1\n",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
    assert_eq!(
        found("image: crg.apkg.io/$BITBUCKET_WORKSPACE/base:${{ tag }}\n"),
        [(Some(1), ImageProblem::NoCredential)]
    );
    assert_eq!(
        findings(Path::new(FILE), "image: a\n  b: c\n", &Host::bitbucket())
            .unwrap_err()
            .line,
        Some(2)
    );
}

#[test]
fn messages_say_what_to_write() {
    const HINT: &str = "write `image: {name: crg.apkg.io/shop/base:1, username: $ATLASSIAN_ACCOUNT_EMAIL, password: \
                        $ATLASSIAN_API_TOKEN}` with secured variables of the repository or workspace, and an API token \
                        with the scope `read:package:bitbucket`; a pipe cannot help here, since this image is pulled \
                        before the step runs";
    for (host, problem, message) in [
        (
            "packages.atlassian.net",
            WRONG,
            "`image: packages.atlassian.net/shop/base:1` is not in Bitbucket's container registry: no such registry exists",
        ),
        (
            "crg.apkg.io",
            access_token("x-token-auth"),
            "`image: crg.apkg.io/shop/base:1` signs in as `x-token-auth`, but no access token works in the container registry",
        ),
        (
            "crg.apkg.io",
            ImageProblem::BuiltIn("BITBUCKET_PACKAGES_TOKEN"),
            "`image: crg.apkg.io/shop/base:1` signs in with `$BITBUCKET_PACKAGES_TOKEN`, which is not there yet when the \
             image is pulled",
        ),
        (
            "crg.apkg.io",
            ImageProblem::NoCredential,
            "`image: crg.apkg.io/shop/base:1` has no username and password, so it cannot be pulled",
        ),
    ] {
        let finding = ImageFinding {
            place: ClonePlace {
                file: PathBuf::from(FILE),
                line: Some(3),
            },
            image: format!("{host}/shop/base:1"),
            problem,
        };
        assert_eq!(finding.message(), message);
        assert_eq!(finding.hint(), HINT);
    }
}

#[test]
fn the_clones_file_is_looked_over() {
    let clone = tempfile::tempdir().unwrap();
    let look = || look_over(clone.path(), &Host::bitbucket(), None).map(|found| found.findings);
    assert_eq!(look(), Ok(Vec::new()));
    std::fs::write(clone.path().join(FILE), "image: crg.apkg.io/shop/base:1\n").unwrap();
    assert_eq!(look().unwrap()[0].place.to_string(), "bitbucket-pipelines.yml:1");
    std::fs::write(clone.path().join(FILE), "image: [\n").unwrap();
    let unread = look().unwrap_err().to_string();
    assert!(unread.starts_with("bitbucket-pipelines.yml:"), "{unread}");
    std::fs::write(clone.path().join(FILE), "#".repeat((1 << 20) + 1)).unwrap();
    let unread = look().unwrap_err().to_string();
    assert!(unread.ends_with("it is longer than 1 MiB"), "{unread}");
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,60}", image in "[a-z.$/:{}@]{0,30}") {
        let _ = findings(Path::new(FILE), &text, &Host::bitbucket());
        let _ = findings(Path::new(FILE), &format!("image: crg.apkg.io/{image}\n"), &Host::bitbucket());
    }
}

#[test]
fn commands_of_scripts_have_their_lines() {
    let text = "\
pipelines:
  default:
    - step:
        script:
          - export REG=crg.apkg.io
          - docker login $REG
          - |
            docker build -t $REG/shop/api:1 .
            docker push \\
              $REG/shop/api:1
          - pipe: crgpipe/crg-pipe:0.1.0
";
    assert_eq!(commands(text), ["6 docker login", "9 docker push"]);
}

/// A variable is known in the script that sets it, and nowhere else.
#[test]
fn each_script_has_variables_of_its_own() {
    let text = "\
definitions:
  set: &set export REG=crg.apkg.io
pipelines:
  default:
    - step:
        script:
          - *set
          - docker login $REG
        after-script:
          - docker login $REG
    - step:
        script:
          - docker login $REG
    - step:
        script:
          - *set
          - docker login $REG
";
    assert_eq!(commands(text), ["8 docker login", "17 docker login"]);
}

/// What a script sends elsewhere is no command of it.
#[test]
fn texts_in_scripts_are_no_commands() {
    let text = "\
pipelines:
  default:
    - step:
        script:
          - |
            ssh host <<'EOF'
              docker login crg.apkg.io
            EOF
            docker login crg.apkg.io
          - |
            ssh host \"
              docker login crg.apkg.io
            \"
            docker pull crg.apkg.io/shop/a:1
          - >-
            docker
            login crg.apkg.io
";
    assert_eq!(commands(text), ["9 docker login", "14 docker pull", "15 docker login"]);
}

/// The commands found, each with its line.
fn commands(text: &str) -> Vec<String> {
    let clone = tempfile::tempdir().unwrap();
    std::fs::write(clone.path().join(FILE), text).unwrap();
    let found = look_over(clone.path(), &Host::bitbucket(), Some("shop")).unwrap();
    let found = found.by_hand.iter();
    found
        .map(|(place, by_hand)| format!("{} {}", place.line.unwrap_or_default(), by_hand.command))
        .collect()
}
