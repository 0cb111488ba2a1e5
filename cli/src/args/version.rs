//! A version of the model.

/// Parses the number of a version.
pub(crate) fn version_number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| {
        "pass the number of a version, such as 7; `bike-traffic status` lists the versions"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_accepted_and_other_texts_name_the_list_of_versions() {
        assert_eq!(version_number("7"), Ok(7));
        for text in ["", "v7", "-1", "champion"] {
            let error = version_number(text).unwrap_err();
            assert!(error.contains("bike-traffic status"), "{text}: {error}");
        }
    }
}
