//! Tells what a token is by its looks alone: no request is made for it, and none is needed to say that a GitHub token
//! cannot sign in to Bitbucket.
//!
//! Atlassian's own tokens are told by their first four characters, which its staff calls reliable (Atlassian
//! Community, "Can we confirm `BitBucket`'s token prefixes", 2025-08-25). Never by their length, which varies, nor by
//! the `=` in them, which is base64 padding.

use super::jwt::Jwt;

/// What kind of token a text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TokenKind {
    /// `ATAT`: an API token of a user. Whether it has scopes, and for which product, does not show.
    UserApiToken,
    /// `ATCT`: an access token of a repository, project or workspace; keys of the organization's admin API look the same.
    AccessToken,
    /// `ATBB`: an app password. Those made before the prefix existed, 20 letters and digits, are [`TokenKind::Unknown`].
    AppPassword,
    /// `ATST`: an API token of a service account.
    ServiceAccountToken,
    /// `BBDC-`: a token of Bitbucket Data Center.
    DataCenterToken,
    /// A JSON Web Token whose issuer is Pipelines' `OpenID` provider: `BITBUCKET_STEP_OIDC_TOKEN`.
    PipelinesOidc,
    /// Any other JSON Web Token that Atlassian issued.
    AtlassianJwt,
    /// A JSON Web Token of another issuer, or of one that cannot be told.
    OtherJwt,
    /// The password that `aws ecr get-login-password` prints.
    EcrPassword,
    /// The ID of an AWS access key.
    AwsAccessKey,
    /// A personal or organization access token of Docker Hub.
    DockerHub,
    /// A token of GitHub.
    GitHub,
    /// A token of GitLab.
    GitLab,
    /// A token of npmjs.com.
    Npm,
    /// 24 letters and digits: an Atlassian API token as made before 2023. All of these expired by 2026-05-12.
    OldApiToken,
    /// None of these: a password, an OAuth token, an old app password, or something newer than this table.
    Unknown,
}

/// What a kind is good for in Bitbucket's container registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Prospect {
    /// The documented credential.
    Works,
    /// Not known to work; trying costs one request.
    Doubtful,
    /// Atlassian's, and known not to work.
    Unsupported,
    /// Another service's: it must not be sent to Atlassian at all.
    Foreign,
}

/// Prefixes that name a kind. Atlassian's: see the module; the others are those that secret scanners agree on.
const PREFIXES: [(&str, TokenKind); 16] = [
    ("ATAT", TokenKind::UserApiToken),
    ("ATCT", TokenKind::AccessToken),
    ("ATBB", TokenKind::AppPassword),
    ("ATST", TokenKind::ServiceAccountToken),
    ("BBDC-", TokenKind::DataCenterToken),
    ("dckr_", TokenKind::DockerHub),
    ("ghp_", TokenKind::GitHub),
    ("gho_", TokenKind::GitHub),
    ("ghu_", TokenKind::GitHub),
    ("ghs_", TokenKind::GitHub),
    ("ghr_", TokenKind::GitHub),
    ("github_pat_", TokenKind::GitHub),
    ("glpat-", TokenKind::GitLab),
    ("gldt-", TokenKind::GitLab),
    ("glcbt-", TokenKind::GitLab),
    ("npm_", TokenKind::Npm),
];
/// Base64 of `{"payload":"`, how every ECR password begins: like a JSON Web Token, but without dots.
const ECR: &str = "eyJwYXlsb2FkIjoi";
/// Domains whose hosts issue Atlassian's JSON Web Tokens.
const ATLASSIAN_DOMAINS: [&str; 4] = ["bitbucket.org", "atlassian.com", "atlassian.net", "apkg.io"];

