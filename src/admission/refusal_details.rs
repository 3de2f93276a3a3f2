//! What viewers learn about the rules that refuse a start.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::policy::{Decision, Effect, Mode, Violation};

/// Why policies refuse a start or a return.
#[derive(Debug, Default)]
pub(super) struct RefusalDetails {
    /// The exceeded rules.
    violations: Vec<Violation>,
    /// Missing attributes.
    lacking: Vec<Arc<str>>,
}

impl RefusalDetails {
    /// The refusing part of a decision.
    pub(super) fn from_decision(decision: &Decision) -> Self {
        let refusing = decision.enforced().filter(|violation| violation.effect == Effect::Refuse);
        let mut lacking: Vec<Arc<str>> = Vec::new();
        for lack in decision.missing_attributes.iter().filter(|lack| lack.mode == Mode::Enforce) {
            if !lacking.contains(&lack.attribute) {
                lacking.push(lack.attribute.clone());
            }
        }
        Self { violations: refusing.cloned().collect(), lacking }
    }

    /// True if a limit is exceeded; otherwise an attribute is missing.
    pub(super) fn is_too_many(&self) -> bool {
        !self.violations.is_empty()
    }

    /// Default text, used if the operator has configured none.
    pub(super) fn detail(&self) -> String {
        match self.violations.first() {
            Some(first) => first.default_text(),
            None => format!(
                "This stream lacks information that playback requires: {}. Contact your provider.",
                self.lacking.join(", ")
            ),
        }
    }

    /// Adds the rules to the document, in the viewer's language if configured. Returns that language, and whether the
    /// text depends on it.
    pub(super) fn describe(
        &self,
        accept_language: Option<&str>,
        document: &mut Map<String, Value>,
    ) -> (Option<String>, bool) {
        let (mut language, mut varies) = (None, false);
        let mut rules = Vec::new();
        for (nth, violation) in self.violations.iter().enumerate() {
            let mut rule = json!({
                "policy": violation.policy,
                "rule": violation.rule,
                "attribute": violation.attribute,
                "threshold": violation.threshold,
                "counted": violation.counted,
            });
            if !violation.scope.is_empty() {
                let scope = violation.scope.iter().map(|(name, value)| (name.to_string(), json!(value)));
                rule["scope"] = Value::Object(scope.collect());
            }
            if let Some(message) = &violation.message {
                varies |= !message.is_one_language();
                let (chosen, text) = message.render(accept_language, &|name| violation.place(name));
                rule["message"] = text.as_str().into();
                if nth == 0 {
                    language = chosen.map(str::to_owned);
                    document.insert("detail".into(), text.into());
                }
            }
            rules.push(rule);
        }
        if !self.lacking.is_empty() {
            let obligation = json!({ "namespace": "streamgate", "action": "supply", "arguments": self.lacking });
            document.insert("obligations".into(), json!([obligation]));
        }
        if !rules.is_empty() {
            document.insert("violations".into(), rules.into());
        }
        (language, varies)
    }
}
