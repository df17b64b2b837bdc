//! What a side may send now, where the protocol stands.

use super::*;
use crate::message::v2::accounts::Wants;

/// Who called, and who was called.
const OUT: Side = Side::Low;
const BACK: Side = Side::High;

/// Two Core nodes after their handshake.
fn shaken() -> State {
    let mut state = State::new(Some(OUT));
    for side in [OUT, BACK] {
        let said = [Kind::Version, Kind::WtxidRelay, Kind::SendAddrV2, Kind::Verack, Kind::SendCmpct];
        for (kind, len) in said.into_iter().zip([140, 33, 33, 33, 30]) {
            state.apply(side, kind, (len, 1), 100);
        }
    }
    state
}

/// BIP 155, BIP 330, BIP 339: what is negotiated comes before `verack`, and nothing else.
#[test]
fn the_order_of_a_handshake() {
    let probable = |state: &State, side, kind| {
        let len = if kind == Kind::SendCmpct { 30 } else { 33 };
        state.situation(Model::learnt(), side, 100).score(kind, (len, 1), 0.0) > -10.0
    };
    let mut state = State::new(Some(OUT));
    let mut say = |side, kind, len| {
        state.apply(side, kind, (len, 1), 100);
        state
    };
    say(OUT, Kind::Start, 764);
    let mut before = say(BACK, Kind::Start, 1300);
    for side in Side::BOTH {
        // By the length of its user agent: Core, its private broadcast, btcd.
        for (len, writer) in [(135, Writer::Core), (144, Writer::Core), (133, Writer::Any), (146, Writer::Any)] {
            let mut begun = before;
            begun.apply(side, Kind::Version, (len, 1), 100);
            assert!(begun.shakes_hands());
            assert_eq!(begun.ends[side as usize].writer, writer, "{len}");
            for kind in [Kind::WtxidRelay, Kind::SendAddrV2, Kind::Verack] {
                assert!(probable(&begun, side, kind), "{kind:?}");
            }
        }
        let begun = say(side, Kind::Version, 140);
        for kind in [Kind::SendHeaders, Kind::GetAddr, Kind::SendCmpct] {
            assert!(!probable(&begun, side, kind), "{kind:?}");
            let unsure = State { unsure: 200, ..begun };
            assert!(kind == Kind::GetAddr || probable(&unsure, side, kind), "something may have been lost: {kind:?}");
        }
        // Which must have been sent when something comes that follows it.
        let mut lost = begun;
        lost.apply(side, Kind::SendCmpct, (30, 1), 100);
        before = say(side, Kind::Verack, 33);
        for done in [before, lost] {
            assert!(!done.ends[side as usize].shakes_hands());
            assert!(probable(&done, side, Kind::SendCmpct));
            assert!(!probable(&done, side, Kind::WtxidRelay) && !probable(&done, side, Kind::SendAddrV2));
        }
    }
    let done = say(OUT, Kind::SendCmpct, 30);
    assert!(!done.shakes_hands());
    assert!(
        probable(&done, OUT, Kind::GetAddr) && !probable(&done, BACK, Kind::GetAddr),
        "those that are called are asked"
    );
}

/// BIP 130, BIP 152: a block comes as `headers` or as a compact block to who wants that, and to who asks.
#[test]
fn what_comes_unasked_is_wanted() {
    let wanted = |state: &State, kind| {
        let score = |state: &State| state.situation(Model::learnt(), OUT, 200_000).score(kind, (300, 1), 0.0);
        let mut sure = *state;
        sure.wants = [Wants::ANY; 2];
        score(state) >= score(&sure)
    };
    let shaken = shaken();
    let after = |side, kind| {
        let mut state = shaken;
        state.apply(side, kind, (300, 1), 200_000);
        state
    };
    for (kind, want, ask) in
        [(Kind::CmpctBlock, Kind::SendCmpct, Kind::GetDataBlock), (Kind::Headers, Kind::SendHeaders, Kind::GetHeaders)]
    {
        assert!(!wanted(&shaken, kind), "{kind:?}");
        assert!(wanted(&after(BACK, want), kind) && !wanted(&after(OUT, want), kind), "{kind:?}");
        assert!(wanted(&after(BACK, ask), kind), "{kind:?} was asked for");
        assert!(wanted(&after(OUT, kind), kind), "{kind:?} has come unasked before");
        let mut missed = shaken;
        missed.miss(BACK, 0);
        assert!(wanted(&missed, kind), "{want:?} may have been missed");
        assert!(wanted(&State { ends: shaken.ends, ..State::new(None) }, kind), "joined in the middle");
    }
}

/// A `ping` waits for its `pong` before the next one.
#[test]
fn no_ping_before_the_pong() {
    let ping = |state: &State| state.situation(Model::learnt(), OUT, 200_010).score(Kind::Ping, (29, 1), 0.0);
    let mut state = shaken();
    state.apply(OUT, Kind::Ping, (29, 1), 200_000);
    let waits = ping(&state);
    state.ends[BACK as usize].debts = Default::default();
    assert!((ping(&state) - waits + PINGED).abs() < 0.001);
}
