//! Addresses × whose registry names them → asked or not, with or without the credential.

use super::*;

/// Each registry with the URL that it was asked by: Bitbucket's, one at a private address, one of this machine, and one at
/// another port of it.
const REGISTRIES: [(&str, &str); 4] = [
    ("crg.apkg.io", "https://crg.apkg.io/v2/shop/api/blobs/x"),
    ("10.0.0.5:5000", "https://10.0.0.5:5000/v2/shop/api/blobs/x"),
    ("localhost:5000", "http://localhost:5000/v2/shop/api/blobs/x"),
    ("localhost:5001", "http://localhost:5001/v2/shop/api/blobs/x"),
];

/// What becomes of a redirected GET, registry by registry: `c` asked with the credential, `w` without it, `-` not asked.
#[rustfmt::skip]
const ADDRESSES: &[(&str, &str)] = &[
    // The registry's own.
    ("https://crg.apkg.io/token",                  "c w w w"),
    ("https://CRG.apkg.io:443/token",              "c w w w"),
    ("https://10.0.0.5:5000/token",                "- c - -"),
    ("http://localhost:5000/token",                "- - c w"),
    ("http://localhost:5001/token",                "- - w c"),
    // Nearly the registry's own.
    ("https://crg.apkg.io./token",                 "w w w w"),
    ("https://crg.apkg.io:8443/token",             "w w w w"),
    ("http://crg.apkg.io/token",                   "- - - -"),
    ("https://10.0.0.5/token",                     "- - - -"),
    ("https://10.0.0.5:5001/token",                "- - - -"),
    ("http://10.0.0.5:5000/token",                 "- - - -"),
    ("https://[::ffff:10.0.0.5]:5000/token",       "- - - -"),
    ("https://localhost:5000/token",               "- - w w"),
    ("http://127.0.0.1:5000/token",                "- - w w"),
    // Names and addresses of the internet.
    ("https://auth.example.org/token",             "w w w w"),
    ("https://auth.example.org:8443/token",        "w w w w"),
    ("https://auth.example.org:2375/token",        "w w w w"),
    ("https://203.0.113.7/token",                  "w w w w"),
    ("https://8.8.8.8:1/token",                    "w w w w"),
    ("https://[2001:4860::8]/token",               "w w w w"),
    ("https://[2600:1f18::1]:8443/token",          "w w w w"),
    ("https://[::ffff:8.8.8.8]/token",             "w w w w"),
    ("https://100.63.255.255/token",               "w w w w"),
    ("https://172.32.0.1/token",                   "w w w w"),
    ("https://198.20.0.1/token",                   "w w w w"),
    ("https://localhost.example.org/token",        "w w w w"),
    ("https://notlocalhost/token",                 "w w w w"),
    ("https://[2620:4f:8000::1]/token",            "w w w w"),
    ("https://@auth.example.org/token",            "w w w w"),
    ("https://auth.example.org./token",            "w w w w"),
    ("https://auth.example.org:65535/token",       "w w w w"),
    ("https://auth.example.org/token#frag",        "w w w w"),
    ("https://10.0.0.5.example.org/token",         "w w w w"),
    ("https://auth.example.org\\@10.0.0.5/token",  "w w w w"),
    // By no TLS.
    ("http://auth.example.org/token",              "- - - -"),
    ("http://8.8.8.8/token",                       "- - - -"),
    ("ftp://auth.example.org/token",               "- - - -"),
    ("file:///etc/passwd",                         "- - - -"),
    ("unix:/var/run/docker.sock",                  "- - - -"),
    ("wss://auth.example.org/token",               "- - - -"),
    ("HTTP://CRG.APKG.IO/token",                   "- - - -"),
    ("gopher://10.0.0.5:5000/token",               "- - - -"),
    ("javascript:alert(1)",                        "- - - -"),
    ("data:text/plain,x",                          "- - - -"),
    // With a user name, at no port.
    ("https://user@auth.example.org/token",        "- - - -"),
    ("https://:pass@auth.example.org/token",       "- - - -"),
    ("https://crg.apkg.io@127.0.0.1/token",        "- - - -"),
    ("https://crg.apkg.io:x@crg.apkg.io/token",    "- - - -"),
    ("https://auth.example.org:0/token",           "- - - -"),
    ("https://user:@auth.example.org/token",       "- - - -"),
    ("https://crg.apkg.io%2F@10.0.0.5/token",      "- - - -"),
    ("https://crg.apkg.io:0/token",                "- - - -"),
    ("https://10.0.0.5:0/token",                   "- - - -"),
    // This machine, however it is written.
    ("http://localhost/token",                     "- - w w"),
    ("http://LOCALHOST:2375/containers/create",    "- - w w"),
    ("https://localhost./token",                   "- - w w"),
    ("https://a.localhost/token",                  "- - w w"),
    ("https://a.LOCALHOST.:8443/token",            "- - w w"),
    ("https://127.0.0.1/token",                    "- - w w"),
    ("https://127.8.9.10/token",                   "- - w w"),
    ("https://127.1/token",                        "- - w w"),
    ("https://2130706433/token",                   "- - w w"),
    ("https://0x7f000001/token",                   "- - w w"),
    ("https://%31%32%37.0.0.1/token",              "- - w w"),
    ("https://[::1]/token",                        "- - w w"),
    ("https://127.0.0.1./token",                   "- - w w"),
    ("https://0177.0.0.1/token",                   "- - w w"),
    ("https://0x7f.1/token",                       "- - w w"),
    ("https://①②⑦.⓪.⓪.①/token",                    "- - w w"),
    ("https://[::ffff:7f00:1]/token",              "- - w w"),
    ("https://[0:0:0:0:0:0:0:1]:8443/token",       "- - w w"),
    ("https://localhost%2E/token",                 "- - w w"),
    ("https://[::ffff:127.0.0.1]/token",           "- - w w"),
    // Networks that are not the internet.
    ("https://10.1.2.3/token",                     "- - - -"),
    ("https://172.16.0.1/token",                   "- - - -"),
    ("https://172.31.255.255/token",               "- - - -"),
    ("https://192.168.0.1/token",                  "- - - -"),
    ("https://169.254.169.254/latest/meta-data",   "- - - -"),
    ("https://169.254.169.254./latest/meta-data",  "- - - -"),
    ("https://2852039166/latest/meta-data",        "- - - -"),
    ("https://0xa9fea9fe/latest/meta-data",        "- - - -"),
    ("https://0251.0376.0251.0376/latest",         "- - - -"),
    ("https://169.254.170.2/v2/credentials",       "- - - -"),
    ("https://10.5/token",                         "- - - -"),
    ("https://012.0.0.5/token",                    "- - - -"),
    ("https://10。0。0。6/token",                   "- - - -"),
    ("https://172.16.0.1:2376/token",              "- - - -"),
    ("https://100.64.0.1/token",                   "- - - -"),
    ("https://100.100.100.200/latest",             "- - - -"),
    ("https://100.127.255.255/token",              "- - - -"),
    ("https://[fc00::1]/token",                    "- - - -"),
    ("https://[fd00:ec2::254]/token",              "- - - -"),
    ("https://[fe80::1]/token",                    "- - - -"),
    ("https://[febf::1]/token",                    "- - - -"),
    ("https://[fec0::1]/token",                    "- - - -"),
    ("https://[::ffff:10.0.0.1]/token",            "- - - -"),
    ("https://[::ffff:a9fe:a9fe]/token",           "- - - -"),
    // Addresses that no server has.
    ("https://0.0.0.0/token",                      "- - - -"),
    ("https://0.0.19.135/token",                   "- - - -"),
    ("https://192.0.0.8/token",                    "- - - -"),
    ("https://198.18.0.1/token",                   "- - - -"),
    ("https://198.19.255.255/token",               "- - - -"),
    ("https://224.0.0.1/token",                    "- - - -"),
    ("https://239.255.255.250/token",              "- - - -"),
    ("https://240.0.0.1/token",                    "- - - -"),
    ("https://255.255.255.255/token",              "- - - -"),
    ("https://[::]/token",                         "- - - -"),
    ("https://[::10.0.0.5]/token",                 "- - - -"),
    ("https://[::8.8.8.8]/token",                  "- - - -"),
    ("https://[100::1]/token",                     "- - - -"),
    ("https://[ff02::1]/token",                    "- - - -"),
    ("https://[64:ff9b::10.0.0.5]/token",          "- - - -"),
    ("https://[64:ff9b::169.254.169.254]/latest",  "- - - -"),
    ("https://[64:ff9b::127.0.0.1]/token",         "- - - -"),
    ("https://[::ffff:0:10.0.0.5]/token",          "- - - -"),
    ("https://[::ffff:0:127.0.0.1]/token",         "- - - -"),
    ("https://[::127.0.0.1]/token",                "- - - -"),
    ("https://[2001:0:a00:5::1]/token",            "- - - -"),
    ("https://[2001:20::1]/token",                 "- - - -"),
    ("https://[5f00::1]/token",                    "- - - -"),
    ("https://[4000::1]/token",                    "- - - -"),
    ("https://192.88.99.1/token",                  "- - - -"),
    ("https://[64:ff9b:1::a00:5]/token",           "- - - -"),
    ("https://[2001::1]/token",                    "- - - -"),
    ("https://[2002:a00:5::1]/token",              "- - - -"),
];

