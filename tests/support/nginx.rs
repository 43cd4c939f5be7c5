//! A real nginx as the app, alone with its own configuration and files.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::process::{Running, free_port};

/// A running nginx.
pub(crate) struct Nginx {
    pub(crate) process: Running,
    pub(crate) addr: SocketAddr,
}

impl Nginx {
    /// Starts one with `http` (log formats and the like) before its one server and `locations` in
    /// it; paths are relative to `folder`.
    pub(crate) fn start(program: &Path, folder: &Path, http: &str, locations: &str) -> Self {
        Self::start_with(program, folder, http, locations, "")
    }

    /// The same, with `options` of how it listens.
    pub(crate) fn start_with(
        program: &Path,
        folder: &Path,
        http: &str,
        locations: &str,
        options: &str,
    ) -> Self {
        let addr = free_port();
        let config = folder.join("nginx.conf");
        let text = format!(
            "daemon off;
pid {folder}/nginx.pid;
error_log stderr crit;
worker_processes 1;
events {{ worker_connections 2048; }}
http {{
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  {http}
  server {{
    listen {addr} backlog=2048 {options};
    {locations}
  }}
}}
",
            folder = folder.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(program);
        command.arg("-p").arg(folder).arg("-c").arg(&config).args(["-e", "stderr"]);
        let mut process = Running::start("nginx", &mut command, folder);
        process.wait_for_port(addr);
        Self { process, addr }
    }
}
