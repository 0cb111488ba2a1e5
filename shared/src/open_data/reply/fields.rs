//! The fields of a record.

use std::fmt;

use forecasting::counts::Coordinates;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Number, value::RawValue};

use super::{COORDINATES_BYTES, FIELDS, LISTED_FIELDS, VALUE_CHARACTERS, shortened};

/// The values of [`FIELDS`] in a record, as JSON, and the names of other fields.
#[derive(Default)]
pub(super) struct Fields<'a> {
    pub(super) values: [Option<&'a RawValue>; FIELDS.len()],
    pub(super) unknown: Vec<String>,
}

impl<'a> Fields<'a> {
    /// Returns the JSON text of a field.
    pub(super) fn value(&self, field: &str) -> Option<&'a str> {
        let at = FIELDS.iter().position(|name| *name == field)?;
        self.values[at].map(RawValue::get)
    }

    /// Parses a field. Returns `None` if it is absent or has another type.
    fn parsed<T: DeserializeOwned>(&self, field: &str) -> Option<T> {
        serde_json::from_str(self.value(field)?).ok()
    }

    /// Returns a field as text with single spaces between its words, because a field of a daily
    /// table has no line break. Returns `None` if it is absent, empty or not a string.
    pub(super) fn text(&self, field: &str) -> Option<String> {
        let text: String = self.parsed(field)?;
        let words: Vec<_> = text.split_whitespace().collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// Returns a field as [`Fields::text`] does, or the digits of a number.
    pub(super) fn identifier(&self, field: &str) -> Option<String> {
        let number = || {
            self.parsed::<Number>(field)
                .map(|number| number.to_string())
        };
        self.text(field).or_else(number)
    }

    /// Returns the coordinates, in each form that files have, and `true` if they are there and cannot
    /// be parsed.
    pub(super) fn coordinates(&self) -> (Option<Coordinates>, bool) {
        let name = "coordinates";
        if let Some(Point { lat, lon }) = self.parsed(name) {
            let coordinates = Coordinates::new(lat, lon);
            return (coordinates, coordinates.is_none());
        }
        let value = self.value(name).filter(|value| *value != "null");
        let is_text = value.is_some_and(|value| value.starts_with('"'));
        let text = if is_text {
            self.text(name)
        } else {
            // The text of an object or a list.
            value.map(str::to_owned)
        };
        let Some(text) = text else {
            return (None, false);
        };
        let is_short = text.len() <= COORDINATES_BYTES;
        let coordinates = is_short.then(|| Coordinates::parse(&text)).flatten();
        (coordinates, coordinates.is_none())
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut record: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = record.next_key::<String>()? {
            if let Some(at) = FIELDS.iter().position(|field| *field == name) {
                fields.values[at] = Some(record.next_value()?);
                continue;
            }
            record.next_value::<IgnoredAny>()?;
            if fields.unknown.len() < LISTED_FIELDS {
                fields.unknown.push(shortened(&name, VALUE_CHARACTERS));
            }
        }
        Ok(fields)
    }
}

#[derive(Deserialize)]
struct Point {
    lat: f64,
    lon: f64,
}
