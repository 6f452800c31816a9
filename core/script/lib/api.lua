---@meta
-- The contract of operators' scripts: everything that a file in scripts/ may call, with types, units, errors and an example each.
-- Nothing here runs: editors read it (LuaLS annotations), and docs/lua.md is made from it (tools/luadoc.lua).

--- # Scripts
---
--- Each file in `scripts/metrics/` runs once when it is loaded: its top level defines metrics and registers handlers. After that only its
--- handlers run, on one thread, one after the other, in the order of the records.
---
--- A script says what, C does the work: the values of metrics and of `state` live outside of Lua. A reload keeps them, a crash loses none,
--- and replaying the journal gives them again. A plain Lua variable lives until the next reload or restart and no longer.
---
--- Time is the record's (`ev.time`) or the engine's (`now()`), never the machine's, so that a replay comes to the same values.
---
--- An error in a handler ends that call alone. It is logged with script and line and counted in `moongate_script_errors_total`.
--- What the call had changed before stays changed.

--- # Metrics
---
--- A constructor takes a name and a table of options, at the top level of a script only. The names and labels follow Prometheus's rules.
--- The same name may be defined in several scripts if type, labels and shape agree; they then share its values.
---
--- A method takes the values of the labels by position, in the order of `labels`, after its own arguments, and all of them: a wrong count is
--- an error. A value is a string, a number (integers are written plainly, others with 14 digits) or a boolean; `nil` leaves the label away.
--- Metrics change in handlers only: calling a method at the top level or in a filter is an error.
---
--- Past `max_series` new label values are counted in one series with the label `moongate_overflow="true"`.

--- A label's value. `nil` is an absent label.
---@alias LabelValue string|number|boolean|nil

--- A length of time: seconds, or a text such as `"500ms"`, `"30s"`, `"5m"`, `"1h30m"`, `"7d"`.
---@alias Duration number|string

--- What every metric takes.
---@class MetricOptions
---@field help? string a sentence for people, shown beside the metric
---@field unit? string the unit as it ends the name (before `_total`): `"seconds"`, `"bytes"`, `"usd"`
---@field labels? string[] names of the labels, at most 16
---@field max_series? integer series of this metric at most; 10000
---@field idle? Duration|"never" a series that is not touched for so long is removed; `"24h"`, but never before its window or period is over

---@class HistogramOptions: MetricOptions
---@field buckets? number[] upper bounds, rising, at most 128; `{ 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 }`

---@class SummaryOptions: MetricOptions
---@field quantiles? number[] from 0 to 1, rising, at most 16; `{ 0.5, 0.9, 0.95, 0.99 }`
---@field window? Duration the observations of so long count for the quantiles; `"10m"`

---@class DistinctOptions: MetricOptions
---@field period? "day"|"week"|"month" the calendar period that is counted, in the configured time zone; `"day"`

---@class TopkOptions: MetricOptions
---@field k? integer series kept; 100

---@class WindowOptions: MetricOptions
---@field window? Duration what happened in so long counts; `"5m"`

--- A value that only grows: calls, tokens, money spent. By custom its name ends in `_total`.
---
--- Errors: a bad name, an unknown option, a type or labels other than those of an earlier definition.
---
--- ```lua
--- local cost = counter "agent_cost_usd_total" {
---   help = "Money spent on model calls", unit = "usd",
---   labels = { "user_id", "model" }, max_series = 50000,
--- }
--- ```
---@param name string
---@return fun(options: MetricOptions): Counter
function counter(name) end

---@class Counter
local Counter = {}

--- Adds to the series with these label values.
---
--- Errors: a value that is negative, NaN, infinite or no number; a wrong count of labels.
---
--- ```lua
--- cost:add(0.0031, ev.user_id, ev.model)
--- ```
---@param value number at least 0
---@param ... LabelValue
function Counter:add(value, ...) end

--- Adds 1.
---
--- ```lua
--- calls:inc(ev.tool_name, ev.status)
--- ```
---@param ... LabelValue
function Counter:inc(...) end

