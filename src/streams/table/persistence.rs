//! Snapshots of the table across restarts.

use std::io::{self, BufRead};
use std::path::Path;

use super::{PAGE, Restored, StreamTable};
use crate::model::Millis;
use crate::streams::store::AccountSnapshot;
use crate::streams::{Settings, durable_file};

impl StreamTable {
    /// Writes every account to `file`, one JSON document per line, with wall-clock times, since the monotonic clock
    /// restarts. The file is replaced atomically and synced.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, file: &Path, settings: &Settings, now: Millis) -> io::Result<usize> {
        self.write(file, settings, now, false)
    }

    /// Same, while the gateway continues. Accounts are read one by one, and no request waits for the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save_running(&self, file: &Path, settings: &Settings, now: Millis) -> io::Result<usize> {
        self.write(file, settings, now, true)
    }

    fn write(&self, file: &Path, settings: &Settings, now: Millis, runs: bool) -> io::Result<usize> {
        let offset = self.moment(now).offset();
        durable_file::write(file, |mut out| {
            let mut accounts = 0;
            let mut last = None;
            loop {
                let page = self.store.page(last, PAGE);
                let Some((key, ..)) = page.last() else { break };
                last = Some(*key);
                for (_, account, record) in page.iter().filter(|(.., record)| !record.is_empty()) {
                    let kept = AccountSnapshot { runs, ..AccountSnapshot::capture(account, record, settings, now) }
                        .shifted(offset);
                    serde_json::to_writer(&mut out, &kept)?;
                    out.write_all(b"\n")?;
                    accounts += 1;
                }
            }
            Ok(accounts)
        })
    }

    /// Restores what [`save`](Self::save) wrote. Unreadable lines are counted and skipped: their streams return with
    /// their play sessions. A snapshot of a stopped gateway is complete, so that streams returning later have no
    /// seniority.
    ///
    /// # Errors
    /// The file exists but cannot be read.
    pub fn restore(&self, file: &Path, now: Millis) -> io::Result<Restored> {
        let mut restored = Restored::default();
        let offset = self.moment(now).offset().saturating_neg();
        let lines = match std::fs::File::open(file) {
            // Bytes, not text: damage may break the encoding of one line, and must not affect the others.
            Ok(file) => io::BufReader::new(file).split(b'\n'),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(restored),
            Err(error) => return Err(error),
        };
        let mut runs = false;
        for line in lines {
            match serde_json::from_slice::<AccountSnapshot>(&line?) {
                Ok(kept) => {
                    runs |= kept.runs;
                    restored.accounts += usize::from(self.store.restore(kept.shifted(offset), now));
                }
                Err(_) => restored.damaged += 1,
            }
        }
        // A snapshot without accounts may be from a running gateway that had none then.
        if !runs && restored.accounts > 0 && restored.damaged == 0 {
            self.knows_all();
        }
        Ok(restored)
    }
}
