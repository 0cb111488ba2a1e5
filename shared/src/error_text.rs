//! The text of an error, for logs and reports.

use std::error::Error;

/// Returns an error and its causes on one line, separated by colons, each once: some errors include
/// the text of their cause.
pub fn with_causes(error: &dyn Error) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        let sentence = cause.to_string();
        if !text.ends_with(&sentence) {
            text = format!("{text}: {sentence}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    /// An error with a text and a cause.
    #[derive(Debug)]
    struct Failure(&'static str, Option<Box<Failure>>);

    impl fmt::Display for Failure {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.0)
        }
    }

    impl Error for Failure {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            let cause = self.1.as_deref()?;
            Some(cause)
        }
    }

    #[test]
    fn each_cause_is_in_the_text_once() {
        let route = Failure("no route to host", None);
        let token = Failure(
            "cannot get a token: no route to host",
            Some(Box::new(route)),
        );
        let status = Failure("cannot read the status", Some(Box::new(token)));
        assert_eq!(
            with_causes(&status),
            "cannot read the status: cannot get a token: no route to host"
        );
    }
}
