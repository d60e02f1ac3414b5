//! `make sandbox`: the registry of the demonstration, until it is stopped, with the lines that lead a shell to it.

use super::shop::{self, Has};
use crate::support::pki::Authority;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

/// Says the lines, and returns at Ctrl-C or SIGTERM. `pipe` is the command line that starts the pipe.
pub(crate) async fn run(pipe: &str, mut say: impl FnMut(&str)) -> anyhow::Result<()> {
    // Before the first line: who reads it may stop this at once.
    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let registry = shop::open();
    let folder = TempDir::with_prefix("crg-pipe-sandbox-")?;
    let certificate = Authority::shared().write_to(folder.path());

    say(&format!(
        "A registry like Bitbucket's runs at {}. It holds:\n",
        registry.host()
    ));
    for line in shop::holdings(&registry) {
        say(&line);
    }
    say("\nPaste this into another shell. It makes that shell a step of repository `shop/api`:\n");
    for (name, value) in shop::variables(&registry, Has::Both) {
        say(&format!("  export {name}='{value}'"));
    }
    say(&format!("  export CA_CERTIFICATE='{}'", certificate.display()));
    say("\nThen run the pipe there, with variables of your own. For example:\n");
    let layout = folder.path().join("images");
    for variables in [
        "ACTION=check IMAGES='base:1 api:0.9.0' TARGET=web".to_owned(),
        "ACTION=retag SOURCE=base:1 TAGS='1.4 latest'".to_owned(),
        "ACTION=copy SOURCE=base:1 TARGET=web REQUIRE='signature sbom'".to_owned(),
        "ACTION=prune IMAGES=web KEEP=2".to_owned(),
        format!("ACTION=login PULL_SECRET='{}'", folder.path().join("crg.yml").display()),
        format!("ACTION=pull IMAGES='base:1 tools:2' TO='oci:{}'", layout.display()),
        "CREDENTIAL=built-in ACTION=retag SOURCE=base:1 TAGS=next".to_owned(),
    ] {
        say(&format!("  {variables} {pipe}"));
    }
    say(
        "\nThe last one is refused, and says why. To ask the registry what docs/live.md is about: `PACKAGE=api make live`.",
    );
    say("Press Ctrl-C here to stop the registry.");
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    Ok(())
}
