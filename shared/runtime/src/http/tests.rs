use std::{
    io::{Read, Write},
    net::SocketAddr,
};

use axum::routing::{get, post};
use tokio::{
    sync::{Semaphore, oneshot},
    task::JoinHandle,
};

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);
/// Bounds a test whose connection is not closed.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// Limits that close nothing during a test.
const PATIENT: HttpLimits = HttpLimits {
    header: HOUR,
    body: HOUR,
    connections: 1_000,
    shutdown: HOUR,
};

/// Requests that stop halfway: before the header, in the header, and in the body.
const HALF_OPEN: [&str; 3] = [
    "",
    "POST /echo HTTP/1.1\r\nhost: x\r\nx-a: ",
    "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
];

struct Server {
    address: SocketAddr,
    /// One permit ends one request of `/wait`.
    gate: Arc<Semaphore>,
    /// The number of requests that have reached `/wait`.
    started: Arc<Semaphore>,
    /// The number of requests of `/wait` that have passed the gate.
    finished: Arc<Semaphore>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<bool>,
}

impl Server {
    async fn start(limits: HttpLimits) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let started = Arc::new(Semaphore::new(0));
        let finished = Arc::new(Semaphore::new(0));
        let (waiting, reached, passed) = (
            Arc::clone(&gate),
            Arc::clone(&started),
            Arc::clone(&finished),
        );
        let wait = get(move || async move {
            reached.add_permits(1);
            if let Ok(permit) = waiting.acquire().await {
                permit.forget();
            }
            passed.add_permits(1);
            "waited"
        });
        let echo = post(|body: String| async move { body });
        let router = Router::new().route("/wait", wait).route("/echo", echo);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(async move {
            let shutdown = async move { drop(stopped.await) };
            serve(listener, router, limits, shutdown).await
        });
        Self {
            address,
            gate,
            started,
            finished,
            stop: Some(stop),
            served,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Starts a request that lasts until the gate opens, and waits until the handler runs.
    async fn request_in_flight(&self) -> JoinHandle<Option<String>> {
        let url = self.url("/wait");
        let request = tokio::spawn(async move {
            let response = reqwest::get(url).await.ok()?;
            response.text().await.ok()
        });
        self.started.acquire().await.unwrap().forget();
        request
    }

    async fn echo(&self) -> Option<String> {
        let request = reqwest::Client::new().post(self.url("/echo")).body("hello");
        request.send().await.ok()?.text().await.ok()
    }

    fn stop(&mut self) {
        drop(self.stop.take());
    }
}

fn connect(address: SocketAddr, sent: &str) -> std::net::TcpStream {
    let mut client = std::net::TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
    client.write_all(sent.as_bytes()).unwrap();
    client
}

/// Reads until the server closes the connection, and returns what it sent. Fails if the connection
/// stays open.
async fn read_to_end(mut client: std::net::TcpStream) -> Vec<u8> {
    let read = move || {
        let mut received = Vec::new();
        match client.read_to_end(&mut received) {
            Ok(_) => received,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => received,
            Err(error) => panic!("the connection is still open: {error}"),
        }
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

#[tokio::test]
async fn half_open_connections_are_closed() {
    let soon = Duration::from_millis(50);
    let server = Server::start(HttpLimits {
        header: soon,
        body: soon,
        ..PATIENT
    })
    .await;
    for sent in HALF_OPEN {
        read_to_end(connect(server.address, sent)).await;
    }
    // An idle connection after a response is closed as well.
    let whole = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello";
    let received = read_to_end(connect(server.address, whole)).await;
    assert!(received.ends_with(b"hello"), "{received:?}");
}

#[tokio::test]
async fn new_connection_replaces_the_oldest_half_open_one() {
    let server = Server::start(HttpLimits {
        connections: 3,
        ..PATIENT
    })
    .await;
    let mut clients = HALF_OPEN
        .map(|sent| connect(server.address, sent))
        .into_iter();
    assert_eq!(server.echo().await.as_deref(), Some("hello"));
    read_to_end(clients.next().unwrap()).await;
}

#[tokio::test]
async fn request_in_flight_is_not_replaced() {
    let server = Server::start(HttpLimits {
        connections: 1,
        ..PATIENT
    })
    .await;
    let request = server.request_in_flight().await;
    assert_eq!(server.echo().await, None, "a connection over the limit");
    server.gate.add_permits(1);
    assert_eq!(request.await.unwrap().as_deref(), Some("waited"));
}

#[tokio::test]
async fn shutdown_finishes_requests_in_flight() {
    let mut server = Server::start(PATIENT).await;
    let request = server.request_in_flight().await;
    server.stop();
    // The listener is closed while the request is in flight.
    while std::net::TcpStream::connect(server.address).is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.gate.add_permits(1);
    assert_eq!(request.await.unwrap().as_deref(), Some("waited"));
    assert!(server.served.await.unwrap());
}

#[tokio::test]
async fn shutdown_answers_the_request_of_a_new_connection() {
    let mut server = Server::start(PATIENT).await;
    let mut client = connect(server.address, "");
    // The server accepts connections in order.
    assert_eq!(server.echo().await.as_deref(), Some("hello"));
    server.stop();
    while std::net::TcpStream::connect(server.address).is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let request = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi";
    client.write_all(request.as_bytes()).unwrap();
    let received = read_to_end(client).await;
    assert!(received.starts_with(b"HTTP/1.1 200"), "{received:?}");
    assert!(server.served.await.unwrap());
}

#[tokio::test]
async fn shutdown_finishes_a_request_whose_client_is_gone() {
    let mut server = Server::start(PATIENT).await;
    let request = server.request_in_flight().await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    server.stop();
    while std::net::TcpStream::connect(server.address).is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!server.served.is_finished());
    server.gate.add_permits(1);
    assert!(server.served.await.unwrap());
    assert_eq!(server.finished.available_permits(), 1);
}

#[tokio::test]
async fn shutdown_does_not_wait_for_half_open_connections() {
    for sent in HALF_OPEN {
        let mut server = Server::start(HttpLimits {
            shutdown: Duration::from_millis(200),
            ..PATIENT
        })
        .await;
        let client = connect(server.address, sent);
        // The server accepts connections in order.
        assert_eq!(server.echo().await.as_deref(), Some("hello"));
        server.stop();
        assert!(server.served.await.unwrap(), "{sent}");
        drop(client);
    }
}

#[tokio::test]
async fn shutdown_ends_with_endless_requests() {
    let mut server = Server::start(HttpLimits {
        shutdown: Duration::from_millis(200),
        ..PATIENT
    })
    .await;
    let request = server.request_in_flight().await;
    server.stop();
    assert!(!server.served.await.unwrap());
    assert_eq!(request.await.unwrap(), None);
}

#[tokio::test]
async fn http_2_is_refused() {
    let server = Server::start(PATIENT).await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let received = read_to_end(connect(server.address, preface)).await;
    assert!(
        received.is_empty() || received.starts_with(b"HTTP/1.1 "),
        "{received:?}"
    );
}
