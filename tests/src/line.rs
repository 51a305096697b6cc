//! The line between clients and a server, which breaks when a test wants it.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::process::ServerProcess;
use crate::wait::answered;

/// Connections to a server that pass through the test. To be kept for as long as they are used.
#[derive(Debug)]
pub struct Line {
    url: String,
    /// Each connection listens to it until the server has closed its end.
    breaks: watch::Sender<()>,
}

impl Line {
    /// A line to this server.
    ///
    /// # Panics
    ///
    /// When the system gives no address.
    pub async fn to(server: &ServerProcess) -> Self {
        let (head, tail) = server.url().split_once("//").expect("the URL has a host");
        let (address, path) = tail.split_once('/').expect("the URL has a path");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let url = format!("{head}//{}/{path}", listener.local_addr().expect("an address"));
        let breaks = watch::Sender::new(());
        let (lines, address) = (breaks.clone(), address.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&address).await else { continue };
                tokio::spawn(pass(client, server, lines.subscribe()));
            }
        });
        Self { url, breaks }
    }

    /// The URL that clients connect to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Breaks all connections, and waits until the server knows: it has closed its ends. Those that come later pass.
    pub async fn break_off(&self) {
        self.breaks.send_replace(());
        answered("the end of the server's connections", self.breaks.closed()).await;
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, mut breaks: watch::Receiver<()>) {
    tokio::select! {
        _ended = copy_bidirectional(&mut client, &mut server) => return,
        _broken = breaks.changed() => {}
    }
    drop(client);
    let _gone = server.shutdown().await;
    let _gone = server.read_to_end(&mut Vec::new()).await;
}
