//! `DATABASE_URL`: what it may say, how it is shown, and the claim on an embedded database.

use std::fmt;
use std::fs::{File, TryLockError};
use std::mem::ManuallyDrop;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::DbError;

/// The address of the database.
#[derive(Clone, PartialEq, Eq)]
pub enum DbUrl {
    /// `postgres://…`
    Postgres(String),
    /// `sqlite:PATH`
    Sqlite(PathBuf),
}

/// Why a text is no address of a database. The message never repeats the text, since it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DbUrlError {
    /// Neither scheme.
    #[error("is neither sqlite:PATH nor postgres://…")]
    Scheme,
    /// A line break, a tab or the like.
    #[error("holds a line break or another control character")]
    ControlCharacter,
    /// User information that PostgreSQL's clients read differently.
    #[error("has an @ or / inside its user name or password: write %40 for @ and %2F for /")]
    UserInfo,
    /// The path of an embedded database is missing.
    #[error("names no file: write sqlite: and the path of a file, such as sqlite:/var/lib/scrip/scrip.db")]
    NoPath,
    /// `?mode=rwc` and the like.
    #[error("has options behind the path, and takes none: write sqlite:PATH without ? and #")]
    Options,
    /// `%20` and the like.
    #[error("has a % in its path, and paths are not decoded: write the path as the file system knows it")]
    Escaped,
    /// `:memory:`, `file:…` and `~/…`, which would become the name of a file.
    #[error(
        "is no plain path: write the path of a file, such as sqlite:/var/lib/scrip/scrip.db; :memory:, file: and ~ \
         mean nothing here"
    )]
    NotAPath,
}

impl DbUrl {
    /// Reads `postgres://…`, `postgresql://…` or `sqlite:PATH`, which some write `sqlite://PATH`.
    ///
    /// # Errors
    /// [`DbUrlError`] says what cannot be meant; the sentence follows the name of the variable.
    pub fn parse(url: &str) -> Result<Self, DbUrlError> {
        if url.chars().any(char::is_control) {
            return Err(DbUrlError::ControlCharacter);
        }
        if let Some(rest) = after_scheme(url) {
            // One library ends the user information at the first @, another at a / before it: both must agree.
            let (user_info, place) = rest.split_once('@').unwrap_or(("", rest));
            let authority = place.split(['/', '?']).next().unwrap_or_default();
            let is_plain = !user_info.contains('/') && !authority.contains('@');
            return if is_plain { Ok(Self::Postgres(url.to_owned())) } else { Err(DbUrlError::UserInfo) };
        }
        let path = url.strip_prefix("sqlite:").ok_or(DbUrlError::Scheme)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        match path {
            "" => Err(DbUrlError::NoPath),
            path if path.starts_with([':', '~']) || path.starts_with("file:") => Err(DbUrlError::NotAPath),
            path if path.contains(['?', '#']) => Err(DbUrlError::Options),
            path if path.contains('%') => Err(DbUrlError::Escaped),
            path => Ok(Self::Sqlite(PathBuf::from(path))),
        }
    }

    /// The same address with a password, where it is PostgreSQL's and names none. The password is taken as it is, so
    /// it may hold any character.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        let Self::Postgres(url) = self else { return self };
        let rest = after_scheme(&url).unwrap_or_default();
        let (user_info, place) = rest.split_once('@').unwrap_or(("", rest));
        let options = place.split_once('?').map(|(_, options)| options);
        let is_named = |option: &str| option.starts_with("password=");
        if user_info.contains(':') || options.is_some_and(|options| options.split('&').any(is_named)) {
            return Self::Postgres(url);
        }
        let sign = if options.is_some() { '&' } else { '?' };
        Self::Postgres(format!("{url}{sign}password={}", utf8_percent_encode(password, NON_ALPHANUMERIC)))
    }

    /// Claims an embedded database for this process, for as long as the process lives. PostgreSQL can be served by many.
    ///
    /// The claim is a lock of the file itself, so that another name of it, a symbolic or hard link or a bind mount, is
    /// claimed with it. Its descriptor is never closed: the system would drop SQLite's own locks of the file with it.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when another process has claimed it, or when it cannot be opened.
    pub fn claim(&self) -> Result<(), DbError> {
        let Self::Sqlite(path) = self else { return Ok(()) };
        make_folder_of(path)?;
        let cannot = |error: std::io::Error| DbError::unavailable(format!("cannot be opened: {error}"));
        let file = File::options().create(true).append(true).open(path).map_err(cannot)?;
        let file = ManuallyDrop::new(file);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let why =
                    "is served by another process, perhaps under another name; several share a PostgreSQL database";
                return Err(DbError::unavailable(why));
            }
            Err(TryLockError::Error(error)) => {
                return Err(DbError::unavailable(format!("cannot be claimed: {error}")));
            }
        }
        if file.metadata().map_err(cannot)?.nlink() > 1 {
            // SQLite keeps its log beside the name that it is opened by: after a crash another name would miss it.
            tracing::warn!(database = %self, "the database file has several names; start Scrip by the same one always");
        }
        Ok(())
    }
}

