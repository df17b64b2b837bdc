//! The image without docker: what the Dockerfile says, and as much of it as this machine can do.

use super::{deploy, has, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One stage, as docker reads it: its name or image, and its instructions.
#[derive(Debug)]
struct Stage {
    name: String,
    steps: Vec<(String, String)>,
}

impl Stage {
    /// What all instructions of this word say.
    fn all(&self, word: &str) -> Vec<&str> {
        self.steps.iter().filter(|(w, _)| w == word).map(|(_, rest)| rest.as_str()).collect()
    }

    /// What the only one says.
    fn one(&self, word: &str) -> &str {
        let all = self.all(word);
        assert_eq!(all.len(), 1, "{word} of {}", self.name);
        all[0]
    }
}

fn read(file: &Path) -> Vec<Stage> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|l| !l.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
    let mut stages: Vec<Stage> = Vec::new();
    for instruction in lines.replace("\\\n", " ").lines().filter(|l| !l.is_empty()) {
        let (word, rest) = instruction.split_once(' ').unwrap();
        let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        if word == "FROM" {
            let name = rest.split(" AS ").last().unwrap().to_owned();
            stages.push(Stage { name, steps: Vec::new() });
        } else {
            stages.last_mut().unwrap().steps.push((word.to_owned(), rest));
        }
    }
    stages
}

/// The steps of the Dockerfile, read from it, on this machine: what it builds starts with the libraries that the last stage
/// installs, with the right and as the user that it gives. Without optimisation, which is what the other tests have built
/// already; packages are asked for and not installed.
#[test]
fn the_steps_of_the_image_build_a_program_that_starts() {
    if !has("strip", "--version") || !has("objdump", "--version") {
        return;
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path();
    let stages = read(&deploy().join("docker/Dockerfile"));
    let [pages, build, image] = &stages[..] else { panic!("{stages:?}") };
    // Each makes what the next one copies. The build makes the pages itself, where there is Node.js.
    assert_eq!((&*pages.name, &*build.name), ("pages", "build"));
    let (from, to) = pages.one("COPY").split_once(' ').unwrap();
    assert!(to == "." && root.join(from).join(pages.one("RUN")).is_file(), "{pages:?}");
    let copied = build.all("COPY");
    assert_eq!(copied, [". .", &format!("--from=pages {}/dist {from}/dist", pages.one("WORKDIR"))]);
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned();
    let o = here(build.one("RUN"), top, &root).env("PROFILE", "dev").env("CARGO_TARGET_DIR", target).output().unwrap();
    assert!(o.status.success(), "{}", text(&o));
    assert!(String::from_utf8_lossy(&o.stdout).trim().ends_with(env!("CARGO_PKG_VERSION")), "{}", text(&o));
    // The last stage.
    let (from, to) = image.one("COPY").strip_prefix("--from=build ").unwrap().split_once(' ').unwrap();
    let (built, program) = (under(top, from), under(top, to));
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::copy(&built, &program).unwrap();
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut packages = Vec::new();
    for step in image.one("RUN").split(" && ") {
        let words: Vec<&str> = step.split(' ').collect();
        match words[..] {
            ["apt-get", "install", ref names @ ..] => {
                packages = names.iter().copied().filter(|n| !n.starts_with('-')).collect();
            }
            ["apt-get", "update" | "purge" | "autoremove", ..] | ["rm", "-rf", "/var/lib/apt/lists/*"] => {}
            ["setcap", right, file] => {
                assert!(right == "cap_net_raw+ep" && file == to, "{step}");
                let o = is_root.then(|| here(step, top, top).output().unwrap());
                assert!(o.as_ref().is_none_or(|o| o.status.success()), "{o:?}");
            }
            ["useradd", .., home, "--create-home", name] => {
                let uid = words[words.iter().position(|w| *w == "--uid").unwrap() + 1];
                assert_eq!((image.one("USER"), image.one("VOLUME")), (uid, home), "{name}");
                fs::create_dir_all(top.join("etc")).unwrap();
                for name in ["passwd", "group", "shadow", "gshadow"] {
                    fs::write(top.join("etc").join(name), "").unwrap();
                }
                let step = step.replacen("useradd", &format!("useradd --prefix {}", top.display()), 1);
                let o = is_root.then(|| Command::new("bash").args(["-c", &step]).output().unwrap());
                assert!(o.as_ref().is_none_or(|o| o.status.success()), "{o:?}");
            }
            _ => panic!("a step that this test does not know: {step}"),
        }
    }
    assert_eq!(image.one("ENTRYPOINT"), format!("[\"{to}\"]"));
    let o = Command::new(&built).arg("--version").output().unwrap();
    assert!(o.status.success(), "{}", text(&o));
    let o = Command::new("objdump").arg("-p").arg(&program).output().unwrap();
    let needed: Vec<String> = String::from_utf8_lossy(&o.stdout)
        .lines()
        .filter_map(|l| l.trim().strip_prefix("NEEDED").map(|n| n.trim().to_owned()))
        .collect();
    // Of libc6 and libgcc-s1, which every Debian has, and of the package that the last stage installs.
    let there = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];
    assert!(needed.contains(&"libpcap.so.0.8".to_owned()), "{needed:?}");
    assert!(needed.iter().all(|n| n == "libpcap.so.0.8" || there.contains(&n.as_str())), "{needed:?}");
    assert!(packages.contains(&"libpcap0.8"), "{packages:?}");
    // Debian has all of them; where apt has no lists it knows none, not even these.
    let show = |names: &[&str]| Command::new("apt-cache").arg("show").args(names).output().unwrap();
    if has("apt-cache", "--version") && show(&["libc6"]).status.success() {
        let o = show(&packages);
        assert!(o.status.success(), "{}", text(&o));
    }
}

/// A path of the image below `top`.
fn under(top: &Path, path: &str) -> PathBuf {
    top.join(path.strip_prefix('/').unwrap())
}

/// A step of the image in `folder`; what has its place in the image has it below `top`.
fn here(step: &str, top: &Path, folder: &Path) -> Command {
    let mut c = Command::new("bash");
    c.args(["-c", &step.replace(" /", &format!(" {}/", top.display()))]).current_dir(folder);
    c
}
