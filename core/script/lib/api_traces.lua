---@meta
-- The contract of operators' scripts, as in api.lua: what they see of spans and traces.

--- # Spans
---
--- A span is a step of an agent's work: a call of a model or of a tool, a request to a service. It is read as an event is: its own fields by their names, its attributes by theirs, of its
--- resource and its scope by their paths. Where a span has an attribute with the name of one of its fields, `span["attributes.name"]` is the attribute.

--- A span as the handlers of `on.span` see it, with the methods of an `Event`.
---
--- ```lua
--- local tokens = span["gen_ai.usage.input_tokens"] or 0
--- local service = span["resource.service.name"]
--- ```
---@class Span: Event
---@field name string
---@field kind "unspecified"|"internal"|"server"|"client"|"producer"|"consumer"
---@field status "unset"|"ok"|"error"
---@field status_message? string
---@field trace_id string 32 hexadecimal digits
---@field span_id string 16 hexadecimal digits
---@field parent_span_id? string a span without it is the root of its trace
---@field time number its start, seconds since 1970
---@field duration number seconds, never negative
---@field attributes? table<string, any> a copy of all of them
---@field [string] any

--- # Traces
---
--- `trace` and its spans are good for the call that they were given to; using one later is an error. They are read, not written. A span met twice in a call is the same object,
--- fit as a key of a table.

--- A whole trace, as `on.trace` gets it. Another field than these is an error.
---@class Trace
---@field trace_id string 32 hexadecimal digits
---@field root TraceSpan the span without a parent that starts first; where there is none, the first whose parent is missing
---@field start number the earliest start, seconds since 1970
---@field duration number seconds until the latest end
---@field errors integer spans with the status error
---@field span_count integer
---@field late boolean it has closed before, and spans came later
---@field expired boolean it closed by its age, not by its end
---@field cut boolean spans of it are missing: there was no room for them
---@field open boolean it has not closed yet
local Trace = {}

--- Iterates over the spans in the order of their start.
---
--- ```lua
--- for span in trace:spans() do calls:inc(span.name) end
--- ```
---@return fun(): TraceSpan?
function Trace:spans() end

--- Iterates over the spans that have all these values. A list means any of its values; `false` also matches where there is nothing. Fields and attributes are named as for `span[name]`.
---
--- Errors: more than 16 fields or 128 values; a value that is no string, number, boolean or list of them.
---
--- ```lua
--- for span in trace:find { status = "error", ["gen_ai.operation.name"] = { "chat", "execute_tool" } } do … end
--- ```
---@param values table<string, string|number|boolean|table>
---@return fun(): TraceSpan?
function Trace:find(values) end

--- Does anything in the trace have an attribute of one of these names: a span, its resource or scope, an event, a link? It costs next to nothing, whatever the number of spans:
--- ask it first where most traces are not for you.
---
--- Errors: a name that is no string.
---
--- ```lua
--- if not trace:has("db.system", "db.system.name") then return end
--- ```
---@param ... string
---@return boolean
function Trace:has(...) end

--- The attribute of the span, else of its nearest ancestor that has it, else of its resource; `nil`.
---
--- Errors: no span of this trace; no name.
---
--- ```lua
--- local user = trace:inherit(span, "user.id")
--- ```
---@param span TraceSpan
---@param name string
---@return any
function Trace:inherit(span, name) end

--- Iterates over the spans that decided when the trace ended, in the order of their start, the root first: below
--- each span the child that ended last, and before it the one that had ended when that began, and so on.
---
--- ```lua
--- for span in trace:critical_path() do blame:add(span.self_time, span.name) end
--- ```
---@return fun(): TraceSpan?
function Trace:critical_path() end

--- A span of a trace. Its attributes are read by their names, of its resource and
--- scope with `resource.` and `scope.` in front; lists and maps come as copies. Where an attribute has the name of a field or method,
--- `span:get("attributes.name")` is the attribute. JSON events that stand for spans have all their fields as attributes.
---@class TraceSpan
---@field name string
---@field kind "unspecified"|"internal"|"server"|"client"|"producer"|"consumer"
---@field status "unset"|"ok"|"error"
---@field status_message? string
---@field trace_id string
---@field span_id string
---@field parent_span_id? string
---@field time number its start, seconds since 1970
---@field duration number seconds, never negative
---@field self_time number seconds in which none of its children ran
---@field late boolean it came after its trace had closed once
---@field event boolean it was a JSON event
---@field [string] any
local TraceSpan = {}

--- The span's parent; `nil` at the top.
---
--- ```lua
--- local parent = span:parent()
--- ```
---@return TraceSpan?
function TraceSpan:parent() end

--- Iterates over the spans below it, in the order of their start.
---
--- ```lua
--- for child in span:children() do … end
--- ```
---@return fun(): TraceSpan?
function TraceSpan:children() end

--- Iterates over what was noted in it, exceptions for one: tables with `name`, `time` and `attributes`.
---
--- ```lua
--- for e in span:events() do if e.name == "exception" then errors:inc(e.attributes["exception.type"]) end end
--- ```
---@return fun(): table?
function TraceSpan:events() end

--- Iterates over the spans that it refers to: tables with `trace_id`, `span_id`, `trace_state` and `attributes`.
---
--- ```lua
--- for link in span:links() do … end
--- ```
---@return fun(): table?
function TraceSpan:links() end

--- Iterates over the names and values of its attributes.
---
--- ```lua
--- for name, value in span:attributes() do … end
--- ```
---@return fun(): string?, any
function TraceSpan:attributes() end

--- A field or attribute by its name, for names that the methods take.
---
--- ```lua
--- local events = span:get("events")
--- ```
---@param name string
---@return any
function TraceSpan:get(name) end

--- Adds an attribute to the span as it is kept for search and display, or changes it. What has been read of the trace in this call stays as it was.
---
--- Errors: in `on.trace_open`; a name of over 256 bytes; a value that is no string of at most 65,536 bytes, finite number or boolean; more than 64 on one span.
---
--- ```lua
--- span:annotate("moongate.cost_usd", usd)
--- ```
---@param name string
---@param value string|number|boolean
function TraceSpan:annotate(name, value) end
