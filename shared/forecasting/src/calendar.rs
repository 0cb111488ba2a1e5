//! French public holidays.

use jiff::civil::Date;

/// Returns `true` if `date` is one of the eleven public holidays of metropolitan France.
///
/// Excludes the two additional holidays of Alsace and Moselle, Good Friday and 26 December.
/// Applies today's list to every year, even to years with other laws.
///
/// Source: article L3133-1 of the Code du travail.
#[must_use]
pub fn is_public_holiday(date: Date) -> bool {
    is_fixed_holiday(date) || is_movable_holiday(date)
}

fn is_fixed_holiday(date: Date) -> bool {
    let new_year = (1, 1);
    let labour_day = (5, 1);
    let victory_of_1945 = (5, 8);
    let national_day = (7, 14);
    let assumption = (8, 15);
    let all_saints = (11, 1);
    let armistice_of_1918 = (11, 11);
    let christmas = (12, 25);

    [
        new_year,
        labour_day,
        victory_of_1945,
        national_day,
        assumption,
        all_saints,
        armistice_of_1918,
        christmas,
    ]
    .contains(&(date.month(), date.day()))
}

fn is_movable_holiday(date: Date) -> bool {
    let easter_monday = 1;
    let ascension = 39;
    let whit_monday = 50;

    [easter_monday, ascension, whit_monday].contains(&days_after_easter(date))
}

/// Returns the number of days from Easter Sunday of the same year to `date`, negative before it.
fn days_after_easter(date: Date) -> i32 {
    let days_before_march = if date.in_leap_year() { 60 } else { 59 };
    let easter = days_before_march + easter_sunday_in_days_of_march(date.year());
    i32::from(date.day_of_year()) - easter
}

/// Returns the date of Easter Sunday as a day of March; 32 is 1 April.
///
/// Source: the anonymous Gregorian algorithm of 1876 (Meeus/Jones/Butcher), as printed in Jean
/// Meeus, Astronomical Algorithms, chapter 8. The variables have the names used there.
fn easter_sunday_in_days_of_march(year: i16) -> i32 {
    let year = i32::from(year);
    let a = year.rem_euclid(19);
    let (b, c) = (year.div_euclid(100), year.rem_euclid(100));
    let (d, e) = (b.div_euclid(4), b.rem_euclid(4));
    let f = (b + 8).div_euclid(25);
    let g = (b - f + 1).div_euclid(3);
    let h = (19 * a + b - d - g + 15).rem_euclid(30);
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k).rem_euclid(7);
    let m = (a + 11 * h + 22 * l) / 451;

    // Meeus splits this sum into a month and a day. Its minimum is 22, for 22 March.
    h + l - 7 * m + 22
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dates are those of python-dateutil 2.9; they include both extremes, 22 March and
    /// 25 April, and the century years that exercise each correction.
    #[test]
    fn easter_sunday_is_that_of_published_tables() {
        let expected = [
            (1598, 22),
            (1666, 56),
            (1734, 56),
            (1761, 22),
            (1818, 22),
            (1886, 56),
            (1943, 56),
            (1954, 49),
            (1991, 31),
            (1992, 50),
            (1993, 42),
            (2000, 54),
            (2008, 23),
            (2021, 35),
            (2038, 56),
            (2100, 28),
            (2200, 37),
            (2285, 22),
            (2300, 39),
            (2400, 47),
        ];
        for (year, day) in expected {
            assert_eq!(easter_sunday_in_days_of_march(year), day, "{year}");
        }
    }
}
