//! Replacing a configuration at runtime.

use std::net::SocketAddr;

use serde_json::Value;

use super::settings::{Listener, Settings};

impl Settings {
    /// Top-level sections that differ, in alphabetical order.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        self.sections.that_differ(&other.sections)
    }

    /// Restores the settings that cannot change at runtime from the `running` configuration. Returns their keys; they
    /// take effect at the next start.
    pub fn keep_fixed(&mut self, running: &Self) -> Vec<String> {
        let mut kept = Vec::new();
        self.keep_listeners(running, &mut kept);
        let effective = &mut self.effective.0;
        let mut keep = |is_other: bool, key: &str| {
            if is_other {
                kept.push(key.to_owned());
                let at = format!("/{}", key.replace('.', "/"));
                if let (Some(shown), Some(old)) = (effective.pointer_mut(&at), running.effective.0.pointer(&at)) {
                    shown.clone_from(old);
                }
            }
        };
        keep(self.control.address != running.control.address, "control.address");
        keep(self.threads != running.threads, "threads");
        keep(self.log.format != running.log.format, "log.format");
        keep(self.streams.capacity != running.streams.capacity, "streams.capacity");
        if !self.control.keeps_strangers_out(running.control.address) {
            // New tokens may only fit the new address. The old address must not stay open without tokens.
            self.control.tokens.clone_from(&running.control.tokens);
            keep(true, "control.tokens");
        }
        self.control.address = running.control.address;
        self.threads = running.threads;
        self.log.format = running.log.format;
        self.streams.capacity = running.streams.capacity;
        kept
    }

    /// Keeps addresses, TLS and PROXY protocol of listeners. Certificate files and `assume_https` may change.
    fn keep_listeners(&mut self, running: &Self, kept: &mut Vec<String>) {
        let mut written = std::mem::take(&mut self.listeners);
        let mut shown = Vec::new();
        for old in &running.listeners {
            let as_it_is = listener_of(&running.effective.0, old.address);
            let at = written.iter().position(|new| new.address == old.address);
            let listener = match at.map(|at| written.remove(at)) {
                None => {
                    kept.push(format!("listeners ({} was removed)", old.address));
                    shown.push(as_it_is);
                    old.clone()
                }
                Some(new) => {
                    let is_fixed = new.tls.is_some() == old.tls.is_some() && new.proxy_protocol == old.proxy_protocol;
                    let as_written = listener_of(&self.effective.0, old.address);
                    shown.push(if is_fixed { as_written } else { as_it_is });
                    if new.tls.is_some() != old.tls.is_some() {
                        kept.push(format!("listeners (tls of {})", old.address));
                    }
                    if new.proxy_protocol != old.proxy_protocol {
                        kept.push(format!("listeners (proxy_protocol of {})", old.address));
                    }
                    let tls = if new.tls.is_some() && old.tls.is_some() { new.tls } else { old.tls.clone() };
                    Listener { tls, proxy_protocol: old.proxy_protocol, ..new }
                }
            };
            self.listeners.push(listener);
        }
        self.effective.0["listeners"] = shown.into();
        kept.extend(written.iter().map(|new| format!("listeners ({} is new)", new.address)));
        self.assume_https = self.listeners.iter().any(|listener| listener.assume_https);
        if self.trusted_proxies.is_none() && self.listeners.iter().any(|listener| listener.proxy_protocol) {
            // Without them the listener that stays would accept no connection.
            self.trusted_proxies.clone_from(&running.trusted_proxies);
            kept.push("trusted_proxies".to_owned());
        }
    }
}

/// The listener with this address, as written.
fn listener_of(effective: &Value, address: SocketAddr) -> Value {
    let mut listeners = effective["listeners"].as_array().into_iter().flatten();
    let is_it = |written: &&Value| written["address"].as_str().is_some_and(|text| text.parse() == Ok(address));
    listeners.find(is_it).cloned().unwrap_or_default()
}
