//! An error with its causes, for logs and messages: the outermost error alone often says only that something failed.

use std::error::Error;
use std::fmt;

/// Writes an error and what caused it, outermost first, each cause that the text before it does not say already.
#[must_use]
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> Chain<'a> {
    Chain(error)
}

/// See [`chain`].
#[derive(Clone, Copy)]
pub struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let said = error.to_string();
            if !text.contains(&said) {
                text = format!("{text}: {said}");
            }
            cause = error.source();
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Layer>>);

    #[test]
    fn error_is_written_with_all_its_causes_once_each() {
        let cause = Layer("connection refused", None);
        let inner = Layer("error connecting: connection refused", Some(Box::new(cause)));
        let outer = Layer("the database is away", Some(Box::new(inner)));
        assert_eq!(chain(&outer).to_string(), "the database is away: error connecting: connection refused");
        assert_eq!(chain(&Layer("alone", None)).to_string(), "alone");
    }
}
