//! The detection of delimiter and columns in the header of an export.

use simd_csv::ByteRecord;

use super::{CounterKey, encoding::decode, error::ReadError};

/// The positions of the columns in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    pub(super) id: Option<usize>,
    pub(super) name: usize,
    pub(super) count: usize,
    pub(super) hour: usize,
    pub(super) coordinates: Option<usize>,
}

// The first alias of each list is the column name of the daily tables.
const ID: &[&str] = &["identifiant_du_compteur", "id_compteur"];
const NAME: &[&str] = &["nom_du_compteur", "nom_compteur"];
const COUNT: &[&str] = &["comptage_horaire", "sum_counts"];
const HOUR: &[&str] = &["date_et_heure_de_comptage", "date"];
const COORDINATES: &[&str] = &["coordonnees_geographiques", "coordinates"];

impl Columns {
    /// Finds the columns by name, ignoring case, accents and punctuation.
    pub(super) fn find(header: &ByteRecord) -> Result<Self, ReadError> {
        let names: Vec<String> = header.iter().map(|field| fold(&decode(field))).collect();
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
            coordinates: position(COORDINATES),
        })
    }
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
            let columns = Columns::find(&ByteRecord::from(header.to_vec())).unwrap();
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
        assert_eq!(
            Columns::find(&ByteRecord::from(header.to_vec()))
                .unwrap()
                .coordinates,
            Some(3)
        );
    }

    #[test]
    fn missing_column_is_named_in_the_error() {
        let error = Columns::find(&ByteRecord::from(vec!["nom_du_compteur", "date"])).unwrap_err();
        assert!(error.to_string().contains("`comptage_horaire`"), "{error}");
    }
}
