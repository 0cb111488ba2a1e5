//! A TCP proxy that a test can close, between the functions and a server.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use reqwest::Url;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// A TCP proxy to a server. While closed, it drops all connections, as if the server were down.
pub(crate) struct Gate {
    address: SocketAddr,
    is_open: Arc<AtomicBool>,
    closing: Arc<Notify>,
}

impl Gate {
    pub(crate) async fn to(server: &Url) -> Self {
        let server = (
            server.host_str().unwrap().to_owned(),
            server.port().unwrap(),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_open, closing) = (Arc::new(AtomicBool::new(true)), Arc::new(Notify::new()));
        let gate = Self {
            address,
            is_open: Arc::clone(&is_open),
            closing: Arc::clone(&closing),
        };
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                if !is_open.load(Ordering::SeqCst) {
                    continue;
                }
                let (server, closing) = (server.clone(), Arc::clone(&closing));
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(server).await else {
                        return;
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        () = closing.notified() => {}
                    }
                });
            }
        });
        gate
    }

    pub(crate) fn url(&self) -> Url {
        format!("http://{}", self.address).parse().unwrap()
    }

    pub(crate) fn close(&self) {
        self.is_open.store(false, Ordering::SeqCst);
        self.closing.notify_waiters();
    }

    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }
}
