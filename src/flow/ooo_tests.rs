//! The buffer against a map of bytes, and its accounting.

use super::*;

fn piece(start: u64, bytes: &[u8]) -> Piece<'_> {
    let end = start + bytes.len() as u64;
    Piece { start, end, bytes, time: Timestamp::from_nanos(start as i64), starts_segment: true, pushed: true }
}

/// Start, bytes, `starts_segment`, `pushed` of every range.
fn ranges(b: &OooBuffer) -> Vec<(u64, &[u8], bool, bool)> {
    b.held.iter().map(|h| (h.start, h.bytes.as_slice(), h.starts_segment, h.pushed)).collect()
}

fn seen(seen_again: u64, conflicting: u64) -> Inserted {
    Inserted { seen_again, conflicting }
}

#[test]
fn r32_duplicate() {
    let mut b = OooBuffer::default();
    assert_eq!(b.insert(&piece(5, b"abc"), Action::Deliver), seen(0, 0));
    assert_eq!(b.insert(&piece(5, b"abc"), Action::Deliver), seen(3, 0));
    assert_eq!(ranges(&b), [(5, &b"abc"[..], true, true)]);
    assert_eq!(b.allocated(), 3 + SEGMENT_OVERHEAD);
}

#[test]
fn r33_contained_keeps_the_first_copy() {
    let mut b = OooBuffer::default();
    b.insert(&piece(5, b"abcdef"), Action::Deliver);
    assert_eq!(b.insert(&piece(6, b"bXX"), Action::Deliver), seen(3, 2));
    assert_eq!(ranges(&b), [(5, &b"abcdef"[..], true, true)]);
}

#[test]
fn r33_containing_fills_both_sides() {
    let mut b = OooBuffer::default();
    b.insert(&piece(5, b"AB"), Action::Deliver);
    assert_eq!(b.insert(&piece(3, b"stuvwx"), Action::Deliver), seen(2, 2));
    // Only the outer ends of the new piece are ends of its segment.
    let expected: [(u64, &[u8], bool, bool); 3] =
        [(3, b"st", true, false), (5, b"AB", true, true), (7, b"wx", false, true)];
    assert_eq!(ranges(&b), expected);
}

#[test]
fn r32_touching_ranges_stay_apart_and_come_out_together() {
    let mut b = OooBuffer::default();
    b.insert(&piece(3, b"cd"), Action::Deliver);
    b.insert(&piece(1, b"ab"), Action::Deliver);
    b.insert(&piece(9, b"z"), Action::Deliver);
    assert_eq!(b.first(), Some(1));
    let taken: Vec<_> = b.take_contiguous(1).iter().map(|h| (h.start, h.bytes.clone())).collect();
    assert_eq!(taken, [(1, b"ab".to_vec()), (3, b"cd".to_vec())]);
    assert_eq!((b.first(), b.segments(), b.allocated()), (Some(9), 1, 1 + SEGMENT_OVERHEAD));
    b.take_contiguous(9);
    assert_eq!((b.is_empty(), b.allocated(), b.held.capacity()), (true, 0, 0));
}

#[test]
fn r05_bytes_that_the_capture_cut_stay_missing() {
    let mut b = OooBuffer::default();
    let cut = Piece { end: 20, ..piece(10, b"abcd") };
    b.insert(&cut, Action::Deliver);
    // The first copy's range stands, also where its bytes were cut; those are not compared.
    assert_eq!(b.insert(&piece(8, b"..abXd0123456789"), Action::Deliver), seen(10, 1));
    let expected: [(u64, &[u8], bool, bool); 3] =
        [(8, b"..", true, false), (10, b"abcd", true, true), (20, b"6789", false, true)];
    assert_eq!(ranges(&b), expected);
    assert_eq!(b.held[1].end, 20);
}

#[test]
fn r18_truncate_cuts_frees_and_counts() {
    let mut b = OooBuffer::default();
    b.insert(&piece(0, b"abcd"), Action::Deliver);
    b.insert(&piece(6, b"gh"), Action::Deliver);
    b.insert(&piece(9, b"jklm"), Action::Deliver);
    assert_eq!(b.truncate(13), 0);
    assert_eq!(b.truncate(10), 3);
    assert_eq!(b.truncate(2), 5);
    assert_eq!(ranges(&b), [(0, &b"ab"[..], true, true)]);
    assert_eq!(b.allocated(), 2 + SEGMENT_OVERHEAD);
    assert_eq!(b.held[0].bytes.capacity(), 2);
}

