//! Each kind of token, in `ATLASSIAN_API_TOKEN` and in the place of the built-in one.

use super::*;

/// One row of the table of kinds: the outcomes of the token in `ATLASSIAN_API_TOKEN`, the same with
/// `ALLOW_UNSUPPORTED_TOKEN`, and of the token in `BITBUCKET_PACKAGES_TOKEN` without and with it. The other columns
/// follow from these.
fn row(token: &str, api: Outcome, api_allowed: Outcome, shadow: Outcome, shadow_allowed: Outcome) {
    let alone = case().api(EMAIL, token);
    for choice in [Choice::Auto, Choice::ApiToken] {
        assert_eq!(alone.clone().choice(choice).outcome(), api, "{choice:?}");
    }
    assert_eq!(alone.clone().allow().outcome(), api_allowed);

    let both = alone.clone().with_built_in();
    assert_eq!(
        both.outcome(),
        api,
        "a built-in credential does not excuse the API token"
    );
    if api == Refused {
        assert_eq!(both.refusal().alternative, Some(Source::BuiltIn));
        assert_eq!(alone.refusal().alternative, None);
        let begins = format!("It begins with `{}`", &token[..4]);
        assert!(alone.refusal().hint().contains(&begins), "{begins}");
    } else {
        assert_eq!(both.sources(), [Source::BuiltIn, Source::ApiToken]);
    }
    assert_eq!(both.clone().choice(Choice::BuiltIn).outcome(), Tried, "not looked at");
    assert_eq!(both.clone().choice(Choice::BuiltIn).sources(), [Source::BuiltIn]);

    for name in ["x-token-auth", "1@bots.bitbucket.org", "2@Bots.Bitbucket.Org"] {
        let named = case().api(name, token);
        assert_eq!(named.outcome(), Refused, "{name}");
        assert_eq!(named.clone().with_built_in().outcome(), Refused, "{name}");
        assert_eq!(
            named.clone().with_built_in().choice(Choice::BuiltIn).outcome(),
            Tried,
            "{name}"
        );
        let allowed = if api_allowed == Refused { Refused } else { Warned };
        assert_eq!(named.allow().outcome(), allowed, "{name}");
    }
    for name in [
        "jane_doe",
        "x-bitbucket-api-token-auth",
        "ci@serviceaccount.atlassian.com",
        "AWS",
    ] {
        let warned = if api == Refused { Refused } else { Warned };
        assert_eq!(case().api(name, token).outcome(), warned, "{name}");
    }

    let shadowing = case().built_in(BUILT_IN.0, token);
    assert_eq!(shadowing.outcome(), shadow);
    assert_eq!(shadowing.clone().allow().outcome(), shadow_allowed);
    assert_eq!(shadowing.clone().choice(Choice::BuiltIn).outcome(), shadow);
    let sound = shadowing.clone().api(EMAIL, &atlassian("ATATT3xFfGF0", 192));
    assert_eq!(sound.clone().choice(Choice::ApiToken).outcome(), Tried, "not looked at");
    if shadow == Refused {
        assert_eq!(sound.refusal().alternative, Some(Source::ApiToken));
    }

    nothing_leaks(token);
}

/// Whatever the variables, no text holds five characters of the token in a row, or it is not this token's row.
fn nothing_leaks(token: &str) {
    let windows: Vec<String> = token
        .chars()
        .collect::<Vec<char>>()
        .windows(5)
        .map(|window| window.iter().collect())
        .collect();
    let spoilt = [
        token.to_owned(),
        format!("\"{token}\""),
        format!("{token}\n"),
        format!("{token}%3D"),
        format!("${{X}}{token}"),
        format!("{EMAIL}:{token}"),
    ];
    for value in &spoilt {
        for case in [
            case().api(EMAIL, value),
            case().api(EMAIL, value).with_built_in(),
            case().api("x-token-auth", value).allow(),
            case().api("jane", value).allow(),
            case().built_in("packages", value),
            case().built_in("packages", value).allow(),
        ] {
            let said = case.said();
            for window in &windows {
                assert!(
                    !said.contains(window.as_str()),
                    "`{window}` of the token is in:\n{said}"
                );
            }
        }
    }
}

#[test]
fn user_api_token() {
    row(&atlassian("ATATT3xFfGF0", 192), Tried, Tried, Warned, Warned);
}

#[test]
fn user_api_token_that_does_not_fit_its_checksum() {
    let altered = atlassian("ATATT3xFfGF0", 192).replacen('Q', "q", 1);
    row(&altered, Warned, Warned, Warned, Warned);
    let warnings = case().api(EMAIL, &altered).chosen().warnings;
    assert_eq!(warnings, [Warning::Altered { length: 192 }]);
}

#[test]
fn user_api_token_that_was_cut_off() {
    let cut = &atlassian("ATATT3xFfGF0", 192)[..128];
    row(cut, Warned, Warned, Warned, Warned);
    let warnings = case().api(EMAIL, cut).chosen().warnings;
    assert_eq!(warnings, [Warning::CutOff { length: 128 }]);
}

