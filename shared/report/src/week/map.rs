//! A small map of the counters, with their errors.

use forecasting::counts::Coordinates;

use super::CounterWeek;
use crate::{
    html::{Element, Markup, element, plain},
    svg::Pixels,
    text,
};

const WIDTH: f64 = 320.0;
/// The space around the outermost counters.
const SPACE: f64 = 26.0;
/// The radius of the largest error.
const RADIUS: f64 = 13.0;
/// The number of counters with a name.
const NAMED: usize = 3;
/// The distance of a name from the middle of its circle, and the width of a character in a wide font.
const DISTANCE: f64 = 15.0;
const CHARACTER: f64 = 7.6;
/// The number of characters from which on a name is shortened on the map.
const NAME: usize = 24;

/// The approximate course of the Seine in Paris, as latitude and longitude, from upstream.
const SEINE: [(f64, f64); 16] = [
    (48.8200, 2.4000),
    (48.8290, 2.3850),
    (48.8375, 2.3745),
    (48.8440, 2.3670),
    (48.8500, 2.3600),
    (48.8545, 2.3490),
    (48.8580, 2.3400),
    (48.8605, 2.3290),
    (48.8635, 2.3180),
    (48.8637, 2.3020),
    (48.8605, 2.2930),
    (48.8555, 2.2870),
    (48.8495, 2.2800),
    (48.8460, 2.2755),
    (48.8385, 2.2690),
    (48.8270, 2.2560),
];
/// The latitudes and longitudes in which the Seine is drawn.
const PARIS: ((f64, f64), (f64, f64)) = ((48.75, 48.95), (2.15, 2.55));

/// A projection from degrees to pixels, in which a degree of longitude is as long as at the middle
/// latitude.
struct Projection {
    north: f64,
    west: f64,
    /// Pixels for a degree of latitude and of longitude.
    scale: (f64, f64),
    height: f64,
}

impl Projection {
    /// Returns the projection that contains all places.
    fn of(places: &[Coordinates]) -> Option<Self> {
        let bounds = |value: fn(&Coordinates) -> f64| {
            let values = || places.iter().map(value);
            (
                values().fold(f64::INFINITY, f64::min),
                values().fold(f64::NEG_INFINITY, f64::max),
            )
        };
        let (south, north) = bounds(|place| place.latitude);
        let (west, east) = bounds(|place| place.longitude);
        if places.is_empty() {
            return None;
        }
        // A tenth of a kilometre at least, so that one place has a map.
        let shrink = ((south + north) / 2.0).to_radians().cos();
        let width = (east - west).max(0.001);
        let of_longitude = (WIDTH - 2.0 * SPACE) / width;
        let of_latitude = of_longitude / shrink.max(0.1);
        let height = ((north - south) * of_latitude + 2.0 * SPACE).clamp(80.0, 2.0 * WIDTH);
        Some(Self {
            north,
            west,
            scale: (of_latitude, of_longitude),
            height,
        })
    }

    fn project(&self, latitude: f64, longitude: f64) -> (f64, f64) {
        (
            SPACE + (longitude - self.west) * self.scale.1,
            SPACE + (self.north - latitude) * self.scale.0,
        )
    }
}

/// Returns the map of counters, which are sorted by their error, the largest first. Empty if no
/// counter has coordinates.
pub(super) fn figure(counters: &[&CounterWeek]) -> Markup {
    let places: Vec<_> = counters
        .iter()
        .filter_map(|counter| Some((*counter, counter.coordinates?)))
        .collect();
    let coordinates: Vec<_> = places.iter().map(|(_, place)| *place).collect();
    let Some(projection) = Projection::of(&coordinates) else {
        return Markup::default();
    };
    let title = format!(
        "Map of {}, the largest error at {}",
        text::plural(places.len(), "counter"),
        places
            .first()
            .map_or("–", |(counter, _)| counter.name.as_str())
    );
    let mut map = Element::new("svg")
        .attr(
            "viewBox",
            format_args!("0 0 {WIDTH} {}", Pixels(projection.height)),
        )
        .attr("role", "img")
        .attr("aria-labelledby", "map-title map-desc")
        .child(plain("title", title).attr("id", "map-title"))
        .child(
            plain(
                "desc",
                "The area of a circle is the mean absolute error. Line: the Seine.",
            )
            .attr("id", "map-desc"),
        )
        .child(seine(&projection, &coordinates));
    let highest = places
        .iter()
        .filter_map(|(counter, _)| counter.mae)
        .fold(0.0, f64::max);
    // The smaller circle is above the larger, so that both directions of a street show.
    for (counter, place) in &places {
        map = map.child(circle(
            counter,
            projection.project(place.latitude, place.longitude),
            highest,
        ));
    }
    map = map.child(names(&places, &projection));
    element("figure", "map", map)
        .child(plain(
            "figcaption",
            element(
                "p",
                "note",
                "Area: mean absolute error. Orange: worse than repeating last week. Line: the Seine. The table \
                 has the numbers.",
            ),
        ))
        .into()
}

