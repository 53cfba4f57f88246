//! Which address a request comes from, seen through the proxies before us. Must not know why it is
//! asked.
//!
//! Each proxy adds the address that it sees to the end of `X-Forwarded-For`. A client can send the
//! field too, with anything in it. So the list is read from its end, and no further than the word
//! of trusted proxies goes.

use super::fields::{Field, values};
use super::list::trim;
use httparse::Header;
use std::net::{IpAddr, SocketAddr};

/// The address of the client: that of the peer, unless a trusted proxy names another one.
///
/// Then it is the last address in `X-Forwarded-For` that is not trusted. If all are trusted, it is
/// the first one, and if an entry is no address (`unknown`), the one that was read before it: what
/// stands to the left of such an entry has no reporter. All fields of the name are one list
/// (RFC 9110 §5.3); its empty members do not count. An IPv4 address that is written as IPv6 is the
/// IPv4 address, for the result and for `is_trusted`.
#[must_use]
pub fn client_of(
    peer: IpAddr,
    fields: &[Header<'_>],
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    for entry in entries_from_the_end(fields) {
        let Some(address) = address_of(entry) else {
            break;
        };
        client = address;
        if !is_trusted(client) {
            break;
        }
    }
    client
}

/// The members of the list that are not empty, the last first.
fn entries_from_the_end<'b>(fields: &[Header<'b>]) -> impl Iterator<Item = &'b [u8]> {
    let fields = fields.iter().rev();
    let lines = fields.flat_map(|field| values(std::slice::from_ref(field), Field::XForwardedFor));
    let entries = lines.flat_map(|line| line.rsplit(|byte| *byte == b','));
    entries.map(trim).filter(|entry| !entry.is_empty())
}

/// An address, which may have a port, and brackets if it is of version 6.
fn address_of(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let bare = || {
        let inside = text.strip_prefix('[')?.strip_suffix(']')?;
        inside.parse().ok().map(IpAddr::V6)
    };
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = text.parse().ok().or_else(with_port).or_else(bare);
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client behind a peer at 10.0.0.1; 10.0.0.0/8 and fd00::/8 are trusted.
    fn behind_a_proxy(lists: &[&str]) -> String {
        client("10.0.0.1", lists)
    }

    fn client(peer: &str, lists: &[&str]) -> String {
        let fields = lists.iter().map(|list| Header {
            name: "x-forwarded-FOR",
            value: list.as_bytes(),
        });
        let fields: Vec<_> = fields.collect();
        let is_trusted = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets()[0] == 10,
            IpAddr::V6(address) => address.octets()[0] == 0xfd,
        };
        client_of(peer.parse().expect(peer), &fields, is_trusted).to_string()
    }

    #[test]
    fn a_peer_that_is_not_trusted_is_the_client_whatever_it_says() {
        assert_eq!(client("192.0.2.1", &["1.1.1.1"]), "192.0.2.1");
        assert_eq!(client("::ffff:192.0.2.1", &["1.1.1.1"]), "192.0.2.1");
    }

    #[test]
    fn behind_trusted_proxies_it_is_the_last_address_that_is_not_trusted() {
        for (lists, expected) in [
            (&["1.1.1.1"][..], "1.1.1.1"),
            (&["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1"),
            (&["6.6.6.6", "1.1.1.1", "10.0.0.2,10.0.0.3"], "1.1.1.1"),
            (&["1.1.1.1", " , 10.0.0.2 ,,"], "1.1.1.1"),
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (&[], "10.0.0.1"),
            (&["", ","], "10.0.0.1"),
        ] {
            assert_eq!(behind_a_proxy(lists), expected, "{lists:?}");
        }
        assert_eq!(client("::ffff:10.0.0.1", &["1.1.1.1"]), "1.1.1.1");
    }

    #[test]
    fn an_entry_that_is_no_address_ends_the_walk_at_the_last_trusted_one() {
        for (lists, expected) in [
            (&["1.1.1.1, unknown"][..], "10.0.0.1"),
            (&["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
            (&["1.1.1.1", "1.2.3", "10.0.0.2"], "10.0.0.2"),
            (&["1.1.1.1, 2.2.2.2 3.3.3.3"], "10.0.0.1"),
            (&["1.1.1.1, \u{e4}"], "10.0.0.1"),
            (&["1.1.1.1, 10.0.0.2:99999"], "10.0.0.1"),
        ] {
            assert_eq!(behind_a_proxy(lists), expected, "{lists:?}");
        }
    }

    #[test]
    fn an_address_may_have_a_port_and_brackets() {
        for (entry, expected) in [
            ("1.1.1.1:80", "1.1.1.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("::ffff:1.1.1.1", "1.1.1.1"),
            ("[::ffff:1.1.1.1]:80", "1.1.1.1"),
            ("[1.1.1.1]", "10.0.0.1"),
            ("[fd00::1]:1, [::1", "10.0.0.1"),
        ] {
            assert_eq!(behind_a_proxy(&[entry]), expected, "{entry}");
        }
        assert_eq!(behind_a_proxy(&["1.1.1.1, [fd00::1]:1"]), "1.1.1.1");
    }

    #[test]
    fn fields_of_other_names_say_nothing() {
        let fields = [Header {
            name: "X_Forwarded_For",
            value: b"1.1.1.1",
        }];
        let peer = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(client_of(peer, &fields, |_| true), peer);
    }
}