#[test]
fn r49_ranges_that_are_only_counted_merge() {
    let mut b = OooBuffer::default();
    b.insert(&piece(10, b"ab"), Action::Deliver);
    b.insert(&piece(12, b"cd"), Action::Deliver);
    b.insert(&piece(20, b"z"), Action::Deliver);
    b.forget_bytes(Action::Count);
    assert_eq!((b.segments(), b.allocated()), (2, 2 * SEGMENT_OVERHEAD));
    assert_eq!(b.insert(&piece(16, b"...."), Action::Count), seen(0, 0)); // touches 20
    assert_eq!(b.insert(&piece(5, b"....."), Action::Count), seen(0, 0)); // touches 10
    assert_eq!(b.insert(&piece(30, b"."), Action::Count), seen(0, 0));
    assert_eq!(b.segments(), 3);
    assert_eq!(b.insert(&piece(4, b"............................"), Action::Count), seen(15, 0));
    let spans: Vec<_> = b.held.iter().map(|h| (h.start, h.end)).collect();
    assert_eq!(spans, [(4, 32)]);
    assert_eq!(b.allocated(), SEGMENT_OVERHEAD);
}

/// Random insertions, takings and truncations against one cell a byte.
#[test]
fn r31_random_against_a_map_of_bytes() {
    const SPACE: u64 = 120;
    let mut state = 0x5eed_u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    for round in 0..600 {
        let counting = round % 3 == 0;
        let mut b = OooBuffer::default();
        let mut cells: Vec<Option<u8>> = vec![None; SPACE as usize];
        let mut next = 0_u64;
        for step in 0..40_u64 {
            let start = next + below(SPACE - next);
            let end = (start + 1 + below(25)).min(SPACE);
            let bytes: Vec<u8> = (start..end).map(|o| if below(3) == 0 { step as u8 } else { o as u8 }).collect();
            let (mut again, mut differ) = (0, 0);
            for (o, &byte) in (start..end).zip(&bytes) {
                let cell = &mut cells[o as usize];
                again += u64::from(cell.is_some());
                differ += u64::from(!counting && cell.is_some_and(|c| c != byte));
                cell.get_or_insert(byte);
            }
            assert_eq!(
                b.insert(&piece(start, &bytes), if counting { Action::Count } else { Action::Deliver }),
                seen(again, differ)
            );
            let mut held: Vec<Option<u8>> = vec![None; SPACE as usize];
            for h in &b.held {
                assert!(h.start < h.end);
                for o in h.start..h.end {
                    let byte = h.bytes.get((o - h.start) as usize).copied();
                    assert!(held[o as usize].is_none(), "ranges are disjoint");
                    held[o as usize] = Some(if counting { 0 } else { byte.unwrap() });
                }
            }
            let expected: Vec<_> = cells.iter().map(|c| c.map(|c| if counting { 0 } else { c })).collect();
            assert_eq!(held, expected);
            assert!(b.held.iter().collect::<Vec<_>>().windows(2).all(|w| w[0].end <= w[1].start), "sorted");
            assert!(
                !counting || b.held.iter().collect::<Vec<_>>().windows(2).all(|w| w[0].end < w[1].start),
                "counted ranges are merged"
            );
            let bytes: usize = b.held.iter().map(|h| h.bytes.len()).sum();
            assert_eq!(b.allocated(), bytes + b.held.len() * SEGMENT_OVERHEAD);
            if below(6) == 0 {
                let taken = b.take_contiguous(next);
                let end = taken.last().map_or(next, |h| h.end);
                let run = cells[next as usize..].iter().take_while(|c| c.is_some()).count() as u64;
                assert_eq!(end, next + run, "all that is contiguous, no more");
                cells[next as usize..end as usize].fill(None);
                next = end;
            } else if below(12) == 0 {
                let end = next + below(SPACE - next + 1);
                let gone = cells[end as usize..].iter().filter(|c| c.is_some()).count() as u64;
                assert_eq!(b.truncate(end), gone);
                cells[end as usize..].fill(None);
            }
            if next == SPACE {
                break;
            }
        }
    }
}
