//! The table over a restart.

use std::io::{self, BufRead, BufWriter, Write};
use std::path::Path;

use super::{Restored, StreamTable};
use crate::model::Millis;
use crate::streams::Settings;
use crate::streams::store::Kept;

impl StreamTable {
    /// Writes every account to `file`, one JSON document a line. The file appears whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, file: &Path, settings: &Settings, now: Millis) -> io::Result<usize> {
        let unfinished = file.with_extension("unfinished");
        let mut out = BufWriter::new(std::fs::File::create(&unfinished)?);
        let mut accounts = 0;
        let mut failure = None;
        self.store.each(&mut |account, record| {
            if failure.is_none() && !record.is_empty() {
                let kept = Kept::of(account, record, settings, now);
                let written = serde_json::to_writer(&mut out, &kept).map_err(io::Error::from);
                failure = written.and_then(|()| out.write_all(b"\n")).err();
                accounts += 1;
            }
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&unfinished, file)?;
        Ok(accounts)
    }

    /// Takes up what [`save`](Self::save) wrote. Lines that do not read are counted and passed over: their streams come back
    /// with their play sessions.
    ///
    /// # Errors
    /// The file is there but cannot be read.
    pub fn restore(&self, file: &Path, now: Millis) -> io::Result<Restored> {
        let mut restored = Restored::default();
        let lines = match std::fs::File::open(file) {
            // Bytes, not text: damage may have broken the encoding of one line, and must not cost the others.
            Ok(file) => io::BufReader::new(file).split(b'\n'),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(restored),
            Err(error) => return Err(error),
        };
        for line in lines {
            match serde_json::from_slice::<Kept>(&line?) {
                Ok(kept) => {
                    restored.accounts += usize::from(self.store.restore(kept, now));
                }
                Err(_) => restored.damaged += 1,
            }
        }
        Ok(restored)
    }
}
