//! Detects a write-ahead log that ends early. SQLite reads the log up to the first frame whose checksum does
//! not hold, and says nothing of what stands behind it: after a crash that is a transaction that was never acknowledged, after
//! damage to the file it may be many that were.
//!
//! The format is SQLite's own: <https://sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::path::Path;

/// Bytes of the log's header, and of each frame's.
const HEADER: usize = 32;
const FRAME: usize = 24;
/// The first four bytes; the lowest bit says in which order bytes are added up.
const MAGIC: u32 = 0x377f_0682;

/// How many transactions stand behind the place at which SQLite stops reading the log of a database; 0 where it reads it to its
/// end, and where there is none.
///
/// # Errors
/// The log cannot be read.
pub fn transactions_behind_the_end(database: &Path) -> std::io::Result<usize> {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    match std::fs::read(log) {
        Ok(log) => Ok(count_behind(&log).unwrap_or_default()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// The sum of SQLite's logs, begun with what stood before.
fn add_up(sum: (u32, u32), bytes: &[u8], is_big: bool) -> (u32, u32) {
    bytes.chunks_exact(8).fold(sum, |(first, second), pair| {
        let word = |at: usize| {
            let bytes = pair.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
            if is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        let first = first.wrapping_add(word(0)).wrapping_add(second);
        (first, second.wrapping_add(word(4)).wrapping_add(first))
    })
}

/// The big-endian word at a place.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))
}

/// How many frames that end a transaction of this log stand at or behind its first bad frame; none where it is no log.
fn count_behind(log: &[u8]) -> Option<usize> {
    let (header, frames) = log.split_at_checked(HEADER)?;
    let magic = word(header, 0)?;
    let is_big = magic & 1 == 1;
    let page = usize::try_from(word(header, 8)?).ok().filter(|page| page.is_power_of_two())?;
    let salts = header.get(16..24)?;
    let mut sum = add_up((0, 0), header.get(..24)?, is_big);
    let mut is_read = magic & !1 == MAGIC && (word(header, 24), word(header, 28)) == (Some(sum.0), Some(sum.1));
    let mut behind = 0_usize;
    for frame in frames.chunks_exact(page.checked_add(FRAME)?) {
        let is_of_this_log = frame.get(8..16) == Some(salts);
        if is_read {
            sum = add_up(add_up(sum, frame.get(..8)?, is_big), frame.get(FRAME..)?, is_big);
            is_read = is_of_this_log && (word(frame, 16), word(frame, 20)) == (Some(sum.0), Some(sum.1));
        }
        if !is_read && is_of_this_log && word(frame, 4)? > 0 {
            behind = behind.saturating_add(1);
        }
    }
    Some(behind)
}
