//! The other end of a quiet tunnel vanishes without a word. Nothing that is sent would tell, for
//! nothing is sent; the kernel asks after it (TCP keep-alive).

use crate::network::{FAR, Network, Weather};
use crate::play::beside_others;
use crate::support::{LbProgram, Origin, PATIENCE};
use std::io::{ErrorKind, Read as _};
use std::time::Instant;

const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n";
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n";

const ALL_LOST: Weather = Weather {
    loss: 100,
    delay: 0,
    cut: None,
};

/// With checks far apart: it is not they that notice.
const WORDS: [&str; 5] = [
    "--log=off",
    "-v",
    "--tcp-keep-alive=1s",
    "--health-interval=1h",
    "--health-timeout=2s",
];

fn scene(network: &Network, backend: &str) {
    let lb = LbProgram::start(0, &[&[backend], &WORDS[..]].concat());
    let mut client = lb.client();
    client.send(UPGRADE);
    assert_eq!(client.response().status, 101);
    network.set(ALL_LOST);
    let began = Instant::now();
    let end = client.stream.read(&mut [0]);
    let kind = end.map_err(|error| error.kind());
    assert_eq!(
        kind,
        Err(ErrorKind::ConnectionReset),
        "after {:?}",
        began.elapsed()
    );
    loop {
        let line = lb.errors.recv_timeout(PATIENCE).expect("it says why");
        if line.contains("Tunnel from") {
            assert!(
                line.contains("its host vanished while passing bytes both ways"),
                "{line}"
            );
            return;
        }
    }
}

#[test]
fn a_quiet_tunnel_ends_when_the_backends_host_has_vanished() {
    let _machine = beside_others();
    let Some(network) = Network::build() else {
        return;
    };
    let origin = network.on_far_side(|| {
        Origin::scripted(|served| {
            served.client.read_until(b"\r\n\r\n");
            served.client.send(SWITCH);
            // Until the other end is gone, which it never hears of.
            served.client.read_to_end();
        })
    });
    let backend = format!("{FAR}:{}", origin.address.port());
    network.on_near_side(|| scene(&network, &backend));
}
