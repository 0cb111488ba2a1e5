//! A gzip file with the columns of the public export.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::city::Counter;
use super::hours::Hour;
use super::{Error, WrittenFile};

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

/// One count.
pub(super) struct Row<'a> {
    pub(super) counter: &'a Counter,
    pub(super) hour: &'a Hour,
    pub(super) count: u64,
}

type CsvGzip = csv::Writer<GzEncoder<BufWriter<File>>>;

/// Writes rows as they come.
pub(super) struct Export {
    path: PathBuf,
    rows: u64,
    csv: CsvGzip,
}

impl Export {
    /// Makes or empties the file and writes the header.
    pub(super) fn create(path: PathBuf) -> Result<Self, Error> {
        match open(&path) {
            Ok(csv) => Ok(Self { path, rows: 0, csv }),
            Err(source) => Err(Error::Write { path, source }),
        }
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn write(&mut self, row: &Row<'_>) -> Result<(), Error> {
        let Row { counter, hour, count } = row;
        let count = count.to_string();
        let fields = [
            &counter.id,
            &counter.name,
            &counter.site.id,
            &counter.site.name,
            count.as_str(),
            &hour.written,
            &counter.site.installed,
            &counter.site.coordinates,
            hour.month(),
        ];
        self.rows += 1;
        self.csv.write_record(fields).map_err(|source| self.failed(source.into()))
    }

    /// Ends the file; without this it is not whole.
    pub(super) fn finish(self) -> Result<WrittenFile, Error> {
        let Self { path, rows, csv } = self;
        match close(csv) {
            Ok(()) => Ok(WrittenFile { path, rows }),
            Err(source) => Err(Error::Write { path, source }),
        }
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Write { path: self.path.clone(), source }
    }
}

fn open(path: &PathBuf) -> io::Result<CsvGzip> {
    let file = BufWriter::new(File::create(path)?);
    // The encoder's own header carries no time, so that equal rows make equal files.
    let encoder = GzEncoder::new(file, Compression::default());
    let mut csv = csv::WriterBuilder::new().delimiter(b';').from_writer(encoder);
    csv.write_record(HEADER)?;
    Ok(csv)
}

fn close(csv: CsvGzip) -> io::Result<()> {
    let encoder = csv.into_inner().map_err(|error| error.into_error())?;
    encoder.finish()?.flush()
}
