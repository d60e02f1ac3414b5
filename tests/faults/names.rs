//! A registry's name that is not known at first, as in a step whose network is still coming up.

use super::case::image;
use crate::support::emulator::{Emulator, Setup};
use crate::support::name_server;
use crate::support::pipe::Pipe;
use crate::support::pki::Authority;
use std::net::{IpAddr, Ipv4Addr};

const NAME: &str = "registry.faults.test";
/// In a mount namespace of its own: the machine's resolver stays as it is.
const ASKS: &str =
    r#"mount --bind "$RESOLV_CONF" /etc/resolv.conf && mount --bind "$NSSWITCH_CONF" /etc/nsswitch.conf && exec "$0""#;

#[test]
fn a_name_that_is_not_known_at_first() {
    // Each process its own address, so that another suite on this machine does not mind.
    let [.., second, third] = std::process::id().to_be_bytes();
    // Two questions an attempt, for IPv4 and IPv6, and the system's resolver repeats what a server fails at.
    for (last, failures, retries, status) in [(1, 6, "5", 0), (2, usize::MAX, "1", 6)] {
        let address = Ipv4Addr::new(127, second.max(1), third, last);
        name_server::start_late(address, NAME, failures);
        let setup = Setup::shop()
            .named(NAME)
            .tls(Authority::shared())
            .listen(IpAddr::V4(address));
        let emulator = Emulator::start(setup);
        emulator.put_image("shop/base", "1", image(false));
        let program = [
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            ASKS,
            env!("CARGO_BIN_EXE_crg-pipe"),
        ];
        let pipe = Pipe::of(&program)
            .workspace("shop")
            .registry(&emulator)
            .api_token()
            .file(
                "resolv.conf",
                format!("nameserver {address}\noptions attempts:1 timeout:1\n"),
            )
            .file("nsswitch.conf", "hosts: files dns\n");
        let at = |name: &str| pipe.clone_folder().join(name).display().to_string();
        let (resolver, switch) = (at("resolv.conf"), at("nsswitch.conf"));
        let outcome = pipe
            .env("RESOLV_CONF", &resolver)
            .env("NSSWITCH_CONF", &switch)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .var("NO_PROXY", NAME)
            .var("CREDENTIAL", "api-token")
            .var("ACTION", "retag")
            .var("SOURCE", "base:1")
            .var("TAGS", "2")
            .var("RETRIES", retries)
            .var("TIMEOUT", "5")
            .run()
            .fails(status)
            .says("its name could not be resolved");
        assert_eq!(
            emulator.tag("shop/base", "2").is_some(),
            status == 0,
            "{}",
            outcome.output
        );
    }
}
