-- moongate's configuration: every option with its default. Flags of `moongate run` win over this file. Sizes are numbers of bytes or "16MiB", durations are
-- numbers of seconds or "10s". An unknown key refuses the start.
return {
  listen = "127.0.0.1:4318",        -- address and port; port 0 takes a free one. Beyond loopback it wants tokens
  data = "data",                    -- journal and checkpoints; one process at a time
  scripts = "scripts",              -- what you edit: metrics/*.lua, and modules for require
  plugins = "plugins",              -- shipped extensions, also found by require
  -- threads = 1,                   -- network loops; default: cores − 1, at least 1
  timezone = "UTC",                 -- of calendar days, weeks and months: an IANA name such as "Europe/Berlin"
  watch = false,                    -- true: reload when a script changes on disk
  allow_anonymous = false,          -- true: listen beyond loopback without tokens

  -- Who may do what: the SHA-256 of each token's text (printf %s "$TOKEN" | sha256sum), never the token itself.
  -- Scopes: "ingest" sends data, "query" reads /metrics, "admin" reloads.
  -- rate: requests a second, over all its connections; more are answered 429 with Retry-After. burst: how many may come at once (default: those of a second).
  tokens = {
    -- { sha256 = "…", scopes = { "ingest", "query" }, rate = 500, burst = 1000 },
  },

  http = {
    header_bytes = "16KiB",         -- request line and headers; more is 431
    body_bytes = "16MiB",           -- a body as sent, and again inflated; more is 413
    bodies_bytes = "64MiB",         -- all bodies in flight together; more is 503 with Retry-After
    max_connections = 10000,        -- more are answered 503 and closed
    header_timeout = "10s",         -- until the headers are there
    body_timeout = "30s",           -- until the body is there
    idle_timeout = "75s",           -- between two requests of a connection
    write_timeout = "10s",          -- a client that does not read its answer
    rate = 0,                       -- only without tokens: requests a second, of all clients together; more are 429. 0: no limit
    burst = 0,                      -- and how many may come at once; 0: those of a second
  },

  events = {                        -- what one event may be; more refuses that event alone
    depth = 32,                     -- nested objects and arrays
    fields = 1024,                  -- values, nested ones counted
    key_bytes = 256,                -- of a field's name
    string_bytes = "64KiB",         -- of one string
    event_bytes = "1MiB",           -- of the whole event
    per_body = 100000,              -- events in one body; more refuses the body
  },

  spans = {                         -- what one span may be; more refuses that span alone
    depth = 32,                     -- nested lists and maps in an attribute
    values = 4096,                  -- attributes, events and links, with the values in them
    key_bytes = 256,                -- of an attribute's name
    string_bytes = "1MiB",          -- of one string
    span_bytes = "4MiB",            -- of the whole span, in Protocol Buffers
    per_body = 100000,              -- spans in one body; more refuses the body
  },

  journal = {
    durability = "group",           -- "group": synced before the answer. "interval": each second; a power failure may lose one
    queue_bytes = "64MiB",          -- decoded records on their way to disk and scripts; more is 503 with Retry-After
    segment_bytes = "16MiB",        -- size of an active file; sealed and compressed when full
    retention_bytes = "10GiB",      -- of sealed files; the oldest go first
    retention = "7d",               -- age at which events, spans and logs go
    audit_retention = "365d",       -- age at which audit logs go, and not before
    checkpoint = "60s",             -- a restart replays at most what came since the last one
  },

  dedup = {
    window = "10m",                 -- an id counts once within this time
    max = 2000000,                  -- ids remembered at most; 13 to 20 bytes each
  },

  limits = {                        -- of each script; one that breaks them again and again is quarantined
    call_ms = 100,                  -- a call of a handler
    load_ms = 1000,                 -- running the file when it is loaded
    memory_mb = 32,                 -- its Lua state, with the gaps between its blocks (an eighth is set aside for them)
    strikes = 3,                    -- broken limits within a minute until quarantine
    state_mb = 16,                  -- all state() tables of all scripts
  },

  metrics = {
    max_series = 1000000,           -- of all metrics together; each metric has its own bound as well
  },

  store = {                         -- the history of metrics
    retention = "15d",              -- age at which samples go, a block at a time
    retention_bytes = "10GiB",      -- of blocks; the oldest go first
    out_of_order = "10m",           -- how much later than newer ones a sample may come
    resolution = "5s",              -- a sample of each metric that scripts define is kept so often
    idle = "1h",                    -- a series without a new sample leaves memory after so long; its blocks stay
    max_series = 1000000,           -- in memory together; samples of more are refused
    max_series_per_metric = 200000, -- of one metric's name; likewise
    exemplars = 100000,             -- kept at most; the oldest go first
  },

  traces = {                        -- the buffer of traces: open ones, and closed ones for search
    settle = "5s",                  -- a trace closes once its root has ended and nothing has come for so long
    max_age = "10m",                -- and so long after its first span at the latest
    max_bytes = "256MiB",           -- memory of all of it; the oldest go first
    max_spans = 100000,             -- of one trace; more are left out of it
  },

  query = {                         -- a question to the history, PromQL above all
    timeout = "30s",                -- how long one may take, once its turn has come
    lookback = "5m",                -- how old a sample may be that still stands for its series
    max_concurrency = 2,            -- at the same time; more wait
    max_samples = 50000000,         -- that one may read and compute; past it the query fails
    max_bytes = "128MiB",           -- of memory for one
  },

  rules = {                         -- what is computed again and again, and what is to wake somebody
    files = {},                     -- Prometheus's rule files: { "conf/rules/*.yml" }; read anew at each reload
    interval = "1m",                -- of groups that have none
    query_offset = "0s",            -- so far in the past they are evaluated, where samples come late
    external_labels = {},           -- what templates see as $externalLabels: { region = "eu" }
    -- external_url = "https://moongate.example.com",  -- what they see as $externalURL; default: http:// and the address
  },

  -- What is asked for its metrics, a job an entry. Its targets are "host:port"; files hold more of them, as Prometheus's file_sd_configs have them, in JSON, and are read again at each interval.
  -- A series has the labels of its target beside its own: job, instance (the target as it stands here) and `labels`.
  scrape = {
    -- { job = "agents",
    --   targets = { "127.0.0.1:9100" },
    --   files = { "conf/targets/*.json" },     -- * and ? in the last part of the path
    --   labels = { team = "search" },
    --   interval = "15s",
    --   timeout = "10s",                       -- at most the interval
    --   scheme = "http",                       -- or "https"
    --   path = "/metrics",
    --   params = { ["match[]"] = { "up" } },   -- of the query: a text, or a list of texts, each
    --   headers = { ["X-Scope-OrgID"] = "1" }, -- go to where a redirect leads as well; a password or token does not
    --   honor_labels = false,                  -- true: labels that are scraped win over the target's; else they are renamed exported_…
    --   honor_timestamps = true,               -- false: the time of the scrape is that of all samples
    --   follow_redirects = true,
    --   sample_limit = 0,                      -- more samples fail the scrape; 0: no limit of the job's own
    --   body_bytes = "16MiB",                  -- likewise a longer answer, inflated
    --   tls = { ca = "", cert = "", key = "", server_name = "", insecure = false },  -- PEM files
    --   basic_auth = { username = "", password = "", password_file = "" },           -- files are read at each scrape
    --   bearer_token = "", bearer_token_file = "" },
  },

  log = {
    level = "info",                 -- debug, info, warn, error, fatal
    stdout = true,                  -- JSON lines to standard output
    file = "",                      -- and to this file; "" for none. SIGHUP opens it again
    errors_file = "",               -- warn and above also to this file
    sample_first = 100,             -- lines of one kind written in a second,
    sample_then = 100,              -- then every so many-th, which says how many were left out
  },

  health = {
    min_free_bytes = "256MiB",      -- less free disk makes /health say disk = false
    max_memory_bytes = 0,           -- more resident memory makes it say memory = false; 0: no bound
  },
}
