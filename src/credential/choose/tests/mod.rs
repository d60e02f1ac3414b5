//! The truth table: kind of token × user name × `CREDENTIAL` × built-in credential → what is tried, warned of, refused.

mod kinds;

use super::super::kind::tests::{atlassian, ecr_password, jwt, noise, step_oidc};
use super::*;
use proptest::prelude::*;

const EMAIL: &str = "me@example.org";
const BUILT_IN: (&str, &str) = ("packages", "Zq7-built-in-Zq7");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Tried,
    Warned,
    Refused,
    Mistaken,
}
use Outcome::{Mistaken, Refused, Tried, Warned};

/// A fluent [`Given`] of owned texts.
#[derive(Clone)]
struct Case {
    choice: Option<Choice>,
    allow: bool,
    built_in: (Option<String>, Option<Secret>),
    api_token: (Option<String>, Option<Secret>),
    registry: &'static str,
    outlives_step: bool,
}

fn case() -> Case {
    Case {
        choice: None,
        allow: false,
        built_in: (None, None),
        api_token: (None, None),
        registry: Host::BITBUCKET,
        outlives_step: false,
    }
}

impl Case {
    fn choice(mut self, choice: Choice) -> Self {
        self.choice = Some(choice);
        self
    }
    fn allow(mut self) -> Self {
        self.allow = true;
        self
    }
    fn built_in(mut self, username: &str, token: &str) -> Self {
        self.built_in = (Some(username.to_owned()), Some(Secret::new(token)));
        self
    }
    fn with_built_in(self) -> Self {
        self.built_in(BUILT_IN.0, BUILT_IN.1)
    }
    fn api(mut self, username: &str, token: &str) -> Self {
        self.api_token = (Some(username.to_owned()), Some(Secret::new(token)));
        self
    }
    fn registry(mut self, registry: &'static str) -> Self {
        self.registry = registry;
        self
    }
    fn choose(&self) -> Result<Chosen, Mistakes> {
        fn pair((username, token): &(Option<String>, Option<Secret>)) -> WrittenPair<'_> {
            WrittenPair {
                username: username.as_deref(),
                token: token.as_ref(),
            }
        }
        choose(&Given {
            choice: self.choice,
            allow_unsupported: self.allow,
            built_in: pair(&self.built_in),
            api_token: pair(&self.api_token),
            registry: &Host::parse(self.registry).expect("a host of the test"),
            in_pipe: true,
            needs_push: true,
            outlives_step: self.outlives_step,
        })
    }
    fn outcome(&self) -> Outcome {
        match self.choose() {
            Ok(chosen) if chosen.ends_run().is_some() => Refused,
            Ok(chosen) if chosen.warnings.is_empty() => Tried,
            Ok(_) => Warned,
            Err(_) => Mistaken,
        }
    }
    /// What a run that does not end goes on with.
    fn chosen(&self) -> Chosen {
        let chosen = self.choose().expect("no mistakes");
        assert_eq!(chosen.ends_run(), None);
        chosen
    }
    fn sources(&self) -> Vec<Source> {
        sources(&self.chosen().candidates)
    }
    fn refusal(&self) -> UnusableCredential {
        let chosen = self.choose().expect("no mistakes");
        chosen.ends_run().cloned().expect("a credential that cannot work")
    }
    fn mistakes(&self) -> Mistakes {
        self.choose().expect_err("mistakes")
    }
    /// All that a user would read.
    fn said(&self) -> String {
        match self.choose() {
            Ok(chosen) => match chosen.ends_run() {
                Some(why) => format!("{}\n{}\n{chosen:?}", why.message(), why.hint()),
                None => chosen
                    .warnings
                    .iter()
                    .map(|warning| format!("{warning}\n"))
                    .chain([format!("{chosen:?}\n")])
                    .collect(),
            },
            Err(mistakes) => format!("{mistakes:?}"),
        }
    }
}

fn sources(credentials: &[Credential]) -> Vec<Source> {
    credentials.iter().map(|credential| credential.source).collect()
}

/// What is chosen in a step, of tokens with fitting user names.
pub(crate) fn chosen(choice: Option<Choice>, built_in: Option<&str>, api_token: Option<&str>) -> Chosen {
    let mut case = Case { choice, ..case() };
    if let Some(token) = built_in {
        case = case.built_in("step", token);
    }
    if let Some(token) = api_token {
        case = case.api("ada@example.com", token);
    }
    case.choose().expect("no mistakes")
}

#[test]
fn no_credential_at_all() {
    for choice in [None, Some(Choice::Auto), Some(Choice::BuiltIn), Some(Choice::ApiToken)] {
        let case = Case { choice, ..case() };
        let choice = choice.unwrap_or_default();
        let refusal = case.refusal();
        assert_eq!(refusal.reason, UnusableReason::NoCredential { choice, in_pipe: true });
        assert_eq!(refusal.alternative, None);
    }
    let empty = case().built_in("", "").api("", "");
    assert_eq!(empty.outcome(), Refused, "empty is unset");

    let good = atlassian("ATATT3xFfGF0", 192);
    let other = case().api(EMAIL, &good).choice(Choice::BuiltIn).refusal();
    assert_eq!(other.alternative, Some(Source::ApiToken));
    let other = case().with_built_in().choice(Choice::ApiToken).refusal();
    assert_eq!(other.alternative, Some(Source::BuiltIn));
    let useless = case().api(EMAIL, "ATCTx").choice(Choice::BuiltIn).refusal();
    assert_eq!(useless.alternative, None);
}

