//! Puts the pages into the program, if Node.js has made them: `src/web/ui/dist` as a list of compressed files.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::error::Error;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const DIST: &str = "src/web/ui/dist";

fn files(folder: &Path, out: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files(&path, out)? } else { out.push(path) }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let target = PathBuf::from(env::var("OUT_DIR")?);
    let dist = root.join(DIST);
    println!("cargo::rerun-if-changed={DIST}");
    println!("cargo::rerun-if-changed=build.rs");
    let mut found = Vec::new();
    if dist.is_dir() {
        files(&dist, &mut found)?;
    }
    found.sort();
    // What a build tool has compressed already is compressed again here, so that all files are alike.
    found.retain(|p| !p.extension().is_some_and(|e| e == "gz" || e == "br"));
    let mut list = "/// All files.\npub const ASSETS: &[Asset] = &[\n".to_owned();
    for (i, path) in found.iter().enumerate() {
        let bytes = fs::read(path)?;
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        let name = path.strip_prefix(&dist)?.to_string_lossy().replace('\\', "/");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&bytes)?;
        let file = target.join(format!("asset-{i}.gz"));
        fs::write(&file, gzip.finish()?)?;
        let etag = format!("\"{:016x}\"", hasher.finish());
        // Vite puts a hash of the contents into the names of what it has made.
        let immutable = name.starts_with("assets/");
        writeln!(
            list,
            "    Asset {{ path: {name:?}, gzip: include_bytes!({:?}), etag: {etag:?}, immutable: {immutable} }},",
            file.to_string_lossy()
        )?;
    }
    list.push_str("];\n");
    fs::write(target.join("assets.rs"), list)?;
    Ok(())
}
