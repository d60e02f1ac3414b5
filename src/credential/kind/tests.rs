//! One test for each row of the table of token kinds; the tokens are made here, none was ever valid.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

/// Text that looks random and repeats no word of any message.
pub(crate) fn noise(length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"XQZJKVWYxqzjkvwy0918273645BCDFGH";
    let mut state: u32 = 2_463_534_242;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            char::from(ALPHABET[(state >> 7) as usize % ALPHABET.len()])
        })
        .collect()
}

/// An Atlassian token with a checksum that fits.
pub(crate) fn atlassian(prefix: &str, length: usize) -> String {
    let body = format!("{prefix}{}=", noise(length - prefix.len() - 9));
    format!("{body}{:08X}", crc32fast::hash(body.as_bytes()))
}

pub(crate) fn jwt(claims: &str) -> String {
    format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#),
        URL_SAFE_NO_PAD.encode(claims),
        noise(86)
    )
}

pub(crate) fn step_oidc() -> String {
    jwt(
        r#"{"iss":"https://api.bitbucket.org/2.0/workspaces/shop/pipelines-config/identity/oidc","aud":"ari:cloud:bitbucket::workspace/1"}"#,
    )
}

pub(crate) fn ecr_password() -> String {
    STANDARD.encode(format!(
        r#"{{"payload":"{}","version":"2","type":"DATA_KEY"}}"#,
        noise(300)
    ))
}

fn assert_kind(token: &str, kind: TokenKind, standing: Prospect) {
    assert_eq!(TokenKind::of(token), kind, "{token}");
    assert_eq!(kind.standing(), standing);
    assert_eq!(kind.is_foreign(), standing == Prospect::Foreign);
}

#[test]
fn user_api_token_with_or_without_scopes() {
    for token in [
        atlassian("ATATT3xFfGF0", 192),
        atlassian("ATATT3xFfGF0", 183),
        "ATAT".to_owned(),
        format!("ATAT{}", noise(77)),
    ] {
        assert_kind(&token, TokenKind::UserApiToken, Prospect::Works);
    }
}

#[test]
fn api_token_of_before_2023() {
    assert_kind(&noise(24), TokenKind::OldApiToken, Prospect::Doubtful);
    assert_kind(&noise(23), TokenKind::Unknown, Prospect::Doubtful);
    assert_kind(&format!("{}-", noise(23)), TokenKind::Unknown, Prospect::Doubtful);
}

#[test]
fn access_token_of_repository_project_or_workspace() {
    assert_kind(
        &atlassian("ATCTT3xFfGN0", 192),
        TokenKind::AccessToken,
        Prospect::Unsupported,
    );
    assert_kind("ATCTnew", TokenKind::AccessToken, Prospect::Unsupported);
}

#[test]
fn organization_admin_key_looks_like_an_access_token() {
    assert_kind(
        &atlassian("ATCTT3xFfGN0", 199),
        TokenKind::AccessToken,
        Prospect::Unsupported,
    );
}

#[test]
fn app_password() {
    let token = format!("ATBB{}", noise(24));
    let token = format!("{token}{:08X}", crc32fast::hash(token.as_bytes()));
    assert_eq!(token.len(), 36);
    assert_kind(&token, TokenKind::AppPassword, Prospect::Unsupported);
    assert_eq!(Integrity::of(&token), Integrity::Good);
    assert_eq!(Integrity::of(&token[..35]), Integrity::CutOff);
}

#[test]
fn older_app_password_is_unknown() {
    assert_kind(&noise(20), TokenKind::Unknown, Prospect::Doubtful);
}

#[test]
fn oauth_access_token_and_consumer_secret_are_unknown() {
    for length in [32, 64, 88] {
        assert_kind(&noise(length), TokenKind::Unknown, Prospect::Doubtful);
    }
}

#[test]
fn oidc_token_of_a_step() {
    assert_kind(&step_oidc(), TokenKind::PipelinesOidc, Prospect::Unsupported);
    let elsewhere = r#"{"iss":"https://example.org/2.0/workspaces/shop/pipelines-config/identity/oidc"}"#;
    assert_kind(&jwt(elsewhere), TokenKind::OtherJwt, Prospect::Foreign);
}

