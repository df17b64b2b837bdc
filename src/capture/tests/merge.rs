//! Several files as one stream.

use super::*;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;

fn open(paths: &[PathBuf]) -> Replay {
    Replay::open(paths, Options::default()).unwrap()
}

#[test]
fn can_move_to_another_thread() {
    fn send<T: Send>() {}
    send::<Replay>();
}

#[test]
fn merges_by_time_and_breaks_ties_by_file() {
    let dir = tempfile::tempdir().unwrap();
    let paths = [
        put(dir.path(), "late", &small(&[(100, 10), (110, 12)])),
        put(dir.path(), "a", &small(&[(10, 1), (20, 3), (20, 4), (30, 6)])),
        put(dir.path(), "none", &small(&[])),
        put(dir.path(), "b", &small(&[(11, 2), (20, 5), (100, 11)])),
    ];
    let mut replay = open(&paths);
    let frames = drain(&mut replay);
    // At 100 "b" comes before "late": it started earlier.
    assert_eq!(bytes_of(&frames), [1, 2, 3, 4, 5, 6, 11, 10, 12]);
    // Numbered as the files are opened: a, b, late.
    assert_eq!(frames.iter().map(|f| f.interface).collect::<Vec<_>>(), [0, 1, 0, 0, 1, 0, 1, 2, 2]);
    assert_eq!(replay.progress().files_done, 4);
}

#[test]
fn files_that_start_together_stay_in_the_order_given() {
    let dir = tempfile::tempdir().unwrap();
    let (x, y) = (put(dir.path(), "x", &small(&[(1, 1)])), put(dir.path(), "y", &small(&[(1, 2)])));
    assert_eq!(bytes_of(&drain(&mut open(&[y.clone(), x.clone()]))), [2, 1]);
    assert_eq!(bytes_of(&drain(&mut open(&[x, y]))), [1, 2]);
}

#[test]
fn the_order_within_a_file_stays() {
    let dir = tempfile::tempdir().unwrap();
    let paths =
        [put(dir.path(), "a", &small(&[(10, 1), (5, 2), (40, 5)])), put(dir.path(), "b", &small(&[(11, 3), (12, 4)]))];
    assert_eq!(bytes_of(&drain(&mut open(&paths))), [1, 2, 3, 4, 5]);
}

#[test]
fn against_a_stable_sort() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    let mut paths = Vec::new();
    for file in 0..40_u8 {
        let packets: Vec<(i64, u8)> = (0..25).map(|i| (i64::from(file) * 37 + i * 13, file)).collect();
        paths.push(put(dir.path(), &file.to_string(), &small(&packets)));
        expected.extend(packets);
    }
    paths.reverse();
    expected.sort_by_key(|p| p.0);
    let mut replay = open(&paths);
    let mut most_open = 0;
    let mut got = Vec::new();
    while let Some(frame) = replay.next_frame().unwrap() {
        got.push((frame.time.nanos(), frame.data[0]));
        most_open = most_open.max(replay.slots_open());
    }
    assert_eq!(got, expected);
    // A file lasts 312 ns and another starts every 37 ns.
    assert!(most_open <= 10, "{most_open}");
}

#[test]
fn folders_are_looked_through() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("deep/er")).unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    put(dir.path(), "deep/er/b.gz", &zstd::encode_all(&small(&[(2, 2)])[..], 1).unwrap());
    put(dir.path(), "deep/a", &small(&[(1, 1)]));
    put(dir.path(), "notes.txt", b"not a capture");
    put(dir.path(), "deep/nothing", b"");
    std::os::unix::fs::symlink(dir.path(), dir.path().join("deep/circle")).unwrap();
    let mut replay = open(&[dir.path().to_owned()]);
    assert_eq!(bytes_of(&drain(&mut replay)), [1, 2]);
    assert_eq!(replay.ignored(), 3);
    let e = Replay::open(&[dir.path().join("empty")], Options::default()).err().unwrap().to_string();
    assert!(e.contains("empty: holds no capture (0 other files in it)"), "{e}");
}

#[test]
fn a_pipe_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&small(&[(10, 1), (30, 3)])).unwrap();
    let (broken, mut to_broken) = std::io::pipe().unwrap();
    let mut bytes = small(&[]);
    bytes[4] = 9;
    to_broken.write_all(&bytes).unwrap();
    drop((writer, to_broken));
    let path = |fd: i32| PathBuf::from(format!("/proc/self/fd/{fd}"));
    let file = put(dir.path(), "a", &small(&[(20, 2)]));
    let mut replay = open(&[path(reader.as_raw_fd()), file, path(broken.as_raw_fd())]);
    let frames = drain(&mut replay);
    assert_eq!(bytes_of(&frames), [1, 2, 3]);
    assert_eq!(frames.iter().map(|f| f.interface).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!(replay.damage().len(), 1);
    assert_eq!(replay.progress().bytes_total, None);
}

#[test]
fn a_file_that_vanishes_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let paths = [put(dir.path(), "a", &small(&[(1, 1)])), put(dir.path(), "b", &small(&[(2, 2)]))];
    let mut replay = open(&paths);
    fs::remove_file(&paths[1]).unwrap();
    assert_eq!(bytes_of(&drain(&mut replay)), [1]);
    assert!(matches!(replay.damage(), [CaptureError::Open { .. }]));
    assert_eq!(replay.progress().files_done, 2);
}

#[test]
fn filters_and_counts() {
    let dir = tempfile::tempdir().unwrap();
    // Raw IP: version 4 or 6 in the first half byte, then zeros.
    let mut w = PcapWriter::new(Vec::new(), PcapOptions::new(LinkType(101))).unwrap();
    for version in [0x45, 0x60, 0x45, 0x45, 0x60] {
        let mut data = vec![0; 40];
        data[0] = version;
        w.packet(at(1), 40, &data).unwrap();
    }
    let path = put(dir.path(), "a", &w.into_inner());
    let options = |filter: &str| Options { follow: false, filter: Some(filter.to_owned()) };
    let mut replay = Replay::open(std::slice::from_ref(&path), options("ip6")).unwrap();
    assert_eq!(bytes_of(&drain(&mut replay)), [0x60, 0x60]);
    assert_eq!((replay.filtered(), replay.progress().frames), (3, 2));
    let e = Replay::open(std::slice::from_ref(&path), options("ip7")).err().unwrap();
    assert!(matches!(e, CaptureError::Filter { .. }), "{e}");
    // Valid somewhere, but not on raw IP: every frame says so, and then the file ends.
    let mut replay = Replay::open(&[path], options("ether host 1:2:3:4:5:6")).unwrap();
    for _ in 0..5 {
        assert!(matches!(replay.next_frame(), Err(CaptureError::Filter { .. })));
    }
    assert!(replay.next_frame().unwrap().is_none());
}
