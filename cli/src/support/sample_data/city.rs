//! The fictitious counters of the sample data.

use std::rc::Rc;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

use super::{Error, Purpose, Settings, day_after, random_for};

const KINDS: [&str; 4] = ["quai", "boulevard", "rue", "avenue"];

/// Fictitious street names.
const NAMES: [&str; 24] = [
    "des Deux-Tilleuls",
    "de la Roue-Libre",
    "du Guidon",
    "du Vieux-Pédalier",
    "de la Petite-Sonnette",
    "des Rayons",
    "du Garde-Boue",
    "de la Chaîne-d'Argent",
    "du Porte-Bagages",
    "des Trois-Plateaux",
    "de la Dynamo",
    "du Dérailleur",
    "de la Selle-Rouge",
    "des Quatre-Pignons",
    "du Grand-Bi",
    "de la Draisienne",
    "du Tandem",
    "de la Bicyclette-Bleue",
    "des Coureurs-Lents",
    "du Peloton",
    "de l'Échappée-Belle",
    "de la Chambre-à-Air",
    "du Cale-Pied",
    "des Grands-Braquets",
];

const DIRECTIONS: [[&str; 2]; 4] = [
    ["E-O", "O-E"],
    ["N-S", "S-N"],
    ["NE-SO", "SO-NE"],
    ["NO-SE", "SE-NO"],
];

/// The mean level of all counters, in counts per hour on an average working day.
const MEAN_LEVEL: f64 = 80.0;

/// The standard deviation of the logarithm of a site's level.
const LEVEL_SPREAD: f64 = 0.52;

/// A counter: one direction of a site.
pub(super) struct Counter {
    /// The id, for example `100000001-101000001`.
    pub(super) id: String,
    /// The site's name and the direction.
    pub(super) name: String,
    pub(super) site: Rc<Site>,
    pub(super) habits: Habits,
}

/// A counting site with the columns of the export.
pub(super) struct Site {
    pub(super) id: String,
    pub(super) name: String,
    /// The day of installation, for example `2018-05-31`.
    pub(super) installed: String,
    /// The latitude and longitude in degrees, separated by a comma.
    pub(super) coordinates: String,
}

/// The traffic profile of a counter.
pub(super) struct Habits {
    /// The mean count per hour on an average working day.
    pub(super) level: f64,
    /// The share of commuters on a working day, 0 to 1.
    pub(super) commuters: f64,
    /// The share of commuters on their way to work, not home, 0 to 1.
    pub(super) inbound: f64,
    /// The delay of the daily profile, as a fraction of an hour, 0 to 1.
    pub(super) lateness: f64,
}

/// Generates the counters of the settings, sorted by id.
///
/// # Errors
/// Returns an error if the day of installation of a site is outside the calendar.
pub(super) fn counters(settings: &Settings) -> Result<Vec<Counter>, Error> {
    let mut random = random_for(Purpose::City, settings.seed);
    let sites = settings.counters.div_ceil(2);
    let levels = levels(sites as usize, &mut random);
    let mut counters = Vec::new();
    for (number, level) in (0..sites).zip(levels) {
        counters.extend(site_counters(number, level, settings, &mut random)?);
    }
    counters.truncate(settings.counters as usize);
    Ok(counters)
}

/// Draws the levels of sites from a log-normal distribution.
///
/// The levels are scaled to the same mean and spread for every seed.
fn levels(sites: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let logarithms: Vec<f64> = (0..sites).map(|_| StandardNormal.sample(random)).collect();
    let middle = mean(&logarithms);
    let variance = mean(&squares(&logarithms, middle));
    let stretch = if variance > 0.0 {
        LEVEL_SPREAD / variance.sqrt()
    } else {
        0.0
    };
    let levels = logarithms
        .iter()
        .map(|logarithm| ((logarithm - middle) * stretch).exp());
    let levels: Vec<f64> = levels.collect();
    let scale = MEAN_LEVEL / mean(&levels);
    levels.into_iter().map(|level| level * scale).collect()
}

fn squares(values: &[f64], middle: f64) -> Vec<f64> {
    values
        .iter()
        .map(|value| (value - middle).powi(2))
        .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn site_counters(
    number: u32,
    level: f64,
    settings: &Settings,
    random: &mut ChaCha8Rng,
) -> Result<[Counter; 2], Error> {
    let site = Rc::new(site(number, settings, random)?);
    let commuters = random.random_range(0.35..0.95);
    let inbound = random.random_range(0.5..0.9);
    let [there, back] = DIRECTIONS[number as usize % DIRECTIONS.len()];
    let mut counter = |direction: &str, way: u32, inbound: f64| Counter {
        id: format!("{}-10{way}{:06}", site.id, number + 1),
        name: format!("{} {direction}", site.name),
        site: Rc::clone(&site),
        habits: Habits {
            level: level * random.random_range(0.85..1.15),
            commuters,
            inbound,
            lateness: random.random_range(0.0..0.8),
        },
    };
    Ok([counter(there, 1, inbound), counter(back, 2, 1.0 - inbound)])
}

fn site(number: u32, settings: &Settings, random: &mut ChaCha8Rng) -> Result<Site, Error> {
    let (latitude, longitude) = place(random);
    let age = random.random_range(400..3_000);
    Ok(Site {
        id: (100_000_001 + number).to_string(),
        name: address(number, random),
        installed: day_after(settings.first_day, -age)?.to_string(),
        coordinates: format!("{latitude},{longitude}"),
    })
}

/// Returns a unique address.
fn address(number: u32, random: &mut ChaCha8Rng) -> String {
    let number = number as usize;
    let round = number / NAMES.len();
    let kind = KINDS[(number + round) % KINDS.len()];
    let name = NAMES[number % NAMES.len()];
    // After four rounds over the names, combinations repeat with higher house numbers.
    let house = 40 * (round / KINDS.len()) + random.random_range(1..=40);
    format!("{house} {kind} {name}")
}

/// Draws latitude and longitude within the ring road, in degrees with six decimals.
fn place(random: &mut ChaCha8Rng) -> (f64, f64) {
    let angle = random.random_range(0.0..std::f64::consts::TAU);
    let distance = random.random_range(0.0_f64..1.0).sqrt();
    let round = |degrees: f64| (degrees * 1e6).round() / 1e6;
    (
        round(48.859 + 0.035 * distance * angle.sin()),
        round(2.341 + 0.07 * distance * angle.cos()),
    )
}
