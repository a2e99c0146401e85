//! `DATABASE_URL`: what it may say, how it is shown, and the claim on an embedded database.

use std::fmt;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::ErrorKind;
use std::mem::ManuallyDrop;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
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
    /// A line break, a mark of no width or the like.
    #[error("holds a line break or another character that cannot be seen")]
    Invisible,
    /// User information that PostgreSQL's clients read differently.
    #[error("has an @ or / inside its user name or password: write %40 for @ and %2F for /")]
    UserInfo,
    /// Something else than hosts, ports, a database and options.
    #[error(
        "is not postgres://USER:PASSWORD@HOST:PORT/DATABASE; in a password write %40 for @, %2F for / and %3A for :"
    )]
    Place,
    /// An option that the client does not know. It is not repeated, since it may be a piece of a password.
    #[error("has an option behind its ? that is not known; known are {}", OPTIONS.join(", "))]
    Option,
    /// The path of an embedded database is missing.
    #[error("names no file: write sqlite: and the path of a file, such as sqlite:/var/lib/scrip/scrip.db")]
    NoPath,
    /// `?mode=rwc` and the like.
    #[error("has options behind the path, and takes none: write sqlite:PATH without ? and #")]
    Options,
    /// `%20` and the like.
    #[error("has a % in its path, and paths are not decoded: write the path as the file system knows it")]
    Escaped,
    /// `:memory:`, `file:…`, `~/…`, `$HOME/…` and the like, which would become the name of a file.
    #[error(
        "is no plain path: write the path of a file, such as sqlite:/var/lib/scrip/scrip.db; :memory:, file:, ~, $, \
         quotes and the like mean nothing here"
    )]
    NotAPath,
}

/// The options of an address that PostgreSQL's client knows.
const OPTIONS: [&str; 18] = [
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslmode",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
];

impl DbUrl {
    /// Reads `postgres://…`, `postgresql://…` or `sqlite:PATH`, which some write `sqlite://PATH`.
    ///
    /// # Errors
    /// [`DbUrlError`] says what cannot be meant; the sentence follows the name of the variable.
    pub fn parse(url: &str) -> Result<Self, DbUrlError> {
        if url.chars().any(is_invisible) {
            return Err(DbUrlError::Invisible);
        }
        if let Some(rest) = after_scheme(url) {
            return check_postgres(rest).map(|()| Self::Postgres(url.to_owned()));
        }
        let path = url.strip_prefix("sqlite:").ok_or(DbUrlError::Scheme)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        match path {
            "" => Err(DbUrlError::NoPath),
            path if path.contains(['?', '#']) => Err(DbUrlError::Options),
            path if path.contains('%') => Err(DbUrlError::Escaped),
            path if path.starts_with([' ', '~']) || path.starts_with("localhost/") => Err(DbUrlError::NotAPath),
            path if path.contains(|c| r#":"'`$;&\*<>|"#.contains(c)) => Err(DbUrlError::NotAPath),
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
    /// [`DbError::Unavailable`] when another process has claimed it, when it has several names, or when it cannot be
    /// opened.
    pub fn claim(&self) -> Result<(), DbError> {
        let Self::Sqlite(path) = self else { return Ok(()) };
        prepare(path)?;
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
        Ok(())
    }
}

/// What follows `postgres://`; none for other schemes.
fn after_scheme(url: &str) -> Option<&str> {
    url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"))
}

/// Checks what stands behind `postgres://`. One library ends the user information at the first @, another at a / before
/// it, and both must agree; what a piece of a password could hide in is written in no other way.
fn check_postgres(rest: &str) -> Result<(), DbUrlError> {
    let (user_info, place) = rest.split_once('@').unwrap_or(("", rest));
    let (place, options) = place.split_once('?').unwrap_or((place, ""));
    let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
    if user_info.contains('/') || hosts.contains('@') {
        return Err(DbUrlError::UserInfo);
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '%');
    let is_host = |host: &str| {
        let bracketed = host.strip_prefix('[').and_then(|host| host.split_once(']'));
        let (name, port) = bracketed.unwrap_or_else(|| host.split_at(host.find(':').unwrap_or(host.len())));
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        name.chars().all(|c| is_name(c) || (bracketed.is_some() && c == ':')) && is_port
    };
    if !hosts.split(',').all(is_host) || !database.chars().all(is_name) {
        return Err(DbUrlError::Place);
    }
    let mut names = options.split('&').filter(|option| !option.is_empty()).map(|option| option.split('=').next());
    if names.all(|name| name.is_some_and(|name| OPTIONS.contains(&name))) { Ok(()) } else { Err(DbUrlError::Option) }
}

/// Characters that nobody means in an address: those of control, and those without width.
fn is_invisible(c: char) -> bool {
    let is_mark = matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2064}');
    c.is_control() || is_mark || c == '\u{FEFF}' || (c != ' ' && c.is_whitespace())
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

/// Makes the folder of an embedded database, and makes sure that the file has one name. SQLite keeps its log beside the
/// name that it is opened by: what was written under another name would be missed, and lost.
///
/// # Errors
/// [`DbError::Unavailable`] with what is wrong, as a sentence behind the database's name.
pub(super) fn prepare(file: &Path) -> Result<(), DbError> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let cannot = |error| format!("cannot be opened: the folder {} cannot be made: {error}", folder.display());
        // The portal secret is in the database, so only its owner may read it.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| DbError::unavailable(cannot(error)))?;
    }
    let found = std::fs::metadata(file);
    if found.as_ref().is_ok_and(|found| found.nlink() > 1) {
        let why =
            "has another name, a hard link, and its log would stand beside one of them alone; remove the other name";
        return Err(DbError::unavailable(why));
    }
    // Where there is no such list, there is no such mount.
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if std::fs::canonicalize(file).is_ok_and(|real| is_mounted(&mounts, &real)) {
        let why = "is mounted as a single file, and its log would be left behind; mount its folder instead";
        return Err(DbError::unavailable(why));
    }
    let log = PathBuf::from(format!("{}-wal", file.display()));
    let is_there = found.is_ok_and(|found| found.len() > 0);
    if !is_there && std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        let why = format!(
            "is not there, and its log is: put the file back, or move {} away if what it holds is not needed",
            log.display()
        );
        return Err(DbError::unavailable(why));
    }
    if !is_there {
        // SQLite makes its other files with the rights of this one.
        let made = File::options().create_new(true).append(true).mode(0o600).open(file);
        if let Err(error) = made.map(drop)
            && error.kind() != ErrorKind::AlreadyExists
        {
            return Err(DbError::unavailable(format!("cannot be opened: {error}")));
        }
    }
    Ok(())
}

