//! Responses of the open data service.

use forecasting::{
    counts::{Reject, write_table},
    time::Day,
};
use jiff::{Timestamp, civil::date};
use shared::open_data::{MAXIMUM_RECORDS, parse_response};

use super::assert_read_back;

/// The limits of a rejected record and of an error, in characters and in bytes.
const REJECT_CHARACTERS: usize = 500;
const ERROR_BYTES: usize = 16 * 1024;

/// Parses a response: a line with the requested day, and the body. Without such a line, all is the
/// body.
///
/// Asserts that each record is a count or rejected, that rejected records are in order and
/// truncated, that all counts are of the requested day, that an error is short, and that the counts
/// are read unchanged from a daily table.
pub fn explore_reply(data: &[u8]) {
    let (day, reply) = request(data);
    let mut rejects: Vec<Reject> = Vec::new();
    let parsed = parse_response(reply, day, &mut rejects);
    assert!(rejects.is_sorted_by(|a, b| a.row < b.row));
    for reject in &rejects {
        assert!((1..=MAXIMUM_RECORDS).contains(&reject.row));
        assert!(reject.text.chars().count() <= REJECT_CHARACTERS);
    }
    let response = match parsed {
        Ok(response) => response,
        Err(error) => {
            assert!(error.to_string().len() <= ERROR_BYTES, "{error}");
            return;
        }
    };
    let counts = response.counts;
    assert_eq!(response.records, (counts.len() + rejects.len()) as u64);
    assert!(counts.rows().iter().all(|row| row.hour.day() == day));

    let mut table = Vec::new();
    write_table(&counts, Timestamp::UNIX_EPOCH, &mut table).expect("writing to memory succeeds");
    assert_read_back(&counts, &table);
}

fn request(data: &[u8]) -> (Day, &[u8]) {
    let first_line = || {
        let end = data.iter().position(|byte| *byte == b'\n')?;
        let day: Day = std::str::from_utf8(&data[..end]).ok()?.parse().ok()?;
        Some((day, &data[end + 1..]))
    };
    first_line().unwrap_or((Day::from_date(date(2021, 7, 19)), data))
}
