//! The registry credential as the daemon takes it: the `X-Registry-Auth` header of the Engine API ("Authentication").

use crate::credential::Credential;
use crate::names::Host;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use reqwest::header::HeaderValue;

/// The value of `X-Registry-Auth`. It is marked sensitive, so that neither `Debug` nor HTTP logging shows it.
#[derive(Debug, Clone)]
pub struct RegistryAuth(HeaderValue);

impl RegistryAuth {
    /// Signs in to `registry` with `credential`.
    #[must_use]
    pub fn new(credential: &Credential, registry: &Host) -> Self {
        Self::encode(&serde_json::json!({
            "username": credential.username,
            "password": credential.token.expose(),
            "serveraddress": registry.as_docker_keeps_it(),
        }))
    }

    /// Signs in nowhere: what the daemon has in its own configuration is not used either.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::encode(&serde_json::json!({}))
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    fn encode(value: &serde_json::Value) -> Self {
        // The daemon decodes with Go's `base64.URLEncoding`, which wants the padding.
        let text = URL_SAFE.encode(value.to_string());
        #[allow(clippy::expect_used, reason = "base64 is ASCII without control characters")]
        let mut header = HeaderValue::from_str(&text).expect("base64 is a header value");
        header.set_sensitive(true);
        Self(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Source;
    use crate::text::Secret;

    #[test]
    fn the_daemon_can_read_it_and_a_log_cannot() {
        let credential = Credential {
            source: Source::ApiToken,
            username: "me@example.org".to_owned(),
            token: Secret::new("p\u{e4}ss\"?>~word"),
        };
        let auth = RegistryAuth::new(&credential, &Host::parse("crg.apkg.io").unwrap());
        assert!(!format!("{auth:?}").contains("ey"), "{auth:?}");
        let decoded = URL_SAFE.decode(auth.header().as_bytes()).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&decoded).unwrap();
        assert_eq!(value["username"], "me@example.org");
        assert_eq!(value["password"], "p\u{e4}ss\"?>~word");
        assert_eq!(value["serveraddress"], "crg.apkg.io");
        // By the name that Docker's own client sends; a daemon may compare it with the host that it asks.
        let hub = RegistryAuth::new(&credential, &Host::parse("docker.io").unwrap());
        let hub: serde_json::Value =
            serde_json::from_slice(&URL_SAFE.decode(hub.header().as_bytes()).unwrap()).unwrap();
        assert_eq!(hub["serveraddress"], "https://index.docker.io/v1/");
        assert_eq!(
            URL_SAFE.decode(RegistryAuth::anonymous().header().as_bytes()).unwrap(),
            b"{}"
        );
    }
}
