use super::*;

fn counter(id: Option<&str>, name: &str) -> Counter {
    Counter {
        id: id.map(str::to_owned),
        name: name.to_owned(),
        coordinates: None,
    }
}

#[test]
fn spelling_variants_are_the_same_counter() {
    let mut counts = Counts::default();
    let first = counts.intern(counter(Some("1"), "90 Rue De Sèvres SO-NE"));
    assert_eq!(
        counts.intern(counter(None, "90  rue de Sevres so-ne ")),
        first
    );
    assert_ne!(
        counts.intern(counter(Some("1"), "90 Rue De Sèvres NE-SO")),
        first
    );
    assert_eq!(
        counts.counter(first),
        &counter(Some("1"), "90 Rue De Sèvres SO-NE")
    );
}

#[test]
fn counter_with_a_changed_id_is_the_same_counter() {
    let mut counts = Counts::default();
    let old = counts.intern(counter(Some("100"), "Quai"));
    let new = counts.intern(counter(Some("300"), "Quai"));
    assert_eq!((old, counts.counter(new).id.as_deref()), (new, Some("300")));
}

#[test]
fn rows_in_a_changing_order_of_counters_keep_their_counter() {
    let order = "ABABCBCCAABDDDCBA";
    let rows: Vec<String> = order
        .chars()
        .enumerate()
        .map(|(hour, name)| format!("{name};{hour};2021-07-14T{hour:02}:00:00+02:00\n"))
        .collect();
    let header = "Nom du compteur;Comptage horaire;Date et heure de comptage\n";
    let text = format!("{header}{}", rows.concat());
    let counts = read(text.as_bytes(), &mut Vec::new()).unwrap();
    let names: String = counts
        .rows()
        .iter()
        .map(|row| counts.counter(row.counter).name.as_str())
        .collect();
    assert_eq!(names, order);
}

#[test]
fn typographic_apostrophes_and_dashes_are_folded() {
    let names = [
        "Quai d\u{2019}Orsay E-O",
        "Quai d\u{2018}Orsay E-O",
        "Quai d\u{2bc}Orsay E-O",
        "Quai d\u{b4}Orsay E-O",
        "Quai d`Orsay E-O",
        "Quai d`Orsay E\u{2013}O",
        "Quai d\u{2b9}Orsay E-O",
        "Quai d\u{ff07}Orsay E\u{ff0d}O",
        "Quai d'Orsay E\u{2013}O",
        "Quai d'Orsay E\u{2014}O",
        "Quai d'Orsay E\u{2011}O",
        "Quai d'Orsay E\u{2010}O",
        "quai d\u{2019}orsay e\u{2212}o",
    ];
    for name in names {
        assert_eq!(CounterKey::of_name(name).as_str(), "quai d'orsay e-o");
    }
}

#[test]
fn invisible_characters_are_removed() {
    for name in [
        "\u{feff}Église Saint-Éloi",
        "Église\u{a0}Saint\u{ad}-\u{200b}Éloi\u{200f}",
        "E\u{301}glise Saint\u{2060}-E\u{301}loi",
    ] {
        assert_eq!(
            CounterKey::of_name(name).as_str(),
            "eglise saint-eloi",
            "{name:?}"
        );
    }
}

/// A model stores the folded names of its counters, and reading them folds them again.
#[test]
fn folded_name_is_folded_to_itself() {
    let characters = [
        '\u{149}', '\u{2033}', '\u{2034}', '\u{2057}', '\u{207b}', '\u{208b}', '\u{fe31}',
        '\u{fe32}', '\u{fe58}', '\u{1ffd}', '\u{130}', '\u{1e9e}', '\u{1fef}', '\u{ff40}',
    ];
    for character in characters {
        let key = CounterKey::of_name(&format!("Quai {character}O"));
        assert_eq!(CounterKey::of_name(key.as_str()), key, "{character:?}");
    }
    assert_eq!(CounterKey::of_name("E\u{fe58}O").as_str(), "e-o");
}

#[test]
fn counter_with_its_id_in_the_name_is_the_counter_of_that_id() {
    for names in [["Quai", "Quai (111)"], ["Quai (111)", "Quai"]] {
        let mut counts = Counts::default();
        let [first, second] = names.map(|name| counts.intern(counter(Some("111"), name)));
        let other = counts.intern(counter(Some("222"), "Quai (222)"));
        assert_eq!(first, second);
        assert_ne!(first, other);
        assert_eq!(counts.intern(counter(Some("222"), "Quai")), other);
    }
}

#[test]
fn extended_counters_are_those_interned_one_by_one() {
    let counters = [
        (Some("1"), "Quai"),
        (None, "Pont"),
        (Some("2"), "Quai (2)"),
        (Some("3"), "pont"),
        (Some("2"), "QUAI"),
    ];
    let counts_of = |counters: &[(Option<&str>, &str)]| {
        let mut counts = Counts::default();
        for (id, name) in counters {
            let index = counts.intern(counter(*id, name));
            counts.push(index, Hour::from_number(1), 1);
        }
        counts
    };
    let expected = counts_of(&counters);
    assert_eq!(
        expected.counters(),
        [
            counter(Some("1"), "Quai"),
            counter(Some("3"), "Pont"),
            counter(Some("2"), "Quai (2)")
        ]
    );
    for position in 0..=counters.len() {
        let (first, second) = counters.split_at(position);
        let mut extended = counts_of(first);
        extended.extend(&counts_of(second));
        assert_eq!(
            (extended.counters(), extended.rows()),
            (expected.counters(), expected.rows()),
            "{position}"
        );
    }
}

