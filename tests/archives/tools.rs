//! Real programs write archives and layouts, the pipe publishes them, and writes them again for real programs to read: every
//! image comes out as it went in.

use crate::support::distribution::Distribution;
use crate::support::engine::{Engine, Kind};
use crate::support::image::{ImageBuilder, digest};
use crate::support::pipe::Pipe;
use crate::support::skopeo::{Skopeo, write_layout};
use crate::support::tools::Tools;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

const USER: &str = "ada@example.com";
const CONTAINERFILE: &str = "FROM scratch\nCOPY content /content\nENV A=b\n";

/// What a program has written.
struct Made {
    by: &'static str,
    form: &'static str,
    source: String,
    /// As skopeo, which is not ours, reads it.
    config: String,
    /// Of a layout: bytes that stay as they are.
    manifest: Option<String>,
}

/// An image that was published.
struct Published {
    reference: String,
    is_oci: bool,
    is_zstd: bool,
}

struct Bench {
    tools: Tools,
    skopeo: Skopeo,
    registry: Distribution,
}

impl Bench {
    fn start() -> Self {
        let registry = Distribution::setup().htpasswd(USER).start();
        let skopeo = Skopeo::new();
        let tools = Tools::new();
        skopeo.login(&registry.host(), USER, Distribution::PASSWORD).succeeds();
        let context = tools.folder().join("context");
        std::fs::create_dir(&context).unwrap();
        std::fs::write(context.join("Containerfile"), CONTAINERFILE).unwrap();
        std::fs::write(context.join("content"), "some text\n".repeat(30_000)).unwrap();
        Self {
            tools,
            skopeo,
            registry,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.tools.folder().join(name)
    }

    fn made(&self, by: &'static str, form: &'static str, transport: &str, name: &str, image: &str) -> Made {
        let source = format!("{transport}:{}{image}", self.at(name).display());
        let inspect = |options: &[&str]| {
            let arguments = [&["inspect", "--raw"], options, &[source.as_str()]].concat();
            digest(self.skopeo.run(&arguments).succeeds().as_bytes())
        };
        Made {
            by,
            form,
            config: inspect(&["--config"]),
            manifest: (transport != "docker-archive").then(|| inspect(&[])),
            source,
        }
    }

    /// Each form that each program writes.
    fn produced(&self) -> Vec<Made> {
        let mut all = self.of_buildah();
        all.extend(self.of_podman());
        all.push(self.of_umoci());
        all.extend(self.of_skopeo());
        all.extend(self.of_docker());
        all
    }

    fn place(&self, transport: &str, name: &str, image: &str) -> String {
        format!("{transport}:{}:{image}", self.at(name).display())
    }

    fn of_buildah(&self) -> Vec<Made> {
        let build = ["bud", "--isolation=chroot", "--tag=built", "context"];
        self.tools.buildah(&build).succeeds();
        let forms = [
            ("docker-archive", "docker-archive", "buildah.tar", &[][..]),
            ("oci-archive", "oci-archive", "buildah-oci.tar", &[]),
            ("oci", "oci", "buildah", &[]),
            ("oci, zstd", "oci", "buildah-zstd", &["--compression-format=zstd"]),
            (
                "oci-archive of Docker's types",
                "oci-archive",
                "buildah-v2s2.tar",
                &["--format=v2s2"],
            ),
        ];
        forms
            .map(|(form, transport, name, options)| {
                let target = self.place(transport, name, "shop/built:1");
                self.tools
                    .buildah(&[&["push"], options, &["built", &target]].concat())
                    .succeeds();
                self.made("buildah", form, transport, name, "")
            })
            .into()
    }

    fn of_podman(&self) -> Vec<Made> {
        let build = ["build", "--isolation=chroot", "--tag=shop/made", "context"];
        self.tools.podman(&build).succeeds();
        let forms = [
            ("docker-archive", "docker-archive", "podman.tar"),
            ("oci-archive", "oci-archive", "podman-oci.tar"),
            ("oci", "oci-dir", "podman"),
        ];
        let mut all: Vec<Made> = forms
            .map(|(transport, format, name)| {
                let save = ["save", "--format", format, "--output", name, "shop/made"];
                self.tools.podman(&save).succeeds();
                self.made("podman", transport, transport, name, "")
            })
            .into();
        let zstd = self.place("oci", "podman-zstd", "1");
        let push = ["push", "--compression-format=zstd", "shop/made", &zstd];
        self.tools.podman(&push).succeeds();
        all.push(self.made("podman", "oci, zstd", "oci", "podman-zstd", ":1"));
        all
    }

    fn of_umoci(&self) -> Made {
        for arguments in [
            &["init", "--layout", "umoci"][..],
            &["new", "--image", "umoci:1"],
            &[
                "insert",
                "--rootless",
                "--image",
                "umoci:1",
                "context/content",
                "/content",
            ],
            &["config", "--image", "umoci:1", "--config.env", "A=b"],
        ] {
            self.tools.umoci(arguments).succeeds();
        }
        self.made("umoci", "oci", "oci", "umoci", ":1")
    }

    fn of_skopeo(&self) -> Vec<Made> {
        let image = ImageBuilder::new("tools").layers(2, 100_000).build();
        write_layout(&self.at("plain"), &image);
        let source = format!("oci:{}", self.at("plain").display());
        let forms = [
            ("docker-archive", "docker-archive", "skopeo.tar", &[][..]),
            ("oci-archive", "oci-archive", "skopeo-oci.tar", &[]),
            ("oci", "oci", "skopeo", &[]),
            ("oci, zstd", "oci", "skopeo-zstd", &["--dest-compress-format=zstd"]),
        ];
        let mut all: Vec<Made> = forms
            .map(|(form, transport, name, options)| {
                let target = self.place(transport, name, "shop/copied:1");
                self.skopeo.copy(options, &source, &target).succeeds();
                self.made("skopeo", form, transport, name, "")
            })
            .into();
        for (number, form) in [(0, "docker-archive, gzip"), (1, "oci-archive, gzip")] {
            let Made {
                source,
                config,
                manifest,
                ..
            } = &all[number];
            let (transport, path) = source.split_once(':').unwrap();
            let compressed = super::compressed(path.as_ref());
            all.push(Made {
                by: "skopeo",
                form,
                source: format!("{transport}:{}", compressed.display()),
                config: config.clone(),
                manifest: manifest.clone(),
            });
        }
        all
    }

    fn of_docker(&self) -> Vec<Made> {
        let stores = [(Kind::Classic, "Docker"), (Kind::Containerd, "Docker, containerd")];
        let mut all: Vec<Made> = stores
            .map(|(kind, by)| {
                let (engine, name) = (Engine::shared(kind), format!("{kind:?}.tar"));
                let image = ImageBuilder::new(by).docker().layers(2, 100_000).build();
                let archive = image.docker_archive(&["shop/tools:saved"]);
                engine.docker_reading(&["load"], &archive).succeeds();
                let file = self.at(&name).display().to_string();
                engine
                    .docker(&["save", "--output", &file, "shop/tools:saved"])
                    .succeeds();
                self.made(by, "docker-archive", "docker-archive", &name, "")
            })
            .into();
        // From Docker 25 on it is both.
        all.push(self.made(
            "Docker, containerd",
            "the same, as oci-archive",
            "oci-archive",
            "Containerd.tar",
            "",
        ));
        all
    }

    fn pipe(&self) -> Pipe<'static> {
        Pipe::new()
            .workspace("shop")
            .distribution(&self.registry)
            .var("BITBUCKET_PACKAGES_USERNAME", USER)
            .var("BITBUCKET_PACKAGES_TOKEN", Distribution::PASSWORD)
            .var("RETRIES", "0")
    }

