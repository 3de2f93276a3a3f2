//! Streams that a viewer ends so that another one can start.

use std::sync::Arc;

use axum::http::HeaderMap;

use crate::config::Application;
use crate::control::session::view::View;
use crate::streams::Kill;
use crate::streams::account::AccountState;

/// Maximum codes per start.
const MAX_TERMINATIONS: usize = 16;

/// The public documentation uses the second name in one table.
const HEADERS: [&str; 2] = ["x-terminate", "x-terminator"];

/// The distinct codes of a start.
pub(super) fn codes(headers: &HeaderMap) -> Vec<&str> {
    let mut codes = Vec::new();
    let lines = HEADERS.into_iter().flat_map(|name| headers.get_all(name)).filter_map(|line| line.to_str().ok());
    for code in lines.flat_map(|line| line.split(',')).map(str::trim).filter(|code| !code.is_empty()) {
        if codes.len() == MAX_TERMINATIONS {
            break;
        }
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    codes
}

/// Resolves the codes among the running streams visible to the caller.
pub(super) fn resolve(codes: &[&str], record: &AccountState, view: &View<'_>, caller: &Application) -> Vec<Kill> {
    let mut seen = view.running(record);
    seen.retain(|stream| view.sees(caller, &stream.application));
    let named = |code: &&str| {
        let stream = seen.iter().find(|stream| view.is_termination_code(stream.id, code))?;
        Some((stream.id, Arc::from(*code)))
    };
    codes.iter().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_in_one_line_or_several_under_either_name_and_count_once() {
        let mut headers = HeaderMap::new();
        for (name, line) in [("x-terminator", "d"), ("x-terminate", " a, b,,a "), ("x-terminate", "c")] {
            headers.append(name, line.parse().unwrap());
        }
        assert_eq!(codes(&headers), ["a", "b", "c", "d"]);
        headers
            .append("x-terminate", (0..100).map(|nth| format!("{nth},")).collect::<Vec<_>>().concat().parse().unwrap());
        assert_eq!(codes(&headers).len(), MAX_TERMINATIONS);
    }
}