fn url(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn one_rule_for_every_address() {
    for (address, cells) in ADDRESSES {
        for ((registry, asked), cell) in REGISTRIES.iter().zip(cells.split(' ')) {
            let by = |purpose| judge(&url(address), purpose, &url(asked), &Host::parse(registry).unwrap());
            let said = |verdict| match verdict {
                Verdict::WithCredential => "c",
                Verdict::WithoutCredential => "w",
                Verdict::NotAsked(_) => "-",
            };
            let redirect =
                |method: &'static Method| said(by(Purpose::Redirect(method, StatusCode::TEMPORARY_REDIRECT)));
            let row = format!("{registry} names {address}");
            assert_eq!(redirect(&Method::GET), cell, "a redirect: {row}");
            assert_eq!(redirect(&Method::HEAD), cell, "a redirect: {row}");
            assert_eq!(said(by(Purpose::Upload)), cell, "a `Location`: {row}");
            // Tokens are made by who knows the credential; a list and a write stay with the registry.
            assert_eq!(
                said(by(Purpose::Realm)),
                if cell == "-" { "-" } else { "c" },
                "a realm: {row}"
            );
            let own = if cell == "c" { "c" } else { "-" };
            assert_eq!(said(by(Purpose::NextPage)), own, "a `Link`: {row}");
            assert_eq!(redirect(&Method::PUT), own, "a redirected write: {row}");
        }
    }
}

/// What is no URL is named by none of these.
#[test]
fn an_address_with_a_zone_or_of_no_host_is_none() {
    for text in [
        "https://[fe80::1%25eth0]/token",
        "https://[fe80::1%eth0]/token",
        "https://[::1/token",
        "https://",
        "https://a b/token",
        "https://auth.example.org:65536/token",
        "https://256.256.256.256/token",
        "https://10.0.0.5.6/token",
        "//auth.example.org/token",
        "/token",
        "",
    ] {
        assert!(Url::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_write_goes_on_only_where_the_method_stays() {
    let registry = Host::bitbucket();
    let asked = url("https://crg.apkg.io/v2/x");
    for (method, status, goes_on) in [
        (Method::PUT, 307, true),
        (Method::PUT, 308, true),
        (Method::PUT, 301, false),
        (Method::POST, 302, false),
        (Method::PATCH, 303, false),
        (Method::DELETE, 302, false),
        (Method::GET, 301, true),
        (Method::HEAD, 303, true),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let verdict = judge(&asked, Purpose::Redirect(&method, status), &asked, &registry);
        let follows = verdict == Verdict::WithCredential;
        assert_eq!(follows, goes_on, "{method} {status}: {verdict:?}");
    }
}

#[test]
fn no_redirect_gives_up_tls() {
    let registry = Host::parse("127.0.0.1:5000").unwrap();
    let (asked, plain) = (url("https://127.0.0.1:5000/v2/"), url("http://127.0.0.1:5001/x"));
    let redirect = Purpose::Redirect(&Method::GET, StatusCode::FOUND);
    assert!(matches!(
        judge(&plain, redirect, &asked, &registry),
        Verdict::NotAsked(_)
    ));
    // What it names itself is its own choice: a token server of the same machine.
    assert_eq!(
        judge(&plain, Purpose::Realm, &asked, &registry),
        Verdict::WithCredential
    );
}
