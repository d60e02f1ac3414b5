//! Refusal and diagnosis → kind and text.

use super::super::hint::Advice;
use super::*;

const MORE: &str = "the credential was accepted, and grants nothing on `base`";
const CAUSES: [&str; 2] = ["one of these is the cause:", "- a guess"];
const CURE: &str = "What works is an API token with scopes";

fn doubt(refused: Attempt, may_be_a_rule: bool) -> Doubt {
    Doubt {
        refused,
        needs_push: refused == Attempt::Write,
        may_be_a_rule,
        username: Quoted::new("ada@example.com"),
        package: "`base`".to_owned(),
    }
}

fn advice() -> Advice {
    Advice {
        facts: vec![MORE.to_owned()],
        guesses: CAUSES.map(str::to_owned).to_vec(),
        cure: vec![CURE.to_owned()],
        ..Advice::default()
    }
}

/// The kind that a diagnosis makes of a refusal, and the whole hint.
fn told(refused: Attempt, diagnosis: &Diagnosis) -> (FailureKind, String) {
    let kind = if refused == Attempt::Write {
        FailureKind::Refused
    } else {
        FailureKind::Credential
    };
    let finding = of(diagnosis, &doubt(refused, false));
    let told = finding.as_ref().and_then(|finding| finding.kind);
    (told.unwrap_or(kind), advice().text(finding.as_ref()))
}

