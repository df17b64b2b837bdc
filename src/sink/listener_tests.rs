use super::*;
use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// Longest wait for what should come, a slow machine included.
const PATIENCE: Duration = Duration::from_mins(1);
/// Shorter than anybody's patience.
const SOON: Duration = Duration::from_millis(100);

fn capped(connections: usize, idle: Duration) -> (Capped, SocketAddr, Arc<AtomicU64>) {
    let ended = Arc::new(AtomicU64::new(0));
    let (listener, address) = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (Capped::new(listener, Limits { connections, idle }, Arc::clone(&ended)).unwrap(), address, ended)
}

#[tokio::test]
async fn who_says_nothing_is_ended() {
    let (mut listener, address, ended) = capped(1, SOON);
    let _silent = TcpStream::connect(address).await.unwrap();
    let (mut held, _) = listener.accept().await;
    for _ in 0..2 {
        let read = timeout(PATIENCE, held.read_u8()).await.expect("the connection is there for ever");
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
    assert_eq!(ended.load(Ordering::Relaxed), 1, "it is counted once");
}

#[tokio::test]
async fn who_never_reads_is_ended() {
    let (mut listener, address, ended) = capped(1, SOON);
    let _deaf = TcpStream::connect(address).await.unwrap();
    let (mut held, _) = listener.accept().await;
    let write = async {
        loop {
            if let Err(e) = held.write_all(&[0; 1 << 12]).await {
                return e.kind();
            }
        }
    };
    let why = timeout(PATIENCE, write).await.expect("the write waits for ever");
    assert_eq!((why, ended.load(Ordering::Relaxed)), (io::ErrorKind::TimedOut, 1));
}

#[tokio::test]
async fn what_moves_begins_the_time_anew() {
    let (mut listener, address, ended) = capped(1, PATIENCE);
    let mut client = TcpStream::connect(address).await.unwrap();
    let (mut held, _) = listener.accept().await;
    let mut before = held.timer.deadline();
    for reads in [true, false, true, false] {
        // The timer counts in milliseconds.
        sleep(Duration::from_millis(5)).await;
        if reads {
            client.write_u8(1).await.unwrap();
            held.read_u8().await.unwrap();
        } else {
            held.write_u8(1).await.unwrap();
            client.read_u8().await.unwrap();
        }
        let now = held.timer.deadline();
        assert!(now > before, "reads: {reads}");
        before = now;
    }
    assert_eq!(ended.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_is_there_is_read_however_late() {
    let (mut listener, address, ended) = capped(1, Duration::ZERO);
    let mut client = TcpStream::connect(address).await.unwrap();
    let (mut held, _) = listener.accept().await;
    client.write_u8(7).await.unwrap();
    held.stream.readable().await.unwrap();
    held.timer.as_mut().await;
    assert_eq!(held.read_u8().await.unwrap(), 7);
    assert_eq!(ended.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn places_come_back() {
    let (listener, address, ended) = capped(2, SOON);
    let mut idle = Vec::new();
    for _ in 0..5 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let app = Router::new().route("/", get(|| async { "here" }));
    let server = axum::serve(listener, app).into_future();
    // Asked again where the machine was so slow that the connection was ended before it asked.
    let ask = async {
        loop {
            let mut client = TcpStream::connect(address).await.unwrap();
            let mut text = String::new();
            let sent = client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
            if sent.is_ok() && client.read_to_string(&mut text).await.is_ok_and(|n| n > 0) {
                return text;
            }
        }
    };
    let answer = tokio::select! { _ = server => panic!("the server ended"), answer = timeout(PATIENCE, ask) => answer };
    let answer = answer.expect("idle ones hold all places");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
    assert!(ended.load(Ordering::Relaxed) > 0);
}