/// What follows `postgres://`; none for other schemes.
fn after_scheme(url: &str) -> Option<&str> {
    url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"))
}

/// The address without user, password and options.
impl fmt::Display for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(url) => {
                let rest = after_scheme(url).unwrap_or_default();
                let place = rest.split_once('@').map_or(rest, |(_, place)| place);
                write!(f, "postgres://{}", place.split('?').next().unwrap_or_default())
            }
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

impl fmt::Debug for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Makes the folder that a file is to be in.
///
/// # Errors
/// [`DbError::Unavailable`] names the folder that could not be made.
pub(super) fn make_folder_of(file: &Path) -> Result<(), DbError> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let cannot = |error| {
        DbError::unavailable(format!("cannot be opened: the folder {} cannot be made: {error}", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_that_cannot_be_meant_is_refused() {
        for (url, error) in [
            ("mysql://x", DbUrlError::Scheme),
            ("", DbUrlError::Scheme),
            ("sqlite:", DbUrlError::NoPath),
            ("sqlite://", DbUrlError::NoPath),
            ("sqlite:/x/a.db\n", DbUrlError::ControlCharacter),
            ("postgres://u@h/d\t", DbUrlError::ControlCharacter),
            ("sqlite:a.db?mode=rwc", DbUrlError::Options),
            ("sqlite:a.db#x", DbUrlError::Options),
            ("sqlite:file:/x/a.db", DbUrlError::NotAPath),
            ("sqlite::memory:", DbUrlError::NotAPath),
            ("sqlite:~/a.db", DbUrlError::NotAPath),
            ("sqlite:/my%20files/a.db", DbUrlError::Escaped),
            ("postgres://u:a/b@h/d", DbUrlError::UserInfo),
            ("postgres://u:a@b@h/d", DbUrlError::UserInfo),
            ("postgres://h/d?password=x@y", DbUrlError::UserInfo),
        ] {
            assert_eq!(DbUrl::parse(url), Err(error), "{url}");
        }
    }

    #[test]
    fn user_and_password_are_never_shown() {
        for (url, shown) in [
            ("postgres://h/d", "postgres://h/d"),
            ("postgres://u:s3cret@h:5432/d", "postgres://h:5432/d"),
            ("postgres://u:s3cret?x@h/d", "postgres://h/d"),
            ("postgres://u:s3cret#x@h/d", "postgres://h/d"),
            ("postgresql://u:s3:cret@h/d?sslmode=require&password=s3cret", "postgres://h/d"),
            ("postgres://u:s3cret@a,b/d", "postgres://a,b/d"),
        ] {
            let url = DbUrl::parse(url).unwrap();
            assert_eq!(format!("{url} {url:?}"), format!("{shown} {shown}"));
            assert!(!url.with_password("s3cret").to_string().contains("s3cret"));
        }
    }

    #[test]
    fn password_of_its_own_may_hold_any_character() {
        let with = |url: &str, password: &str| match DbUrl::parse(url).unwrap().with_password(password) {
            DbUrl::Postgres(url) => url.parse::<tokio_postgres::Config>().unwrap(),
            DbUrl::Sqlite(_) => unreachable!("it is PostgreSQL's"),
        };
        for url in ["postgres://u@h/d", "postgres://h/d?user=u"] {
            for password in ["plain", "a@b:c/d?e&f=g#h%20", " é "] {
                let config = with(url, password);
                assert_eq!(config.get_password(), Some(password.as_bytes()), "{url}");
                assert_eq!((config.get_user(), config.get_dbname()), (Some("u"), Some("d")), "{url}");
            }
        }
        assert_eq!(with("postgres://u:own@h/d", "other").get_password(), Some(b"own".as_slice()));
        assert_eq!(with("postgres://u@h/d?password=own", "other").get_password(), Some(b"own".as_slice()));
    }
}
