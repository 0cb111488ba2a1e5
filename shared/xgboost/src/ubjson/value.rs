//! Single values of a document in UBJSON.

use super::{Reader, size_of_number};

/// The bytes of a value: an object, an array, a text or a number.
///
/// Every method returns `None` for a value of another kind, and for incomplete bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a>(&'a [u8]);

impl<'a> Value<'a> {
    /// Wraps a document.
    pub(crate) fn of_document(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the value at a path of names: a field of a field, and so on.
    pub(crate) fn at(self, path: &[&str]) -> Option<Self> {
        path.iter()
            .try_fold(self, |object, name| object.field(name))
    }

    /// Returns a field of an object.
    pub(crate) fn field(self, name: &str) -> Option<Self> {
        let mut reader = self.reader();
        if reader.byte().ok()? != b'{' {
            return None;
        }
        while reader.peek().ok()? != b'}' {
            let is_found = self.text_at(&mut reader)? == name.as_bytes();
            let value = self.value_at(&mut reader)?;
            if is_found {
                return Some(value);
            }
        }
        None
    }

    /// Returns the elements of an array that is not typed.
    pub(crate) fn elements(self) -> Option<Vec<Self>> {
        let mut reader = self.reader();
        if reader.byte().ok()? != b'[' {
            return None;
        }
        let count = reader.count().ok()?;
        (0..count).map(|_| self.value_at(&mut reader)).collect()
    }

    /// Returns a text.
    pub(crate) fn text(self) -> Option<&'a str> {
        let mut reader = self.reader();
        if reader.byte().ok()? != b'S' {
            return None;
        }
        std::str::from_utf8(self.text_at(&mut reader)?).ok()
    }

    /// Returns a typed array of bytes.
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        self.typed(b'U')
    }

    /// Returns a typed array of 32-bit integers.
    pub(crate) fn integers(self) -> Option<Vec<i32>> {
        let (numbers, _) = self.typed(b'l')?.as_chunks::<4>();
        Some(numbers.iter().copied().map(i32::from_be_bytes).collect())
    }

    /// Returns a typed array of 32-bit floating-point numbers.
    pub(crate) fn floats(self) -> Option<Vec<f32>> {
        let (numbers, _) = self.typed(b'd')?.as_chunks::<4>();
        Some(numbers.iter().copied().map(f32::from_be_bytes).collect())
    }

    /// Returns the numbers of an array of a type, in big-endian order.
    fn typed(self, kind: u8) -> Option<&'a [u8]> {
        let mut reader = self.reader();
        for expected in [b'[', b'$', kind] {
            if reader.byte().ok()? != expected {
                return None;
            }
        }
        let length = reader.count().ok()?.checked_mul(size_of_number(kind)?)?;
        self.0.get(reader.offset..)?.get(..length)
    }

    fn reader(self) -> Reader<'a> {
        Reader {
            bytes: self.0,
            offset: 0,
        }
    }

    /// Reads a length and a text.
    fn text_at(self, reader: &mut Reader<'a>) -> Option<&'a [u8]> {
        let length = reader.length().ok()?;
        let start = reader.offset;
        reader.skip(length).ok()?;
        self.0.get(start..reader.offset)
    }

    fn value_at(self, reader: &mut Reader<'a>) -> Option<Self> {
        let start = reader.offset;
        reader.value(0).ok()?;
        self.0.get(start..reader.offset).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"a": {"b": [#2 "x" "yz"]}, "c": [$l -2 3], "d": [$d 0.5], "e": [$U 7 255]}`.
    const DOCUMENT: &[u8] = b"{L\0\0\0\0\0\0\0\x01a{L\0\0\0\0\0\0\0\x01b\
        [#L\0\0\0\0\0\0\0\x02SL\0\0\0\0\0\0\0\x01xSL\0\0\0\0\0\0\0\x02yz}\
        L\0\0\0\0\0\0\0\x01c[$l#L\0\0\0\0\0\0\0\x02\xff\xff\xff\xfe\0\0\0\x03\
        L\0\0\0\0\0\0\0\x01d[$d#L\0\0\0\0\0\0\0\x01\x3f\0\0\0\
        L\0\0\0\0\0\0\0\x01e[$U#L\0\0\0\0\0\0\0\x02\x07\xff}";

    #[test]
    fn values_are_found_by_path() {
        let document = Value::of_document(DOCUMENT);
        let texts = document.at(&["a", "b"]).unwrap().elements().unwrap();
        let texts: Vec<_> = texts.into_iter().map(|text| text.text().unwrap()).collect();
        assert_eq!(texts, ["x", "yz"]);
        let field = |name| document.field(name).unwrap();
        assert_eq!(field("c").integers().unwrap(), [-2, 3]);
        assert_eq!(field("d").floats().unwrap(), [0.5]);
        assert_eq!(field("e").bytes().unwrap(), [7, 255]);
    }

    #[test]
    fn values_of_another_kind_are_none() {
        let document = Value::of_document(DOCUMENT);
        assert!(document.at(&["a", "c"]).is_none());
        assert!(document.text().is_none() && document.elements().is_none());
        let integers = document.field("c").unwrap();
        assert!(integers.floats().is_none() && integers.bytes().is_none());
        assert!(integers.field("a").is_none());
        assert!(Value::of_document(b"{\"a\": 1}").field("a").is_none());
    }

    #[test]
    fn truncated_document_has_no_values() {
        for length in 0..DOCUMENT.len() {
            let document = Value::of_document(&DOCUMENT[..length]);
            assert!(document.field("f").is_none(), "{length}");
            let bytes = document.field("e").and_then(Value::bytes);
            assert_eq!(bytes.is_some(), length == DOCUMENT.len() - 1, "{length}");
        }
    }
}
