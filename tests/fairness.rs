//! Equal shares, to the request.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::thread;
use support::{Lb, Origin, nobody};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn three_live_backends_of_four_share_12000_concurrent_requests_equally() {
    let origins = [(); 3].map(|()| Origin::answering(HELLO));
    let lb = Lb::over(&[
        origins[0].address,
        nobody(),
        origins[1].address,
        origins[2].address,
    ]);
    thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                let mut client = lb.client();
                for _ in 0..1000 {
                    assert_eq!(client.get("/").status, 200);
                }
            });
        }
    });
    assert_eq!(origins.map(|origin| origin.count()), [4000; 3]);
}

#[test]
fn requests_take_turns() {
    let origins = [(); 3].map(|()| Origin::answering(HELLO));
    let lb = Lb::over(&[origins[0].address, origins[1].address, origins[2].address]);
    let mut client = lb.client();
    for _ in 0..5 {
        for origin in &origins {
            client.get("/");
            assert_eq!(origin.count(), 1);
        }
    }
}
