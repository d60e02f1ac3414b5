//! A registry's name that is not known at first, as in a step whose network is still coming up: a name server, and a mount
//! namespace in which it is the only one.

use crate::support::emulator::Setup;
use crate::support::name_server::{self, Lookups};
use crate::support::pipe::Pipe;
use crate::support::pki::Authority;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tempfile::TempDir;

const NAME: &str = "registry.faults.test";

/// The name of one registry, and the only server that knows it.
pub(super) struct Names {
    address: Ipv4Addr,
    lookups: Lookups,
    folder: TempDir,
}

impl Names {
    /// The server fails for so long from its first question on.
    pub(super) fn start(fails_for: Duration) -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        // Each process its own addresses, so that another suite on this machine does not mind.
        let [.., second, third] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, second.max(1), third, NEXT.fetch_add(1, Ordering::SeqCst));
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [
            (
                "resolv.conf",
                format!("nameserver {address}\noptions attempts:1 timeout:1\n"),
            ),
            ("nsswitch.conf", "hosts: files dns\n".to_owned()),
        ] {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        Self {
            address,
            lookups: name_server::start_late(address, NAME, fails_for),
            folder,
        }
    }

    /// The registry of this name; clients speak TLS to it.
    pub(super) fn registry(&self) -> Setup {
        Setup::shop()
            .named(NAME)
            .tls(Authority::shared())
            .listen(IpAddr::V4(self.address))
    }

    /// What runs a program where names are asked for here: the machine's own files stay as they are.
    pub(super) fn wrapper(&self) -> Vec<String> {
        let folder = self.folder.path().display();
        let script = format!(
            "for file in resolv.conf nsswitch.conf; do mount --bind {folder}/$file /etc/$file || exit 99; done; exec \"$0\" \"$@\""
        );
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", &script]
            .map(str::to_owned)
            .to_vec()
    }

    /// The pipe there, without a proxy that would ask for the name in its place.
    pub(super) fn pipe<'a>(&self) -> Pipe<'a> {
        let wrapper = self.wrapper();
        let mut program: Vec<&str> = wrapper.iter().map(String::as_str).collect();
        program.push(env!("CARGO_BIN_EXE_crg-pipe"));
        Pipe::of(&program).var("NO_PROXY", NAME).var("CREDENTIAL", "api-token")
    }

    /// Lookups that failed, and the first one that did not.
    pub(super) fn lookups(&self) -> usize {
        self.lookups.until_answered()
    }
}
