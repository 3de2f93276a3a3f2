//! Which of an account's devices asks.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A device, as well as we know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// Named by the token: the same name is the same device.
    Named(Arc<str>),
    /// A hint made of the client's network and user agent. Two televisions of one make behind one router look alike, so a
    /// hint may tie two requests for the same asset together but never ends another stream.
    Hint(u64),
}

impl Device {
    /// The name, where there is one that means something to a person.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::Hint(_) => None,
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().unwrap_or("Unknown"))
    }
}
