use super::*;

fn ok(sql: &str) -> String {
    rewrite(sql).unwrap().into_owned()
}

#[test]
fn every_unit_of_influxql() {
    assert_eq!(ok("5ns"), "5");
    assert_eq!(ok("10u"), "10000");
    assert_eq!(ok("10us"), "10000");
    assert_eq!(ok("10µs"), "10000");
    assert_eq!(ok("100ms"), "100000000");
    assert_eq!(ok("30s"), "30000000000");
    assert_eq!(ok("5m"), "300000000000");
    assert_eq!(ok("1h"), "3600000000000");
    assert_eq!(ok("2d"), "172800000000000");
    assert_eq!(ok("1w"), "604800000000000");
    assert_eq!(ok("1h30m"), "5400000000000");
}

#[test]
fn the_statement_of_the_manual() {
    assert_eq!(
        ok("SELECT * FROM tx_outputs WHERE time > now() - 1h and script_type <> 'pubkeyhash'"),
        "SELECT * FROM tx_outputs WHERE time > now() - 3600000000000 and script_type <> 'pubkeyhash'"
    );
    assert_eq!(ok("select 5-1h,(2m)+3"), "select 5-3600000000000,(120000000000)+3");
}

#[test]
fn strings_identifiers_and_comments_stay() {
    for sql in [
        "select '5m', 'it''s 5m', \"5m\", `5m`, [5m] -- 5m\n from t",
        "select /* 5m */ a5m, x1h, _5m, é5m from t5m",
        "select ?5, :5m, @5m, $5m, x'05', t.a5m",
        "select 1e3, 1.5e3, 0x5d, 0x1f, 12, 5M, 5mo, 1.5h, .5m, 1_000, 5e-3",
        "select 'open 5m",
        "select /* open 5m",
        "-- 5m",
        "",
    ] {
        assert_eq!(rewrite(sql), Ok(Cow::Borrowed(sql)));
    }
    assert_eq!(ok("select '5m' || 5m -- 5m\n, 1s"), "select '5m' || 300000000000 -- 5m\n, 1000000000");
}

#[test]
fn a_time_written_as_text_is_compared_as_a_time() {
    // 2026-11-22T20:00:00Z is 20 779 days (20 454 to 2026-01-01 and 325 more) and 20 hours after the epoch.
    const T: i64 = (20_779 * 86_400 + 20 * 3_600) * 1_000_000_000;
    assert_eq!(ok("time >= '2026-11-22T20:00:00Z'"), format!("time >= {T}"));
    assert_eq!(ok("x.time<'2026-11-22 20:00:00'"), format!("x.time<{T}"));
    assert_eq!(ok("\"time\" > /* a */ '2026-11-22T21:00:00+01:00'"), format!("\"time\" > /* a */ {T}"));
    assert_eq!(
        ok("time not between '2026-11-22' and '2026-11-22T20:00:00.000000001Z' and a = '2026-11-22'"),
        format!("time not between {} and {} and a = '2026-11-22'", T - 72_000_000_000_000, T + 1)
    );
    assert_eq!(rewrite("time > 'now'"), Err(RewriteError::NotATime("'now'".to_owned())));
    assert_eq!(
        ok("select 'time' > '2026-11-22', time, '2026-11-22'"),
        "select 'time' > '2026-11-22', time, '2026-11-22'"
    );
}

#[test]
fn says_what_to_write_instead() {
    assert_eq!(rewrite("group by TIME(1m)"), Err(RewriteError::InfluxBucket("1m".to_owned())));
    assert_eq!(rewrite("99999999999w"), Err(RewriteError::TooLong("99999999999w".to_owned())));
    assert_eq!(rewrite("99999999999999999999s"), Err(RewriteError::TooLong("99999999999999999999s".to_owned())));
}

#[test]
fn any_text_is_scanned_to_its_end() {
    let alphabet = ['\'', '"', '[', '/', '*', '-', '\n', '5', 'm', '.', 'é', ' ', '`', 't', '(', '<'];
    let mut seed = 1_u64;
    for _ in 0..20_000 {
        let text: String = (0..12)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                alphabet[(seed >> 60) as usize]
            })
            .collect();
        if let Ok(out) = rewrite(&text) {
            assert!(out.len() >= text.len() || out.contains(|c: char| c.is_ascii_digit()), "{text} {out}");
        }
    }
}
