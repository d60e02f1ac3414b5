//! Refusal and diagnosis → kind and text.

use super::*;

const MORE: &str = "the credential was accepted, and grants nothing on `base`";
const CAUSES: [&str; 2] = ["one of these is the cause:", "- a guess"];
const CURE: &str = "What works is an API token with scopes";

fn refused(refused: Refused) -> Failure {
    let write = refused == Refused::Write;
    let causes = CAUSES.map(str::to_owned).to_vec();
    let doubt = Doubt {
        refused,
        needs_push: write,
        may_be_a_rule: false,
        username: Quoted::new("ada@example.com"),
        package: "`base`".to_owned(),
        causes,
        cure: vec![CURE.to_owned()],
    };
    let kind = if write { Kind::Refused } else { Kind::Credential };
    Failure {
        doubt: Some(doubt),
        ..Failure::new(kind, "refused", format!("{MORE}\n{}\n{CURE}", CAUSES.join("\n")))
    }
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
            Refused::Write,
            lacks(&["r"], &["w"]),
            Kind::Credential,
            "Bitbucket says: this token has the scope `r`; `w` is missing\nscopes cannot be added later",
            false,
            true,
        ),
        (
            Refused::Read,
            lacks(&[], &[READ_PACKAGE, "w"]),
            Kind::Credential,
            "Bitbucket says: this token has no scopes; `read:package:bitbucket` and `w` are missing",
            false,
            true,
        ),
        (
            Refused::SignIn,
            lacks(&["a", "b"], &["r"]),
            Kind::Credential,
            "Bitbucket says: this token has the scopes `a`, `b`; `r` is missing",
            false,
            true,
        ),
        (
            Refused::Read,
            lacks(&many, &[READ_PACKAGE]),
            Kind::Credential,
            "Bitbucket says: this token has the scopes `s1`, `s2`, `s3`, `s4`, `s5`, `s6` and 2 more; `read:",
            false,
            true,
        ),
        (
            Refused::Write,
            sufficient.clone(),
            Kind::Refused,
            "Bitbucket says: this token has both package scopes, so it is the role\n`ada@example.com` needs Write on the repository that `base` is linked to\nan admin",
            false,
            false,
        ),
        (
            Refused::Read,
            one.clone(),
            Kind::Credential,
            "Bitbucket says: this token has the package scope, so it is the role\n`ada@example.com` needs Read on the repository",
            false,
            false,
        ),
        (
            Refused::Read,
            lacks(&[READ_PACKAGE], &["w"]),
            Kind::Credential,
            "Bitbucket says: this token has the scope that reads packages, so it is the role\n`ada@example.com` needs Read",
            false,
            false,
        ),
        (
            Refused::Read,
            lacks(&["w"], &[READ_PACKAGE]),
            Kind::Credential,
            "Bitbucket says: this token has the scope `w`; `read:package:bitbucket` is missing",
            false,
            true,
        ),
        (
            Refused::SignIn,
            one,
            Kind::Credential,
            "Bitbucket accepts this token for `ada@example.com`, and it has the scopes: it is the registry that does not",
            false,
            false,
        ),
        (
            Refused::SignIn,
            Diagnosis::Known,
            Kind::Credential,
            "Bitbucket accepts this token for `ada@example.com`: it has not expired",
            false,
            true,
        ),
        (
            Refused::SignIn,
            Diagnosis::NotKnown,
            Kind::Credential,
            "Bitbucket does not know this token with `ada@example.com` either",
            true,
            true,
        ),
        (
            Refused::SignIn,
            Diagnosis::ExpiredOAuth,
            Kind::Credential,
            "Bitbucket says: this token is an OAuth client's, and has expired",
            false,
            true,
        ),
        (
            Refused::SignIn,
            other(Some(&["repository"])),
            Kind::Credential,
            "Bitbucket says: this is a repository access token with the scope `repository`; access tokens have no scope",
            false,
            true,
        ),
        (
            Refused::Write,
            other(None),
            Kind::Credential,
            "Bitbucket says: this is a repository access token; access tokens",
            false,
            true,
        ),
    ] {
        let failure = diagnosed(refused(refusal), &diagnosis);
        let hint = failure.hint.unwrap();
        assert_eq!(failure.kind, kind, "{hint}");
        assert_eq!(failure.message, "refused");
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
fn what_is_not_known_changes_nothing() {
    let no_doubt = Failure::new(Kind::NotFound, "no tag", "hint");
    assert_eq!(diagnosed(no_doubt.clone(), &lacks(&[], &["r"])), no_doubt);
    for diagnosis in [Diagnosis::NotKnown, Diagnosis::Known] {
        assert_eq!(diagnosed(refused(Refused::Write), &diagnosis), refused(Refused::Write));
    }
}

#[test]
fn a_rule_on_tags_may_be_the_cause_as_well() {
    let failure = || Failure {
        doubt: refused(Refused::Write).doubt.map(Doubt::or_a_rule),
        ..Failure::new(
            Kind::Refused,
            "refused",
            format!("a rule\nif not: {MORE}\n{}", CAUSES.join("\n")),
        )
    };
    let sufficient = Diagnosis::Sufficient { needed: vec!["a", "b"] };
    assert_eq!(diagnosed(failure(), &sufficient), failure());
    let told = diagnosed(failure(), &lacks(&["r"], &["w"]));
    assert_eq!(told.kind, Kind::Credential);
    let hint = told.hint.unwrap();
    assert!(
        hint.starts_with("Bitbucket says: this token has the scope `r`; `w` is missing"),
        "{hint}"
    );
    assert!(hint.ends_with(failure().hint.unwrap().as_str()), "{hint}");
}

#[test]
fn what_the_token_shows_itself_stays_first_unless_it_is_known() {
    const SHOWN: &str = "your token looks cut off";
    let Failure { hint, doubt, .. } = refused(Refused::SignIn);
    let told = hint.unwrap().replace(CAUSES[0], &format!("{SHOWN}\n{}", CAUSES[0]));
    let told = told.strip_prefix(&format!("{MORE}\n")).unwrap().to_owned();
    let mut doubt = doubt.unwrap();
    doubt.causes.insert(0, SHOWN.to_owned());
    let failure = Failure {
        doubt: Some(doubt),
        ..Failure::new(Kind::Credential, "refused", told)
    };
    let unknown = diagnosed(failure.clone(), &Diagnosis::NotKnown).hint.unwrap();
    assert_eq!(
        unknown,
        format!(
            "{SHOWN}\nBitbucket does not know this token with `ada@example.com` either\n{}\n{CURE}",
            CAUSES.join("\n")
        )
    );
    let lacks = diagnosed(failure, &lacks(&[], &["r"])).hint.unwrap();
    assert!(
        lacks.starts_with("Bitbucket says: ") && !lacks.contains(SHOWN),
        "{lacks}"
    );
}