fn seine(projection: &Projection, places: &[Coordinates]) -> Option<Element> {
    let ((south, north), (west, east)) = PARIS;
    let is_in_paris = |place: &Coordinates| {
        (south..=north).contains(&place.latitude) && (west..=east).contains(&place.longitude)
    };
    if !places.iter().all(is_in_paris) {
        return None;
    }
    let is_visible = |(x, y): &(f64, f64)| {
        (-SPACE..=WIDTH + SPACE).contains(x) && (-SPACE..=projection.height + SPACE).contains(y)
    };
    let points: Vec<_> = SEINE
        .iter()
        .map(|(latitude, longitude)| projection.project(*latitude, *longitude))
        .filter(is_visible)
        .map(|(x, y)| {
            format!(
                "{},{}",
                Pixels(x.clamp(0.0, WIDTH)),
                Pixels(y.clamp(0.0, projection.height))
            )
        })
        .collect();
    (points.len() > 1).then(|| {
        Element::new("path")
            .class("seine")
            .attr("d", format_args!("M{}", points.join(" ")))
    })
}

fn circle(counter: &CounterWeek, (x, y): (f64, f64), highest: f64) -> Element {
    let mae = counter.mae.unwrap_or_default();
    let share = if highest > 0.0 { mae / highest } else { 0.0 };
    let is_worse = counter.naive_mae.is_some_and(|naive| mae > naive);
    let text = match counter.mae {
        Some(mae) => format!("{}: {}", counter.name, text::per_hour(mae)),
        None => format!("{}: no forecast to compare", counter.name),
    };
    Element::new("circle")
        .class(if is_worse { "place worse" } else { "place" })
        .attr("cx", Pixels(x))
        .attr("cy", Pixels(y))
        .attr("r", Pixels((share.sqrt() * RADIUS).max(1.5)))
        .hover(text)
}

/// Returns the name of a counter without its direction, shortened, also to the pixels of `room`.
fn place_name(counter: &str, room: f64) -> String {
    let street = text::direction(counter).map_or(counter, |(street, _)| street);
    text::shortened(street, NAME.min((room / CHARACTER) as usize))
}

/// Returns the names of the counters with the largest errors, each only if it does not overlap
/// another.
fn names(places: &[(&CounterWeek, Coordinates)], projection: &Projection) -> Markup {
    let mut rows: Vec<f64> = Vec::new();
    let mut markup = Markup::default();
    for (counter, place) in places {
        if rows.len() == NAMED || counter.mae.is_none() {
            break;
        }
        let (x, y) = projection.project(place.latitude, place.longitude);
        if rows.iter().any(|row| (row - y).abs() < 16.0) {
            continue;
        }
        rows.push(y);
        let is_left = is_left(
            places,
            projection,
            (x, y),
            &place_name(&counter.name, WIDTH),
        );
        let (offset, room) = if is_left {
            (-DISTANCE, x - DISTANCE)
        } else {
            (DISTANCE, WIDTH - x - DISTANCE)
        };
        let name = place_name(&counter.name, room);
        markup.push(
            Element::new("text")
                .class(if is_left { "end" } else { "" })
                .attr("x", Pixels(x + offset))
                .attr("y", Pixels(y + 4.0))
                .child(name),
        );
    }
    markup
}

/// Returns `true` if the name of a place fits better on its left: it stays within the map, and
/// covers fewer places.
fn is_left(
    places: &[(&CounterWeek, Coordinates)],
    projection: &Projection,
    (x, y): (f64, f64),
    name: &str,
) -> bool {
    let length = name.chars().count() as f64 * CHARACTER;
    let (left, right) = (x - DISTANCE - length, x + DISTANCE);
    let covered = |from: f64| {
        let is_covered = |(_, place): &&(&CounterWeek, Coordinates)| {
            let (other_x, other_y) = projection.project(place.latitude, place.longitude);
            (from..from + length).contains(&other_x) && (other_y - y).abs() < RADIUS
        };
        places.iter().filter(is_covered).count()
    };
    match (left >= 0.0, right + length <= WIDTH) {
        (true, false) => true,
        (false, true) => false,
        _ => (covered(left), WIDTH / 2.0) < (covered(right), x),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_on_the_map_has_no_direction_and_whole_words() {
        for (counter, room, expected) in [
            ("16 rue du Garde-Boue NE-SO", WIDTH, "16 rue du Garde-Boue"),
            (
                "28 boulevard des Trois-Plateaux S-N",
                WIDTH,
                "28 boulevard des…",
            ),
            (
                "28 boulevard des Trois-Plateaux S-N",
                14.0 * CHARACTER,
                "28 boulevard…",
            ),
            ("Pont National", WIDTH, "Pont National"),
        ] {
            assert_eq!(place_name(counter, room), expected);
        }
    }
}