#[test]
fn other_json_web_token_of_atlassian() {
    for issuer in [
        "https://bitbucket.org",
        "https://api.atlassian.com/x",
        "auth.atlassian.com",
        "https://a.atlassian.net:443",
    ] {
        let token = jwt(&format!(r#"{{"iss":"{issuer}"}}"#));
        assert_kind(&token, TokenKind::AtlassianJwt, Prospect::Unsupported);
    }
}

#[test]
fn json_web_token_of_another_issuer() {
    for claims in [
        r#"{"iss":"https://token.actions.githubusercontent.com"}"#,
        r#"{"iss":"https://evilbitbucket.org/"}"#,
        r#"{"iss":"https://bitbucket.org.example.org/"}"#,
        r#"{"iss":7}"#,
        r#"{"sub":"no issuer"}"#,
        "[]",
        "no json",
    ] {
        assert_kind(&jwt(claims), TokenKind::OtherJwt, Prospect::Foreign);
    }
    assert_kind("eyJ.e30.", TokenKind::OtherJwt, Prospect::Foreign);
    for no_jwt in ["eyJ", "eyJ.e30", "eyJ..x", "eyJ.a.b.c", "eyJ.a b.c", "a.b.c"] {
        assert_kind(no_jwt, TokenKind::Unknown, Prospect::Doubtful);
    }
}

#[test]
fn token_of_a_service_account() {
    let token = atlassian("ATSTT3xFfGF0", 192);
    assert_kind(&token, TokenKind::ServiceAccountToken, Prospect::Doubtful);
    assert_eq!(Integrity::of(&token), Integrity::Good);
}

#[test]
fn token_of_data_center() {
    assert_kind(
        &format!("BBDC-{}", noise(44)),
        TokenKind::DataCenterToken,
        Prospect::Unsupported,
    );
}

#[test]
fn docker_hub_token() {
    for prefix in ["dckr_pat_", "dckr_oat_"] {
        assert_kind(
            &format!("{prefix}{}", noise(27)),
            TokenKind::DockerHub,
            Prospect::Foreign,
        );
    }
}

#[test]
fn github_token() {
    for prefix in ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"] {
        assert_kind(&format!("{prefix}{}", noise(36)), TokenKind::GitHub, Prospect::Foreign);
    }
}

#[test]
fn gitlab_token() {
    for prefix in ["glpat-", "gldt-", "glcbt-"] {
        assert_kind(&format!("{prefix}{}", noise(20)), TokenKind::GitLab, Prospect::Foreign);
    }
}

#[test]
fn npm_token() {
    assert_kind(&format!("npm_{}", noise(36)), TokenKind::Npm, Prospect::Foreign);
}

#[test]
fn ecr_password_is_no_json_web_token() {
    assert!(ecr_password().starts_with(ECR));
    assert_kind(&ecr_password(), TokenKind::EcrPassword, Prospect::Foreign);
}

#[test]
fn aws_access_key() {
    assert_kind("AKIAQXZJVWKY09182736", TokenKind::AwsAccessKey, Prospect::Foreign);
    assert_kind("ASIAQXZJVWKY09182736", TokenKind::AwsAccessKey, Prospect::Foreign);
    assert_kind("AKIAQXZJVWKY0918273", TokenKind::Unknown, Prospect::Doubtful);
    assert_kind("ASIA is a continent!", TokenKind::Unknown, Prospect::Doubtful);
}

#[test]
fn login_password_is_unknown() {
    assert_kind("correct-horse-battery", TokenKind::Unknown, Prospect::Doubtful);
    assert_kind("", TokenKind::Unknown, Prospect::Doubtful);
}

#[test]
fn the_checksum_tells_whole_from_altered_and_cut() {
    for length in [120, 128, 183, 191, 192, 193, 199] {
        let token = atlassian("ATATT3xFfGF0", length);
        assert_eq!(Integrity::of(&token), Integrity::Good, "{length}");
    }
    let token = atlassian("ATATT3xFfGF0", 192);
    assert_eq!(Integrity::of(&token.replacen('Q', "q", 1)), Integrity::Mismatch);
    assert_eq!(Integrity::of(&token[..191]), Integrity::Mismatch);
    assert_eq!(Integrity::of(&token[..127]), Integrity::Mismatch);
    assert_eq!(Integrity::of(&token[..128]), Integrity::CutOff);
    assert_eq!(Integrity::of(&token[..60]), Integrity::CutOff);
    assert_eq!(Integrity::of("ATAT"), Integrity::CutOff);
    assert_eq!(Integrity::of(&noise(192)), Integrity::NotChecked);
    assert_eq!(Integrity::of(""), Integrity::NotChecked);
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*", prefix in "(ATAT|ATBB|eyJ|eyJwYXlsb2FkIjoi|AKIA)?", parts in "[a-zA-Z0-9_=.-]*") {
        for token in [text.clone(), format!("{prefix}{text}"), format!("{prefix}{parts}")] {
            let _ = (TokenKind::of(&token).standing(), Integrity::of(&token));
        }
    }

    #[test]
    fn a_changed_character_is_noticed(length in 100_usize..220, at in 4_usize..90) {
        let mut bytes = atlassian("ATATT3xFfGF0", length).into_bytes();
        bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
        let altered = String::from_utf8(bytes).unwrap();
        prop_assert!(matches!(Integrity::of(&altered), Integrity::Mismatch | Integrity::CutOff));
    }
}
