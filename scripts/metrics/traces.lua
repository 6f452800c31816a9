-- The calls that spans tell of, as the events that the other scripts count: model.call, tool.call, agent.start, agent.stop, agent.error.
-- A convention of your own: normalise.use(require "lib.yours"), see plugins/normalise/README.md.
local normalise = require "normalise"

on.trace(function(trace) normalise.run(trace) end)