fn lacks(scopes: &[&str], missing: &[&'static str]) -> Diagnosis {
    Diagnosis::Lacks {
        scopes: scopes.iter().map(|scope| Quoted::new(scope)).collect(),
        missing: missing.to_vec(),
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn the_cause_comes_first_and_guesses_go() {
    let sufficient = Diagnosis::Sufficient { needed: vec!["a", "b"] };
    let one = Diagnosis::Sufficient { needed: vec!["a"] };
    let other = |scopes: Option<&[&str]>| Diagnosis::OtherKind {
        kind: "a repository access token",
        scopes: scopes.map(|scopes| scopes.iter().map(|scope| Quoted::new(scope)).collect()),
    };
    let many = ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"];
    for (refusal, diagnosis, kind, begins, guesses, cures) in [
        (
            Attempt::Write,
            lacks(&["r"], &["w"]),
            FailureKind::Credential,
            "Bitbucket says: this token has the scope `r`; `w` is missing\nscopes cannot be added later",
            false,
            true,
        ),
        (
            Attempt::Read,
            lacks(&[], &[READ_PACKAGE, "w"]),
            FailureKind::Credential,
            "Bitbucket says: this token has no scopes; `read:package:bitbucket` and `w` are missing",
            false,
            true,
        ),
        (
            Attempt::SignIn,
            lacks(&["a", "b"], &["r"]),
            FailureKind::Credential,
            "Bitbucket says: this token has the scopes `a`, `b`; `r` is missing",
            false,
            true,
        ),
        (
            Attempt::Read,
            lacks(&many, &[READ_PACKAGE]),
            FailureKind::Credential,
            "Bitbucket says: this token has the scopes `s1`, `s2`, `s3`, `s4`, `s5`, `s6` and 2 more; `read:",
            false,
            true,
        ),
        (
            Attempt::Write,
            sufficient.clone(),
            FailureKind::Refused,
            "Bitbucket says: this token has both package scopes, so it is the role\n`ada@example.com` needs Write on the repository that `base` is linked to\nan admin",
            false,
            false,
        ),
        (
            Attempt::Read,
            one.clone(),
            FailureKind::Credential,
            "Bitbucket says: this token has the package scope, so it is the role\n`ada@example.com` needs Read on the repository",
            false,
            false,
        ),
        (
            Attempt::Read,
            lacks(&[READ_PACKAGE], &["w"]),
            FailureKind::Credential,
            "Bitbucket says: this token has the scope that reads packages, so it is the role\n`ada@example.com` needs Read",
            false,
            false,
        ),
        (
            Attempt::Read,
            lacks(&["w"], &[READ_PACKAGE]),
            FailureKind::Credential,
            "Bitbucket says: this token has the scope `w`; `read:package:bitbucket` is missing",
            false,
            true,
        ),
        (
            Attempt::SignIn,
            one,
            FailureKind::Credential,
            "Bitbucket accepts this token for `ada@example.com`, and it has the scopes: it is the registry that does not",
            false,
            false,
        ),
        (
            Attempt::SignIn,
            Diagnosis::Known,
            FailureKind::Credential,
            "Bitbucket accepts this token for `ada@example.com`: it has not expired",
            false,
            true,
        ),
        (
            Attempt::SignIn,
            Diagnosis::NotKnown,
            FailureKind::Credential,
            "Bitbucket does not know this token with `ada@example.com` either",
            true,
            true,
        ),
        (
            Attempt::SignIn,
            Diagnosis::ExpiredOAuth,
            FailureKind::Credential,
            "Bitbucket says: this token is an OAuth client's, and has expired",
            false,
            true,
        ),
        (
            Attempt::SignIn,
            other(Some(&["repository"])),
            FailureKind::Credential,
            "Bitbucket says: this is a repository access token with the scope `repository`; access tokens have no scope",
            false,
            true,
        ),
        (
            Attempt::Write,
            other(None),
            FailureKind::Credential,
            "Bitbucket says: this is a repository access token; access tokens",
            false,
            true,
        ),
    ] {
        let (found, hint) = told(refusal, &diagnosis);
        assert_eq!(found, kind, "{hint}");
        assert!(hint.starts_with(begins), "{hint}");
        assert!(hint.contains(MORE), "{hint}");
        assert_eq!(hint.contains(CAUSES[0]) && hint.contains(CAUSES[1]), guesses, "{hint}");
        assert_eq!(hint.contains(CURE), cures, "{hint}");
        for line in hint.lines() {
            assert!(line.chars().count() <= 140 && !line.ends_with(['.', ' ']), "{line}");
        }
    }
}

#[test]
fn what_is_no_news_changes_nothing() {
    for diagnosis in [Diagnosis::NotKnown, Diagnosis::Known] {
        assert_eq!(
            told(Attempt::Write, &diagnosis),
            (FailureKind::Refused, advice().text(None)),
            "{diagnosis:?}"
        );
    }
}

#[test]
fn a_rule_on_tags_may_be_the_cause_as_well() {
    let with_rule = || Advice {
        rule: Some("a rule".to_owned()),
        ..advice()
    };
    let doubt = doubt(Attempt::Write, true);
    let sufficient = Diagnosis::Sufficient { needed: vec!["a", "b"] };
    assert!(of(&sufficient, &doubt).is_none());
    let untold = with_rule().text(None);
    let causes = CAUSES.join("\n");
    assert_eq!(
        untold,
        format!("a rule\nif there is no such rule: {MORE}\n{causes}\n{CURE}")
    );
    let finding = of(&lacks(&["r"], &["w"]), &doubt).unwrap();
    assert_eq!(finding.kind, Some(FailureKind::Credential));
    let hint = with_rule().text(Some(&finding));
    assert!(
        hint.starts_with("Bitbucket says: this token has the scope `r`; `w` is missing"),
        "{hint}"
    );
    assert!(hint.ends_with(&untold), "{hint}");
}

#[test]
fn what_the_token_shows_itself_stays_first_unless_it_is_known() {
    const SHOWN: &str = "your token looks cut off";
    let shown = || Advice {
        facts: Vec::new(),
        shown: vec![SHOWN.to_owned()],
        ..advice()
    };
    let doubt = doubt(Attempt::SignIn, false);
    let unknown = shown().text(of(&Diagnosis::NotKnown, &doubt).as_ref());
    assert_eq!(
        unknown,
        format!(
            "{SHOWN}\nBitbucket does not know this token with `ada@example.com` either\n{}\n{CURE}",
            CAUSES.join("\n")
        )
    );
    let lacks = shown().text(of(&lacks(&[], &["r"]), &doubt).as_ref());
    assert!(
        lacks.starts_with("Bitbucket says: ") && !lacks.contains(SHOWN),
        "{lacks}"
    );
}