--- The same counter with all its labels bound by name; its methods then take none. `with` works for every metric, at the top level too.
---
--- Errors: a label that the metric does not have, or one that is left out (`false` is no way to leave one out; `""` is).
---
--- ```lua
--- local failed = calls:with { tool_name = "search", status = "failed" }
--- on("search.failed", function() failed:inc() end)
--- ```
---@param labels table<string, LabelValue>
---@return Counter
function Counter:with(labels) end

--- A value that goes up and down: a size, a number of things at work.
---
--- ```lua
--- local queue = gauge "agent_queue_length" { help = "Requests waiting" }
--- ```
---@param name string
---@return fun(options: MetricOptions): Gauge
function gauge(name) end

---@class Gauge
local Gauge = {}

--- Sets the value. NaN and infinities are allowed here.
---
--- ```lua
--- queue:set(ev.queue_length)
--- ```
---@param value number
---@param ... LabelValue
function Gauge:set(value, ...) end

--- Adds a number, which may be negative. A series that was ever added to is not removed for idleness.
---
--- Errors: NaN or an infinity.
---
--- ```lua
--- running:add(-2, ev.template_id)
--- ```
---@param value number
---@param ... LabelValue
function Gauge:add(value, ...) end

--- Adds 1.
---
--- ```lua
--- running:inc(ev.template_id)
--- ```
---@param ... LabelValue
function Gauge:inc(...) end

--- Takes 1 away.
---
--- ```lua
--- running:dec(ev.template_id)
--- ```
---@param ... LabelValue
function Gauge:dec(...) end

---@param labels table<string, LabelValue>
---@return Gauge
function Gauge:with(labels) end

--- Counts observations in buckets: `_bucket`, `_sum`, `_count`. For latencies and sizes whose quantiles PromQL is to compute.
---
--- ```lua
--- local latency = histogram "agent_tool_call_latency_seconds" {
---   help = "Duration of tool calls", unit = "seconds", labels = { "tool_name" }, buckets = { 0.1, 0.5, 1, 5 },
--- }
--- ```
---@param name string
---@return fun(options: HistogramOptions): Histogram
function histogram(name) end

---@class Histogram
local Histogram = {}

--- Counts one observation.
---
--- Errors: NaN or an infinity.
---
--- ```lua
--- latency:observe(ev.duration_ms / 1000, ev.tool_name)
--- ```
---@param value number
---@param ... LabelValue
function Histogram:observe(value, ...) end

---@param labels table<string, LabelValue>
---@return Histogram
function Histogram:with(labels) end

--- Quantiles over a sliding window, to within 1 % of their value, with `_sum` and `_count` since the start.
---
--- ```lua
--- local duration = summary "agent_request_duration_seconds" { quantiles = { 0.5, 0.99 }, window = "10m" }
--- ```
---@param name string
---@return fun(options: SummaryOptions): Summary
function summary(name) end

---@class Summary
local Summary = {}

--- Counts one observation, at the record's time.
---
--- Errors: NaN or an infinity.
---
--- ```lua
--- duration:observe(12.5)
--- ```
---@param value number
---@param ... LabelValue
function Summary:observe(value, ...) end

---@param labels table<string, LabelValue>
---@return Summary
function Summary:with(labels) end

--- The number of different values seen in the running calendar day, week (from Monday) or month: a gauge. Exact while there are few, then with
--- a standard error of 1 %.
---
--- ```lua
--- local users = distinct "agent_daily_active_users" { help = "Users seen today", period = "day" }
--- ```
---@param name string
---@return fun(options: DistinctOptions): Distinct
function distinct(name) end

---@class Distinct
local Distinct = {}

--- Counts a value if it was not seen in this period, at the record's time.
---
--- Errors: a value that is no string, number or boolean.
---
--- ```lua
--- users:see(ev.user_id)
--- ```
---@param value string|number|boolean
---@param ... LabelValue
function Distinct:see(value, ...) end

---@param labels table<string, LabelValue>
---@return Distinct
function Distinct:with(labels) end

