//! Finding the columns in a header, whatever the year of the export.

use simd_csv::ByteRecord;

use super::{
    CounterKey,
    read::{ReadError, decode},
};

/// Where the columns that are read stand in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    pub(super) id: Option<usize>,
    pub(super) name: usize,
    pub(super) count: usize,
    pub(super) hour: usize,
    pub(super) coordinates: Option<usize>,
}

// The first name of each list is the one that the tables use.
const ID: &[&str] = &["identifiant_du_compteur", "id_compteur"];
const NAME: &[&str] = &["nom_du_compteur", "nom_compteur"];
const COUNT: &[&str] = &["comptage_horaire", "sum_counts"];
const HOUR: &[&str] = &["date_et_heure_de_comptage", "date"];
const COORDINATES: &[&str] = &["coordonnees_geographiques", "coordinates"];

impl Columns {
    /// Finds the columns by name, with case, accents and punctuation folded.
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

/// Guesses the delimiter: the public export has semicolons, BigQuery's and that of 2025 have commas.
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
    fn every_known_header_is_read() {
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
    fn a_header_of_cp1252_is_read() {
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
    fn the_error_names_the_missing_column() {
        let error = Columns::find(&ByteRecord::from(vec!["nom_du_compteur", "date"])).unwrap_err();
        assert!(error.to_string().contains("`comptage_horaire`"), "{error}");
    }
}
