//! A `hyper` client with one connection.

use super::{runtime, text_of};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// An answer as `hyper` understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    pub status: u16,
    /// `None` if it broke off.
    pub body: Option<Vec<u8>>,
    pub trailers: Vec<String>,
}

pub struct HyperClient {
    runtime: Runtime,
    sender: SendRequest<Empty<Bytes>>,
}

impl HyperClient {
    pub fn to(address: SocketAddr) -> Self {
        let runtime = runtime();
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.expect("connects");
            let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("speaks");
            tokio::spawn(connection);
            sender
        });
        Self { runtime, sender }
    }

    /// Sends a request and reads its answer; `None` if there is none.
    pub fn ask(&mut self, method: &str, target: &str) -> Option<Got> {
        let sender = &mut self.sender;
        self.runtime.block_on(async {
            let request = Request::builder()
                .method(method)
                .uri(target)
                .header("Host", "test")
                .body(Empty::new())
                .expect("a request");
            sender.ready().await.ok()?;
            Some(read(sender.send_request(request).await.ok()?).await)
        })
    }
}

async fn read(response: Response<hyper::body::Incoming>) -> Got {
    let status = response.status().as_u16();
    match response.into_body().collect().await {
        Ok(body) => Got {
            status,
            trailers: text_of(body.trailers()),
            body: Some(body.to_bytes().to_vec()),
        },
        Err(_) => Got {
            status,
            body: None,
            trailers: Vec::new(),
        },
    }
}