--- The sums of the `k` label values that have most; what the others have is in one overflow series. For labels with more values than
--- there is room for. All series together are the exact total. A series shows what was added since its labels came into the `k`: never more than
--- their true sum, and at most a `k`-th of the total less; whoever has more than a `k`-th of the total is among the `k`. For a sharp list of the largest
--- ten ask for a `k` of a hundred. `k` stands in for `max_series`, and no series is ever idle.
---
--- ```lua
--- local top = topk "agent_top_user_cost_usd" { unit = "usd", labels = { "user_id" }, k = 50 }
--- ```
---@param name string
---@return fun(options: TopkOptions): Topk
function topk(name) end

---@class Topk
local Topk = {}

--- Adds to the sum of these label values.
---
--- Errors: a value that is negative, NaN or infinite.
---
--- ```lua
--- top:add(usd, ev.user_id)
--- ```
---@param value number at least 0
---@param ... LabelValue
function Topk:add(value, ...) end

--- Adds 1.
---
--- ```lua
--- top_callers:inc(ev.user_id)
--- ```
---@param ... LabelValue
function Topk:inc(...) end

---@param labels table<string, LabelValue>
---@return Topk
function Topk:with(labels) end

--- Hits in proportion to all, over a sliding window: a gauge from 0 to 1, NaN while the window is empty.
---
--- ```lua
--- local success = ratio "agent_success_rate" { labels = { "template_id" }, window = "5m" }
--- ```
---@param name string
---@return fun(options: WindowOptions): Ratio
function ratio(name) end

---@class Ratio
local Ratio = {}

--- Counts a hit, at the record's time.
---
--- ```lua
--- if ev.status == "success" then success:hit(ev.template_id) else success:miss(ev.template_id) end
--- ```
---@param ... LabelValue
function Ratio:hit(...) end

--- Counts a miss, at the record's time.
---
--- ```lua
--- success:miss(ev.template_id)
--- ```
---@param ... LabelValue
function Ratio:miss(...) end

---@param labels table<string, LabelValue>
---@return Ratio
function Ratio:with(labels) end

--- The mean of observations over a sliding window: a gauge, NaN while the window is empty.
---
--- ```lua
--- local response = mean "agent_avg_response_seconds" { unit = "seconds", labels = { "template_id" }, window = "5m" }
--- ```
---@param name string
---@return fun(options: WindowOptions): Mean
function mean(name) end

---@class Mean
local Mean = {}

--- Counts one observation, at the record's time.
---
--- Errors: NaN or an infinity.
---
--- ```lua
--- response:observe(ev.duration_ms / 1000, ev.template_id)
--- ```
---@param value number
---@param ... LabelValue
function Mean:observe(value, ...) end

---@param labels table<string, LabelValue>
---@return Mean
function Mean:with(labels) end

--- # Handlers

--- Calls `fn` with every event of this type, or of all types for `"*"`. Spans are no events: they go to `on.span`. Handlers run in the order in which a script registers them;
--- scripts run in the order of their paths.
---
--- Errors: called elsewhere than at the top level; no function.
---
--- ```lua
--- on("tool.call", function(ev) calls:inc(ev.tool_name, ev.status) end)
--- ```
---@param type string
---@param fn fun(ev: Event)
function on(type, fn) end

--- Calls `fn` with every span as it comes in, before its trace is whole. `span` is filled as `ev` is, and under the same rules.
---
--- Errors: called elsewhere than at the top level; no function.
---
--- ```lua
--- on.span(function(span)
---   if span.status == "error" then failed:inc(span["resource.service.name"], span.name) end
---   latency:observe(span.duration, span["gen_ai.request.model"])
--- end)
--- ```
---@param fn fun(span: Span)
function on.span(fn) end

