//! The detection of files that are not text.

use super::error::ReadError;

/// The first bytes of other file types, with the type and the action that makes it readable.
const FILE_TYPES: &[(&[u8], &str, &str)] = &[
    (b"PAR1", "a Parquet file", "export it as CSV"),
    (
        b"\xd0\xcf\x11\xe0",
        "an Excel workbook (.xls)",
        "export it as CSV",
    ),
    (
        b"SQLite format 3\0",
        "a SQLite database",
        "export it as CSV",
    ),
    (b"\x1f\x8b", "still compressed with gzip", "decompress it"),
    (
        b"BZh",
        "compressed with bzip2",
        "decompress it, or use gzip",
    ),
    (
        b"\xfd7zXZ\0",
        "compressed with xz",
        "decompress it, or use gzip",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        "compressed with zstd",
        "decompress it, or use gzip",
    ),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
];

const ZIP: &[&[u8]] = &[b"PK\x03\x04", b"PK\x05\x06"];
/// The length of a zip entry's header before the name of the entry.
const ZIP_ENTRY_HEADER: usize = 30;
/// The first entries of the spreadsheets that are zip archives.
const WORKBOOK_ENTRIES: &[&[u8]] = &[
    b"[Content_Types].xml",
    b"_rels/",
    b"docProps/",
    b"xl/",
    b"mimetypeapplication/vnd.oasis.opendocument",
];

/// Returns an error if the first bytes are those of another type of file.
pub(super) fn check(start: &[u8]) -> Result<(), ReadError> {
    if ZIP.iter().any(|magic| start.starts_with(magic)) {
        return Err(zip(start.get(ZIP_ENTRY_HEADER..).unwrap_or_default()));
    }
    match FILE_TYPES
        .iter()
        .find(|(magic, ..)| start.starts_with(magic))
    {
        Some(&(_, found, advice)) => Err(ReadError::FileType { found, advice }),
        None => Ok(()),
    }
}

fn zip(first_entry: &[u8]) -> ReadError {
    let is_workbook = WORKBOOK_ENTRIES
        .iter()
        .any(|entry| first_entry.starts_with(entry));
    if is_workbook {
        ReadError::FileType {
            found: "an Excel or OpenDocument workbook",
            advice: "export it as CSV",
        }
    } else {
        ReadError::FileType {
            found: "a zip archive",
            advice: "unzip it, and pass the CSV file or the folder",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_types_are_named_with_the_action() {
        let workbook = [&b"PK\x03\x04"[..], &[0; 26], b"[Content_Types].xml"].concat();
        let archive = [&b"PK\x03\x04"[..], &[0; 26], b"2019_comptage.csv"].concat();
        let cases: [(&[u8], &str); 6] = [
            (&workbook, "workbook; export it as CSV"),
            (&archive, "a zip archive; unzip it"),
            (b"PK\x05\x06", "a zip archive; unzip it"),
            (b"PAR1\x15\x04", "a Parquet file; export it as CSV"),
            (
                b"\xd0\xcf\x11\xe0\xa1\xb1",
                "an Excel workbook (.xls); export it",
            ),
            (b"\x28\xb5\x2f\xfd\x04", "zstd; decompress it"),
        ];
        for (start, expected) in cases {
            let error = check(start).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(check("Nom du compteur;…".as_bytes()).is_ok());
    }
}
