//! A Kubernetes Secret by which a cluster signs in to the registry: a `config.json` within a manifest (Kubernetes, "Pull an
//! Image from a Private Registry"). Pure.

use super::{Fault, merge};
use crate::credential::Credential;
use crate::names::Host;
use crate::text::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// The name where `PULL_SECRET_NAME` says none.
const DEFAULT_NAME: &str = "crg";
/// Longest name of a Secret: a DNS subdomain (Kubernetes, "Object Names and IDs"; RFC 1123).
const LONGEST_NAME: usize = 253;
/// Longest name of a namespace: a DNS label.
const LONGEST_NAMESPACE: usize = 63;

/// What the Secret is called in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretName {
    /// Without one, `kubectl` takes the namespace of its context.
    namespace: Option<String>,
    name: String,
}

/// Why a text names no Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadSecretName {
    /// The namespace is not a DNS label.
    Namespace,
    /// The name is not a DNS subdomain.
    Name,
}

impl SecretName {
    /// Reads `name` or `namespace/name`.
    ///
    /// # Errors
    /// [`BadSecretName`]: Kubernetes would refuse it.
    pub(crate) fn parse(text: &str) -> Result<Self, BadSecretName> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        let is_namespace = |namespace: &str| namespace.len() <= LONGEST_NAMESPACE && is_label(namespace);
        if !namespace.is_none_or(is_namespace) {
            return Err(BadSecretName::Namespace);
        }
        if name.len() > LONGEST_NAME || !name.split('.').all(is_label) {
            return Err(BadSecretName::Name);
        }
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        })
    }

    /// Without the namespace, as pods name it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Default for SecretName {
    fn default() -> Self {
        Self {
            namespace: None,
            name: DEFAULT_NAME.to_owned(),
        }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl fmt::Display for BadSecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Namespace => "the part before the `/` is not the name of a namespace",
            Self::Name => "it is not the name of a Secret",
        })
    }
}

impl BadSecretName {
    /// What to write, without a trailing period.
    pub(crate) fn hint(self) -> String {
        let (dots, longest) = match self {
            Self::Namespace => ("", LONGEST_NAMESPACE),
            Self::Name => (", with `.` between words", LONGEST_NAME),
        };
        format!(
            "write up to {longest} small letters, digits and `-`, with a letter or digit at both ends{dots}, as in `crg` or \
             `shop/crg`"
        )
    }
}

/// The Secret as YAML, for `kubectl apply`. It holds the credential.
///
/// # Errors
/// None is known: a `config.json` that is made anew has no fault.
pub(crate) fn manifest(name: &SecretName, registry: &Host, credential: &Credential) -> Result<Secret, Fault> {
    let config = merge(None, registry, credential)?.text;
    // Names are DNS names and the rest is base64, so nothing in it means anything to YAML; but a name may look like a number.
    let namespace = name
        .namespace
        .as_ref()
        .map_or_else(String::new, |namespace| format!("  namespace: \"{namespace}\"\n"));
    Ok(Secret::new(format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"{}\"\n{namespace}type: kubernetes.io/dockerconfigjson\ndata:\n  \
         .dockerconfigjson: {}\n",
        name.name,
        STANDARD.encode(config.expose())
    )))
}