--- Calls `fn` with every trace that closes, once its root has ended and nothing of it has come for a while: the time to join what lies on the root (user, session) with what lies on the leaves (tokens, errors).
--- A trace of which spans come after that closes again, with `trace.late` and all spans that are still there; only those with `span.late` are news then.
---
--- What it returns decides whether the trace stays for search: `"keep"`, `"drop"`, a number from 0 to 1 as the probability that it stays, or nothing. Of all handlers one `"drop"` is enough to drop it, else one `"keep"` to keep it,
--- else the largest probability counts; where none says anything it stays. The draw is a hash of the trace's id: the same for a trace each time. What was counted from a dropped trace stays counted.
---
--- Metrics, `state` and `emit` may be used. The time of what is emitted or observed is the end of the trace's root, exemplars carry the trace, and one call may emit two events for each span more than others.
---
--- Errors: called elsewhere than at the top level; no function; another value returned. A handler that fails says nothing of the trace.
---
--- ```lua
--- on.trace(function(trace)
---   for span in trace:find { ["gen_ai.operation.name"] = { "chat", "text_completion" } } do
---     tokens:add(span["gen_ai.usage.input_tokens"] or 0, trace:inherit(span, "user.id"))
---   end
---   if trace.errors > 0 or trace.duration > 5 then return "keep" end
---   return 0.05
--- end)
--- ```
---@param fn fun(trace: Trace): ("keep"|"drop"|number|nil)
function on.trace(fn) end

--- A handler for `on.trace` that keeps what any of its policies keeps, and of the rest a share of `rate`: `errors`, traces with a span whose status is error; `slower_than`, those that took longer; `first_per`, the first one
--- in `every` for each value of an attribute, of the root or else of any span; `per_minute`, so many of the others a minute. What it remembers is in `state`.
---
--- Errors: called elsewhere than at the top level; an unknown option, or a value that is none for it; no policy.
---
--- ```lua
--- on.trace(sample { errors = true, slower_than = "5s", first_per = "user.id", per_minute = 100, rate = 0.05 })
--- ```
---@param policies { errors?: boolean, slower_than?: Duration, first_per?: string, every?: Duration, per_minute?: integer, rate?: number }
---@return fun(trace: Trace): ("keep"|number)
function sample(policies) end

--- Calls `fn` with each trace that has not closed, oldest first, whenever the engine's clock passes a multiple of the interval: for what is to be noticed while it happens, a runaway agent for one.
---
--- Errors: an interval under a second or over 366 days; called elsewhere than at the top level; no function.
---
--- ```lua
--- on.trace_open("10s", function(trace)
---   local calls = 0
---   for _ in trace:find { ["gen_ai.operation.name"] = "execute_tool" } do calls = calls + 1 end
---   if calls > 100 then emit("agent.runaway", { trace_id = trace.trace_id, calls = calls }) end
--- end)
--- ```
---@param interval Duration
---@param fn fun(trace: Trace)
function on.trace_open(interval, fn) end

--- Calls `fn` with every record of this type (or all, for `"*"`) before it is written to disk; spans have the type `"span"`. What the function sets, replaces or sets to `nil` in
--- `ev` is so in the journal; returning `"drop"` or `false` drops the record, which is counted. Nested fields go by their path.
---
--- A record whose filter fails or is cut off is refused, since what could not be redacted is not written. A filter changes records and
--- nothing else: metrics, `state` and `emit` are errors in it. What is set in a span and is no field of its own is an attribute.
---
--- Errors: called elsewhere than at the top level; no function. In the filter: setting `type` or `time`, or the `duration` of a span; values as in `emit`; over 32 MiB written into
--- the events of one body.
---
--- ```lua
--- filter("model.call", function(ev)
---   ev.prompt = nil
---   ev["user.email"] = "[redacted]"
---   if ev.user_id == "probe" then return "drop" end
--- end)
--- ```
---@param type string
---@param fn fun(ev: table): ("drop"|boolean|nil)
function filter(type, fn) end

--- Calls `fn` whenever the engine's clock passes a multiple of the interval (since 1970). Intervals that passed at once are one call.
---
--- Errors: an interval under a second or over 366 days; called elsewhere than at the top level.
---
--- ```lua
--- every("30s", function() active:set(sessions:count()) end)
--- ```
---@param interval Duration
---@param fn fun()
function every(interval, fn) end