#[test]
fn api_token_of_before_2023() {
    row(&noise(24), Warned, Warned, Tried, Tried);
}

#[test]
fn access_token() {
    row(&atlassian("ATCTT3xFfGN0", 192), Refused, Warned, Refused, Warned);
}

#[test]
fn app_password() {
    let body = format!("ATBB{}", noise(24));
    let token = format!("{body}{:08X}", crc32fast::hash(body.as_bytes()));
    row(&token, Refused, Warned, Refused, Warned);
}

#[test]
fn older_app_password() {
    row(&noise(20), Warned, Warned, Tried, Tried);
}

#[test]
fn oauth_token() {
    row(&noise(86), Warned, Warned, Tried, Tried);
}

#[test]
fn oidc_token_of_a_step() {
    row(&step_oidc(), Refused, Warned, Tried, Tried);
}

#[test]
fn other_json_web_token_of_atlassian() {
    let token = jwt(r#"{"iss":"https://bitbucket.org"}"#);
    row(&token, Refused, Warned, Tried, Tried);
}

#[test]
fn json_web_token_of_another_issuer() {
    row(
        &jwt(r#"{"iss":"https://gitlab.example.org"}"#),
        Refused,
        Refused,
        Tried,
        Tried,
    );
}

#[test]
fn built_in_token_of_another_step() {
    row("Zq7-another-step-Zq7", Warned, Warned, Tried, Tried);
}

#[test]
fn built_in_token_in_the_place_of_the_api_token() {
    // Whatever shape it has: only its own variable tells what it is.
    for token in [
        BUILT_IN.1,
        &noise(86),
        &step_oidc(),
        &jwt(r#"{"iss":"x"}"#),
        &ecr_password(),
    ] {
        let both = case().built_in(BUILT_IN.0, token).api(EMAIL, token);
        for choice in [Choice::Auto, Choice::ApiToken] {
            for case in [both.clone().choice(choice), both.clone().choice(choice).allow()] {
                assert_eq!(case.outcome(), Refused, "{choice:?}");
                assert_eq!(case.refusal().reason, UnusableReason::BuiltInToken, "{choice:?}");
                assert_eq!(case.refusal().alternative, Some(Source::BuiltIn));
            }
        }
        assert_eq!(both.clone().choice(Choice::BuiltIn).outcome(), Tried, "not looked at");
        // Said at once, though the user name is missing.
        let mut no_email = both;
        no_email.api_token.0 = None;
        assert_eq!(no_email.refusal().reason, UnusableReason::BuiltInToken);
    }
    // A token of the user's own in both: its kind is what counts.
    let good = atlassian("ATATT3xFfGF0", 192);
    assert_eq!(case().built_in(EMAIL, &good).api(EMAIL, &good).outcome(), Warned);
    let access = atlassian("ATCTT3xFfGN0", 192);
    let refusal = case().built_in("x", &access).api(EMAIL, &access).refusal();
    assert!(matches!(refusal.reason, UnusableReason::Shadowed { .. }), "{refusal:?}");
    // What no variable filled in is a mistake, not a token.
    let unfilled = "$BITBUCKET_PACKAGES_TOKEN";
    assert_eq!(
        case().built_in(BUILT_IN.0, unfilled).api(EMAIL, unfilled).outcome(),
        Mistaken
    );
}

#[test]
fn token_of_a_service_account() {
    row(&atlassian("ATSTT3xFfGF0", 192), Warned, Warned, Tried, Tried);
    let both = case().api("ci@serviceaccount.atlassian.com", &atlassian("ATSTT3xFfGF0", 192));
    assert_eq!(both.chosen().warnings, [Warning::ServiceAccount], "said once");
}

#[test]
fn token_of_data_center() {
    row(&format!("BBDC-{}", noise(44)), Refused, Warned, Refused, Warned);
}

#[test]
fn docker_hub_token() {
    row(&format!("dckr_pat_{}", noise(27)), Refused, Refused, Refused, Refused);
    row(&format!("dckr_oat_{}", noise(32)), Refused, Refused, Refused, Refused);
}

#[test]
fn github_token() {
    row(&format!("ghp_{}", noise(36)), Refused, Refused, Refused, Refused);
    row(&format!("github_pat_{}", noise(82)), Refused, Refused, Refused, Refused);
}

#[test]
fn gitlab_token() {
    row(&format!("glpat-{}", noise(20)), Refused, Refused, Refused, Refused);
}

#[test]
fn npm_token() {
    row(&format!("npm_{}", noise(36)), Refused, Refused, Refused, Refused);
}

#[test]
fn ecr_password_and_aws_access_key() {
    row(&ecr_password(), Refused, Refused, Tried, Tried);
    row("AKIAQXZJVWKY09182736", Refused, Refused, Refused, Refused);
}

#[test]
fn login_password() {
    row("S3same-0pen-Zq", Warned, Warned, Tried, Tried);
}