#[test]
fn deduplicate_retains_the_larger_count() {
    let mut counts = Counts::default();
    let quai = counts.intern(counter(None, "Quai"));
    let hour = Hour::from_number(400_000);
    for (at, count) in [(hour.plus(1), 7), (hour, 0), (hour, 12), (hour.plus(1), 7)] {
        counts.push(quai, at, count);
    }
    assert_eq!(counts.deduplicate(), 2);
    let remaining: Vec<_> = counts
        .rows()
        .iter()
        .map(|row| (row.hour, row.count))
        .collect();
    assert_eq!(remaining, [(hour, 12), (hour.plus(1), 7)]);
}

#[test]
fn deduplicate_sorts_the_counters_of_each_hour() {
    let mut counts = Counts::default();
    let [quai, pont] = ["Quai", "Pont"].map(|name| counts.intern(counter(None, name)));
    let hour = Hour::from_number;
    for (at, counter, count) in [
        (1, pont, 3),
        (1, quai, 4),
        (2, pont, 5),
        (2, quai, 6),
        (2, pont, 7),
    ] {
        counts.push(counter, hour(at), count);
    }
    assert_eq!(counts.deduplicate(), 1);
    let rows = |counts: &Counts| -> Vec<_> {
        let rows = counts.rows().iter();
        rows.map(|row| (row.hour, row.counter, row.count)).collect()
    };
    let expected = [
        (hour(1), quai, 4),
        (hour(1), pont, 3),
        (hour(2), quai, 6),
        (hour(2), pont, 7),
    ];
    assert_eq!(rows(&counts), expected);
    assert_eq!(counts.deduplicate(), 0);
    assert_eq!(rows(&counts), expected);
}

#[test]
fn extend_matches_counters_by_name() {
    let (mut left, mut right) = (Counts::default(), Counts::default());
    let _ = left.intern(counter(None, "Pont"));
    let quai = right.intern(counter(None, "QUAI"));
    right.push(quai, Hour::from_number(1), 5);
    left.extend(&right);
    let quai = left.find(&CounterKey::of_name("quai")).unwrap();
    assert_eq!(
        left.rows(),
        [Count {
            hour: Hour::from_number(1),
            counter: quai,
            count: 5
        }]
    );
}

#[test]
fn normalized_is_independent_of_the_order() {
    let hour = Hour::from_number(400_000);
    let rows = [
        ("Quai", hour, 5),
        ("Pont", hour, 3),
        ("Pont", hour.plus(1), 4),
        ("Quai", hour, 0),
    ];
    let collect = |rows: &mut dyn Iterator<Item = (&str, Hour, u32)>| {
        let mut counts = Counts::default();
        for (name, hour, count) in rows {
            let index = counts.intern(counter(Some(name), name));
            counts.push(index, hour, count);
        }
        let _without_counts = counts.intern(counter(None, "Avenue"));
        counts.normalized()
    };
    let (forwards, backwards) = (
        collect(&mut rows.into_iter()),
        collect(&mut rows.into_iter().rev()),
    );
    assert_eq!(
        (forwards.rows(), forwards.counters()),
        (backwards.rows(), backwards.counters())
    );
    let names: Vec<_> = forwards
        .counters()
        .iter()
        .map(|counter| counter.name.as_str())
        .collect();
    assert_eq!((names, forwards.len()), (vec!["Pont", "Quai"], 3));
}

#[test]
fn rows_are_counted_per_day_of_paris() {
    let mut counts = Counts::default();
    assert!(counts.is_empty());
    assert!(counts.rows_per_day().is_empty());
    let counters = ["Quai", "Pont"].map(|name| counts.intern(counter(None, name)));
    let autumn: Day = "2020-10-25".parse().unwrap();
    for hour in autumn.hours().chain(autumn.plus(1).hours().take(3)) {
        for counter in counters {
            counts.push(counter, hour, 1);
        }
    }
    assert!(!counts.is_empty());
    // The day of the clock change has 25 hours.
    let expected = [(autumn, 50), (autumn.plus(1), 6)];
    assert_eq!(counts.rows_per_day(), expected.into());
    assert_eq!(counts.days(autumn, autumn).len(), 50);
    assert_eq!(counts.days(autumn.plus(1), autumn.plus(9)).len(), 6);
    assert_eq!(counters.len(), counts.counters().len());
}

#[test]
fn key_is_displayed_as_the_folded_name() {
    assert_eq!(
        counter(None, "Rue De  Sèvres").key().to_string(),
        "rue de sevres"
    );
}
