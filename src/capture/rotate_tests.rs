//! Files that take turns, read again by the reader of captures.

use super::*;
use crate::capture::{Options, PacketSource as _, Replay};
use crate::time::Timestamp;

fn blocks(from: u64, n: u64) -> Vec<u8> {
    let mut b = Blocks::default();
    for i in from..from + n {
        let data = vec![i as u8; 60 + (i % 4) as usize];
        let frame = Frame {
            time: Timestamp::from_nanos(1_700_000_000_000_000_000 + i as i64),
            link: LinkType(1),
            interface: (i % 2) as u32,
            wire_len: 1500,
            data: &data,
        };
        b.push(&frame);
    }
    assert_eq!(b.frames, n);
    b.bytes
}

fn two() -> Vec<(String, LinkType)> {
    vec![("eth0".to_owned(), LinkType(1)), ("any".to_owned(), LinkType(276))]
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all
}

fn read(paths: &[PathBuf]) -> (Vec<(i64, usize, u16)>, Dropped) {
    let mut source = Replay::open(paths, Options::default()).unwrap();
    let mut all = Vec::new();
    while let Some(f) = source.next_frame().unwrap() {
        assert_eq!(f.wire_len, 1500);
        all.push((f.time.nanos() - 1_700_000_000_000_000_000, f.data.len(), f.link.0));
    }
    assert!(source.damage().is_empty(), "{:?}", source.damage());
    (all, source.dropped())
}

#[test]
fn what_was_kept_is_read_again_with_times_links_and_drops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pcapng");
    let mut r = Rotating::create(RotateOptions { path: path.clone(), size: None, keep: None }, &two()).unwrap();
    let dropped = Dropped { interface: 3, system: 4 };
    r.append(&blocks(0, 10), dropped).unwrap();
    r.finish(dropped).unwrap();
    let (frames, lost) = read(&[path]);
    let expected: Vec<_> = (0..10).map(|i: i64| (i, 60 + (i % 4) as usize, if i % 2 == 0 { 1 } else { 276 })).collect();
    assert_eq!((frames, lost), (expected, dropped));
}

#[test]
fn files_take_turns_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.pcapng");
    fs::write(folder.path().join("node-notes.pcapng"), "not ours").unwrap();
    let options = RotateOptions { path: path.clone(), size: Some(2000), keep: Some(3) };
    let mut r = Rotating::create(options.clone(), &two()).unwrap();
    for i in 0..10 {
        r.append(&blocks(10 * i, 10), Dropped::default()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let all = files(folder.path());
    assert_eq!(all.len(), 4, "{all:?}: three files and the notes");
    let ours: Vec<_> = all.iter().filter(|p| !p.ends_with("node-notes.pcapng")).cloned().collect();
    let (frames, _) = read(&ours);
    let times: Vec<_> = frames.iter().map(|f| f.0).collect();
    assert_eq!(times, (70..100).collect::<Vec<_>>());
    // Started again: what is there is moved aside, nothing is written over.
    drop(r);
    let before = fs::read(&path).unwrap();
    let _again = Rotating::create(options, &two()).unwrap();
    assert!(files(folder.path()).iter().any(|p| p != &path && fs::read(p).unwrap() == before));
}

#[test]
fn limits_without_size_never_rotate_and_a_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let mut r = Rotating::create(RotateOptions { path: path.clone(), size: None, keep: Some(1) }, &two()).unwrap();
    for i in 0..20 {
        r.append(&blocks(i, 1), Dropped::default()).unwrap();
    }
    assert_eq!(files(folder.path()).len(), 1);
    r.set_limits(Some(1), Some(1));
    r.append(&blocks(20, 1), Dropped::default()).unwrap();
    assert_eq!(files(folder.path()).len(), 1, "the full one is gone at once");
    assert_eq!(read(&[path]).0.len(), 1);
    let e = Rotating::create(RotateOptions { path: folder.path().into(), size: None, keep: None }, &two());
    assert_eq!(e.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
}
