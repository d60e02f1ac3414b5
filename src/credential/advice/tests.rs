use super::*;

const KINDS: [TokenKind; 16] = [
    TokenKind::UserApiToken,
    TokenKind::AccessToken,
    TokenKind::AppPassword,
    TokenKind::ServiceAccountToken,
    TokenKind::DataCenterToken,
    TokenKind::PipelinesOidc,
    TokenKind::AtlassianJwt,
    TokenKind::OtherJwt,
    TokenKind::EcrPassword,
    TokenKind::AwsAccessKey,
    TokenKind::DockerHub,
    TokenKind::GitHub,
    TokenKind::GitLab,
    TokenKind::Npm,
    TokenKind::OldApiToken,
    TokenKind::Unknown,
];

/// Every refusal that can be made.
fn refusals() -> Vec<UnusableCredential> {
    let prefix = "PREF".to_owned();
    let mut reasons = vec![UnusableReason::BuiltInToken, UnusableReason::EndsWithStep];
    for kind in KINDS {
        reasons.push(UnusableReason::TokenKind {
            kind,
            prefix: prefix.clone(),
        });
        reasons.push(UnusableReason::Shadowed {
            kind,
            prefix: prefix.clone(),
        });
    }
    for name in [AccessTokenName::TokenAuth, AccessTokenName::Bot] {
        reasons.push(UnusableReason::Username { name });
    }
    for choice in [Choice::Auto, Choice::BuiltIn, Choice::ApiToken] {
        for in_pipe in [true, false] {
            reasons.push(UnusableReason::NoCredential { choice, in_pipe });
        }
    }
    let mut refusals = Vec::new();
    for reason in reasons {
        for alternative in [None, Some(Source::BuiltIn), Some(Source::ApiToken)] {
            for needs_push in [true, false] {
                refusals.push(UnusableCredential {
                    reason: reason.clone(),
                    alternative,
                    needs_push,
                });
            }
        }
    }
    refusals
}

fn text(refusal: &UnusableCredential) -> String {
    format!("{}\n{}", refusal.message(), refusal.hint())
}

fn refusal(reason: UnusableReason) -> UnusableCredential {
    UnusableCredential {
        reason,
        alternative: None,
        needs_push: false,
    }
}

#[test]
fn every_text_fits_a_screen() {
    for refusal in refusals() {
        let text = text(&refusal);
        assert!(text.lines().count() <= 22, "{} lines:\n{text}", text.lines().count());
        for line in text.lines() {
            assert!(
                line.chars().count() <= 120,
                "{} characters: {line}",
                line.chars().count()
            );
            assert!(!line.is_empty() && line.trim_end() == line, "{text}");
        }
        let first = refusal.hint().lines().next().map_or(0, |line| line.chars().count());
        assert!(first + "hint: ".len() <= 120, "{text}");
        assert!(!refusal.message().contains('\n') && !refusal.message().ends_with('.'));
    }
}

#[test]
fn every_text_names_what_works() {
    for refusal in refusals() {
        let text = text(&refusal);
        assert!(text.contains(PACKAGES_PAGE), "{text}");
        if let UnusableReason::NoCredential {
            choice: Choice::BuiltIn,
            ..
        } = refusal.reason
        {
            continue;
        }
        assert!(text.contains(API_TOKENS_PAGE), "{text}");
        assert!(text.contains("`read:package:bitbucket`"), "{text}");
        assert_eq!(text.contains("`write:package:bitbucket`"), refusal.needs_push, "{text}");
        assert_eq!(text.contains("the Write role"), refusal.needs_push, "{text}");
        for step in steps_to_api_token(refusal.needs_push) {
            assert!(text.contains(&step), "{text}");
        }
    }
}

#[test]
fn what_is_there_is_offered() {
    for refusal in refusals() {
        let hint = refusal.hint();
        match refusal.alternative {
            Some(source) => assert!(hint.contains(&format!("\n    CREDENTIAL: {source}\n")), "{hint}"),
            None => assert!(!hint.contains("    CREDENTIAL:"), "{hint}"),
        }
    }
}

#[test]
fn only_atlassian_kinds_are_offered_the_override() {
    for kind in KINDS {
        let prefix = "PREF".to_owned();
        for reason in [
            UnusableReason::TokenKind {
                kind,
                prefix: prefix.clone(),
            },
            UnusableReason::Shadowed { kind, prefix },
        ] {
            let hint = refusal(reason).hint();
            assert_eq!(hint.contains("ALLOW_UNSUPPORTED_TOKEN"), !kind.is_foreign(), "{hint}");
            assert_eq!(hint.contains("not sent anywhere"), kind.is_foreign(), "{hint}");
            assert!(hint.contains("`PREF`"), "{hint}");
        }
    }
}