    /// Publishes it, and lets skopeo see that manifest, configuration and layers are those that were written.
    fn publish(&self, made: &Made, number: usize) -> Published {
        let target = format!("tools:{number}");
        let reference = format!("{}/shop/{target}", self.registry.host());
        self.pipe()
            .var("ACTION", "push")
            .var("SOURCE", &made.source)
            .var("TARGET", &target)
            .run()
            .succeeds();
        let raw = self.skopeo.raw(&reference).succeeds();
        let manifest: Value = serde_json::from_str(&raw).unwrap();
        let name = format!("{}, {}", made.by, made.form);
        assert_eq!(manifest["config"]["digest"], made.config, "{name}");
        if let Some(expected) = &made.manifest {
            assert_eq!(digest(raw.as_bytes()), *expected, "{name}");
        }
        let is_zstd = raw.contains("tar+zstd");
        if !is_zstd {
            // Decompresses each layer, and compares it with the configuration; it makes no such archive of zstd.
            let archive = format!("docker-archive:{}", self.at(&format!("proof-{number}.tar")).display());
            let source = format!("docker://{reference}");
            self.skopeo.copy(&[], &source, &archive).succeeds();
        }
        Published {
            is_oci: !raw.contains("vnd.docker"),
            is_zstd,
            reference,
        }
    }

