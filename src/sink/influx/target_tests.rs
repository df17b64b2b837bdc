use super::super::config::Secret;
use super::*;

fn config(url: &str) -> Config {
    Config {
        url: url.to_owned(),
        database: None,
        retention_policy: None,
        user: None,
        password: None,
        org: None,
        bucket: None,
        token: None,
        spool: "/nonexistent".into(),
        spool_limit: 1,
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it is what the fields hold")]
fn some(s: &str) -> Option<String> {
    Some(s.to_owned())
}

#[test]
fn urls_of_writes() {
    let write = |c: &Config| Target::new(c).unwrap().write.to_string();
    let mut c = config("http://127.0.0.1:8086");
    assert_eq!(write(&c), "http://127.0.0.1:8086/write?db=btcdmon");
    c.retention_policy = some("two weeks");
    c.database = some("a&b");
    assert_eq!(write(&c), "http://127.0.0.1:8086/write?db=a%26b&rp=two+weeks");
    let mut c = config("https://vm.example/influx/");
    assert_eq!(write(&c), "https://vm.example/influx/write?db=btcdmon", "a path in front is kept");
    c.bucket = some("b");
    c.org = some("o");
    assert_eq!(write(&c), "https://vm.example/influx/api/v2/write?org=o&bucket=b");
    let mut c = config("http://h:8181");
    c.token = Some(Secret("t".to_owned()));
    assert_eq!(write(&c), "http://h:8181/api/v2/write?bucket=btcdmon");
}

#[test]
fn bad_configurations_say_what_to_do() {
    let error = |c: &Config| Target::new(c).unwrap_err().to_string();
    for url in ["", "localhost:8086", "ftp://h", "http://", "http://h:1?db=x", "udp://h"] {
        let e = error(&config(url));
        assert!(e.starts_with(&format!("--influx {url}: ")) && e.contains("hint: "), "{e}");
    }
    let e = error(&config("http://me:secret@h:8086"));
    assert!(e.contains("--influx-password-file") && !e.contains("secret@"), "{e}");
    let mut c = config("http://h");
    c.password = Some(Secret("pa ss".to_owned()));
    assert!(error(&c).contains("--influx-user"));
    c.user = some("u");
    c.bucket = some("b");
    assert!(error(&c).contains("leave out one of the two"));
    assert!(!format!("{c:?}").contains("pa ss"), "secrets are not shown");
}

#[test]
fn base_64() {
    for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
        assert_eq!(base64(plain.as_bytes()), coded, "RFC 4648 section 10");
    }
}
