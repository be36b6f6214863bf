# The edge on workerd, as in the Dockerfile: `workerd serve workerd.capnp` next to edge.js. Every setting of
# edge/entry/settings.ts comes from the environment; what is not set there counts as missing.
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "edge", worker = (
      modules = [(name = "edge.js", esModule = embed "edge.js")],
      compatibilityDate = "2026-11-01",
      bindings = [
        (name = "SLUICE_GATEWAY_URL", fromEnvironment = "SLUICE_GATEWAY_URL"),
        (name = "SLUICE_GATEWAY_USERNAME", fromEnvironment = "SLUICE_GATEWAY_USERNAME"),
        (name = "SLUICE_GATEWAY_PASSWORD", fromEnvironment = "SLUICE_GATEWAY_PASSWORD"),
        (name = "SLUICE_EDGE_NAME", fromEnvironment = "SLUICE_EDGE_NAME"),
        (name = "SLUICE_RATE_LIMITS", fromEnvironment = "SLUICE_RATE_LIMITS"),
        (name = "SLUICE_TRUSTED_PROXIES", fromEnvironment = "SLUICE_TRUSTED_PROXIES"),
        (name = "SLUICE_GEO_HEADERS", fromEnvironment = "SLUICE_GEO_HEADERS"),
        (name = "SLUICE_ALLOW_CLEARTEXT", fromEnvironment = "SLUICE_ALLOW_CLEARTEXT"),
        (name = "SLUICE_NDJSON_BYTES_MAX", fromEnvironment = "SLUICE_NDJSON_BYTES_MAX"),
        (name = "SLUICE_SITE_KEYS", fromEnvironment = "SLUICE_SITE_KEYS"),
        (name = "SLUICE_REDIS_REST_URL", fromEnvironment = "SLUICE_REDIS_REST_URL"),
        (name = "SLUICE_REDIS_TOKEN", fromEnvironment = "SLUICE_REDIS_TOKEN"),
        (name = "UPSTASH_REDIS_REST_URL", fromEnvironment = "UPSTASH_REDIS_REST_URL"),
        (name = "UPSTASH_REDIS_REST_TOKEN", fromEnvironment = "UPSTASH_REDIS_REST_TOKEN"),
        (name = "SLUICE_REDIS_TIMEOUT_MS", fromEnvironment = "SLUICE_REDIS_TIMEOUT_MS"),
        (name = "SLUICE_REDIS_FAILURE_POLICY", fromEnvironment = "SLUICE_REDIS_FAILURE_POLICY"),
        (name = "SLUICE_DOCS_KEY", fromEnvironment = "SLUICE_DOCS_KEY"),
        (name = "SLUICE_KAFKA_REST_DIALECT", fromEnvironment = "SLUICE_KAFKA_REST_DIALECT"),
        (name = "SLUICE_KAFKA_REST_URL", fromEnvironment = "SLUICE_KAFKA_REST_URL"),
        (name = "SLUICE_KAFKA_REST_USERNAME", fromEnvironment = "SLUICE_KAFKA_REST_USERNAME"),
        (name = "SLUICE_KAFKA_REST_PASSWORD", fromEnvironment = "SLUICE_KAFKA_REST_PASSWORD"),
        (name = "SLUICE_KAFKA_TOPIC_PREFIX", fromEnvironment = "SLUICE_KAFKA_TOPIC_PREFIX"),
      ],
      globalOutbound = "network",
    )),
    # Core and Redis may be on this network or far away; the edge sends requests to the configured URLs alone.
    (name = "network", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
  ],
  # As in local/edge-process.ts, and for the same reason.
  v8Flags = ["--initial-heap-size=1", "--max-semi-space-size=1", "--max-old-space-size=32"],
  sockets = [(name = "http", address = "127.0.0.1:8787", http = (), service = "edge")],
);
