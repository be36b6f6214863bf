# The edge on workerd, as Dockerfile has it: `workerd serve workerd.capnp` beside edge.js. Every setting of
# edge/entry/compose.ts comes from the environment; what is not set there is as if it were left out.
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "edge", worker = (
      modules = [(name = "edge.js", esModule = embed "edge.js")],
      compatibilityDate = "2026-11-01",
      bindings = [
        (name = "GATEWAY_URL", fromEnvironment = "GATEWAY_URL"),
        (name = "GATEWAY_USERNAME", fromEnvironment = "GATEWAY_USERNAME"),
        (name = "GATEWAY_PASSWORD", fromEnvironment = "GATEWAY_PASSWORD"),
        (name = "EDGE_NAME", fromEnvironment = "EDGE_NAME"),
        (name = "RATE_LIMITS", fromEnvironment = "RATE_LIMITS"),
        (name = "NDJSON_BYTES_MAX", fromEnvironment = "NDJSON_BYTES_MAX"),
        (name = "REDIS_URL_REST", fromEnvironment = "REDIS_URL_REST"),
        (name = "REDIS_TOKEN", fromEnvironment = "REDIS_TOKEN"),
        (name = "UPSTASH_REDIS_REST_URL", fromEnvironment = "UPSTASH_REDIS_REST_URL"),
        (name = "UPSTASH_REDIS_REST_TOKEN", fromEnvironment = "UPSTASH_REDIS_REST_TOKEN"),
        (name = "REDIS_MS_MAX", fromEnvironment = "REDIS_MS_MAX"),
        (name = "WITHOUT_REDIS", fromEnvironment = "WITHOUT_REDIS"),
        (name = "DOCS_KEY", fromEnvironment = "DOCS_KEY"),
        (name = "PUBLISH_FLAVOUR", fromEnvironment = "PUBLISH_FLAVOUR"),
        (name = "PUBLISH_URL", fromEnvironment = "PUBLISH_URL"),
        (name = "PUBLISH_USERNAME", fromEnvironment = "PUBLISH_USERNAME"),
        (name = "PUBLISH_PASSWORD", fromEnvironment = "PUBLISH_PASSWORD"),
        (name = "KAFKA_TOPIC_PREFIX", fromEnvironment = "KAFKA_TOPIC_PREFIX"),
      ],
      globalOutbound = "network",
    )),
    # Core and Redis may be beside us or far away; the edge asks nobody but those it was told of.
    (name = "network", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
  ],
  # As in local/edge-process.ts, and for the same reason.
  v8Flags = ["--initial-heap-size=1", "--max-semi-space-size=1", "--max-old-space-size=32"],
  sockets = [(name = "http", address = "127.0.0.1:8787", http = (), service = "edge")],
);
