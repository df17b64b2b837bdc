use super::*;
use proptest::prelude::*;

fn field(name: &[u8]) -> [u8; 12] {
    let mut field = [0; 12];
    field[..name.len()].copy_from_slice(name);
    field
}

fn linear(f: &[u8; 12]) -> Command {
    let row = COMMANDS.iter().position(|s| field(s.name.as_bytes()) == *f);
    row.map_or(Command::UNKNOWN, |row| Command(row as u8))
}

#[test]
fn every_row_is_found_by_field_name_and_type() {
    for (row, spec) in COMMANDS.iter().enumerate() {
        let f = field(spec.name.as_bytes());
        let command = Command::from_field(&f);
        assert_eq!(command.index(), row, "{}", spec.name);
        assert_eq!(command, linear(&f));
        assert_eq!(command.name(), spec.name);
        assert_eq!(field_name(&f), Some(spec.name));
        assert_eq!(Command::from_name(spec.name), Some(command));
        if let Some(t) = spec.v2_type {
            assert_eq!(Command::from_v2_type(t), Some(command), "{}", spec.name);
        }
        assert!(!spec.help.is_empty() && spec.help.ends_with('.') && !spec.source.is_empty());
    }
    assert_eq!(COMMANDS.len(), 51);
}

#[test]
fn bip_324_types_are_complete() {
    // The table of BIP 324, in order from 1.
    let table = "addr block blocktxn cmpctblock feefilter filteradd filterclear filterload getblocks getblocktxn \
                 getdata getheaders headers inv mempool merkleblock notfound ping pong sendcmpct tx getcfilters \
                 cfilter getcfheaders cfheaders getcfcheckpt cfcheckpt addrv2";
    for (t, name) in (1..).zip(table.split_whitespace()) {
        assert_eq!(Command::from_v2_type(t).map(Command::name), Some(name));
    }
    assert_eq!(COMMANDS.iter().filter(|s| s.v2_type.is_some()).count(), 29, "28 of BIP 324 and BIP 434's");
}

#[test]
fn constants_are_their_rows() {
    assert_eq!(Command::VERSION.name(), "version");
    assert_eq!(Command::TX.name(), "tx");
    assert_eq!(Command::REPLY.name(), "reply");
    assert_eq!(Command::UNKNOWN.name(), "unknown");
    assert_eq!(Command::UNKNOWN.index(), COMMANDS.len());
    assert!(Command::TX.is_known() && !Command::UNKNOWN.is_known());
}

#[test]
fn fields_that_are_not_valid() {
    for bad in [&b""[..], b"tx\0x", b"\x1fx", b"t\x7f", b"\xff", b"tx\0\0\0\0\0\0\0\0\0\x01"] {
        assert_eq!(field_name(&field(bad)), None, "{bad:?}");
        assert_eq!(Command::from_field(&field(bad)), Command::UNKNOWN);
    }
    assert_eq!(field_name(b"reqsketchext"), Some("reqsketchext"));
    assert_eq!(field_name(&field(b"x thin~")), Some("x thin~"));
}

proptest! {
    #[test]
    fn lookup_is_the_linear_search(row in 0..COMMANDS.len(), at in 0..12_usize, byte: u8, random: [u8; 12]) {
        let mut near = field(COMMANDS[row].name.as_bytes());
        near[at] = byte;
        prop_assert_eq!(Command::from_field(&near), linear(&near));
        prop_assert_eq!(Command::from_field(&random), linear(&random));
    }
}