#[test]
fn each_kind_is_told_by_its_marks_and_why_it_does_not_work() {
    let (usual, foreign) = ("as all of that kind do\n", "It belongs to another service");
    let undocumented = "No documentation says that Bitbucket's registry takes OIDC";
    for (kind, marks, why, serves_copy) in [
        (
            TokenKind::AccessToken,
            "as access tokens of repositories, projects and workspaces",
            "workspaces have no scope for packages",
            false,
        ),
        (
            TokenKind::AppPassword,
            usual,
            "removed app passwords on 2026-07-28",
            false,
        ),
        (
            TokenKind::DataCenterToken,
            usual,
            "Bitbucket Data Center is another product",
            false,
        ),
        (
            TokenKind::PipelinesOidc,
            "names Pipelines' OIDC provider",
            undocumented,
            false,
        ),
        (
            TokenKind::AtlassianJwt,
            "names a host of Atlassian's",
            undocumented,
            false,
        ),
        (TokenKind::OtherJwt, "names no host of Atlassian's", foreign, false),
        (TokenKind::EcrPassword, "`aws ecr get-login-password`", foreign, true),
        (TokenKind::AwsAccessKey, usual, foreign, false),
        (TokenKind::DockerHub, usual, foreign, true),
        (TokenKind::GitHub, usual, foreign, true),
        (TokenKind::GitLab, usual, foreign, true),
        (TokenKind::Npm, usual, foreign, false),
    ] {
        let text = text(&refusal(UnusableReason::TokenKind {
            kind,
            prefix: "PREF".to_owned(),
        }));
        assert!(text.contains("begins with `PREF`, "), "{text}");
        assert!(text.contains(marks) && text.contains(why), "{text}");
        assert_eq!(text.contains("`SOURCE_PASSWORD`"), serves_copy, "{text}");
        assert!(
            text.contains("    ATLASSIAN_API_TOKEN: $ATLASSIAN_API_TOKEN\n"),
            "{text}"
        );
    }
    for (name, why) in [
        (
            AccessTokenName::TokenAuth,
            "`x-token-auth` is for Git with access tokens",
        ),
        (AccessTokenName::Bot, "That is how access tokens sign commits"),
    ] {
        let hint = refusal(UnusableReason::Username { name }).hint();
        assert!(hint.starts_with(why), "{hint}");
    }
}

#[test]
fn without_a_credential_the_lines_to_add_are_there() {
    let hint = |choice| refusal(UnusableReason::NoCredential { choice, in_pipe: true }).hint();
    let built_in = "  variables:\n    BITBUCKET_PACKAGES_USERNAME: $BITBUCKET_PACKAGES_USERNAME\n    \
                    BITBUCKET_PACKAGES_TOKEN: $BITBUCKET_PACKAGES_TOKEN\n";
    let api_token =
        "    ATLASSIAN_ACCOUNT_EMAIL: $ATLASSIAN_ACCOUNT_EMAIL\n    ATLASSIAN_API_TOKEN: $ATLASSIAN_API_TOKEN\n";
    for (choice, has_built_in, has_api_token) in [
        (Choice::Auto, true, true),
        (Choice::BuiltIn, true, false),
        (Choice::ApiToken, false, true),
    ] {
        let hint = hint(choice);
        assert_eq!(hint.contains(built_in), has_built_in, "{hint}");
        assert_eq!(hint.contains(api_token), has_api_token, "{hint}");
        assert_eq!(hint.contains(API_TOKENS_PAGE), has_api_token, "{hint}");
        assert!(hint.contains("docker://"), "{hint}");
    }
}

#[test]
fn names_of_access_tokens() {
    for (username, name) in [
        ("x-token-auth", Some(AccessTokenName::TokenAuth)),
        ("X-Token-Auth", Some(AccessTokenName::TokenAuth)),
        ("abc@bots.bitbucket.org", Some(AccessTokenName::Bot)),
        ("me@example.org", None),
        ("x-bitbucket-api-token-auth", None),
        ("bots.bitbucket.org", None),
    ] {
        assert_eq!(AccessTokenName::of(username), name, "{username}");
    }
}
