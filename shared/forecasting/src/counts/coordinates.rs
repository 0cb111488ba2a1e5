//! Coordinates, and the parser of the forms in which exports have them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A location in WGS 84.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coordinates {
    /// The latitude in degrees north.
    pub latitude: f64,
    /// The longitude in degrees east.
    pub longitude: f64,
}

impl Coordinates {
    /// Parses a location. Returns `None` if the text is malformed or out of range.
    ///
    /// Accepts `LAT,LON`, also in brackets, `POINT (LON LAT)`, and objects with the keys `lat` and
    /// `lon` or of GeoJSON. An object may have single quotes, as Python prints it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.starts_with('{') {
            return Self::parse_object(&text.to_ascii_lowercase().replace('\'', "\""));
        }
        if text
            .get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case("point"))
        {
            return Self::parse_point(&text[5..]);
        }
        let (latitude, longitude) = without_brackets(text).split_once(',')?;
        Self::new(
            latitude.trim().parse().ok()?,
            longitude.trim().parse().ok()?,
        )
    }

    /// Creates coordinates in degrees. Returns `None` if latitude or longitude is out of range.
    ///
    /// Programs disagree about the order of the axes. A location that is in France only with
    /// swapped axes has swapped axes.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let is_in_range =
            (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        let (latitude, longitude) = if is_in_france(longitude, latitude) {
            (longitude, latitude)
        } else {
            (latitude, longitude)
        };
        is_in_range.then_some(Self {
            latitude,
            longitude,
        })
    }

    /// Parses an object in lowercase JSON.
    fn parse_object(text: &str) -> Option<Self> {
        let object: Value = serde_json::from_str(text).ok()?;
        if let Some(Value::Array(position)) = object.get("coordinates") {
            // The axes of GeoJSON: longitude, latitude and perhaps altitude.
            return Self::new(degrees(position.get(1)?)?, degrees(position.first()?)?);
        }
        let axis = |names: &[&str]| names.iter().find_map(|name| degrees(object.get(*name)?));
        Self::new(
            axis(&["lat", "latitude"])?,
            axis(&["lon", "lng", "longitude"])?,
        )
    }

    /// Parses the part of a well-known text after `POINT`: longitude, latitude, perhaps altitude.
    fn parse_point(text: &str) -> Option<Self> {
        let (_, axes) = text.split_once('(')?;
        let mut axes = axes.strip_suffix(')')?.split_whitespace();
        let (longitude, latitude) = (axes.next()?, axes.next()?);
        Self::new(latitude.parse().ok()?, longitude.parse().ok()?)
    }
}

/// Returns `true` for locations in metropolitan France. With swapped axes, none of them is there.
fn is_in_france(latitude: f64, longitude: f64) -> bool {
    (41.0..=52.0).contains(&latitude) && (-6.0..=10.0).contains(&longitude)
}

fn without_brackets(text: &str) -> &str {
    let within = |open: char, close: char| text.strip_prefix(open)?.strip_suffix(close);
    within('[', ']')
        .or_else(|| within('(', ')'))
        .unwrap_or(text)
}

fn degrees(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        _ => value.as_f64(),
    }
}

/// Returns `true` if a field says that there are no coordinates.
pub(super) fn is_absent(text: &str) -> bool {
    let text = text.trim();
    text.is_empty()
        || ["nan", "null", "none", "na", "n/a"]
            .iter()
            .any(|absent| text.eq_ignore_ascii_case(absent))
}

impl fmt::Display for Coordinates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{},{}", self.latitude, self.longitude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_forms_are_parsed() {
        let forms = [
            "48.85,2.35",
            " 48.85, 2.35 ",
            "[48.85, 2.35]",
            "(48.85, 2.35)",
            r#"{"lon": 2.35, "lat": 48.85}"#,
            "{'lon': 2.35, 'lat': 48.85}",
            r#"{"Latitude": "48.85", "Longitude": "2.35"}"#,
            r#"{"type": "Point", "coordinates": [2.35, 48.85]}"#,
            "POINT (2.35 48.85)",
            "point(2.35 48.85)",
            "POINT Z (2.35 48.85 35)",
            "2.35,48.85",
            "[2.35, 48.85]",
            "POINT (48.85 2.35)",
            r#"{"lon": 48.85, "lat": 2.35}"#,
        ];
        for text in forms {
            assert_eq!(
                Coordinates::parse(text),
                Coordinates::new(48.85, 2.35),
                "{text}"
            );
        }
    }

    #[test]
    fn location_abroad_keeps_its_axes() {
        for (latitude, longitude) in [(2.35, 35.0), (35.0, 2.35), (-33.9, 151.2), (12.0, 11.0)] {
            let expected = Coordinates {
                latitude,
                longitude,
            };
            assert_eq!(Coordinates::new(latitude, longitude), Some(expected));
        }
    }

    #[test]
    fn malformed_or_impossible_coordinates_are_none() {
        let forms = [
            "",
            "48.85",
            "91,0",
            "0,181",
            "NaN,2",
            "a,b",
            "48,85 2,35",
            "48.85,2.35,35",
            "{}",
            r#"{"lat": 48.85}"#,
            r#"{"lon": 2.35, "lat": null}"#,
            r#"{"coordinates": [2.35]}"#,
            "{48.85, 2.35}",
            "POINT",
            "POINT (2.35)",
            "pointé",
            "poin\u{e9}",
        ];
        for text in forms {
            assert_eq!(Coordinates::parse(text), None, "{text}");
        }
    }
}
