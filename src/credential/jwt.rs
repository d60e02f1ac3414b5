//! JSON Web Tokens, read without a check of their signature (RFC 7519): that is for those who take them.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::DeserializeOwned;

/// Three parts with dots between; whether they hold what they should is not known yet.
#[derive(Clone, Copy)]
pub(crate) struct Jwt<'a> {
    /// Header, payload, signature.
    pub(super) parts: [&'a str; 3],
}

impl<'a> Jwt<'a> {
    /// `None` for a text of more or fewer parts.
    pub(crate) fn of(token: &'a str) -> Option<Self> {
        let mut parts = token.split('.');
        let three = [parts.next()?, parts.next()?, parts.next()?];
        parts.next().is_none().then_some(Self { parts: three })
    }

    /// What the payload claims; `None` if it is no JSON of that shape. Some servers leave the padding in.
    pub(crate) fn claims<T: DeserializeOwned>(self) -> Option<T> {
        let lenient = GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true);
        let base64 = GeneralPurpose::new(&base64::alphabet::URL_SAFE, lenient);
        serde_json::from_slice(&base64.decode(self.parts[1]).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn claims_are_read_with_padding_and_without() {
        for (token, claims) in [
            ("e30.eyJhIjoxfQ.c2ln", Some(json!({"a": 1}))),
            ("e30.eyJhIjoxfQ==.c2ln", Some(json!({"a": 1}))),
            ("e30.eyJhIjoxfR.", Some(json!({"a": 1}))),
            ("e30.e30.c2ln", Some(json!({}))),
            ("e30..c2ln", None),
            ("a.b.c", None),
            ("e30.e30", None),
            ("e30.e30.c2ln.e30", None),
            ("opaque", None),
        ] {
            assert_eq!(Jwt::of(token).and_then(Jwt::claims::<Value>), claims, "{token}");
        }
    }
}
