//! The detection of delimiter and columns in the header of an export.

use encoding_rs::{Encoding, MACINTOSH, WINDOWS_1252};

use super::{CounterKey, encoding::decode_as, error::ReadError};

/// The positions of the columns in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    pub(super) id: Option<usize>,
    pub(super) name: usize,
    pub(super) count: usize,
    pub(super) hour: usize,
    pub(super) coordinates: Option<usize>,
    /// The encoding of text that is not valid UTF-8.
    pub(super) encoding: &'static Encoding,
}

// The first alias of each list is the column name of the daily tables.
const ID: &[&str] = &["identifiant_du_compteur", "id_compteur"];
const NAME: &[&str] = &["nom_du_compteur", "nom_compteur"];
const COUNT: &[&str] = &["comptage_horaire", "sum_counts"];
const HOUR: &[&str] = &["date_et_heure_de_comptage", "date"];
const COORDINATES: &[&str] = &["coordonnees_geographiques", "coordinates"];

impl Columns {
    /// Finds the columns by name, ignoring case, accents and punctuation.
    ///
    /// The column of the coordinates has accents, so its name shows the encoding. It is recognized
    /// in any other encoding too; see [`Columns::misspelt`].
    pub(super) fn find(header: &[impl AsRef<[u8]>]) -> Result<Self, ReadError> {
        let decoded = |encoding| {
            let names = header
                .iter()
                .map(|field| fold(&decode_as(field.as_ref(), encoding)));
            (encoding, names.collect::<Vec<String>>())
        };
        let has_coordinates = |names: &[String]| {
            names
                .iter()
                .any(|name| COORDINATES.contains(&name.as_str()))
        };
        let (encoding, names) = [WINDOWS_1252, MACINTOSH]
            .map(decoded)
            .into_iter()
            .find(|(_, names)| has_coordinates(names))
            .unwrap_or_else(|| decoded(WINDOWS_1252));
        let misspelt = || names.iter().position(|name| is_misspelt_coordinates(name));
        let position = |aliases: &[&str]| {
            names
                .iter()
                .position(|name| aliases.contains(&name.as_str()))
        };
        let required = |aliases: &[&'static str]| {
            position(aliases).ok_or_else(|| ReadError::MissingColumn {
                column: aliases[0],
                found: names.join(", "),
            })
        };
        Ok(Self {
            id: position(ID),
            name: required(NAME)?,
            count: required(COUNT)?,
            hour: required(HOUR)?,
            coordinates: position(COORDINATES).or_else(misspelt),
            encoding,
        })
    }

    /// Returns the name of the column of the coordinates if the file has it in an encoding that the
    /// reader does not know. The names of counters are misspelt then, too.
    pub(super) fn misspelt(&self, header: &[impl AsRef<[u8]>]) -> Option<String> {
        let name = decode_as(header.get(self.coordinates?)?.as_ref(), self.encoding);
        is_misspelt_coordinates(&fold(&name)).then(|| name.into_owned())
    }
}

/// Returns `true` for a folded `Coordonnées géographiques` with other characters in place of `é`.
fn is_misspelt_coordinates(name: &str) -> bool {
    !COORDINATES.contains(&name) && name.starts_with("coordonn") && name.ends_with("ographiques")
}

/// Returns the more frequent delimiter of the header line, `;` or `,`.
///
/// The public export uses semicolons. BigQuery exports and the public export of 2025 use commas.
pub(super) fn delimiter(first_line: &[u8]) -> u8 {
    let count = |delimiter: u8| first_line.iter().filter(|byte| **byte == delimiter).count();
    if count(b';') >= count(b',') {
        b';'
    } else {
        b','
    }
}

fn fold(label: &str) -> String {
    let folded = CounterKey::of_name(label);
    let characters = folded.as_str().chars().map(|character| {
        if character.is_alphanumeric() {
            character
        } else {
            '_'
        }
    });
    characters.collect::<String>().trim_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::encoding::decode;

    #[test]
    fn known_headers_are_recognized() {
        let headers: [&[&str]; 4] = [
            &[
                "Identifiant du compteur",
                "Nom du compteur",
                "Comptage horaire",
                "Date et heure de comptage",
                "Coordonnées géographiques",
            ],
            &[
                "identifiant_du_compteur",
                "nom_du_compteur",
                "comptage_horaire",
                "date_et_heure_de_comptage",
                "coordonnées_géographiques",
            ],
            &[
                "identifiant_du_compteur",
                "nom_du_compteur",
                "comptage_horaire",
                "date_et_heure_de_comptage",
                "coordonnees_geographiques",
            ],
            &[
                "id_compteur",
                "nom_compteur",
                "sum_counts",
                "date",
                "coordinates",
            ],
        ];
        for header in headers {
            let columns = Columns::find(header).unwrap();
            let positions = (
                columns.id,
                columns.name,
                columns.count,
                columns.hour,
                columns.coordinates,
            );
            assert_eq!(positions, (Some(0), 1, 2, 3, Some(4)), "{header:?}");
        }
    }

    #[test]
    fn cp1252_header_is_recognized() {
        let header: [&[u8]; 4] = [
            b"Nom du compteur",
            b"Comptage horaire",
            b"Date et heure de comptage",
            b"Coordonn\xe9es g\xe9ographiques",
        ];
        assert_eq!(Columns::find(&header).unwrap().coordinates, Some(3));
    }

    /// Returns the columns of a file with this name of the coordinates, and the misspelt name.
    fn with_coordinates(name: &[u8]) -> (Columns, Option<String>) {
        let [counter, count, hour] = ["nom_du_compteur", "comptage_horaire", "date"];
        let header = [counter.as_bytes(), count.as_bytes(), hour.as_bytes(), name];
        let columns = Columns::find(&header).unwrap();
        let misspelt = columns.misspelt(&header);
        (columns, misspelt)
    }

    #[test]
    fn encoding_is_that_of_the_header() {
        let (columns, misspelt) = with_coordinates(b"Coordonn\x8ees g\x8eographiques");
        assert_eq!((columns.coordinates, misspelt), (Some(3), None));
        assert_eq!(columns.encoding, MACINTOSH);
        for name in [
            &b"Coordonn\xe9es g\xe9ographiques"[..],
            "Coordonnées géographiques".as_bytes(),
            b"coordinates",
            b"station",
        ] {
            assert_eq!(with_coordinates(name).0.encoding, WINDOWS_1252, "{name:?}");
        }
    }

    /// The names as code page 850, with question marks, and as UTF-8 that was read as cp1252.
    #[test]
    fn coordinates_in_an_unknown_encoding_are_recognized_and_named() {
        for name in [
            &b"Coordonn\x82es g\x82ographiques"[..],
            b"Coordonn?es g?ographiques",
            "CoordonnÃ©es gÃ©ographiques".as_bytes(),
        ] {
            let (columns, misspelt) = with_coordinates(name);
            assert_eq!(columns.coordinates, Some(3), "{name:?}");
            assert_eq!(misspelt.as_deref(), Some(&*decode(name)));
        }
        let (columns, misspelt) = with_coordinates(b"Coordonn\xe9es");
        assert_eq!((columns.coordinates, misspelt), (None, None));
    }

    #[test]
    fn missing_column_is_named_in_the_error() {
        let error = Columns::find(&["nom_du_compteur", "date"]).unwrap_err();
        assert!(error.to_string().contains("`comptage_horaire`"), "{error}");
    }
}
