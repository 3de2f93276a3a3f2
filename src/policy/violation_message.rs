//! Viewer texts of violated rules.

use std::borrow::Cow;

use super::decision::Violation;

impl Violation {
    /// The operator's message in the language that suits `accept_language` best, or the default text.
    pub fn viewer_text(&self, accept_language: Option<&str>) -> String {
        let message = self.message.as_ref();
        message
            .map_or_else(|| self.default_text(), |message| message.render(accept_language, &|name| self.place(name)).1)
    }

    /// The value of a placeholder.
    pub fn place(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "limit" => Some(self.threshold.to_string().into()),
            "count" => Some(self.counted.to_string().into()),
            "policy" => Some(Cow::Borrowed(&self.policy)),
            "rule" => Some(Cow::Borrowed(&self.rule)),
            name => {
                let value = self.values.iter().find(|(known, _)| **known == *name);
                value.map(|(_, value)| Cow::Borrowed(&**value))
            }
        }
    }

    /// The text of a rule without a message.
    pub fn default_text(&self) -> String {
        let Self { threshold, counted, attribute, scope, .. } = self;
        let by = scope.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ");
        let by = if by.is_empty() { String::new() } else { format!(" of {by}") };
        match &**attribute {
            "streamId" => format!(
                "This account may watch {threshold} stream{}{by} at once, and {counted} {} playing. Stop one to start another.",
                if *threshold == 1 { "" } else { "s" },
                if *counted == 1 { "is" } else { "are" },
            ),
            attribute => {
                let what = if attribute == "deviceId" { "device" } else { attribute };
                format!(
                    "This account may watch streams{by} with {threshold} different {what}{} at once, and {counted} {} in use. \
                     Stop one to start another.",
                    if *threshold == 1 { "" } else { "s" },
                    if *counted == 1 { "is" } else { "are" },
                )
            }
        }
    }
}