/// Whether a text is such a Secret and nothing else.
pub(super) fn is_manifest(text: &str) -> bool {
    const BEGINS: [&str; 8] = [
        "apiVersion: v1",
        "kind: Secret",
        "metadata:",
        "  name: ",
        "  namespace: ",
        "type: kubernetes.io/dockerconfigjson",
        "data:",
        "  .dockerconfigjson: ",
    ];
    let mut rest = BEGINS.iter();
    // In this order, of which only the namespace may be missing.
    let in_order = text.lines().all(|line| rest.any(|begin| line.starts_with(begin)));
    let has = |begin: &str| text.lines().any(|line| line.starts_with(begin));
    in_order && has(BEGINS[1]) && has(BEGINS[5]) && has(BEGINS[7])
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Source;
    use serde_yaml::Value;

    #[test]
    fn names_are_those_that_kubernetes_takes() {
        let long = "a".repeat(253);
        for (text, problem) in [
            ("crg", None),
            ("crg.apkg.io", None),
            ("0", None),
            ("a-b.c-1", None),
            ("shop/crg", None),
            ("0/0", None),
            (long.as_str(), None),
            (&format!("{}/{long}", "a".repeat(63)), None),
            ("", Some(BadSecretName::Name)),
            ("Crg", Some(BadSecretName::Name)),
            ("crg_1", Some(BadSecretName::Name)),
            ("-crg", Some(BadSecretName::Name)),
            ("crg-", Some(BadSecretName::Name)),
            (".crg", Some(BadSecretName::Name)),
            ("crg.", Some(BadSecretName::Name)),
            ("a..b", Some(BadSecretName::Name)),
            ("a.-b", Some(BadSecretName::Name)),
            ("shop/", Some(BadSecretName::Name)),
            ("a/b/c", Some(BadSecretName::Name)),
            ("crg\n", Some(BadSecretName::Name)),
            ("\"crg\"", Some(BadSecretName::Name)),
            ("\u{e9}", Some(BadSecretName::Name)),
            (&format!("{long}a"), Some(BadSecretName::Name)),
            ("/crg", Some(BadSecretName::Namespace)),
            ("/", Some(BadSecretName::Namespace)),
            ("sh.op/crg", Some(BadSecretName::Namespace)),
            ("Shop/crg", Some(BadSecretName::Namespace)),
            (&format!("{}/crg", "a".repeat(64)), Some(BadSecretName::Namespace)),
        ] {
            let found = SecretName::parse(text);
            assert_eq!(found.as_ref().err().copied(), problem, "{text}");
            if let Ok(name) = found {
                assert_eq!(name.to_string(), text);
            }
        }
        assert_eq!(SecretName::parse("crg").unwrap(), SecretName::default());
    }

    /// The fields of `Secret` in Kubernetes' API (core/v1), and what `kubernetes.io/dockerconfigjson` needs ("Types of
    /// Secret"): each with its kind, and no other.
    #[test]
    fn the_manifest_is_valid_and_holds_what_config_json_holds() {
        let credential = Credential {
            source: Source::ApiToken,
            username: "ada@example.com".to_owned(),
            token: Secret::new("ATATT3x\"'\\: #\u{e9}"),
        };
        for (written, namespace, name) in [
            ("crg", None, "crg"),
            ("shop/123", Some("shop"), "123"),
            ("0x1/true", Some("0x1"), "true"),
            ("null/1e3", Some("null"), "1e3"),
        ] {
            for registry in ["crg.apkg.io", "localhost:5000", "docker.io"] {
                let registry = Host::parse(registry).unwrap();
                let text = manifest(&SecretName::parse(written).unwrap(), &registry, &credential).unwrap();
                assert!(is_manifest(text.expose()));
                let found: Value = serde_yaml::from_str(text.expose()).unwrap();
                let keys = |value: &Value| -> Vec<String> {
                    let keys = value.as_mapping().expect("an object").keys();
                    keys.map(|key| key.as_str().expect("a text").to_owned()).collect()
                };
                assert_eq!(keys(&found), ["apiVersion", "kind", "metadata", "type", "data"]);
                assert_eq!(found["apiVersion"].as_str(), Some("v1"));
                assert_eq!(found["kind"].as_str(), Some("Secret"));
                assert_eq!(found["type"].as_str(), Some("kubernetes.io/dockerconfigjson"));
                assert_eq!(found["metadata"]["name"].as_str(), Some(name));
                assert_eq!(found["metadata"]["namespace"].as_str(), namespace);
                assert_eq!(keys(&found["metadata"]).len(), 1 + usize::from(namespace.is_some()));
                assert_eq!(keys(&found["data"]), [".dockerconfigjson"]);
                let config = found["data"][".dockerconfigjson"].as_str().expect("a text");
                let config = STANDARD.decode(config).expect("base64 with padding");
                let file = merge(None, &registry, &credential).unwrap().text;
                assert_eq!(config, file.expose().as_bytes());
                let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
                let pair = format!("ada@example.com:{}", credential.token.expose());
                let auth = &config["auths"][registry.as_docker_keeps_it()]["auth"];
                assert_eq!(auth, &STANDARD.encode(pair));
            }
        }
    }

    /// What a step may have under the name by mistake.
    #[test]
    fn other_manifests_are_none() {
        let credential = Credential {
            source: Source::ApiToken,
            username: "ada@example.com".to_owned(),
            token: Secret::new("ATATT3x"),
        };
        let host = Host::parse("crg.apkg.io").unwrap();
        let own = manifest(&SecretName::default(), &host, &credential).unwrap();
        let own = own.expose();
        for other in [
            "apiVersion: apps/v1\nkind: Deployment\n".to_owned(),
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ntype: Opaque\ndata:\n  password: eA==\n".to_owned(),
            "apiVersion: v1\nkind: Secret\n".to_owned(),
            format!("{own}---\napiVersion: apps/v1\nkind: Deployment\n"),
            format!("{own}{own}"),
            format!("{own}immutable: true\n"),
            format!("# ours\n{own}"),
            own.replace("metadata:", "metadata:\n  labels: {app: shop}"),
            "{}".to_owned(),
        ] {
            assert!(!is_manifest(&other), "{other}");
        }
        let without_namespace = own.replace("  name: \"crg\"", "  name: other");
        assert!(is_manifest(&without_namespace) && is_manifest(own));
    }
}
