//! HAProxy and nginx, if installed.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::free_address;
use crate::process::Proxy;

fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("-v").output().is_ok();
    if !found {
        println!("SKIPPED: {program} is not installed");
    }
    found
}

/// HAProxy with a stick table that counts requests by path, as operators use to limit viewers.
pub(crate) fn haproxy(folder: &Path, origin: SocketAddr) -> Option<Proxy> {
    if !installed("haproxy") {
        return None;
    }
    let address = free_address();
    let file = folder.join("haproxy.cfg");
    let text = format!(
        "global\n  nbthread 1\n  maxconn 4096\ndefaults\n  mode http\n  timeout connect 3s\n  timeout client 60s\n  \
         timeout server 60s\n  http-reuse always\nfrontend f\n  bind {address}\n  \
         stick-table type string len 256 size 1m expire 90s store http_req_rate(30s)\n  \
         http-request track-sc0 path\n  http-request deny if {{ sc_http_req_rate(0) gt 1000000000 }}\n  default_backend b\n\
         backend b\n  server o {origin}\n"
    );
    fs::write(&file, text).unwrap();
    Some(Proxy::start("HAProxy, stick table", address, Command::new("haproxy").arg("-db").arg("-f").arg(&file)))
}

/// nginx with kept connections to the origin.
pub(crate) fn nginx(folder: &Path, origin: SocketAddr) -> Option<Proxy> {
    if !installed("nginx") {
        return None;
    }
    let address = free_address();
    let (file, folder) = (folder.join("nginx.conf"), folder.display());
    let text = format!(
        "daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.log;\n\
         events {{ worker_connections 4096; }}\nhttp {{\n  access_log off;\n  client_body_temp_path {folder}/body;\n  \
         proxy_temp_path {folder}/proxy;\n  fastcgi_temp_path {folder}/fastcgi;\n  uwsgi_temp_path {folder}/uwsgi;\n  \
         scgi_temp_path {folder}/scgi;\n  keepalive_requests 1000000000;\n  \
         upstream o {{ server {origin}; keepalive 64; keepalive_requests 1000000000; }}\n  \
         server {{ listen {address}; location / {{ proxy_pass http://o; proxy_http_version 1.1; \
         proxy_set_header Connection \"\"; }} }}\n}}\n"
    );
    fs::write(&file, text).unwrap();
    Some(Proxy::start("nginx", address, Command::new("nginx").arg("-c").arg(&file)))
}
