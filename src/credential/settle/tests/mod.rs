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
}

fn case() -> Case {
    Case {
        choice: None,
        allow: false,
        built_in: (None, None),
        api_token: (None, None),
        registry: Host::BITBUCKET,
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
    fn settle(&self) -> Result<Settled, Unsettled> {
        fn pair((username, token): &(Option<String>, Option<Secret>)) -> Pair<'_> {
            Pair {
                username: username.as_deref(),
                token: token.as_ref(),
            }
        }
        settle(&Given {
            choice: self.choice,
            allow_unsupported: self.allow,
            built_in: pair(&self.built_in),
            api_token: pair(&self.api_token),
            registry: &Host::parse(self.registry).expect("a host of the test"),
            in_pipe: true,
            needs_push: true,
        })
    }
    fn outcome(&self) -> Outcome {
        match self.settle() {
            Ok(settled) if settled.warnings.is_empty() => Tried,
            Ok(_) => Warned,
            Err(Unsettled::Refusal(_)) => Refused,
            Err(Unsettled::Mistakes(_)) => Mistaken,
        }
    }
    fn sources(&self) -> Vec<Source> {
        let settled = self.settle().expect("a credential to try");
        settled.candidates.iter().map(|candidate| candidate.source).collect()
    }
    fn refusal(&self) -> Refusal {
        match self.settle() {
            Err(Unsettled::Refusal(refusal)) => *refusal,
            other => panic!("no refusal: {other:?}"),
        }
    }
    fn mistakes(&self) -> Vec<Mistake> {
        match self.settle() {
            Err(Unsettled::Mistakes(mistakes)) => mistakes,
            other => panic!("no mistakes: {other:?}"),
        }
    }
    /// All that a user would read.
    fn said(&self) -> String {
        match self.settle() {
            Ok(settled) => settled
                .warnings
                .iter()
                .map(|warning| format!("{warning}\n{warning:?}\n"))
                .chain(settled.candidates.iter().map(|candidate| format!("{candidate:?}\n")))
                .collect(),
            Err(Unsettled::Refusal(refusal)) => {
                format!("{}\n{}\n{refusal:?}", refusal.message(), refusal.hint())
            }
            Err(mistakes) => format!("{mistakes}\n{mistakes:?}"),
        }
    }
}

#[test]
fn no_credential_at_all() {
    for choice in [None, Some(Choice::Auto), Some(Choice::BuiltIn), Some(Choice::ApiToken)] {
        let case = Case { choice, ..case() };
        let choice = choice.unwrap_or_default();
        let refusal = case.refusal();
        assert_eq!(refusal.reason, Reason::NoCredential { choice, in_pipe: true });
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
    let settled = case().with_built_in().api(EMAIL, &good).settle().unwrap();
    let given: Vec<(&str, &str)> = settled
        .candidates
        .iter()
        .map(|candidate| (candidate.username.as_str(), candidate.token.expose()))
        .collect();
    assert_eq!(given, [BUILT_IN, (EMAIL, good.as_str())]);
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
                if let Ok(settled) = case.settle() {
                    prop_assert!(!settled.candidates.is_empty());
                    let foreign = settled.candidates.iter().any(|candidate| {
                        candidate.source == Source::ApiToken && Kind::of(candidate.token.expose()).is_foreign()
                    });
                    prop_assert!(!foreign);
                }
            }
        }
    }
}
