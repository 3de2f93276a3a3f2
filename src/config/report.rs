//! Problems of a configuration.

use std::fmt;

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in that line, in characters, from 1.
    pub column: usize,
    /// The affected part, such as `applications.tv.policies[0]`; empty for the whole file.
    pub path: String,
    /// One sentence: what is wrong and what to write instead.
    pub message: String,
}

impl Problem {
    /// As `FILE:LINE:COLUMN: warning: PATH: MESSAGE`, for what is valid but probably not intended.
    pub fn as_warning(&self, file: &str) -> String {
        let Self { line, column, path, message } = self;
        let colon = if path.is_empty() { "" } else { ": " };
        format!("{file}:{line}:{column}: warning: {path}{colon}{message}")
    }

    /// Sorted in file order, without duplicates.
    pub(super) fn sorted(mut problems: Vec<Self>) -> Vec<Self> {
        problems.sort_by(|a, b| (a.line, a.column, &a.path, &a.message).cmp(&(b.line, b.column, &b.path, &b.message)));
        problems.dedup();
        problems
    }
}

/// Every problem of one configuration, in file order.
///
/// Displayed as `FILE:LINE:COLUMN: PATH: MESSAGE`, one line each, so that editors and terminals can jump there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The file, as given.
    pub file: String,
    /// Never empty.
    pub problems: Vec<Problem>,
    /// At least one problem is a lack of file descriptors, not of the configuration.
    pub shortage: bool,
}

impl Report {
    pub(super) fn new(file: &str, problems: Vec<Problem>) -> Self {
        Self { file: file.to_owned(), problems: Problem::sorted(problems), shortage: false }
    }

    /// Each problem, without a line end.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.problems.iter().map(|Problem { line, column, path, message }| {
            let colon = if path.is_empty() { "" } else { ": " };
            format!("{}:{line}:{column}: {path}{colon}{message}", self.file)
        })
    }

    pub(super) fn of_the_whole(file: &str, message: String) -> Self {
        Self::new(file, vec![Problem { line: 1, column: 1, path: String::new(), message }])
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, line) in self.lines().enumerate() {
            write!(f, "{}{line}", if nth == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}