--- Makes an event that all scripts' handlers get after this call has returned. It is not journaled: a replay makes it again. Its time is
--- that of the record at hand (in `every`, the engine's), unless `fields.time` says otherwise (seconds). Tables become objects, or arrays if they
--- have items 1 to n only.
---
--- Errors: called outside of handlers; a value that is no string, finite number, boolean or table; a field `type`, or one named by another thing than a
--- string of at most 256 bytes; nesting over 32 levels; more than 1,024 values; a text of over 65,536 bytes; more than 1,000 events from one call or 100,000
--- from one frame, or over 64 MiB of them; the emitted events of emitted events … more than 8 deep.
---
--- ```lua
--- emit("user.expensive", { user_id = ev.user_id, usd = usd })
--- ```
---@param type string
---@param fields? table<string, any>
function emit(type, fields) end

--- Seconds since 1970 on the engine's clock: the time of the frame that is being applied.
---
--- ```lua
--- local age = now() - ev.time
--- ```
---@return number
function now() end

--- Loads a module of `scripts/`, `plugins/` or `conf/` by its path below that folder without `.lua`, dots for slashes, once for each script:
--- `conf/prices.lua` is `"prices"`, `scripts/lib/users.lua` is `"lib.users"`.
---
--- Errors: there is no such module; it requires itself, directly or through others; its own errors.
---
--- ```lua
--- local price = require "prices"
--- ```
---@param name string
---@return any
function require(name) end

--- # Events
---
--- `ev` is one table that is filled anew for each call. Keep what you need of it, not the table itself: after the call it shows another event. What a handler
--- writes to it is gone with the next one, and the names of its methods cannot be written. `pairs`, `next`, `rawget` and `rawset` on it are errors: use `ev:fields()`.
---
--- `moongate check` finds both mistakes: it runs the handlers over some events with an `ev` that cannot be written to, nor read after the call.
--- With `--events FILE` it runs them over events of yours, and prints all that fails.

--- A record as a handler sees it. Any field of the record is read by its name, nested ones by their path (a name with dots goes before a path; the items of
--- an array count from 0 in one: `ev["choices.0.text"]`); a field that is not there, or null, is `nil`. Objects and arrays come as copies, as tables of Lua,
--- which count from 1.
---
--- ```lua
--- local tokens = ev["usage.input_tokens"] or ev.input_tokens or 0
--- ```
---@class Event
---@field type string the record's type
---@field time number seconds since 1970, with fractions
---@field id? string
---@field tenant_id? string
---@field trace_id? string
---@field span_id? string
---@field request_id? string
---@field user_id? string
---@field [string] any
local Event = {}

--- A plain table with all fields (`type` and `time` too), nested ones as tables. It stays as it is.
---
--- ```lua
--- last[ev.agent_id] = ev:copy()
--- ```
---@return table<string, any>
function Event:copy() end

--- Iterates over the names and values of the record's fields, in their order; `type` and `time` are not among them.
---
--- ```lua
--- for name, value in ev:fields() do log.debug("field", { name = name, value = value }) end
--- ```
---@return fun(): string?, any
function Event:fields() end

--- A field by its name, for names that the methods take: `copy`, `fields`, `get`.
---
--- ```lua
--- local copy = ev:get("copy")
--- ```
---@param name string
---@return any
function Event:get(name) end

--- # State

--- A small key-value store, held outside of Lua: it outlives reloads and crashes. Scripts that name the same state share it. All states
--- together may hold `limits.state_mb` (default 16 MiB), at 64 bytes an entry plus key and text.
---
--- ```lua
--- local started = state("agent_started")
--- ```
---@param name string
---@return State
function state(name) end

--- Its methods work in handlers and `every` only; in a filter, those that change nothing.
---@class State
local State = {}

--- The value of a key, or `nil`.
---
--- ```lua
--- local since = started:get(ev.agent_id)
--- ```
---@param key string|number numbers are the same key as their text
---@return string|number|boolean|nil
function State:get(key) end

--- Sets or, with `nil`, removes a key. With `ttl` the entry is gone when the engine's clock has moved so far; without, it stays.
--- Returns whether the key is new.
---
--- Errors: a value of another type, NaN as a value, a key of over 1,024 bytes, a text of over 65,536 bytes, no room left.
---
--- ```lua
--- if active:set(ev.user_id, true, "5m") then concurrent:set(active:count()) end
--- ```
---@param key string|number
---@param value string|number|boolean|nil
---@param ttl? Duration
---@return boolean new
function State:set(key, value, ttl) end

--- Adds to a number (which is 0 where there is no entry) and returns the sum. The entry keeps its `ttl`.
---
--- Errors: the entry is no number, or the sum is none.
---
--- ```lua
--- local n = retries:incr(ev.request_id)
--- ```
---@param key string|number
---@param by? number 1
---@return number
function State:incr(key, by) end

--- The number of entries.
---
--- ```lua
--- active_agents:set(started:count())
--- ```
---@return integer
function State:count() end

--- The keys, oldest entry first, at most 10,000 of them.
---
--- ```lua
--- for _, agent_id in ipairs(started:keys()) do … end
--- ```
---@return string[]
function State:keys() end

--- Iterates over keys and values, as `keys` gives them; entries may be changed meanwhile.
---
--- ```lua
--- for agent_id, since in started:pairs() do … end
--- ```
---@return fun(): string?, string|number|boolean|nil
function State:pairs() end

--- # History
---
--- What conditions of alerts, `when = function(m) … end`, get as `m`: the metrics over time, as they were at one moment. A condition reads; what changes something (metrics,
--- `state`, `emit`) is an error in it. It runs in a Lua state of its own.

--- A read-only snapshot. The live value of a metric that scripts define is its newest sample, so that what an event has just added is there; samples from the wire are asked for in
--- the same way. A histogram goes by the names of its series: `x_count`, `x_sum`, `x_bucket` with the label `le` (`"0.5"`, `"2.0"`, `"+Inf"`), a summary by `x_count`, `x_sum`, and `x` with `quantile`.
---
--- The methods that answer for many series iterate over labels and a number, in the order of the labels; `labels` is a table of its own in each step.
--- `m` is good for the call that it was given to: using it later is an error. Keep what it answered.
---@class History
local History = {}

--- How `increase`, `rate` and `quantile` are asked.
---@class HistoryOptions
---@field by? string|string[] labels to sum by, at most 32; `{}` sums everything up; without it each series is a step of its own
---@field where? table<string, string|number|boolean> only series with these values, `""` for a label that is not there; a text that begins with `!=` is another value, with `=~` a regular expression for the whole value, with `!~` one that it must not match

--- The value of the series with exactly these labels, a live one or else the newest sample of the last five minutes; `nil` where there is none, or where the series has ended.
---
--- Errors: a name that is no string; a label's value that is no string, number or boolean; more than 32 labels.
---
--- ```lua
--- local waiting = m:value("agent_queue_length") or 0
--- local up = m:value("up", { job = "agents", instance = "10.0.0.1:9090" })
--- ```
---@param name string
---@param labels? table<string, string|number|boolean>
---@return number?
function History:value(name, labels) end

--- What was added to counters within the window that ends now. Falls are resets, after which a counter begins at 0 again.
---
--- It is what was counted, not PromQL's `increase()`: nothing is extrapolated to the ends of the window, so that amounts of money are those that were spent; it is counted from the newest
--- sample at or before the window's start, where there is one within five minutes before it, so that windows that follow each other add up to the whole; the live value is the last one; and a series with a single
--- sample has an increase, of 0. A counter that scripts define begins at 0 with its first event. Series that have ended are counted for what they had in the window; those without a value in it are left out.
---
--- Errors: a window under a second or over 366 days; an unknown option; a pattern that is none; more than 2,000,000 series, or answers that hold over 128 MiB until the call ends; a damaged block.
---
--- ```lua
--- for labels, usd in m:increase("agent_cost_usd_total", "24h", { by = "user_id" }) do
---   if usd > 50 then over[#over + 1] = { labels = labels, value = usd } end
--- end
--- ```
---@param name string
---@param window Duration
---@param options? HistoryOptions
---@return fun(): table<string, string>?, number?
function History:increase(name, window, options) end

--- The same in a second: the increase divided by the window's length.
---
--- ```lua
--- for labels, failures in m:rate("agent_errors_total", "5m", { by = "agent_id", where = { kind = "=~timeout|refused" } }) do … end
--- ```
---@param name string
---@param window Duration
---@param options? HistoryOptions
---@return fun(): table<string, string>?, number?
function History:rate(name, window, options) end

--- The quantile of what a histogram observed within the window, interpolated within its bucket as PromQL's `histogram_quantile()` does, of the increases of the buckets; NaN where nothing was observed.
--- The name is the histogram's, without `_bucket`, and the label `le` is none of those in the answer.
---
--- Errors: as for `increase`; a quantile that is no number from 0 to 1.
---
--- ```lua
--- for labels, seconds in m:quantile(0.95, "agent_tool_call_latency_seconds", "10m", { by = "tool_name" }) do … end
--- ```
---@param q number from 0 to 1
---@param name string
---@param window Duration
---@param options? HistoryOptions
---@return fun(): table<string, string>?, number?
function History:quantile(q, name, window, options) end

--- # Log
---
--- Lines of moongate's own log, with the script's path. At most 16 fields: strings, numbers, booleans. Lines of one message are sampled when there are more than
--- 100 in a second, and of one script at most 1,000 lines or 1 MiB a second are written; the log says how many were left out. While the journal is replayed nothing is logged again.

log = {}

--- ```lua
--- log.debug("cache", { size = n })
--- ```
---@param msg string
---@param fields? table<string, string|number|boolean>
function log.debug(msg, fields) end

--- ```lua
--- log.info("new model", { model = ev.model })
--- ```
---@param msg string
---@param fields? table<string, string|number|boolean>
function log.info(msg, fields) end

--- ```lua
--- log.warn("no price", { model = ev.model })
--- ```
---@param msg string
---@param fields? table<string, string|number|boolean>
function log.warn(msg, fields) end

--- ```lua
--- log.error("tokens are negative", { event = ev.id })
--- ```
---@param msg string
---@param fields? table<string, string|number|boolean>
function log.error(msg, fields) end

--- The same as `log.info` with its arguments as text, tabs between them.
---
--- ```lua
--- print("seen", ev.user_id)
--- ```
---@param ... any
function print(...) end

--- # What remains of Lua
---
--- The language is LuaJIT's: Lua 5.1 with `goto`. Of its library there are:
---
--- - `_G`: assert, error, getmetatable, ipairs, load, loadstring, next, pairs, pcall, rawequal, rawget, rawset, select, setmetatable, tonumber, tostring, type, unpack, xpcall, _G, _VERSION
--- - `string`: byte, char, find, format, gmatch, gsub, len, lower, match, rep, reverse, sub, upper
--- - `table`: concat, insert, maxn, move, remove, sort, unpack
--- - `math`: abs, acos, asin, atan, atan2, ceil, cos, cosh, deg, exp, floor, fmod, frexp, huge, ldexp, log, log10, max, min, modf, pi, pow, rad, random, randomseed, sin, sinh, sqrt, tan, tanh
--- - `bit`: arshift, band, bnot, bor, bswap, lshift, rol, ror, rshift, tobit, tohex, bxor
--- - `coroutine`: create, isyieldable, resume, running, status, wrap, yield
--- - `os`: date, difftime, time
---
--- What differs:
---
--- - `os.time()` and `os.date()` read the engine's clock, in the configured time zone; `os.date("!…")` in UTC.
--- - `math.random` is seeded anew for each frame from its number, so that a replay draws the same; `math.randomseed` is an error.
--- - `table.sort` keeps the order of equal items, whatever the comparator says.
--- - `load` and `loadstring` take text of at most 64 KiB; the chunk sees the script's globals.
--- - `xpcall` calls its handler after the stack is unwound.
--- - The order of `pairs` may differ from run to run, and so does `tostring` of a table or function: do not let results depend on them.
---
--- # Limits
---
--- A call may take `limits.call_ms` (100), loading a file `limits.load_ms` (1000), and a script's Lua state `limits.memory_mb` (32). What goes beyond is cut off, `pcall` or
--- not; what it had done stays. A script that is cut off `limits.strikes` (3) times within a minute is quarantined: it does not run again until the next
--- reload, the others do.
