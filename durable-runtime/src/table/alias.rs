//! The name that an author gives to an operation.

use super::request;

/// The longest alias that is kept as it is; a longer one is kept as its digest, which is just as long.
const ALIAS_BYTES: usize = 64;

/// An alias in place, so that a table's handle can be copied.
#[derive(Clone, Copy)]
pub(crate) struct Alias {
    length: u8,
    bytes: [u8; ALIAS_BYTES],
}

impl Alias {
    pub(crate) fn new(alias: &str) -> Self {
        if alias.len() > ALIAS_BYTES {
            return Self::new(&request::digest([alias]));
        }
        let mut bytes = [0; ALIAS_BYTES];
        bytes[..alias.len()].copy_from_slice(alias.as_bytes());
        Self { length: u8::try_from(alias.len()).expect("it has 64 bytes at most"), bytes }
    }

    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..usize::from(self.length)]).expect("it was made of a text")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_of_any_length_is_itself_or_its_digest() {
        assert_eq!(Alias::new("").as_str(), "");
        assert_eq!(Alias::new("store_step1").as_str(), "store_step1");
        let longest = "\u{10ffff}".repeat(16);
        assert_eq!(Alias::new(&longest).as_str(), longest);
        let (x, y) = (Alias::new(&"x".repeat(65)), Alias::new(&"y".repeat(65)));
        assert_eq!(x.as_str().len(), 64);
        assert_ne!(x.as_str(), y.as_str());
    }
}
