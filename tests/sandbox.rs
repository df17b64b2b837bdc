//! What a confined process can still do: tried by this program itself, in a child that confines itself first.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use btcdmon::app::sandbox::{Allowed, enter};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

/// Tells the child which folder it may write into, and which not.
const INSIDE: &str = "BTCDMON_TEST_INSIDE";
const OUTSIDE: &str = "BTCDMON_TEST_OUTSIDE";

/// What must fail, and what must go on working; a line for each that does not.
fn attempts(inside: &Path, outside: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut must_fail = |what: &str, result: std::io::Result<()>| match result {
        Ok(()) => wrong.push(format!("{what} was possible")),
        Err(e) if [Some(libc::EACCES), Some(libc::EPERM)].contains(&e.raw_os_error()) => {}
        Err(e) => wrong.push(format!("{what} failed, but with {e}")),
    };
    let append = |p: PathBuf| OpenOptions::new().append(true).open(p).and_then(|mut f| f.write_all(b"x"));
    must_fail("making a file outside", File::create(outside.join("new")).map(drop));
    must_fail("writing to a file outside", append(outside.join("there")));
    must_fail("reading a file outside", fs::read(outside.join("there")).map(drop));
    must_fail("removing a file outside", fs::remove_file(outside.join("there")));
    must_fail("making a folder outside", fs::create_dir(outside.join("folder")));
    must_fail("moving a file out", fs::rename(inside.join("mine"), outside.join("mine")));
    must_fail("writing below /etc", File::create("/etc/btcdmon-test").map(drop));
    must_fail("starting a program", Command::new("/bin/true").status().map(drop));
    let packet = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Packet,
        nix::sys::socket::SockType::Raw,
        nix::sys::socket::SockFlag::empty(),
        None,
    );
    must_fail("opening a packet socket", packet.map(drop).map_err(std::io::Error::from));
    let killed = nix::sys::signal::kill(nix::unistd::Pid::parent(), None);
    must_fail("sending a signal to another process", killed.map_err(std::io::Error::from));

    let mut must_work = |what: &str, result: std::io::Result<()>| {
        if let Err(e) = result {
            wrong.push(format!("{what}: {e}"));
        }
    };
    must_work("appending inside", append(inside.join("mine")));
    must_work("making, moving, removing inside", {
        let (a, b) = (inside.join("a"), inside.join("b"));
        File::create(&a).and_then(|_| fs::rename(&a, &b)).and_then(|()| fs::remove_file(&b))
    });
    must_work("reading /etc", fs::read("/etc/passwd").map(drop));
    must_work("reading counts of an interface", fs::read("/sys/class/net/lo/statistics/rx_dropped").map(drop));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    must_work("connecting", TcpStream::connect(listener.local_addr().unwrap()).map(drop));
    must_work("a datagram socket", UdpSocket::bind("127.0.0.1:0").map(drop));
    must_work("a thread", std::thread::Builder::new().name("t".into()).spawn(|| ()).map(|t| t.join().unwrap()));
    let store = btcdmon::sink::Store::open(&inside.join("x.db"), "s", btcdmon::series::SERIES);
    must_work("a store", store.and_then(btcdmon::sink::Store::close).map_err(std::io::Error::other));
    let names = std::net::ToSocketAddrs::to_socket_addrs("localhost:1").map(drop);
    must_work("looking a name up", names);
    wrong
}

#[test]
fn nothing_outside_is_written_or_read_and_no_program_started() {
    if let (Some(inside), Some(outside)) = (std::env::var_os(INSIDE), std::env::var_os(OUTSIDE)) {
        let enforced = enter(&Allowed { read: vec![], write: vec![inside.clone().into()] }).unwrap();
        if !enforced.landlock || !enforced.seccomp {
            println!("NOT ENFORCED {enforced:?}");
            exit(3);
        }
        let wrong = attempts(Path::new(&inside), Path::new(&outside));
        for line in &wrong {
            println!("WRONG {line}");
        }
        exit(i32::from(!wrong.is_empty()));
    }
    let folder = tempfile::tempdir().unwrap();
    let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
    for f in [&inside, &outside] {
        fs::create_dir(f).unwrap();
    }
    fs::write(inside.join("mine"), "x").unwrap();
    fs::write(outside.join("there"), "x").unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["nothing_outside_is_written_or_read_and_no_program_started", "--exact", "--nocapture"])
        .envs([(INSIDE, &inside), (OUTSIDE, &outside)])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    if child.status.code() == Some(3) {
        assert!(std::env::var_os("CI").is_none(), "this kernel has no Landlock or no seccomp: {said}");
        eprintln!("SKIPPED: this kernel has no Landlock or no seccomp");
        return;
    }
    assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
    assert_eq!(fs::read(outside.join("there")).unwrap(), b"x");
}
