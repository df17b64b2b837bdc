//! Files that grow while they are read.

use super::*;
use std::fs::OpenOptions;
use std::io::Write as _;

fn follow(paths: &[PathBuf]) -> Result<Replay, CaptureError> {
    Replay::open(paths, Options { follow: true, filter: None })
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn waits_for_every_single_byte() {
    let packets = &packets()[..6];
    let pcap = pcap_bytes(PcapOptions::new(LinkType(1)), packets);
    let ng = pcapng_bytes(ByteOrder::Little, InterfaceOptions::new(LinkType(1)), packets);
    for bytes in [pcap, ng] {
        let dir = tempfile::tempdir().unwrap();
        let path = put(dir.path(), "a", &bytes[..4]);
        let mut replay = follow(std::slice::from_ref(&path)).unwrap();
        let mut frames = drain(&mut replay);
        for byte in &bytes[4..] {
            append(&path, &[*byte]);
            frames.extend(drain(&mut replay));
        }
        assert_eq!(frames, packets);
        assert!(replay.damage().is_empty());
        assert_eq!(replay.progress().bytes_total, Some(bytes.len() as u64));
    }
}

#[test]
fn follows_the_newest_of_several() {
    let dir = tempfile::tempdir().unwrap();
    let old = put(dir.path(), "old", &zstd::encode_all(&small(&[(1, 1), (3, 3)])[..], 1).unwrap());
    let bytes = small(&[(2, 2), (4, 4), (5, 5)]);
    let new = put(dir.path(), "new", &bytes[..24 + 17 + 3]);
    let mut replay = follow(&[new.clone(), old]).unwrap();
    assert_eq!(bytes_of(&drain(&mut replay)), [1, 2, 3]);
    let (second, third) = (24 + 17, 24 + 2 * 17);
    append(&new, &bytes[second + 3..=third]);
    assert_eq!(bytes_of(&drain(&mut replay)), [4]);
    append(&new, &bytes[third + 1..]);
    assert_eq!(bytes_of(&drain(&mut replay)), [5]);
    assert!(replay.next_frame().unwrap().is_none());
    assert!(replay.damage().is_empty());
}

#[test]
fn an_old_file_that_is_cut_is_damage_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = small(&[(1, 1), (2, 2)]);
    let old = put(dir.path(), "old", &bytes[..bytes.len() - 1]);
    let new = put(dir.path(), "new", &small(&[(5, 5)]));
    let mut replay = follow(&[old, new]).unwrap();
    assert_eq!(bytes_of(&drain(&mut replay)), [1, 5]);
    assert_eq!(replay.damage().len(), 1);
}

#[test]
fn damage_ends_a_followed_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = put(dir.path(), "a", &small(&[(1, 1)]));
    let mut replay = follow(std::slice::from_ref(&path)).unwrap();
    assert_eq!(bytes_of(&drain(&mut replay)), [1]);
    append(&path, &[0xff; 16]);
    assert!(drain(&mut replay).is_empty());
    append(&path, &small(&[(2, 2)])[24..]);
    assert!(drain(&mut replay).is_empty());
    assert_eq!(replay.damage().len(), 1);
}

#[test]
fn cannot_follow_compressed_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = put(dir.path(), "a.zst", &zstd::encode_all(&small(&[(1, 1)])[..], 1).unwrap());
    let e = follow(&[path]).err().unwrap().to_string();
    assert!(e.ends_with("a.zst: cannot follow a compressed file (zstd)"), "{e}");
}
