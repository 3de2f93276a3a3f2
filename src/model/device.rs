//! Devices of an account.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A device, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// Device id from the token: the same id is the same device.
    Named(Arc<str>),
    /// A hint from the client's network and user agent. Two identical televisions behind one router look alike, so a
    /// hint may join two requests for the same asset but never ends another stream.
    Hint(u64),
}

impl Device {
    /// The device id, if there is one.
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
