//! What the `Connection` fields of a message say: how this hop goes on, and which fields are for
//! it alone (RFC 9110 §7.6.1). Must not know what becomes of the fields that it names.

use super::Refusal;
use super::fields::{Field, values};
use super::list::{self, NameSet};
use super::scan::{MAX_FIELDS, is_token};
use httparse::Header;

/// The options of all `Connection` fields together.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectionOptions {
    /// `close` is among the options.
    pub close: bool,
    /// `keep-alive` is among the options.
    pub keep_alive: bool,
    /// `upgrade` is among the options.
    pub upgrade: bool,
    /// Others are, and so names of fields that end here.
    nominates_any: bool,
    nominated: FieldSet,
}

impl ConnectionOptions {
    /// Reads every `Connection` field of a head.
    pub fn read(fields: &[Header<'_>]) -> Result<Self, Refusal> {
        let mut options = Self::default();
        list::read(values(fields, Field::Connection), |option| {
            options.add(option);
            Ok(())
        })?;
        if options.nominates_any {
            options.nominated = FieldSet::named(fields)?;
        }
        Ok(options)
    }

    /// A member that is no token (`keep-alive; timeout=5`) means nothing, and ends here with the
    /// field: there is no other way to read it.
    fn add(&mut self, option: &[u8]) {
        if !is_token(option) {
            return;
        }
        if option.eq_ignore_ascii_case(b"close") {
            self.close = true;
        } else if option.eq_ignore_ascii_case(b"keep-alive") {
            self.keep_alive = true;
        } else if option.eq_ignore_ascii_case(b"upgrade") {
            self.upgrade = true;
        } else if !option.eq_ignore_ascii_case(b"te") {
            // `TE` has to be named (RFC 9110 §10.1.4), and ends here in any case.
            self.nominates_any = true;
        }
    }

    /// Whether any field is named, beyond the options that have a meaning of their own.
    #[must_use]
    pub fn nominates_any(&self) -> bool {
        self.nominates_any
    }

    /// Whether the field in this place of the head is named by an option and so ends here.
    #[must_use]
    pub fn nominates(&self, place: usize) -> bool {
        self.nominated.contains(place)
    }

    /// Whether a field of this kind, which the head has, is named.
    #[must_use]
    pub fn nominates_kind(&self, kind: Field, fields: &[Header<'_>]) -> bool {
        let is_named = |(place, field): (usize, &Header<'_>)| {
            self.nominates(place) && Field::of(field.name) == kind
        };
        self.nominates_any && fields.iter().enumerate().any(is_named)
    }
}

const WORD_BITS: usize = u64::BITS as usize;

/// Fields of a head, by their places in it.
#[derive(Clone, Copy, Debug, Default)]
struct FieldSet([u64; MAX_FIELDS / WORD_BITS]);

impl FieldSet {
    /// Those that the `Connection` fields among them name.
    fn named(fields: &[Header<'_>]) -> Result<Self, Refusal> {
        let longest = fields.iter().map(|field| field.name.len()).max();
        let named = values(fields, Field::Connection);
        let names = NameSet::read(named, longest.unwrap_or(0))?;
        let mut named = Self::default();
        for (place, field) in fields.iter().enumerate() {
            if names.contains(field.name.as_bytes()) {
                named.insert(place);
            }
        }
        Ok(named)
    }

    fn insert(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / WORD_BITS) {
            *word |= 1 << (place % WORD_BITS);
        }
    }

    fn contains(&self, place: usize) -> bool {
        let word = self.0.get(place / WORD_BITS);
        word.is_some_and(|word| word >> (place % WORD_BITS) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::list::MAX_MEMBERS;

    fn header<'b>(name: &'b str, value: &'b str) -> Header<'b> {
        Header {
            name,
            value: value.as_bytes(),
        }
    }

    #[test]
    fn connection_options_are_whole_tokens() {
        let fields = [
            header("Connection", "closed , Keep-Alive"),
            header("connection", ",X-a,"),
            header("x-A", ""),
            header("Closed", ""),
            header("X", ""),
            header("X-ab", ""),
            header("X-A", ""),
        ];
        let options = ConnectionOptions::read(&fields).expect("valid");
        assert!(!options.close && options.keep_alive && !options.upgrade);
        let nominated: Vec<_> = (0..9).filter(|&place| options.nominates(place)).collect();
        assert_eq!(nominated, [2, 3, 6]);
    }

    #[test]
    fn a_field_is_found_in_every_place_that_a_head_can_have() {
        let mut fields = vec![header("x", ""); MAX_FIELDS];
        fields[0] = header("Connection", "x");
        let options = ConnectionOptions::read(&fields).expect("valid");
        assert!((1..MAX_FIELDS).all(|place| options.nominates(place)));
        assert!(!options.nominates(0) && !options.nominates(MAX_FIELDS));
    }

    #[test]
    fn what_is_no_option_means_nothing() {
        for value in [
            "a b",
            "a=b",
            "\"close\"",
            "a;b",
            "close; x",
            "keep-alive; timeout=5",
        ] {
            let fields = [header("Connection", value)];
            let options = ConnectionOptions::read(&fields).expect("valid");
            assert!(!options.close && !options.keep_alive, "{value}");
            assert!(!options.nominates_any(), "{value}");
        }
        let fields = [
            header("Connection", "keep-alive; timeout=5, close, X-a"),
            header("x-A", ""),
        ];
        let options = ConnectionOptions::read(&fields).expect("valid");
        assert!(options.close && !options.keep_alive && options.nominates(1));
        assert!(options.nominates_any());
    }

    #[test]
    fn too_many_members_are_refused_whatever_they_are() {
        for option in ["", "te", "close", "keep-alive", "upgrade", "x", "x;"] {
            let many = vec![option; MAX_MEMBERS + 1].join(",");
            let read = ConnectionOptions::read(&[header("Connection", &many)]);
            assert_eq!(
                read.map_err(|refusal| refusal.status).err(),
                Some(431),
                "{option}"
            );
        }
    }
}
