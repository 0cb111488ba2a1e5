//! Gzipped CSV files with the columns of the public export.

use std::{
    io,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

use super::{Error, WrittenFile, city::Counter, hours::Hour};
use crate::support::output::OutputFile;

const HEADER: [&str; 9] = [
    "Identifiant du compteur",
    "Nom du compteur",
    "Identifiant du site de comptage",
    "Nom du site de comptage",
    "Comptage horaire",
    "Date et heure de comptage",
    "Date d'installation du site de comptage",
    "Coordonnées géographiques",
    "mois_annee_comptage",
];

/// A row of the export.
pub(super) struct Row<'a> {
    pub(super) counter: &'a Counter,
    pub(super) hour: &'a Hour,
    pub(super) count: u64,
}

type CsvGzip = csv::Writer<GzEncoder<OutputFile>>;

/// A writer of rows.
pub(super) struct Export {
    path: PathBuf,
    rows: u64,
    csv: CsvGzip,
}

impl Export {
    /// Creates the file and writes the header.
    pub(super) fn create(path: PathBuf) -> Result<Self, Error> {
        // The gzip header contains no time, so that equal rows give byte-identical files.
        let encoder = GzEncoder::new(
            OutputFile::create(&path).map_err(Error::Write)?,
            Compression::default(),
        );
        let csv = csv::WriterBuilder::new()
            .delimiter(b';')
            .from_writer(encoder);
        let mut export = Self { path, rows: 0, csv };
        export.write_record(HEADER)?;
        Ok(export)
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn write(&mut self, row: &Row<'_>) -> Result<(), Error> {
        let Row {
            counter,
            hour,
            count,
        } = row;
        let count = count.to_string();
        self.rows += 1;
        self.write_record([
            &counter.id,
            &counter.name,
            &counter.site.id,
            &counter.site.name,
            count.as_str(),
            &hour.written,
            &counter.site.installed,
            &counter.site.coordinates,
            hour.month(),
        ])
    }

    fn write_record(&mut self, fields: [&str; 9]) -> Result<(), Error> {
        self.csv
            .write_record(fields)
            .map_err(|source| failed(&self.path, source.into()))
    }

    /// Finishes the file and moves it to its final path.
    pub(super) fn finish(self) -> Result<WrittenFile, Error> {
        let Self { path, rows, csv } = self;
        let encoder = csv
            .into_inner()
            .map_err(|error| failed(&path, error.into_error()))?;
        let file = encoder.finish().map_err(|source| failed(&path, source))?;
        file.finish().map_err(Error::Write)?;
        Ok(WrittenFile { path, rows })
    }
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Write(anyhow::Error::new(source).context(format!("cannot write {}", path.display())))
}