    /// Writes it into a file or folder, and gives the location.
    fn save(&self, image: &Published, form: &str, number: usize) -> String {
        let to = format!("{form}:{}", self.at(&format!("{form}-{number}")).display());
        let pulled = self.pipe().var("IMAGES", &image.reference).var("TO", &to).run();
        pulled.succeeds();
        to
    }

    /// What a program reads has this digest of the configuration; `None` where the program reads no such thing.
    fn read(&self, reader: &str, image: &Published, form: &str, location: &str) -> Option<String> {
        let path = location.split_once(':').unwrap().1;
        Some(match (reader, form) {
            ("skopeo", _) => {
                let target = format!("dir:{path}-copy");
                self.skopeo.copy(&[], location, &target).succeeds();
                let manifest = std::fs::read(format!("{path}-copy/manifest.json")).unwrap();
                if form != "docker-archive" {
                    let published = self.skopeo.raw(&image.reference).succeeds();
                    assert_eq!(published.as_bytes(), manifest, "{location}");
                }
                let manifest: Value = serde_json::from_slice(&manifest).unwrap();
                manifest["config"]["digest"].as_str().unwrap().to_owned()
            }
            ("buildah", _) => id(&self.tools.buildah(&["pull", "--quiet", location]).succeeds()),
            ("podman", "oci") => id(&self.tools.podman(&["pull", "--quiet", location]).succeeds()),
            ("podman", _) => {
                let loaded = self.tools.podman(&["load", "--input", path]).succeeds();
                assert!(
                    loaded.contains(&format!("Loaded image: {}", image.reference)),
                    "{loaded}"
                );
                let inspect = ["image", "inspect", "--format={{.Id}}", &image.reference];
                id(&self.tools.podman(&inspect).succeeds())
            }
            ("umoci", "oci") if image.is_oci && !image.is_zstd => {
                let (_, tag) = image.reference.rsplit_once(':').unwrap();
                let bundle = format!("{path}-bundle");
                let unpack = ["unpack", "--rootless", "--image", &format!("{path}:{tag}"), &bundle];
                self.tools.umoci(&unpack).succeeds();
                assert!(std::fs::read_dir(format!("{bundle}/rootfs")).unwrap().count() > 0);
                self.tools.umoci(&["gc", "--layout", path]).succeeds();
                let inspect = ["inspect", "--raw", "--config", location];
                digest(self.skopeo.run(&inspect).succeeds().as_bytes())
            }
            // moby#41759: zstd from Docker 23 on.
            ("Docker", "docker-archive") if !image.is_zstd => load(Kind::Classic, image, path),
            ("Docker, containerd", "docker-archive" | "oci-archive") => load(Kind::Containerd, image, path),
            _ => return None,
        })
    }
}

fn load(engine: Kind, image: &Published, path: &str) -> String {
    let engine = Engine::shared(engine);
    engine.docker(&["load", "--input", path]).succeeds();
    engine.config_digest(&image.reference).expect(&image.reference)
}

/// The last line of an output, as a digest.
fn id(output: &str) -> String {
    format!("sha256:{}", output.lines().last().unwrap_or_default())
}

#[test]
fn what_programs_write_comes_out_for_programs_to_read() {
    let bench = Bench::start();
    let readers = ["skopeo", "buildah", "podman", "umoci", "Docker", "Docker, containerd"];
    println!("| written by | {} |", readers.join(" | "));
    let mut read = BTreeSet::new();
    for (number, made) in bench.produced().iter().enumerate() {
        let image = bench.publish(made, number);
        let mut row = readers.map(|_| Vec::new());
        for form in ["docker-archive", "oci-archive", "oci"] {
            let location = bench.save(&image, form, number);
            for (reader, cell) in readers.iter().zip(&mut row) {
                let Some(config) = bench.read(reader, &image, form, &location) else {
                    continue;
                };
                assert_eq!(config, made.config, "{}, {}: {reader} of {form}", made.by, made.form);
                cell.push(form);
                read.insert((*reader, form));
            }
        }
        let row = row.map(|cell| cell.join(", "));
        println!("| {}: {} | {} |", made.by, made.form, row.join(" | "));
    }
    // Every program read each form that it reads.
    assert_eq!(read.len(), 3 + 3 + 3 + 1 + 1 + 2, "{read:?}");
}