#[test]
fn half_a_pair_is_a_mistake_of_the_other_half() {
    let good = Some(Secret::new(atlassian("ATATT3xFfGF0", 192)));
    let half = |choice, built_in: bool, username: Option<&str>, token: Option<Secret>| {
        let mut case = if built_in { case().with_built_in() } else { case() };
        case.choice = choice;
        case.api_token = (username.map(str::to_owned), token);
        case
    };
    for choice in [None, Some(Choice::Auto), Some(Choice::ApiToken)] {
        for built_in in [true, false] {
            let mistakes = half(choice, built_in, None, good.clone()).mistakes();
            assert_eq!(mistakes.len(), 1);
            let said = "`ATLASSIAN_ACCOUNT_EMAIL`: it is not set, but `ATLASSIAN_API_TOKEN` is; set it to the Atlassian \
                        account email of the user who made the token";
            assert_eq!(mistakes[0].to_string(), said);

            let email_alone = half(choice, built_in, Some(EMAIL), None);
            if built_in && choice != Some(Choice::ApiToken) {
                assert_eq!(email_alone.sources(), [Source::BuiltIn], "the mail is for another pipe");
                assert_eq!(email_alone.outcome(), Tried);
            } else {
                let said = "`ATLASSIAN_API_TOKEN`: it is not set, but `ATLASSIAN_ACCOUNT_EMAIL` is; store an API token \
                            with scopes there, as a secured workspace variable";
                assert_eq!(email_alone.mistakes()[0].to_string(), said);
            }
        }
    }
    assert_eq!(half(Some(Choice::BuiltIn), true, None, good.clone()).outcome(), Tried);

    for (username, token, missing) in [
        (Some("packages"), None, "BITBUCKET_PACKAGES_TOKEN"),
        (None, Some("secret"), "BITBUCKET_PACKAGES_USERNAME"),
    ] {
        let mut case = case().api(EMAIL, good.as_ref().unwrap().expose());
        case.built_in = (username.map(str::to_owned), token.map(Secret::new));
        assert_eq!(case.mistakes()[0].variable, missing);
        assert!(case.mistakes()[0].cure.contains(&format!("`{missing}: ${missing}`")));
        assert_eq!(case.choice(Choice::ApiToken).outcome(), Tried);
    }
}

#[test]
fn a_token_that_cannot_work_is_refused_before_its_user_name_is_asked_for() {
    let mut case = case();
    case.api_token = (None, Some(Secret::new(atlassian("ATCTT3xFfGN0", 192))));
    assert_eq!(case.outcome(), Refused);
    assert_eq!(case.allow().outcome(), Mistaken);
}

#[test]
fn mistakes_of_form_come_together_and_first() {
    let token = atlassian("ATCTT3xFfGN0", 192);
    let case = case()
        .registry("registry.example.org")
        .built_in("$BITBUCKET_PACKAGES_USERNAME", "$BITBUCKET_PACKAGES_TOKEN")
        .api(" me@example.org", &format!("\"{token}\""));
    let mut named: Vec<String> = case.mistakes().into_iter().map(|mistake| mistake.variable).collect();
    named.dedup();
    assert_eq!(
        named,
        [
            "CREDENTIAL",
            "BITBUCKET_PACKAGES_USERNAME",
            "BITBUCKET_PACKAGES_TOKEN",
            "ATLASSIAN_ACCOUNT_EMAIL",
            "ATLASSIAN_API_TOKEN"
        ]
    );
}

#[test]
fn no_token_goes_to_a_strange_host_by_default() {
    let good = atlassian("ATATT3xFfGF0", 192);
    for (registry, by_default) in [
        ("crg.apkg.io", Tried),
        ("eu.crg.apkg.io", Tried),
        ("localhost:5000", Tried),
        ("127.0.0.1:5000", Tried),
        ("[::1]:5000", Tried),
        ("registry.example.org", Mistaken),
        ("crg.apkg.io.example.org", Mistaken),
        ("crg.apkg.io:8443", Mistaken),
        ("host.docker.internal:5000", Mistaken),
    ] {
        let case = case().registry(registry).with_built_in().api(EMAIL, &good);
        assert_eq!(case.outcome(), by_default, "{registry}");
        for choice in [Choice::Auto, Choice::BuiltIn, Choice::ApiToken] {
            assert_eq!(case.clone().choice(choice).outcome(), Tried, "{registry}");
        }
        if by_default == Mistaken {
            let mistake = &case.mistakes()[0];
            assert_eq!(mistake.variable, "CREDENTIAL");
            assert!(mistake.problem.contains("strange host by default"), "{mistake}");
        }
    }
}

