//! Documents that were read before: programs send the same few over and over, and reading one costs more than all else that
//! is done with it before it runs.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::ServerError;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::ExecutableDocument;
use lru::LruCache;

use super::{lexical, merging};

/// How many are known at most, and how many bytes the text of each has at most.
const KNOWN: NonZeroUsize = NonZeroUsize::new(256).unwrap();
const LENGTH: usize = 4 * 1024;

/// The documents that were asked for last.
pub(super) struct Documents(Mutex<LruCache<String, Arc<ExecutableDocument>>>);

/// A document, and whether all was checked that its text alone decides.
pub(super) enum Read {
    /// It was, the last time.
    Known(Arc<ExecutableDocument>),
    /// Its brackets were counted, and nothing else.
    New(Arc<ExecutableDocument>),
}

impl Read {
    pub(super) fn get(&self) -> &ExecutableDocument {
        match self {
            Self::Known(document) | Self::New(document) => document,
        }
    }
}

impl Default for Documents {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KNOWN)))
    }
}

impl Documents {
    /// Reads a text, unless it is known.
    ///
    /// # Errors
    /// That of a text which cannot be read, or is not to be.
    pub(super) fn read(&self, text: &str) -> Result<Read, ServerError> {
        if let Some(document) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(text) {
            return Ok(Read::Known(document.clone()));
        }
        lexical::check(text)?;
        let document = parse_query(text).map_err(|error| unreadable(error.into()))?;
        Ok(Read::New(Arc::new(document)))
    }

    /// Checks what is left to check of a document that was measured, and knows it from then on.
    ///
    /// # Errors
    /// That of fields which cannot be merged.
    pub(super) fn keep(&self, text: &str, read: Read) -> Result<Arc<ExecutableDocument>, ServerError> {
        let document = match read {
            Read::Known(document) => return Ok(document),
            Read::New(document) => document,
        };
        merging::check(&document)?;
        if text.len() <= LENGTH {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.put(text.to_owned(), document.clone());
        }
        Ok(document)
    }
}

/// What the parser says in a drawing of several lines, in a sentence.
fn unreadable(error: ServerError) -> ServerError {
    let reason = error.message.rsplit("= ").next().unwrap_or_default().trim().to_owned();
    ServerError { message: format!("The document cannot be read here: {reason}."), ..error }
}
