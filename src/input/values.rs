//! Variables that mean the same in every action: choices, numbers, switches, hosts, certificates.

use super::{Check, OnExisting, Read};
use crate::engine::Address;
use crate::files::read_up_to;
use crate::mistake::{Mistake, MistakeKind};
use crate::names::Host;
use crate::names::platform::Platform;
use crate::registry::{Attachment, Attachments, BadProxy, Proxy, tls_settings};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::io::ErrorKind;
use time::Date;

/// Longest file of certificates, in bytes: even a whole system's are no longer.
const LONGEST_PEM: u64 = 4 << 20;

impl Check<'_> {
    pub(super) fn on_existing(&mut self) -> OnExisting {
        let Some(written) = self.variables.scalars.on_existing.as_deref() else {
            return OnExisting::default();
        };
        match written.trim().to_ascii_lowercase().as_str() {
            "overwrite" => OnExisting::Overwrite,
            "skip" => OnExisting::Skip,
            "fail" => OnExisting::Fail,
            _ => {
                self.mistake(Mistake::new(
                    MistakeKind::Value,
                    "ON_EXISTING",
                    written,
                    "there is no such choice",
                    "write `overwrite`, `skip` or `fail`",
                ));
                OnExisting::default()
            }
        }
    }

    /// `REQUIRE`.
    pub(super) fn required(&mut self) -> Attachments {
        let mut required = Attachments::default();
        for written in &self.variables.required {
            let mut all = Attachment::ALL.into_iter();
            if let Some(one) = all.find(|one| one.word().eq_ignore_ascii_case(written)) {
                required = required.and(Attachments::of(one));
            } else {
                let cure = "write `signature`, `sbom`, `provenance`, or several of them";
                self.mistake(Mistake::new(
                    MistakeKind::Value,
                    "REQUIRE",
                    written,
                    "there is no such choice",
                    cure,
                ));
            }
        }
        required
    }

    pub(super) fn platform(&mut self) -> Option<Platform> {
        let written = self.variables.scalars.platform.as_deref()?;
        match Platform::parse(written.trim()) {
            Ok(platform) => Some(platform),
            Err(bad) => {
                self.mistake(Mistake::new(
                    MistakeKind::Value,
                    "PLATFORM",
                    written,
                    bad.to_string(),
                    "write one platform, as in `linux/amd64` or `linux/arm64/v8`",
                ));
                None
            }
        }
    }

    pub(super) fn daemon(&mut self) -> Read<Address> {
        Address::parse(self.variables.scalars.docker_host.as_deref()).map_err(|mistake| self.mistake(mistake))
    }

    /// `None` for a mistake.
    pub(super) fn registry(&mut self) -> Option<Host> {
        let written = self
            .variables
            .scalars
            .registry
            .as_deref()
            .map_or(Host::BITBUCKET, str::trim);
        let instead = || format!("write `{}`, or leave the variable out", Host::BITBUCKET);
        let mistake = match Host::parse(written) {
            Ok(host) if host.is_atlassian_with_port() => Mistake::new(
                MistakeKind::WrongHost,
                "REGISTRY",
                written,
                "it has a port, and Bitbucket's container registry is written without one",
                instead(),
            ),
            Ok(host) => match crate::names::wrong_host(&host) {
                None => return Some(host),
                Some(what) => Mistake::new(
                    MistakeKind::WrongHost,
                    "REGISTRY",
                    written,
                    format!("it is not Bitbucket's container registry: {what}"),
                    instead(),
                ),
            },
            Err(bad) => Mistake::of_reference("REGISTRY", written, &bad),
        };
        self.mistake(mistake);
        None
    }

    pub(super) fn expires_on(&mut self) -> Option<Date> {
        let written = self.variables.scalars.token_expires_on.as_deref()?;
        match crate::credential::expiry::parse(written.trim()) {
            Ok(date) => Some(date),
            Err(mistake) => {
                self.mistake(mistake);
                None
            }
        }
    }

    /// Whether a switch is on; what is neither is off, and a mistake.
    pub(super) fn switch(&mut self, name: &str, value: Option<&str>) -> bool {
        let Some(value) = value else { return false };
        match value.trim().to_ascii_lowercase().as_str() {
            "true" => true,
            "false" => false,
            _ => {
                self.mistake(Mistake::new(
                    MistakeKind::Value,
                    name,
                    value,
                    "it is a switch",
                    "write `'true'` or `'false'`",
                ));
                false
            }
        }
    }

    pub(super) fn number(
        &mut self,
        name: &str,
        value: Option<&str>,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> u64 {
        let Some(value) = value else { return default };
        let number = value.trim().parse::<u64>();
        if let Some(number) = number.as_ref().ok().filter(|number| range.contains(number)) {
            return *number;
        }
        let problem = match number {
            Ok(_) => "it is out of range",
            Err(_) => "it is not a whole number",
        };
        let of_what = match name {
            "TIMEOUT" | "WAIT" => " of seconds",
            _ => "",
        };
        let cure = format!(
            "write a whole number{of_what} from {} to {}",
            range.start(),
            range.end()
        );
        self.mistake(Mistake::new(MistakeKind::Value, name, value, problem, cure));
        default
    }

    /// The proxy that the environment names, whatever its name's letters, and who is asked without it.
    pub(super) fn proxy(&mut self) -> Option<Proxy> {
        let (name, written) = self.variables.proxy.as_ref()?;
        let exempt = self.variables.no_proxy.as_deref().unwrap_or_default();
        match Proxy::parse(written.expose(), exempt) {
            Ok(proxy) => Some(proxy),
            // Not shown: it may hold a password. Not skipped: who names a proxy does not want to go without.
            Err(bad) => {
                let problem = match bad {
                    BadProxy::NotAnAddress => "it is not the address of a proxy",
                    BadProxy::Kind => "it names a proxy of a kind that is not supported",
                };
                self.mistake(Mistake::unshown(
                    MistakeKind::ProxyAddress,
                    *name,
                    problem,
                    "write `http://host:port`; a user name and a password go before the host, as in \
                     `http://user:password@host:port`, with `%2F` for `/` and `%40` for `@`",
                ));
                None
            }
        }
    }

    pub(super) fn roots(&mut self) -> Vec<CertificateDer<'static>> {
        let Some(written) = &self.variables.scalars.ca_certificate else {
            return Vec::new();
        };
        let cure = "write the PEM text or the path of a PEM file";
        let (pem, shown) = if written.contains("-----BEGIN") {
            // A secured variable may hold the line ends as two characters.
            (written.replace("\\n", "\n").into_bytes(), None)
        } else {
            match read_up_to(&self.step.working_folder.join(written.trim()), LONGEST_PEM) {
                Ok(pem) => (pem, Some(written)),
                Err(error) => {
                    let why = match error.kind() {
                        ErrorKind::FileTooLarge => "it is longer than any list of certificates".to_owned(),
                        _ => error.to_string(),
                    };
                    let mistake = Mistake::new(
                        MistakeKind::Certificates,
                        "CA_CERTIFICATE",
                        written,
                        format!("the file cannot be read ({why})"),
                        cure,
                    );
                    self.mistake(mistake);
                    return Vec::new();
                }
            }
        };
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let usable = roots
            .ok()
            .filter(|roots| !roots.is_empty() && tls_settings(roots).is_ok());
        if let Some(roots) = usable {
            return roots;
        }
        let problem = "it holds no certificate in PEM form";
        let mistake = match shown {
            Some(path) => Mistake::new(MistakeKind::Certificates, "CA_CERTIFICATE", path, problem, cure),
            None => Mistake::unshown(MistakeKind::Certificates, "CA_CERTIFICATE", problem, cure),
        };
        self.mistake(mistake);
        Vec::new()
    }
}
