//! Pingora as a balancer: PORT BACKEND_PORT…, settings as of the bench's other proxies.

use std::{env, sync::Arc, time::Duration};

use async_trait::async_trait;
use pingora_core::prelude::{HttpPeer, Result, Server, background_service};
use pingora_core::server::configuration::ServerConf;
use pingora_http::RequestHeader;
use pingora_load_balancing::{LoadBalancer, health_check::HttpHealthCheck, selection::RoundRobin};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

struct Balancer(Arc<LoadBalancer<RoundRobin>>);

#[async_trait]
impl ProxyHttp for Balancer {
    type CTX = ();
    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        let backend = self.0.select(b"", 16).expect("a backend is up");
        Ok(Box::new(HttpPeer::new(backend.addr, false, String::new())))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        _: &mut (),
    ) -> Result<()> {
        if let Some(client) = session.client_addr().and_then(|address| address.as_inet()) {
            request.insert_header("X-Forwarded-For", client.ip().to_string())?;
        }
        if let Some(host) = request.headers.get("Host").cloned() {
            request.insert_header("X-Forwarded-Host", host)?;
        }
        request.insert_header("X-Forwarded-Proto", "http")
    }
}

fn main() {
    let ports: Vec<u16> = env::args()
        .skip(1)
        .map(|port| port.parse().expect("a port"))
        .collect();
    let conf = ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: 8192,
        // It ends when it is told to.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut backends =
        LoadBalancer::try_from_iter(ports[1..].iter().map(|port| ("127.0.0.1", *port)))
            .expect("addresses");
    backends.set_health_check(Box::new(HttpHealthCheck::new("bench", false)));
    backends.health_check_frequency = Some(Duration::from_secs(5));
    let checks = background_service("health checks", backends);
    let mut proxy = http_proxy_service(&server.configuration, Balancer(checks.task()));
    proxy.add_tcp(&format!("127.0.0.1:{}", ports[0]));
    server.add_service(proxy);
    server.add_service(checks);
    server.run_forever();
}
