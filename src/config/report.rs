//! What is wrong with a configuration.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in that line, in characters, from 1.
    pub column: usize,
    /// The part that it is about, such as `applications.tv.policies[0]`; empty for the whole.
    pub path: String,
    /// One sentence: what is wrong and what to write instead.
    pub message: String,
}

impl Problem {
    /// As `FILE:LINE:COLUMN: warning: PATH: MESSAGE`, for what is not wrong and yet hardly meant.
    pub fn as_warning(&self, file: &str) -> String {
        let Self { line, column, path, message } = self;
        let colon = if path.is_empty() { "" } else { ": " };
        format!("{file}:{line}:{column}: warning: {path}{colon}{message}")
    }

    /// In the order of the file, each once.
    pub(super) fn sorted(mut problems: Vec<Self>) -> Vec<Self> {
        problems.sort_by(|a, b| (a.line, a.column, &a.path, &a.message).cmp(&(b.line, b.column, &b.path, &b.message)));
        problems.dedup();
        problems
    }
}

/// Everything that is wrong with one configuration, in the order of the file.
///
/// Written as `FILE:LINE:COLUMN: PATH: MESSAGE`, one line each, which editors and terminals can jump to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The file, as it was named to us.
    pub file: String,
    /// Never empty.
    pub problems: Vec<Problem>,
    /// At least one of them is none of the configuration: there was no file descriptor to read a file with.
    pub shortage: bool,
}

impl Report {
    pub(super) fn new(file: &str, problems: Vec<Problem>) -> Self {
        Self { file: file.to_owned(), problems: Problem::sorted(problems), shortage: false }
    }

    /// Each problem as it is written, without a line end.
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
