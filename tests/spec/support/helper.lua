-- Runs once before the specs: whatever happens in them, no process and no directory is left behind.
local busted = require "busted"
local moongate = require "tests.spec.support.moongate"

busted.subscribe({ "suite", "end" }, function() moongate.cleanup() end)
