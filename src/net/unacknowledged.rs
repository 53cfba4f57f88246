//! How much of what was sent on a connection the other side's system has not acknowledged.
//!
//! Linux tells that of one socket through a socket of its own (`sock_diag(7)`), in a question
//! that names both ends, as `ss` does of all. Elsewhere, or where that is forbidden, it is not
//! known.

use super::conn::Conn;

impl Conn {
    /// Bytes that were handed to the kernel and not yet acknowledged by the other side's; `None`
    /// where the system does not tell.
    #[must_use]
    pub fn unacknowledged(&self) -> Option<u32> {
        let (own, peer) = (self.stream.local_addr(), self.stream.peer_addr());
        queued(own.ok()?, peer.ok()?)
    }
}

/// The same of the connection from `own` to `peer`.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn queued(_own: std::net::SocketAddr, _peer: std::net::SocketAddr) -> Option<u32> {
    None
}

#[cfg(target_os = "linux")]
pub use linux::queued;

#[cfg(target_os = "linux")]
mod linux {
    use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
    use netlink_packet_sock_diag::SockDiagMessage;
    use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
    use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
    use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
    use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
    use std::net::SocketAddr;

    /// Room for an answer, which has some two hundred bytes.
    const ANSWER_BYTES: usize = 4096;

    /// The size of the send queue of the connection from `own` to `peer`; `None` where the system
    /// does not tell.
    #[must_use]
    pub fn queued(own: SocketAddr, peer: SocketAddr) -> Option<u32> {
        // The kernel answers within the call that asks, so that nothing is waited for.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let kind = SocketType::DGRAM;
        let socket = net::socket_with(AddressFamily::NETLINK, kind, flags, Some(SOCK_DIAG)).ok()?;
        let kernel = SocketAddrNetlink::new(0, 0);
        net::sendto(&socket, &question(own, peer), SendFlags::empty(), &kernel).ok()?;
        let mut bytes = [0; ANSWER_BYTES];
        let (count, _) = net::recv(&socket, &mut bytes[..], RecvFlags::empty()).ok()?;
        let answer = NetlinkMessage::<SockDiagMessage>::deserialize(&bytes[..count]).ok()?;
        match answer.payload {
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(answer)) => {
                Some(answer.header.send_queue)
            }
            _ => None,
        }
    }

    fn question(own: SocketAddr, peer: SocketAddr) -> Vec<u8> {
        let mut id = match own {
            SocketAddr::V4(_) => SocketId::new_v4(),
            SocketAddr::V6(_) => SocketId::new_v6(),
        };
        (id.source_address, id.source_port) = (own.ip(), own.port());
        (id.destination_address, id.destination_port) = (peer.ip(), peer.port());
        // Any socket with these ends: we do not know the kernel's number of it.
        id.cookie = [0xff; 8];
        let request = InetRequest {
            family: if own.is_ipv4() { AF_INET } else { AF_INET6 },
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::empty(),
            states: StateFlags::all(),
            socket_id: id,
        };
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST;
        let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::super::conn::{Blocking, Moved};
    use super::*;
    use rustix::net::netlink::SOCK_DIAG;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    use std::io::Read as _;

    #[test]
    fn what_a_peer_has_no_room_for_is_not_acknowledged_and_what_it_has_read_is() {
        let (stream, mut other) = crate::net::pair();
        let conn = Conn::accepted(stream).expect("open");
        // Where such a question is forbidden, there is nothing to see.
        let (family, kind) = (AddressFamily::NETLINK, SocketType::DGRAM);
        if socket_with(family, kind, SocketFlags::CLOEXEC, Some(SOCK_DIAG)).is_err() {
            return;
        }
        assert_eq!(conn.unacknowledged(), Some(0));
        while let Ok(Moved::Bytes(_)) = conn.write(&[b'x'; 65536], Blocking::Never) {}
        assert!(conn.unacknowledged() > Some(0), "its room is used up");
        conn.end_sending();
        let mut all = Vec::new();
        other.read_to_end(&mut all).expect("it comes");
        while conn.unacknowledged() > Some(0) {}
    }
}