#[test]
fn the_candidate_is_what_was_given() {
    let good = atlassian("ATATT3xFfGF0", 192);
    let chosen = case().with_built_in().api(EMAIL, &good).chosen();
    let given: Vec<(&str, &str)> = chosen
        .candidates
        .iter()
        .map(|candidate| (candidate.username.as_str(), candidate.token.expose()))
        .collect();
    assert_eq!(given, [BUILT_IN, (EMAIL, good.as_str())]);
}

#[test]
fn a_credential_that_cannot_work_leaves_the_others() {
    let api = "ATAT0123456789abcdef";
    let access = "ATCT0123456789abcdef";
    for (choice, built_in, api_token, candidates, never_sent) in [
        (
            None,
            Some("opaque"),
            Some(api),
            vec![Source::BuiltIn, Source::ApiToken],
            vec![],
        ),
        (
            None,
            Some("opaque"),
            Some(access),
            vec![Source::BuiltIn],
            vec![Source::ApiToken],
        ),
        (
            None,
            Some("ghp_0123456789"),
            Some(api),
            vec![Source::ApiToken],
            vec![Source::BuiltIn],
        ),
        (
            None,
            Some("opaque"),
            Some("opaque"),
            vec![Source::BuiltIn],
            vec![Source::ApiToken],
        ),
        (
            Some(Choice::ApiToken),
            Some("opaque"),
            Some("opaque"),
            vec![],
            vec![Source::ApiToken],
        ),
        (None, None, Some(access), vec![], vec![Source::ApiToken]),
        (
            None,
            Some("ghp_0123456789"),
            Some(access),
            vec![],
            vec![Source::BuiltIn, Source::ApiToken],
        ),
        (None, None, None, vec![], vec![]),
        (
            Some(Choice::BuiltIn),
            Some("opaque"),
            Some(access),
            vec![Source::BuiltIn],
            vec![],
        ),
        (Some(Choice::ApiToken), Some("opaque"), None, vec![], vec![]),
    ] {
        let chosen = chosen(choice, built_in, api_token);
        assert_eq!(sources(&chosen.candidates), candidates, "{built_in:?} {api_token:?}");
        let unusable: Vec<Source> = chosen
            .unusable
            .iter()
            .map(|(credential, _)| credential.source)
            .collect();
        assert_eq!(unusable, never_sent, "{built_in:?} {api_token:?}");
        let is_absent = candidates.is_empty() && never_sent.is_empty();
        assert_eq!(chosen.absent.is_some(), is_absent, "{built_in:?} {api_token:?}");
    }
}

proptest! {
    #[test]
    fn no_text_panics_and_no_foreign_token_is_tried(
        prefix in "(ATAT|ATCT|ATBB|ATST|BBDC-|eyJ|ghp_|npm_)?",
        text in "[\\PC\n$\"]{0,60}",
        username in "(\\PC{0,30}|x-token-auth|[a-z]{1,9}@bots\\.bitbucket\\.org)",
        allow: bool,
    ) {
        let token = format!("{prefix}{text}");
        for choice in [None, Some(Choice::Auto), Some(Choice::BuiltIn), Some(Choice::ApiToken)] {
            for case in [
                case().api(&username, &token),
                case().with_built_in().api(&username, &token),
                case().built_in(&username, &token),
            ] {
                let case = Case { choice, allow, ..case };
                prop_assert!(!case.said().is_empty());
                if let Ok(chosen) = case.choose() {
                    prop_assert_eq!(
                        chosen.absent.is_some(),
                        chosen.candidates.is_empty() && chosen.unusable.is_empty()
                    );
                    let foreign = chosen.candidates.iter().any(|candidate| {
                        candidate.source == Source::ApiToken && TokenKind::of(candidate.token.expose()).is_foreign()
                    });
                    prop_assert!(!foreign);
                }
            }
        }
    }
}

/// A credential that is used after the step: the built-in one is never it, whatever variable it is in.
#[test]
fn what_outlives_the_step_takes_the_api_token_alone() {
    let (name, token) = BUILT_IN;
    let lasting = |case: Case| Case {
        outlives_step: true,
        ..case
    };
    let chosen = lasting(case().with_built_in().api(EMAIL, &atlassian("ATATT3xFfGF0", 192))).choose();
    let sources: Vec<Source> = chosen.unwrap().candidates.iter().map(|of| of.source).collect();
    assert_eq!(sources, [Source::ApiToken]);
    for case in [
        case(),
        case().with_built_in(),
        case().with_built_in().choice(Choice::Auto),
        case().with_built_in().choice(Choice::ApiToken),
        case().with_built_in().api(name, token),
        case().with_built_in().api(EMAIL, token),
    ] {
        let chosen = lasting(case).choose().unwrap();
        assert_eq!(chosen.candidates, []);
        let why = chosen.ends_run().unwrap();
        assert_eq!((&why.reason, why.alternative), (&UnusableReason::EndsWithStep, None));
    }
    // No token goes to a strange host by default, this one neither.
    let strange = lasting(
        case()
            .registry("registry.example.com")
            .api(EMAIL, &atlassian("ATATT3xFfGF0", 192)),
    );
    assert!(strange.choose().is_err());
}