impl TokenKind {
    /// Classifies a token. White space and quotation marks around it are not looked through: they are mistakes of the
    /// variable, which [`super::value`] finds.
    #[must_use]
    pub(crate) fn of(token: &str) -> Self {
        if let Some((_, kind)) = PREFIXES.iter().find(|(prefix, _)| token.starts_with(prefix)) {
            return *kind;
        }
        if token.starts_with(ECR) && !token.contains('.') {
            return Self::EcrPassword;
        }
        if let Some(jwt) = Jwt::of(token).filter(is_well_formed) {
            return match issuer(jwt) {
                Some(issuer) if is_pipelines_oidc(&issuer) => Self::PipelinesOidc,
                Some(issuer) if is_atlassian(&issuer) => Self::AtlassianJwt,
                _ => Self::OtherJwt,
            };
        }
        if is_aws_key(token) {
            return Self::AwsAccessKey;
        }
        if token.len() == 24 && token.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Self::OldApiToken;
        }
        Self::Unknown
    }

    /// What the container registry of Bitbucket makes of this kind, by Atlassian's documentation.
    #[must_use]
    pub(crate) const fn standing(self) -> Prospect {
        match self {
            Self::UserApiToken => Prospect::Works,
            Self::ServiceAccountToken | Self::OldApiToken | Self::Unknown => Prospect::Doubtful,
            Self::AccessToken
            | Self::AppPassword
            | Self::DataCenterToken
            | Self::PipelinesOidc
            | Self::AtlassianJwt => Prospect::Unsupported,
            Self::OtherJwt
            | Self::EcrPassword
            | Self::AwsAccessKey
            | Self::DockerHub
            | Self::GitHub
            | Self::GitLab
            | Self::Npm => Prospect::Foreign,
        }
    }

    /// Whether it is another service's, and so must not be sent to Atlassian.
    #[must_use]
    pub(crate) const fn is_foreign(self) -> bool {
        matches!(self.standing(), Prospect::Foreign)
    }

    /// Whether the first characters of the token name its kind, so that they may be shown: they are the same in all.
    #[must_use]
    pub(crate) const fn is_told_by_prefix(self) -> bool {
        !matches!(self, Self::OldApiToken | Self::Unknown)
    }
}

/// Whether a token is whole, as far as the checksum in it tells. It never proves that the token is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Integrity {
    /// The checksum fits.
    Good,
    /// The checksum does not fit: altered, or a character is missing.
    Mismatch,
    /// So short, or exactly so long (128), that the rest was cut off, as some shell prompts do.
    CutOff,
    /// This kind has no checksum.
    NotChecked,
}

/// Where some prompts cut a pasted token.
const PROMPT_LIMIT: usize = 128;
/// No whole token of the long kinds was ever seen below 183 characters; this leaves room for shorter ones to come.
const PLAINLY_SHORT: usize = 100;
/// An app password: prefix, 24 characters, checksum.
const APP_PASSWORD: usize = 36;

impl Integrity {
    /// Checks the last eight characters of an Atlassian token: the CRC-32 of all before them, as upper-case hexadecimal
    /// (recomputed from the published test vectors of secret scanners).
    #[must_use]
    pub(crate) fn of(token: &str) -> Self {
        let shortest = match TokenKind::of(token) {
            TokenKind::UserApiToken | TokenKind::AccessToken | TokenKind::ServiceAccountToken => PLAINLY_SHORT,
            TokenKind::AppPassword => APP_PASSWORD,
            _ => return Self::NotChecked,
        };
        let Some((body, checksum)) = token.as_bytes().split_last_chunk::<8>() else {
            return Self::CutOff;
        };
        let mut sum = flate2::Crc::new();
        sum.update(body);
        if format!("{:08X}", sum.sum()).as_bytes() == checksum {
            Self::Good
        } else if token.len() < shortest || token.len() == PROMPT_LIMIT {
            Self::CutOff
        } else {
            Self::Mismatch
        }
    }
}

fn is_aws_key(token: &str) -> bool {
    token.len() == 20
        && (token.starts_with("AKIA") || token.starts_with("ASIA"))
        && token.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Whether the parts look as those of a JSON Web Token do (RFC 7519, section 3).
fn is_well_formed(jwt: &Jwt<'_>) -> bool {
    let is_base64url = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='))
    };
    let [header, payload, _] = jwt.parts;
    header.starts_with("eyJ") && !payload.is_empty() && jwt.parts.into_iter().all(is_base64url)
}

fn issuer(jwt: Jwt<'_>) -> Option<String> {
    let claims: serde_json::Value = jwt.claims()?;
    claims.get("iss")?.as_str().map(str::to_owned)
}

/// `https://api.bitbucket.org/2.0/workspaces/<workspace>/pipelines-config/identity/oidc`
fn is_pipelines_oidc(issuer: &str) -> bool {
    is_atlassian(issuer) && issuer.contains("/pipelines-config/identity/oidc")
}

fn is_atlassian(issuer: &str) -> bool {
    let host = issuer.strip_prefix("https://").unwrap_or(issuer);
    let host = host.split(['/', ':']).next().unwrap_or(host);
    ATLASSIAN_DOMAINS.iter().any(|domain| {
        host.strip_suffix(domain)
            .is_some_and(|below| below.is_empty() || below.ends_with('.'))
    })
}

#[cfg(test)]
pub(crate) mod tests;