/// The very file that a database was opened by. When it is deleted, moved or replaced under the program, what is written goes
/// where nobody finds it again.
#[derive(Debug)]
pub(super) struct OneFile {
    path: PathBuf,
    /// Device and number.
    is: (u64, u64),
}

impl OneFile {
    /// # Errors
    /// [`DbError::Unavailable`] when it is not there.
    pub(super) fn of(path: &Path) -> Result<Self, DbError> {
        let is = identity(path).map_err(DbError::unavailable)?;
        Ok(Self { path: path.to_owned(), is })
    }

    /// Whether it is still there under its name.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when it is not.
    pub(super) fn check(&self) -> Result<(), DbError> {
        if identity(&self.path).is_ok_and(|is| is == self.is) {
            return Ok(());
        }
        let name = self.path.display();
        Err(DbError::unavailable(format!(
            "the file {name} was deleted, moved or replaced; put it back, or start again"
        )))
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

/// Whether a file is a mount of its own, by the list of `/proc/self/mountinfo`: its fifth field is where, with some
/// characters in octal.
fn is_mounted(mounts: &str, file: &Path) -> bool {
    let mut written = file.display().to_string();
    for (character, octal) in [('\\', "\\134"), (' ', "\\040"), ('\t', "\\011"), ('\n', "\\012")] {
        written = written.replace(character, octal);
    }
    mounts.lines().any(|mount| mount.split(' ').nth(4) == Some(&written))
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
            ("sqlite:/x/a.db\n", DbUrlError::Invisible),
            ("sqlite:a.db\u{200b}", DbUrlError::Invisible),
            ("sqlite:\u{feff}a.db", DbUrlError::Invisible),
            ("postgres://u@h/d\t", DbUrlError::Invisible),
            ("sqlite:a.db?mode=rwc", DbUrlError::Options),
            ("sqlite:a.db#x", DbUrlError::Options),
            ("sqlite:file:/x/a.db", DbUrlError::NotAPath),
            ("sqlite::memory:", DbUrlError::NotAPath),
            ("sqlite:///:memory:", DbUrlError::NotAPath),
            ("sqlite:memory:", DbUrlError::NotAPath),
            ("sqlite:~/a.db", DbUrlError::NotAPath),
            ("sqlite: a.db", DbUrlError::NotAPath),
            ("sqlite:\"a.db\"", DbUrlError::NotAPath),
            ("sqlite:'a.db'", DbUrlError::NotAPath),
            ("sqlite:$HOME/a.db", DbUrlError::NotAPath),
            ("sqlite:a.db;mode=rwc", DbUrlError::NotAPath),
            ("sqlite:a.db&x=y", DbUrlError::NotAPath),
            ("sqlite:C:\\a.db", DbUrlError::NotAPath),
            ("sqlite://localhost/x/a.db", DbUrlError::NotAPath),
            ("sqlite:postgres://u:s3cret@h/d", DbUrlError::NotAPath),
            ("sqlite:/my%20files/a.db", DbUrlError::Escaped),
            ("postgres://u:a/b@h/d", DbUrlError::UserInfo),
            ("postgres://u:a@b@h/d", DbUrlError::UserInfo),
            ("postgres://h/d?password=x@y", DbUrlError::UserInfo),
            ("postgres://u:s3cret", DbUrlError::Place),
            ("postgres://u:s3cret:127.0.0.1/d", DbUrlError::Place),
            ("postgres://u:s3cret%40127.0.0.1:1/d", DbUrlError::Place),
            ("postgres://h/d;password=s3cret", DbUrlError::Place),
            ("postgres://h/d password=s3cret", DbUrlError::Place),
            ("postgres://u@h/d#s3cret", DbUrlError::Place),
            ("postgres://u@h/d?password=abc&s3cret=x", DbUrlError::Option),
        ] {
            assert_eq!(DbUrl::parse(url), Err(error), "{url}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn file_that_is_a_mount_of_its_own_is_found_in_the_list_of_mounts() {
        let mounts =
            "36 35 98:0 / / rw - ext4 /dev/a rw\n41 36 98:0 /x/a.db /data/my\\040credits.db rw - ext4 /dev/a rw\n";
        assert!(is_mounted(mounts, Path::new("/data/my credits.db")));
        assert!(!is_mounted(mounts, Path::new("/data/credits.db")));
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
            ("postgres://u:s3cret@[::1]:5432/d", "postgres://[::1]:5432/d"),
            ("postgres://u:s3cret@%2Fvar%2Frun/d", "postgres://%2Fvar%2Frun/d"),
            ("postgres://u:s3cret@h", "postgres://h"),
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
